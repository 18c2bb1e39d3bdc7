"""Signals between a station and its neighbours: heard, told on change and as a heartbeat; pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from gateway.field.tags import Tag
from gateway.field.types import Value
from gateway.net.messages import Coupling, Signals
from gateway.scenario import show

HEARTBEAT = 200_000_000
SILENCE = 1_000_000_000


class Signalling:
    """Of the station with these ``tags``, beside the ``neighbours``; ``epoch`` names its journal.

    ``listen[neighbour]`` maps our inputs to its signals, ``tell[neighbour]`` names our tags that it listens
    to. Who says nothing for a second is not heard: its signals are safe.
    """

    def __init__(
        self,
        tags: Mapping[str, Tag],
        epoch: str,
        neighbours: Collection[str],
        listen: Mapping[str, Mapping[str, str]],
        tell: Mapping[str, tuple[str, ...]],
    ) -> None:
        self.epochs: dict[str, str] = {}  # of the neighbours' journals, as they last said
        self.unfit: dict[str, int] = {}  # how often a neighbour said what one of our inputs cannot be
        self._tags, self._epoch, self._neighbours = tags, epoch, neighbours
        self._listen, self._tell = listen, tell
        self._heard: dict[str, int] = {}
        self._values: dict[str, Value] = {}
        self._unfit: dict[str, str] = {}  # what cannot be and was said last, in words
        self._told: dict[str, tuple[int, dict[str, Value]]] = {}

    @property
    def problems(self) -> tuple[str, ...]:
        """What neighbours say that our inputs cannot be."""
        return tuple(self._unfit.values())

    def hears(self, neighbour: str, now: int) -> bool:
        """Whether ``neighbour`` was heard of within the last second."""
        heard = self._heard.get(neighbour)
        return heard is not None and now - heard < SILENCE

    def values(self, now: int) -> dict[str, Value]:
        """Our inputs that neighbours drive who are heard."""
        values: dict[str, Value] = {}
        for neighbour, listened in self._listen.items():
            if self.hears(neighbour, now):
                values.update({tag: self._values[tag] for tag in listened if tag in self._values})
        return values

    def hear(self, now: int, sender: str, said: Signals) -> None:
        """An input of which nothing is said, or what it cannot be, is safe. Strangers are not listened to."""
        if sender not in self._neighbours:
            return
        self._heard[sender] = now
        self.epochs[sender] = said.epoch
        for mine, theirs in self._listen.get(sender, {}).items():
            value, tag = said.values.get(theirs), self._tags.get(mine)
            self._values.pop(mine, None)
            self._unfit.pop(mine, None)
            if tag is None or value is None:
                continue
            if tag.takes(value):
                self._values[mine] = value
            else:
                self.unfit[mine] = self.unfit.get(mine, 0) + 1
                what = f"{sender} says {show(value)[:64]} for {theirs}"
                self._unfit[mine] = f"{what}, which {mine} ({tag.type.name}) cannot be: it is safe"

    def still_there(self, now: int, sender: str, message: Coupling) -> bool:
        """Whether ``message`` says what ``sender`` said before: that it is still there, and nothing else."""
        if not isinstance(message, Signals) or not self.hears(sender, now):
            return False
        listened, values, known = self._listen.get(sender, {}), message.values, self._values
        same = all(values.get(theirs) == known.get(mine) for mine, theirs in listened.items())
        return same and message.epoch == self.epochs.get(sender)

    def tell(self, now: int, values: Mapping[str, Value] | None) -> list[tuple[str, Coupling]]:
        """What to say to whom, now that our tags have ``values``; None: nobody knows, and nothing is said of
        them."""
        messages: list[tuple[str, Coupling]] = []
        for neighbour, names in self._tell.items():
            said = {name: values[name] for name in names if name in values} if values is not None else {}
            at, told = self._told.get(neighbour, (now - HEARTBEAT, {}))
            if said != told or now - at >= HEARTBEAT:
                self._told[neighbour] = (now, said)
                messages.append((neighbour, Signals(said, self._epoch)))
        return messages

    @property
    def beats(self) -> int | None:
        """When a neighbour is to be told next that we are still there; None: there is none."""
        told = [self._told.get(neighbour, (-HEARTBEAT, {}))[0] for neighbour in self._tell]
        return min(told) + HEARTBEAT if told else None

    def due(self, now: int) -> int | None:
        """When the next neighbour is heard no more, if it says nothing until then; None: none is heard."""
        heard = [at + SILENCE for at in self._heard.values() if now - at < SILENCE]
        return min(heard, default=None)

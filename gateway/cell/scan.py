"""What goes into a cell and what comes out of it at one scan; pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import NamedTuple

from gateway.cell.facts import Fact
from gateway.cell.quality import Quality
from gateway.field.types import Value
from gateway.net.messages import Command, Coupling, Renew, ReplyBody, Signals
from gateway.net.reports import StationEvent
from gateway.twin.discrepancy import Discrepancy


class Change(NamedTuple):
    """A journal entry to write, or to delete (``data`` None)."""

    table: str
    key: str
    data: bytes | None


class Asked(NamedTuple):
    """A command with who asked, the number of the request, and the roles that whoever asked has."""

    operator: str
    request: int
    command: Command
    roles: frozenset[str] = frozenset()


class Inputs(NamedTuple):
    """What the agent saw since the last step. ``image`` are the outputs that changed, ``link`` is whether
    every device is connected, ``late`` is how late this scan is (ns; 0 within a scan), ``persisted`` the last
    journal ticket on the disk, ``refused`` what the devices refuse at present, by tag, ``lost`` the devices
    that are not connected and why (left out without ``link``: all of them), ``uncertain`` the tags whose
    value a device itself doubts, ``idle`` how many scans before this one were left out: see ``Cell.due``.
    ``machine`` is what changed of what the real machine's sensors show, by input: in shadow and RIL all, else
    those that may not be written. ``held`` is what devices hold at forced inputs (``ReadBack.asked``), as
    their drivers say it, where they were asked."""

    image: Mapping[str, Value] = {}
    link: bool = True
    late: int = 0
    utc: int = 0
    persisted: int = 0
    asked: tuple[Asked, ...] = ()
    coupled: tuple[tuple[str, Coupling], ...] = ()
    refused: Mapping[str, str] = {}
    lost: Mapping[str, str] = {}
    uncertain: Collection[str] = ()
    idle: int = 0
    machine: Mapping[str, Value] = {}
    held: Mapping[str, Value] = {}

    @property
    def calm(self) -> bool:
        """Whether nothing is lost, late, doubted or refused, and nothing asked but to keep the lease."""
        doubted = self.lost or self.refused or self.uncertain
        renewed = all(isinstance(each.command, Renew) for each in self.asked)
        return self.link and renewed and not (self.late or doubted)

    @property
    def quiet(self) -> bool:
        """Whether nothing was read, nothing was late, and nobody asked for more than to keep the lease."""
        read = self.image or self.machine
        return not (read or self.late) and all(isinstance(each.command, Renew) for each in self.asked)


class Outputs:
    """What the agent is to do: journal first (then report ``ticket`` as persisted), then the rest.

    ``writes`` are for the controller's inputs, ``actuate`` for the real plant's actuators, by output (RIL).
    ``differs`` are the discrepancies of twin and machine that have begun or ended, times in UTC.
    """

    __slots__ = (
        "actuate",
        "changed",
        "couple",
        "differs",
        "events",
        "facts",
        "journal",
        "quality",
        "replies",
        "ticket",
        "writes",
    )

    def __init__(self) -> None:
        self.journal: list[Change] = []
        self.ticket = 0
        self.writes: dict[str, Value] = {}
        self.actuate: dict[str, Value] = {}
        self.changed: dict[str, Value] = {}
        self.quality: dict[str, Quality] = {}
        self.replies: list[tuple[str, int, ReplyBody]] = []
        self.differs: list[Discrepancy] = []
        self.couple: list[tuple[str, Coupling]] = []
        self.events: list[StationEvent] = []
        self.facts: list[Fact] = []

    @property
    def calm(self) -> bool:
        """Whether it has nothing but values, and that the gateway is still there."""
        said = self.journal or self.quality or self.events or self.replies
        return not said and all(isinstance(each, Signals) for _, each in self.couple)

    @property
    def quiet(self) -> bool:
        """Whether it says nothing but that the gateway is still there."""
        said = self.journal or self.writes or self.actuate or self.changed or self.quality or self.events
        answered = any(request for _, request, _ in self.replies)
        return not said and not answered and all(isinstance(each, Signals) for _, each in self.couple)


class Telling:
    """What a step has to tell, as it gathers: ``out``, and the journal's last ticket."""

    def __init__(self) -> None:
        self.out = Outputs()
        self.ticket = 0

    def journal(self, table: str, key: str, data: bytes | None) -> None:
        """Write an entry, or delete it; all of one scan have one ticket."""
        if not self.out.journal:
            self.ticket += 1
        self.out.journal.append(Change(table, key, data))

    def event(self, kind: str, text: str) -> None:
        """Something worth keeping happened."""
        self.out.events.append(StationEvent(kind, text))

    def fact(self, fact: Fact) -> None:
        """Something happened that the line's chain is to record."""
        self.out.facts.append(fact)

    def reply(self, operator: str, request: int, body: ReplyBody) -> None:
        """Answer ``operator``."""
        self.out.replies.append((operator, request, body))

    @property
    def anything(self) -> bool:
        """Whether something is to be told that came about between two steps."""
        return bool(self.out.journal or self.out.events or self.out.facts)

    def collect(self) -> Outputs:
        """All of this scan; the next one begins anew."""
        out, self.out = self.out, Outputs()
        out.ticket = self.ticket
        return out

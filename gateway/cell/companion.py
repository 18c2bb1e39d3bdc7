"""The virtual controller beside the real one, run scan by scan on what that reads; pure.

While nobody drives the real one's inputs, or it is not there, nothing is known of what it reads: then nothing
is compared, and what lasted ends. Its partings are told as discrepancies: the virtual value as the twin's,
the real one as the machine's, and as the suspect the statement that wrote the virtual output last.
"""

from __future__ import annotations

from collections.abc import Mapping

from gateway.controller.beside import Beside, Parting
from gateway.field.types import Value
from gateway.net.messages import IN_STEP, MAX_DIFFERS
from gateway.twin.discrepancy import Discrepancy
from gateway.units import format_duration

SHOWN = 5  # inputs in words


class Companion:
    """``told`` are the partings that began or ended at the last look; times are ns of the monotonic clock."""

    def __init__(self, beside: Beside) -> None:
        self._beside = beside
        self._given: dict[str, Value] = {}
        self._known = False  # what the real one reads
        self.told: list[Discrepancy] = []

    def gave(self, inputs: Mapping[str, Value]) -> None:
        """The real controller has got ``inputs``."""
        self._given.update(inputs)

    def look(self, now: int, known: bool, outputs: Mapping[str, Value]) -> None:
        """One scan; ``outputs`` are the real ones that changed. ``known``: it is there, and what it reads is
        what it was given."""
        told: list[Parting] = []
        if self._known and not known:
            told = self._beside.lost(now)
        self._known = known
        given, self._given = self._given, {}
        self._beside.scan(now, given)
        told += self._beside.look(now, outputs)
        self.told = [_told(each) for each in told]

    @property
    def stands(self) -> str:
        """``in step``, or why the two are not compared."""
        if self._beside.in_step:
            return IN_STEP
        if not self._known:
            return "nobody knows what the real controller reads"
        if unknown := self._beside.unknown:
            more = f" and {len(unknown) - SHOWN} more" if len(unknown) > SHOWN else ""
            return f"it is not known what the real controller reads at {', '.join(unknown[:SHOWN])}{more}"
        return "they have neither agreed nor rested for a second"

    def lasting(self) -> list[Discrepancy]:
        """What lasts, the oldest first; at most ``MAX_DIFFERS``."""
        return [_told(each) for each in self._beside.present[:MAX_DIFFERS]]


def _told(parting: Parting) -> Discrepancy:
    suspect = parting.statement + (f", after {parting.after}" if parting.after else "")
    doubt = ""
    if parting.late:
        unseen = format_duration(parting.late)
        doubt = f"the gateway was late: for {unseen} it did not see what the real one read"
    return Discrepancy(parting.tag, parting.begin, parting.end, parting.virtual, parting.real, suspect, doubt)

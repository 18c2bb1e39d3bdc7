"""Whether a real machine does what its twin does: compared at each scan, told when they part and meet; pure.

Both have to be there, and have had some time to come to the same state: a twin that begins in the middle of
the machine's cycle knows nothing of what came before.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import msgspec

from gateway.field.types import Value
from gateway.net.messages import MAX_DIFFERS
from gateway.station import Station
from gateway.twin.discrepancy import Comparison, Discrepancy

SETTLING = 2_000_000_000  # ns, from when both are there
PATIENCE = 2_000_000_000  # ns; for so long what was late may still show
MAX_KEPT = 1_000  # of a script; more would say no more


class Agreement:
    """Of ``station``, but for the inputs ``apart``, which nobody expects to agree.

    ``told`` are the discrepancies that have begun or ended at this look, ``lasting`` those that last; times
    are ns of the monotonic clock.
    """

    def __init__(self, station: Station, apart: Collection[str] = ()) -> None:
        # What lasts no longer than two scans may have come and gone between two of them.
        self._comparison = Comparison(station.twin, station.tags, shortest=2 * station.scan)
        self._apart = frozenset(apart)
        self._since: int | None = None  # when both sides were there
        self._slack, self._until = 0, 0  # how late a scan was lately, and until when that counts
        self.told: list[Discrepancy] = []

    def look(
        self,
        now: int,
        there: bool,
        twin: Mapping[str, Value],
        machine: Mapping[str, Value],
        late: int = 0,
    ) -> None:
        """What both show at ``now``; ``there`` is whether machine and controller are, ``late`` how late the
        scan is (ns). What lasted ends when one of them is lost: nobody sees any more whether it still does.
        """
        self.told = []
        if now >= self._until:
            self._slack = 0
        if late > self._slack:
            self._slack, self._until = late, now + PATIENCE
        if not there:
            if self._since is not None:
                self.told = [msgspec.structs.replace(each, end=now) for each in self._comparison.present()]
                self._comparison.forget()
            self._since = None
            return
        if self._since is None:
            self._since = now
        if now - self._since >= SETTLING:
            shown = {tag: value for tag, value in machine.items() if tag not in self._apart}
            self.told = self._comparison.look(now, twin, shown, self._slack)

    def lasting(self) -> list[Discrepancy]:
        """What lasts, the oldest first; at most ``MAX_DIFFERS``."""
        return sorted(self._comparison.present(), key=lambda each: (each.begin, each.tag))[:MAX_DIFFERS]


class Noted:
    """The discrepancies of a script that began at ``start``, as its trace has them."""

    def __init__(self, start: int, lasting: Collection[Discrepancy]) -> None:
        self._start = start
        self._found = {(each.tag, each.begin): each for each in lasting}

    def note(self, told: Collection[Discrepancy]) -> None:
        """These have begun or ended."""
        for each in told:
            if len(self._found) < MAX_KEPT or (each.tag, each.begin) in self._found:
                self._found[each.tag, each.begin] = each

    def all(self) -> tuple[Discrepancy, ...]:
        """All of them, in order, from the script's start."""
        found = (shifted(each, -self._start) for each in self._found.values())
        return tuple(sorted(found, key=lambda each: (each.begin, each.tag)))


def shifted(found: Discrepancy, by: int) -> Discrepancy:
    """The same, told on another clock."""
    end = None if found.end is None else found.end + by
    return msgspec.structs.replace(found, begin=found.begin + by, end=end)

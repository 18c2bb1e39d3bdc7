"""Where twin and machine, or virtual and real controller, part: looked for at every scan; pure."""

from __future__ import annotations

from collections.abc import Callable, Collection

from gateway.cell.agreement import Agreement, shifted
from gateway.cell.companion import Companion
from gateway.cell.machine import Machine
from gateway.cell.scan import Inputs
from gateway.net.messages import MAX_DIFFERS
from gateway.twin.discrepancy import Discrepancy
from gateway.twin.twin import Twin


class Differences:
    """Of a ``machine`` and its ``twin``, where there is one (``agreement``), and of the controllers, where a
    virtual one runs beside the real (``companion``).

    ``tell`` gets those that have begun or ended, on the monotonic clock, and how much UTC is ahead of that.
    """

    def __init__(
        self,
        twin: Twin,
        machine: Machine | None,
        agreement: Agreement | None,
        companion: Companion | None,
        tell: Callable[[Collection[Discrepancy], int], None],
    ) -> None:
        self._twin, self._machine = twin, machine
        self._agreement, self._companion = agreement, companion
        self._tell = tell
        self._utc: int | None = None  # when the monotonic clock was 0

    def accompany(self, now: int, seen: Inputs, shadow: bool, driven: bool) -> None:
        """Run the virtual controller on what the real one has read: what it was given where it is
        ``driven``, and what it is seen to read: all in ``shadow``."""
        if self._utc is None:
            self._utc = seen.utc - now
        if self._companion is None:
            return
        self._companion.gave(seen.machine)
        known = seen.link and not seen.lost and (shadow or driven)
        self._companion.look(now, known, seen.image)
        self._told(self._companion.told)

    def compare(self, now: int, there: bool, late: int) -> None:
        """Hold the machine against its twin; ``there`` is whether all devices are, ``late`` the scan's."""
        if self._machine is not None and self._agreement is not None:
            model = self._machine.model(self._twin)
            self._agreement.look(now, there, model, self._machine.values, late)
            self._told(self._agreement.told)

    def _told(self, found: Collection[Discrepancy]) -> None:
        assert self._utc is not None, "a step says what time it is"
        self._tell(found, self._utc)

    def present(self) -> list[Discrepancy]:
        """Those that last, on the monotonic clock."""
        sides = (self._agreement, self._companion)
        return [found for side in sides if side is not None for found in side.lasting()]

    def lasting(self) -> tuple[Discrepancy, ...]:
        """Those that last, in UTC; at most ``MAX_DIFFERS``."""
        utc = self._utc
        return () if utc is None else tuple(shifted(each, utc) for each in self.present()[:MAX_DIFFERS])

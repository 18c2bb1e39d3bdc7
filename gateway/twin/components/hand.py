"""What a gripper and a robot share: the workpiece in the hand, which nobody else puts in or takes; pure."""

from __future__ import annotations

from gateway.twin.carrier import Carrier
from gateway.twin.workpiece import Workpiece


class Hand(Carrier):
    """A carrier of at most one workpiece, ``item``, that it takes and puts down by itself."""

    item: Workpiece | None

    def admits(self, workpiece: Workpiece, at: float = 0.0) -> bool:
        return False

    def take_off(self, workpiece: str) -> Workpiece:
        taken, self.item = self.item, None
        assert taken is not None, f"{self.name} has nothing"
        assert taken.id == workpiece, f"{self.name} has {taken.id}, not {workpiece}"
        return taken

    def waiting(self) -> Workpiece | None:
        return None

    def contents(self) -> tuple[Workpiece, ...]:
        return () if self.item is None else (self.item,)

    def covering(self, at: float) -> Workpiece | None:
        return self.item

    def replace(self, workpiece: Workpiece) -> None:
        if self.item is not None and self.item.id == workpiece.id:
            self.item = workpiece

"""A node's own transactions by number: made, on disk, offered to the chain, decided; pure.

A chain takes a node's numbers without a gap, so they are offered in order, and no more at once than others
keep for one node; the rest stays on disk. Where a number turns out to be taken by another transaction (the
disk may be an old copy of itself), what was accepted under it gets a new one.
"""

from __future__ import annotations

from ledger.mempool import WAITING
from ledger.types import Tx


class Numbers:
    """``made`` is the last number on disk, ``taken`` the last that the chain has."""

    def __init__(self, made: int, taken: int) -> None:
        self.made = max(made, taken)
        self.on_disk, self.offered = self.made, taken
        self.told = taken  # the last that is decided, and on our disk so
        self.open: dict[int, Tx] = {}  # offered, and not decided
        self._unoffered: dict[int, Tx] = {}  # decided, and on our disk under its number, but not offered yet
        self._moved: dict[int, int] = {}  # of those whose number was taken: their new one

    def now(self, number: int) -> int:
        """What ``number`` has become."""
        while number in self._moved:
            number = self._moved[number]
        return number

    def move(self, number: int, new: int) -> None:
        """What was accepted under ``number`` has a ``new`` one."""
        self._moved[number] = new

    def room(self, taken: int) -> int:
        """How many of those on disk may be offered, after what the chain has ``taken``."""
        return max(0, taken + WAITING - self.offered) if self.offered < self.on_disk else 0

    def accept(self, tx: Tx, taken: int) -> tuple[bool, bool]:
        """``tx`` is on disk: whether it is to be offered now, and whether it needs another number."""
        self.on_disk = max(self.on_disk, tx.seq)
        late = tx.seq <= self.told
        return not late and tx.seq == self.offered + 1 <= taken + WAITING, late

    def offer(self, tx: Tx) -> tuple[bool, bool]:
        """It is the turn of ``tx``: whether it goes to the chain, and whether it needs another number, since
        something else was decided under its own."""
        self.offered = tx.seq
        if tx.seq <= self.told:
            return False, self._unoffered.pop(tx.seq, None) != tx
        self.open[tx.seq] = tx
        return True, False

    def decide(self, tx: Tx) -> Tx | None:
        """``tx`` of ours is decided, which we may not know; what we offered under the same number, if that is
        another one, and so needs another number."""
        self.told = tx.seq
        ours = self.open.pop(tx.seq, None)
        if self.offered < tx.seq <= self.on_disk:
            self._unoffered[tx.seq] = tx
        if tx.seq > self.made:
            self.made = tx.seq
            if self.offered == self.on_disk:
                self.offered = self.on_disk = tx.seq
        return ours if ours != tx else None

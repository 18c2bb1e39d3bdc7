"""Transactions that wait for a block: per node in the order of its numbers, within bounds; pure."""

from __future__ import annotations

from collections.abc import Mapping

from ledger.codec import encode
from ledger.types import MAX_BODY, MAX_TXS, Tx

WAITING = 256  # of one node


class Mempool:
    """What may go into the next blocks. Signatures are checked before a transaction comes here."""

    def __init__(self, limit: int = WAITING) -> None:
        self._limit = limit
        self._waiting: dict[str, dict[int, Tx]] = {}

    def add(self, tx: Tx, taken: int) -> bool:
        """Keep ``tx`` of a node whose last taken number is ``taken``; whether there was room and need."""
        waiting = self._waiting.setdefault(tx.node, {})
        if not taken < tx.seq <= taken + self._limit or tx.seq in waiting:
            return False
        waiting[tx.seq] = tx
        return True

    def ready(self, taken: Mapping[str, int]) -> tuple[Tx, ...]:
        """What fits into a block now: no gap in any node's numbers, the nodes in turn: none is shut out."""
        found: list[Tx] = []
        size = 0
        following = {node: taken.get(node, 0) + 1 for node in sorted(self._waiting)}
        while following:
            for node in list(following):
                tx = self._waiting[node].get(following[node])
                if tx is None:
                    del following[node]
                    continue
                size += len(encode(tx))
                if len(found) == MAX_TXS or size > MAX_BODY:
                    return tuple(found)
                found.append(tx)
                following[node] += 1
        return tuple(found)

    def has_ready(self, taken: Mapping[str, int]) -> bool:
        """Whether any transaction could go into a block."""
        return any(taken.get(node, 0) + 1 in waiting for node, waiting in self._waiting.items())

    def forget(self, taken: Mapping[str, int]) -> None:
        """Drop what is in a block by now."""
        for node, waiting in list(self._waiting.items()):
            for seq in [seq for seq in waiting if seq <= taken.get(node, 0)]:
                del waiting[seq]
            if not waiting:
                del self._waiting[node]

    def __len__(self) -> int:
        return sum(len(waiting) for waiting in self._waiting.values())

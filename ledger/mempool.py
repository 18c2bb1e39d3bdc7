"""Transactions that wait for a block: per node in the order of its numbers, within bounds; pure."""

from __future__ import annotations

from collections.abc import Container, Mapping

from ledger.codec import encode
from ledger.types import MAX_BODY, MAX_TXS, Tx

WAITING = 256  # of one node, and
BYTES = MAX_BODY  # how many


class Mempool:
    """What may go into the next blocks. Signatures are checked before a transaction comes here."""

    def __init__(self, limit: int = WAITING) -> None:
        self._limit = limit
        self._waiting: dict[str, dict[int, tuple[Tx, int]]] = {}  # by node and number, with its size
        self._bytes: dict[str, int] = {}

    def wants(self, tx: Tx, taken: int) -> bool:
        """Whether ``tx`` of a node whose last taken number is ``taken`` is new and near enough."""
        return taken < tx.seq <= taken + self._limit and tx.seq not in self._waiting.get(tx.node, {})

    def add(self, tx: Tx, taken: int) -> bool:
        """Keep ``tx``, in place of later ones of its node if need be; whether there was room and need."""
        if not self.wants(tx, taken):
            return False
        waiting, size = self._waiting.get(tx.node, {}), len(encode(tx))
        later = sorted((seq for seq in waiting if seq > tx.seq), reverse=True)
        room = BYTES - self._bytes.get(tx.node, 0)
        if room + sum(waiting[seq][1] for seq in later) < size:
            return False
        while self._bytes.get(tx.node, 0) + size > BYTES:
            self._drop(tx.node, later.pop(0))
        self._waiting.setdefault(tx.node, {})[tx.seq] = tx, size
        self._bytes[tx.node] = self._bytes.get(tx.node, 0) + size
        return True

    def ready(self, taken: Mapping[str, int], only: str | None = None) -> tuple[Tx, ...]:
        """What fits into a block now: no gap in any node's numbers, the nodes in turn: none is shut out.
        ``only``: of that node alone."""
        found: list[Tx] = []
        total = 0
        following = {node: taken.get(node, 0) + 1 for node in sorted(self._waiting) if only in (None, node)}
        while following:
            for node in list(following):
                tx, size = self._waiting[node].get(following[node], (None, 0))
                if tx is None:
                    del following[node]
                    continue
                total += size
                if len(found) == MAX_TXS or total > MAX_BODY:
                    return tuple(found)
                found.append(tx)
                following[node] += 1
        return tuple(found)

    def has_ready(self, taken: Mapping[str, int]) -> bool:
        """Whether any transaction could go into a block."""
        return any(taken.get(node, 0) + 1 in waiting for node, waiting in self._waiting.items())

    def forget(self, taken: Mapping[str, int], parties: Container[str]) -> None:
        """Drop what is in a block by now, and all of who is not one of ``parties`` any more: no block may
        have it."""
        for node, waiting in list(self._waiting.items()):
            for seq in list(waiting):
                if seq <= taken.get(node, 0) or node not in parties:
                    self._drop(node, seq)

    def _drop(self, node: str, seq: int) -> None:
        waiting = self._waiting[node]
        self._bytes[node] -= waiting.pop(seq)[1]
        if not waiting:
            del self._waiting[node], self._bytes[node]

    def __len__(self) -> int:
        return sum(len(waiting) for waiting in self._waiting.values())

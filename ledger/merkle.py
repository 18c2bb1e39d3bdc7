"""A Merkle root over a block's transactions, and the proof that one of them is in it; pure.

As RFC 6962 has it: leaves and inner nodes are hashed with different prefixes, and a lone right branch is
never doubled, so that no other list of leaves has the same root.
"""

from __future__ import annotations

from collections.abc import Sequence

from ledger.codec import digest

LEAF, INNER = b"\x00", b"\x01"
EMPTY = digest(b"")
MAX_DEPTH = 32


def root(leaves: Sequence[bytes]) -> bytes:
    """The root (32 bytes) over ``leaves`` in their order; that of none is the hash of nothing."""
    level = [digest(LEAF, leaf) for leaf in leaves]
    while len(level) > 1:
        level = _above(level)
    return level[0] if level else EMPTY


def proof(leaves: Sequence[bytes], index: int) -> tuple[bytes, ...]:
    """The sibling hashes from leaf ``index`` up to the root; IndexError if there is no such leaf."""
    if not 0 <= index < len(leaves):
        raise IndexError(f"leaf {index} of {len(leaves)}")
    path: list[bytes] = []
    level = [digest(LEAF, leaf) for leaf in leaves]
    while len(level) > 1:
        sibling = index ^ 1
        if sibling < len(level):
            path.append(level[sibling])
        level, index = _above(level), index // 2
    return tuple(path)


def proves(leaf: bytes, index: int, count: int, path: Sequence[bytes], wanted: bytes) -> bool:
    """Whether ``path`` shows that ``leaf`` is number ``index`` of ``count`` under the root ``wanted``."""
    if not 0 <= index < count or len(path) > MAX_DEPTH:
        return False
    here, rest = digest(LEAF, leaf), list(path)
    while count > 1:
        if index ^ 1 < count:
            if not rest:
                return False
            sibling = rest.pop(0)
            here = digest(INNER, sibling, here) if index & 1 else digest(INNER, here, sibling)
        index, count = index // 2, (count + 1) // 2
    return not rest and here == wanted


def _above(level: list[bytes]) -> list[bytes]:
    pairs = [digest(INNER, level[i], level[i + 1]) for i in range(0, len(level) - 1, 2)]
    return pairs + level[len(level) // 2 * 2 :]

"""Proof of manufacturing: each member's share, and the order in which they may propose a block; pure.

Liu 2023, section 5.1. Formula (2): Pom_i = M_i / sum of all M. Formula (3): a node may make the block if
SHA256(block, Node_i, nonce) <= f(Pom_i). Both hold literally in every block. Used alone as a lottery the rule
forks; here it gives the order of proposers on top of two rounds of voting, and departs in three points:

- the hash is of the last *finalised* block, and everybody tries the nonces in order, so there is nothing
  to grind at;
- f has a floor, so that a member without work still proposes now and then: f(Pom_i) is linear from alpha/N to
  1 (times 2^256) and sums up to about 2^256;
- who proposed one of the last blocks, or was passed over in one, comes after all others (``late``).

All of it is in integers, so that every node computes the same.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import NamedTuple

from ledger.codec import digest, encode

SPACE = 1 << 256
NONCES = 1 << 16
ALPHA = (1, 4)  # the share of f that is dealt out evenly
_WEIGHT = 1 << 64


class Place(NamedTuple):
    """``node`` may propose, by ``nonce``."""

    node: str
    nonce: int


def share(node: str, workloads: Mapping[str, int]) -> tuple[int, int]:
    """Formula (2) as a fraction: M of ``node`` over the sum of all (1 over their count where all are 0)."""
    total = sum(workloads.values())
    return (workloads[node], total) if total else (1, len(workloads))


def thresholds(workloads: Mapping[str, int], alpha: tuple[int, int] = ALPHA) -> dict[str, int]:
    """f(Pom_i) of every member, 0 to 2^256: the right side of formula (3)."""
    numerator, denominator = alpha
    total, count = sum(workloads.values()), len(workloads)
    if total == 0:
        return dict.fromkeys(workloads, SPACE // count)
    return {
        node: (numerator * total + (denominator - numerator) * count * m)
        * SPACE
        // (denominator * count * total)
        for node, m in workloads.items()
    }


def ticket(seed: bytes, node: str, nonce: int) -> int:
    """SHA-256 over the finalised head, the node and the nonce: the left side of formula (3)."""
    return int.from_bytes(digest(seed, encode((node, nonce))))


def meets(seed: bytes, place: Place, limits: Mapping[str, int]) -> bool:
    """Whether formula (3) holds for ``place``, and by the first nonce of its node for which it does: were a
    later one good too, a proposer could choose among blocks."""
    limit = limits.get(place.node)
    if limit is None or ticket(seed, place.node, place.nonce) > limit:
        return False
    return all(ticket(seed, place.node, nonce) > limit for nonce in range(place.nonce))


def order(seed: bytes, limits: Mapping[str, int], late: Collection[str] = ()) -> Iterator[Place]:
    """The members in the order in which they may propose, each once with a nonce that meets formula (3).

    Nonces are tried in turn; where several win by the same one, the lower ticket in proportion to its limit
    goes first. Those in ``late`` come last. Lazy: most rounds need the first place alone.
    """
    unplaced, waiting = sorted(limits), list[Place]()
    fresh = sum(node not in late for node in unplaced)
    for nonce in range(NONCES):
        won: list[tuple[int, str]] = []
        for node in unplaced:
            drawn = ticket(seed, node, nonce)
            if drawn <= limits[node]:
                won.append((drawn * _WEIGHT // limits[node], node))
        for _, node in sorted(won):
            unplaced.remove(node)
            if node in late:
                waiting.append(Place(node, nonce))
            else:
                fresh -= 1
                yield Place(node, nonce)
        if fresh == 0:
            yield from waiting
            waiting.clear()
        if not unplaced:
            return
    raise AssertionError(f"no nonce for {unplaced}: less likely than a collision of SHA-256")

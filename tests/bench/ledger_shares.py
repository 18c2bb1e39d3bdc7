"""Who makes how many blocks, beside the share that the rule gives; and what grinding gains.

``python ledger_shares.py [BLOCKS]`` draws with the real proof of manufacturing, without a network, and prints
two tables. *Expected*: the order of proposers draws without looking back, and who made one of the last f
blocks comes last; so who makes a block is a Markov chain over the last f proposers, and its stationary
distribution gives each member's share. What was drawn is compared with it by Pearson's chi-squared test, over
every (8 f + 8)-th block: the blocks of a chain are not independent, those so far apart nearly are.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache

from ledger import pom
from ledger.codec import digest
from ledger.pom import SPACE
from ledger.votes import faults

BLOCKS = 100_000
GROUND = 3_000  # blocks of a chain with a member that grinds
SIGNIFICANT = 0.01
TRIES = 256  # bodies that it makes of each of its blocks
WALK = 80  # steps after which where it began is forgotten
PANELS = 128  # of Simpson's rule
# Minutes of each member, by what the mix is to show.
MIXES: dict[str, tuple[int, ...]] = {
    "4, equal": (100,) * 4,
    "4, one has 70 %": (700, 100, 100, 100),
    "4, one is new": (100, 100, 100, 0),
    "7, from 1 to 7": tuple(range(100, 800, 100)),
    "18, equal": (100,) * 18,
    "18, three have 54 %": (600,) * 3 + (100,) * 15,
}
Choose = Callable[[str, bytes, set[str]], bytes]


def workloads(mix: Sequence[int]) -> dict[str, int]:
    """Minutes by member."""
    return {f"n{number:02}": minutes for number, minutes in enumerate(mix)}


def drawn(limits: Mapping[str, int], blocks: int, wait: int, choose: Choose | None = None) -> list[str]:
    """Who makes each of ``blocks`` blocks where nobody is missing and the last ``wait`` proposers come last.
    ``choose`` picks the seed that a block leaves, of its proposer and who then comes last."""
    seed, recent, made = digest(b"genesis"), deque[str](maxlen=wait), list[str]()
    for number in range(blocks):
        place = next(pom.order(seed, limits, set(recent)))
        recent.append(place.node)
        made.append(place.node)
        seed = digest(seed, number.to_bytes(8))
        if choose is not None:
            seed = choose(place.node, seed, set(recent))
    return made


@lru_cache(maxsize=100_000)
def chance(limit: int, others: tuple[int, ...]) -> float:
    """That of members with these thresholds the one with ``limit`` comes first. By each nonce a member wins
    with p = limit / 2^256; of several winners each is first as likely as any other, because a ticket in
    proportion to its limit is uniform. So by one nonce it is p E[1 / (1 + other winners)], the integral of
    p prod(1 - q + q x) for x from 0 to 1, and in all that over the chance that anybody wins."""
    odds = [other / SPACE for other in others]

    def at(step: int) -> float:
        return math.prod(1 - q + q * step / PANELS for q in odds)

    odd, even = (sum(at(step) for step in range(start, PANELS, 2)) for start in (1, 2))
    mine = limit / SPACE
    anybody = 1 - (1 - mine) * math.prod(1 - q for q in odds)
    return mine * (at(0) + 4 * odd + 2 * even + at(PANELS)) / (3 * PANELS) / anybody


def expected(limits: Mapping[str, int], wait: int) -> dict[str, float]:
    """Each member's share of blocks. Members with the same threshold cannot be told apart, so a state is the
    thresholds of the last ``wait`` proposers."""
    kinds = Counter(limits.values())
    states: dict[tuple[int, ...], float] = {(): 1.0}
    shares: Counter[int] = Counter()
    for _ in range(WALK):
        following: Counter[tuple[int, ...]] = Counter()
        shares = Counter()
        for recent, weight in states.items():
            able = kinds - Counter(recent)
            for limit, count in able.items():
                others = tuple(sorted((able - Counter([limit])).elements()))
                share = weight * count * chance(limit, others)
                shares[limit] += share
                following[(*recent, limit)[-wait:] if wait else ()] += share
        states = following
    return {node: shares[limit] / kinds[limit] for node, limit in limits.items()}


def chi_squared(seen: Mapping[str, int], shares: Mapping[str, float]) -> tuple[float, int, float]:
    """The statistic, its degrees of freedom, and how likely one as large is if ``shares`` are right."""
    total = sum(seen.values())
    value = sum((seen.get(node, 0) - total * share) ** 2 / (total * share) for node, share in shares.items())
    return value, len(shares) - 1, survival(value, len(shares) - 1)


def survival(value: float, freedom: int) -> float:
    """The upper tail of the chi-squared distribution, by its finite series."""
    half = value / 2
    if freedom % 2 == 0:
        return math.exp(-half) * sum(half**i / math.factorial(i) for i in range(freedom // 2))
    series = sum(half ** (i - 0.5) / math.gamma(i + 0.5) for i in range(1, (freedom - 1) // 2 + 1))
    return math.erfc(math.sqrt(half)) + math.exp(-half) * series


def grinder(limits: Mapping[str, int], me: str, wait: int) -> Choose:
    """``me`` tries TRIES bodies and keeps the one after which it makes the next block, or if it must wait,
    the one after which whoever makes the next leaves it the best chance."""

    @lru_cache(maxsize=10_000)
    def hope(late: frozenset[str]) -> float:
        others = tuple(sorted(limit for node, limit in limits.items() if node not in late | {me}))
        return 0.0 if me in late else chance(limits[me], others)

    def choose(proposer: str, seed: bytes, late: set[str]) -> bytes:
        if proposer != me:
            return seed

        def worth(tried: bytes) -> float:
            following = next(pom.order(tried, limits, late)).node
            return 2.0 if following == me else hope(frozenset({following, *([me] if wait > 1 else [])}))

        return max((digest(seed, number.to_bytes(4)) for number in range(TRIES)), key=worth)

    return choose


def shares_table(blocks: int) -> tuple[list[str], bool]:
    """Drawn beside expected, and whether no mix departs from it significantly."""
    found = [
        "| members, f | share M | expected | drawn | chi-squared (degrees) | chance of a larger one |",
        "|---|---|---|---|---:|---:|",
    ]
    fits = True
    for name, mix in MIXES.items():
        minutes, wait = workloads(mix), faults(len(mix))
        limits = pom.thresholds(minutes)
        shares = expected(limits, wait)
        made = drawn(limits, blocks, wait)
        counts, apart = Counter(made), Counter(made[:: 8 * wait + 8])
        value, freedom, tail = chi_squared(apart, shares)
        fits = fits and tail >= SIGNIFICANT / len(MIXES)  # Bonferroni: as many tests as mixes
        told = [next(node for node in minutes if minutes[node] == one) for one in sorted(set(mix))]
        cells = (
            f"{name}, f = {wait}",
            ", ".join(f"{minutes[node] / sum(mix):.3f}" for node in told),
            ", ".join(f"{shares[node]:.4f}" for node in told),
            ", ".join(f"{counts[node] / blocks:.4f}" for node in told),
            f"{value:.1f} ({freedom})",
            f"{tail:.2f}",
        )
        found.append(f"| {' | '.join(cells)} |")
    return found, fits


def grinding_table(blocks: int) -> list[str]:
    """What one member gains that tries many bodies, with the wait and without."""
    found = [
        "| members | grinder's share M | fair, with the wait | grinding | fair, without it | grinding |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for name in ("4, equal", "4, one has 70 %", "18, equal"):
        minutes = workloads(MIXES[name])
        limits, me = pom.thresholds(minutes), f"n{len(minutes) - 1:02}"
        cells = [f"{minutes[me] / sum(minutes.values()):.3f}"]
        for wait in (faults(len(minutes)), 0):
            made = drawn(limits, blocks, wait, grinder(limits, me, wait))
            cells += [f"{expected(limits, wait)[me]:.3f}", f"{made.count(me) / blocks:.3f}"]
        found.append(f"| {' | '.join([name, *cells])} |")
    return found


def main() -> int:
    """Print both tables; 1 where what was drawn departs from what is expected."""
    parser = argparse.ArgumentParser(description="Shares of blocks, and what grinding gains.")
    parser.add_argument("blocks", type=int, nargs="?", default=BLOCKS, help="of each chain")
    options = parser.parse_args()
    shares, fits = shares_table(options.blocks)
    print("\n".join([*shares, "", *grinding_table(min(options.blocks, GROUND))]))
    return 0 if fits else 1


if __name__ == "__main__":
    sys.exit(main())

"""How far a stretch of addresses reaches, found by doubling steps and then halving; pure."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

Answers = Callable[[int], Awaitable[bool]]


async def extent(answers: Answers, inside: int, lowest: int, highest: int) -> tuple[int, int]:
    """First and last address of the stretch round ``inside``, which answers, within the given bounds.

    At most 2·log2(highest - lowest) + 2 questions to each side. What lies between two addresses that
    answer is taken to answer, too: a hole smaller than the step goes unseen.
    """
    return await _edge(answers, inside, lowest), await _edge(answers, inside, highest)


async def largest(accepts: Answers, most: int) -> int:
    """The largest count from 1, which is accepted, to ``most`` that is."""
    return most if most <= 1 or await accepts(most) else await _halve(accepts, 1, most)


async def _edge(answers: Answers, inside: int, bound: int) -> int:
    good, step = inside, 1
    towards = 1 if bound > inside else -1
    while good != bound:
        ahead = bound if abs(bound - good) <= step else good + towards * step
        if not await answers(ahead):
            return await _halve(answers, good, ahead)
        good, step = ahead, step * 2
    return good


async def _halve(answers: Answers, good: int, bad: int) -> int:
    while abs(bad - good) > 1:
        middle = (good + bad) // 2
        if await answers(middle):
            good = middle
        else:
            bad = middle
    return good

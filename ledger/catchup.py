"""Catching up: who lacks many blocks asks on as soon as a whole answer is in, one other at a time; pure.

A status that goes to all brings the same blocks up to four times, and comes twice a second at most. One to
ask on with goes to a single member that is known to be ahead: its number is such that this one is drawn to
answer first, hence whole. The draw spreads the asking over all of them; who was asked and did not answer by
the next status to all is passed over. There is one ask for each whole answer, so it cannot become a flood,
and what is lost on the way is repaired by the next status to all.
"""

from __future__ import annotations

from ledger.codec import digest, encode
from ledger.types import Commit, Status

BLOCKS = 16  # decided blocks in one answer, and
BYTES = 4 * 1024 * 1024  # about how many
TRIES = 64  # numbers that are looked at for one that draws who is wanted


def draw(who: str, count: int, height: int, members: tuple[str, ...]) -> list[str]:
    """The other ``members`` in the order in which they are to answer the status ``count`` of ``who``."""
    drawn = encode((who, count, height))
    return [
        name for _, name in sorted((digest(drawn, each.encode()), each) for each in members if each != who)
    ]


def place(me: str, who: str, count: int, height: int, members: tuple[str, ...], enough: int) -> int:
    """The how manieth ``me`` is in that draw; from ``enough`` on it is not looked at any closer."""
    drawn, before = encode((who, count, height)), 0
    mine = digest(drawn, me.encode()), me
    for each in members:
        if before == enough:
            break
        before += each != who and (digest(drawn, each.encode()), each) < mine
    return before


class CatchUp:
    """What a node that may lack blocks has asked for, and whom it may ask."""

    def __init__(self) -> None:
        self._blocks = self._bytes = 0  # of the answer that comes in
        # Heights told since our last two statuses.
        self._ahead: tuple[dict[str, int], dict[str, int]] = ({}, {})
        self._asked = ""  # alone, and has not answered yet
        self._passed_over: set[str] = set()

    def turn(self) -> None:
        """A status goes to all."""
        if self._asked:
            self._passed_over.add(self._asked)
        self._blocks, self._bytes, self._asked = 0, 0, ""
        self._ahead = {}, self._ahead[0]

    def told(self, status: Status) -> None:
        """A member told where it is."""
        self._ahead[0][status.who] = status.height

    def took(
        self, commit: Commit, me: str, members: tuple[str, ...], height: int, count: int
    ) -> tuple[int, str] | None:
        """``commit`` was sent to us and is decided; we are at ``height`` now, where ``members`` vote, and
        have told ``count``. The number of the status with which to ask on, and of whom, if it is to be."""
        self._blocks, self._bytes = self._blocks + 1, self._bytes + len(encode(commit))
        if self._blocks < BLOCKS and self._bytes < BYTES:
            return None
        self._blocks, self._bytes, self._asked = 0, 0, ""
        told = {**self._ahead[1], **self._ahead[0]}
        ahead = {who for who in members if told.get(who, 0) > height}
        wanted = ahead - self._passed_over
        if not wanted:
            self._passed_over.clear()
            wanted = ahead
        for number in range(count + 1, count + 1 + TRIES):
            if wanted and (first := draw(me, number, height, members)[0]) in wanted:
                self._asked = first
                return number, first
        return None

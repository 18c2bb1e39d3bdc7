"""Messages of the next height that came before we are there: a few of each member, by signature; pure."""

from __future__ import annotations

from ledger import merkle
from ledger.codec import encode
from ledger.signing import Roll
from ledger.types import MAX_BODY, Block, Proposal, Vote, ballot

VOTES = 8  # of one member, and one proposal


class Early:
    """Holds them until the height begins."""

    def __init__(self) -> None:
        self._held: dict[str, list[Vote | Proposal]] = {}

    def add(self, message: Vote | Proposal, roll: Roll) -> None:
        """Hold ``message`` if there is room and who sent it is on ``roll``, that of the height before."""
        held = self._held.get(message.who, [])
        alike = sum(type(each) is type(message) for each in held)
        if isinstance(message, Vote):
            taken = alike < VOTES and roll.signed(message)
        else:
            block = message.block
            taken = alike < 1 and fits(block) and roll.signed(ballot(message)) and is_whole(block)
        if taken:
            self._held[message.who] = [*held, message]

    def take(self) -> list[Vote | Proposal]:
        """All of them; none is held any more."""
        held, self._held = self._held, {}
        return [message for messages in held.values() for message in messages]

    def __len__(self) -> int:
        return sum(map(len, self._held.values()))


def is_whole(block: Block) -> bool:
    """Whether its body is the one that its header was made for."""
    return merkle.root([encode(tx) for tx in block.body]) == block.header.body_root


def fits(block: Block) -> bool:
    """Whether ``block`` is small enough to be held."""
    return sum(len(tx.body) for tx in block.body) <= MAX_BODY

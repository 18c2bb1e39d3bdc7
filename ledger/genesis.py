"""How a chain begins: its parties and what tells it from every other chain; pure."""

from __future__ import annotations

import base64
from typing import Annotated, Literal

from msgspec import Meta

from ledger.codec import HASH_BYTES, digest, encode
from ledger.contracts.workload import EPOCH
from ledger.records import Party
from ledger.types import MAX_MEMBERS, ChainName, Natural, Struct

MAX_PARTIES = 1024


class Genesis(Struct, frozen=True, tag="genesis"):
    """How a chain begins; ``name`` is for people.

    ``epoch``: blocks from one count of workloads to the next. ``origin``: of a pool's chain, the hash of the
    transaction of the main chain that reserved its nodes; empty for a main chain.
    """

    v: Literal[1]
    name: ChainName
    time: Natural
    parties: Annotated[tuple[Party, ...], Meta(min_length=1, max_length=MAX_PARTIES)]
    epoch: Annotated[int, Meta(ge=1, le=100_000)] = EPOCH
    origin: Annotated[bytes, Meta(max_length=HASH_BYTES)] = b""

    def __post_init__(self) -> None:
        """Raises ValueError where two parties have one name or one key, or nobody votes, or too many."""
        for what, count in (
            ("name", len({party.node for party in self.parties})),
            ("key", len({party.public for party in self.parties})),
        ):
            if count < len(self.parties):
                raise ValueError(f"two parties of {self.name} have one {what}; give each its own")
        if not 0 < sum(party.member for party in self.parties) <= MAX_MEMBERS:
            raise ValueError(f"1 to {MAX_MEMBERS} parties of {self.name} vote; say so of as many (member)")

    @property
    def id(self) -> bytes:
        """What the first block names as the one before it; also draws its proposers."""
        return digest(encode(self))

    @property
    def chain(self) -> str:
        """The chain's id: the name and 80 bits of what it begins with, so that nothing signed for one chain
        is good for another of the same name."""
        return f"{self.name}-{base64.b32encode(self.id[:10]).decode().lower()}"

"""A chain that always agrees, for tests: what its parties record becomes blocks signed by all who vote."""

from __future__ import annotations

from ledger.chain import DecidedChain
from ledger.codec import digest
from ledger.genesis import Genesis
from ledger.records import Party, Record, transaction
from ledger.signing import sign
from ledger.types import PRECOMMIT, Block, Commit, Qc, Seal, Tx, Vote

UTC = 1_700_000_000_000_000_000
SECOND = 1_000_000_000
HASH = bytes(range(32))


class Keys:
    """Signatures by name, at the price of a hash; counts how many it has verified."""

    def __init__(self, who: str = "") -> None:
        self.who, self.asked = who, 0

    def sign(self, context: str, data: bytes) -> bytes:
        return digest(self.who.encode(), context.encode(), data) * 2

    def verify(self, node: str, context: str, data: bytes, signature: bytes) -> bool:
        self.asked += 1
        return signature == Keys(node).sign(context, data)


def party(name: str, member: bool = True, dispatcher: bool = False, *roles: str) -> Party:
    """One of an owner of its own, with a key of its own."""
    return Party(name, digest(name.encode()), f"owner of {name}", member, dispatcher, roles)


def genesis(members: str = "abcd", others: str = "", name: str = "main") -> Genesis:
    """One letter a party; ``a`` is dispatcher and commissioner."""
    own = ("commissioner",)
    parties = [party(each, each in members, each == "a", *own[: each == "a"]) for each in members + others]
    return Genesis(1, name, UTC, tuple(parties))


class Ledger:
    """The chain of ``genesis``; signatures go by name."""

    def __init__(self, genesis: Genesis) -> None:
        self.genesis = genesis
        self.commits: dict[int, Commit] = {}
        self.keys = Keys()
        self.chain = DecidedChain(genesis, self.keys, self.commits.get)
        self.seqs: dict[str, int] = {}

    def tx(self, who: str, record: Record) -> Tx:
        """The next transaction of ``who``, signed."""
        self.seqs[who] = self.seqs.get(who, 0) + 1
        return sign(Keys(who), transaction(self.chain.id, who, self.seqs[who], record))

    def record(self, who: str, record: Record) -> None:
        """Let it wait for the next block."""
        why = self.chain.submit(self.tx(who, record))
        assert why == "", why

    def decide(self, blocks: int = 1, time: int | None = None) -> Block:
        """The next blocks, with what waits; the last of them."""
        assert blocks > 0
        for _ in range(blocks):
            chain = self.chain
            block = chain.propose(chain.proposer(0), time or chain.state.time + SECOND)
            self.take(block)
        return block

    def take(self, block: Block) -> None:
        """Decide ``block``, which must be valid."""
        why = self.chain.refuses(block, None)
        assert why == "", why
        commit = self.commits[self.chain.height] = Commit(self.certificate(block), block)
        self.chain.commit(commit)

    def certificate(self, block: Block, voters: tuple[str, ...] | None = None) -> Qc:
        """That all who vote, or ``voters``, precommitted it."""
        height = block.header.height
        votes = [
            sign(Keys(who), Vote(self.chain.id, height, 0, PRECOMMIT, block.id, who))
            for who in (voters or self.chain.members)
        ]
        seals = tuple(Seal(vote.who, vote.sig) for vote in votes)
        return Qc(self.chain.id, height, 0, PRECOMMIT, block.id, seals)

    @property
    def void(self) -> list[str]:
        """Why records of the last block have no effect."""
        return [why for height, _, _, why in self.chain.state.void if height == self.chain.state.height]

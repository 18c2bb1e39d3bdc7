"""A chain of blocks that nobody voted on, for tests of what is made of blocks."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ledger.chain import DecidedChain
from ledger.codec import sign as sign_bytes
from ledger.keys import Keyring
from ledger.records import Party, Record, transaction
from ledger.signing import sign
from ledger.state import Genesis
from ledger.types import PRECOMMIT, Block, Commit, Qc

LONG = "a-station-with-the-longest-name0"  # 32 characters
SECOND = 1_000_000_000
START = 1_767_323_045 * SECOND
HASH = bytes(range(32))
NODES = (LONG, "glue", "rig", "inspector")


class Key:
    def __init__(self) -> None:
        self._key = Ed25519PrivateKey.generate()
        self.public = self._key.public_key().public_bytes_raw()

    def sign(self, context: str, data: bytes) -> bytes:
        return sign_bytes(self._key, context, data)


class Made:
    """Two members, ``rig`` who plans, and an inspector of another owner."""

    def __init__(self, epoch: int) -> None:
        self.keys = {name: Key() for name in NODES}
        owners = dict.fromkeys(NODES, "line") | {"inspector": "\x1b[2J else"}
        self.genesis = Genesis(
            1, "starter", START,
            tuple(
                Party(name, key.public, owners[name], name in NODES[:2], name == "rig")
                for name, key in self.keys.items()
            ),
            epoch,
        )  # fmt: skip
        publics = {name: key.public for name, key in self.keys.items()}
        self.chain = DecidedChain(self.genesis, Keyring(publics), lambda height: None)
        self.rings = {name: Keyring(publics, key) for name, key in self.keys.items()}
        self.seqs = dict.fromkeys(NODES, 0)
        self.commits: list[Commit] = []

    def block(self, *records: tuple[str, Record]) -> Block:
        for node, record in records:
            self.seqs[node] += 1
            tx = transaction(self.chain.id, node, self.seqs[node], record)
            assert self.chain.submit(sign(self.rings[node], tx)) == ""
        block = self.chain.propose(self.chain.proposer(0), START + (len(self.commits) + 1) * 60 * SECOND)
        commit = Commit(Qc(self.chain.id, self.chain.height, 0, PRECOMMIT, block.id, ()), block)
        self.chain.commit(commit)
        self.commits.append(commit)
        return block

    @property
    def blocks(self) -> list[Block]:
        return [commit.block for commit in self.commits]

"""A record is shown to be final by headers, certificates and a Merkle path; one changed byte shows."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from ledger import codec
from ledger.chain import DecidedChain
from ledger.codec import Malformed
from ledger.keys import Keyring
from ledger.proof import Proof, Proven, prove, verify
from ledger.records import Enrolled, Loaded, Party, Record, Revoked, transaction
from ledger.signing import sign
from ledger.state import Genesis
from ledger.types import PRECOMMIT, Commit, Qc, Seal, Vote

UTC = 1_700_000_000_000_000_000
HASH = bytes(range(32))


class Key:
    """A private key that is always the same for one name."""

    def __init__(self, name: str) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(codec.digest(name.encode()))
        self.public = self._key.public_key().public_bytes_raw()

    def sign(self, context: str, data: bytes) -> bytes:
        return codec.sign(self._key, context, data)


class Ledger:
    """A chain that always agrees: what the members record becomes a block, signed by all of them."""

    def __init__(self, *names: str) -> None:
        self.keys = {name: Key(name) for name in (*names, "d", "e")}
        parties = tuple(self.party(name) for name in names)
        self.genesis = Genesis(1, "main", UTC, parties)
        self.commits: dict[int, Commit] = {}
        self.chain = DecidedChain(self.genesis, Keyring({}), self.commits.get)
        self.chain._keys = Keyring(self.chain.state.publics)
        self.seqs = dict.fromkeys(self.keys, 0)

    def party(self, name: str) -> Party:
        return Party(name, self.keys[name].public, f"owner of {name}", True, name == "a")

    def record(self, who: str, record: Record) -> None:
        self.seqs[who] += 1
        tx = transaction(self.genesis.chain, who, self.seqs[who], record)
        assert self.chain.submit(sign(Keyring({}, self.keys[who]), tx)) == ""

    def decide(self) -> int:
        """The next block, with what waits; its height."""
        chain, height = self.chain, self.chain.height
        block = chain.propose(chain.proposer(0), UTC + height)
        assert chain.refuses(block, UTC) == ""
        votes = [
            sign(Keyring({}, self.keys[who]), Vote(chain.id, height, 0, PRECOMMIT, block.id, who))
            for who in chain.members
        ]
        seals = tuple(Seal(vote.who, vote.sig) for vote in votes)
        commit = self.commits[height] = Commit(Qc(chain.id, height, 0, PRECOMMIT, block.id, seals), block)
        chain.commit(commit)
        return height


@pytest.fixture
def made() -> tuple[Ledger, int]:
    """Three heights: records, somebody joins, somebody goes, records again; and the last height."""
    ledger = Ledger("a", "b", "c")
    ledger.record("b", Loaded("b", HASH, HASH))
    ledger.decide()
    ledger.record("a", Enrolled(ledger.party("d")))
    ledger.decide()
    ledger.decide()
    ledger.record("a", Revoked("c", "stolen"))
    ledger.decide()
    ledger.decide()
    ledger.decide()
    assert ledger.chain.members == ("a", "b", "d")
    ledger.record("b", Loaded("b", HASH, bytes(32)))
    ledger.record("d", Loaded("d", HASH, HASH))
    ledger.record("b", Loaded("b", HASH, HASH))
    return ledger, ledger.decide()


def test_a_record_proves_across_changes_of_members(made: tuple[Ledger, int]) -> None:
    ledger, height = made
    shown = [verify(prove(ledger.genesis, ledger.commits.get, height, i), ledger.genesis) for i in range(3)]
    assert [(each.node, each.height) for each in shown if isinstance(each, Proven)] == [
        ("b", 7), ("d", 7), ("b", 7),
    ]  # fmt: skip
    first = verify(prove(ledger.genesis, ledger.commits.get, 1, 0), ledger.genesis)
    assert first == Proven(Loaded("b", HASH, HASH), "b", 1, UTC + 1)
    proof = prove(ledger.genesis, ledger.commits.get, height, 0)
    assert [step.header.height for step in proof.steps] == [3, 5, 7]  # where members change, and the last


@given(data=st.data())
def test_one_changed_byte_shows(data: st.DataObject) -> None:
    ledger = Ledger("a", "b", "c")
    ledger.record("b", Loaded("b", HASH, HASH))
    ledger.decide()
    whole = codec.encode(prove(ledger.genesis, ledger.commits.get, 1, 0))
    place = data.draw(st.integers(0, len(whole) - 1))
    changed = bytearray(whole)
    changed[place] ^= data.draw(st.integers(1, 255))
    proof = codec.decode(bytes(changed), Proof)
    assert isinstance(proof, Malformed) or isinstance(verify(proof, ledger.genesis), Malformed)


def other_members(proof: Proof, ledger: Ledger) -> Proof:
    members = proof.steps[0].members
    assert members is not None
    first = msgspec.structs.replace(proof.steps[0], members=members[:-1])
    return msgspec.structs.replace(proof, steps=(first, *proof.steps[1:]))


def without_the_way(proof: Proof, ledger: Ledger) -> Proof:
    return msgspec.structs.replace(proof, steps=proof.steps[-1:])


def too_few_seals(proof: Proof, ledger: Ledger) -> Proof:
    last = proof.steps[-1]
    qc = msgspec.structs.replace(last.qc, seals=last.qc.seals[:2])
    return msgspec.structs.replace(proof, steps=(*proof.steps[:-1], msgspec.structs.replace(last, qc=qc)))


def one_seal_three_times(proof: Proof, ledger: Ledger) -> Proof:
    last = proof.steps[-1]
    qc = msgspec.structs.replace(last.qc, seals=last.qc.seals[:1] * 3)
    return msgspec.structs.replace(proof, steps=(*proof.steps[:-1], msgspec.structs.replace(last, qc=qc)))


def another_transaction(proof: Proof, ledger: Ledger) -> Proof:
    return msgspec.structs.replace(proof, tx=ledger.commits[1].block.body[0])


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (other_members, "height 3 does not name the next members"),
        (without_the_way, "height 7 has other members than the steps before it name"),
        (too_few_seals, "height 7 has no certificate of its members"),
        (one_seal_three_times, "height 7 has no certificate of its members"),
        (another_transaction, "the transaction is not in the block at height 7"),
    ],
)
def test_a_proof_that_lacks_something_says_what(
    made: tuple[Ledger, int], change: Callable[[Proof, Ledger], Proof], why: str
) -> None:
    ledger, height = made
    proof = change(prove(ledger.genesis, ledger.commits.get, height, 0), ledger)
    assert verify(proof, ledger.genesis) == Malformed(why)


def test_another_genesis_proves_nothing(made: tuple[Ledger, int]) -> None:
    ledger, height = made
    proof = prove(ledger.genesis, ledger.commits.get, height, 0)
    other = msgspec.structs.replace(ledger.genesis, time=UTC - 1)
    assert isinstance(verify(proof, other), Malformed)
    assert isinstance(verify(msgspec.structs.replace(proof, chain=other.chain), other), Malformed)

"""A record is shown to be final by headers, certificates and a Merkle path; one changed byte shows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from ledger import codec
from ledger.chain import DecidedChain
from ledger.codec import Malformed
from ledger.genesis import Genesis
from ledger.keys import Keyring
from ledger.light import Proof, Step, Trust, advance, overlaps
from ledger.proof import Proven, prove, verify
from ledger.records import Enrolled, Loaded, Party, Record, Revoked, transaction
from ledger.signing import sign
from ledger.state import State
from ledger.types import PRECOMMIT, Commit, Member, Members, Qc, Seal, Vote, members_hash

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

    def __init__(self, *names: str, roles: Mapping[str, tuple[str, ...]] = MappingProxyType({})) -> None:
        self.keys = {name: Key(name) for name in "abcdefgh"}
        self.roles = {"a": ("commissioner",), **roles}
        parties = tuple(self.party(name) for name in names)
        self.genesis = Genesis(1, "main", UTC, parties)
        self.commits: dict[int, Commit] = {}
        self.chain = DecidedChain(self.genesis, Keyring({}), self.commits.get)
        self.chain._keys = Keyring(self.chain.state.publics)
        self.seqs = dict.fromkeys(self.keys, 0)

    def party(self, name: str) -> Party:
        public = self.keys[name].public
        return Party(name, public, f"owner of {name}", True, name == "a", self.roles.get(name, ()))

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
    """Records, then so many who come and go that of the first three one is left, records again; the last
    height."""
    ledger = Ledger("a", "b", "c")
    ledger.record("b", Loaded("b", HASH, HASH))
    ledger.decide()
    for name in "defgh":
        ledger.record("a", Enrolled(ledger.party(name)))
        ledger.decide()
    for name in "bc":
        ledger.record("a", Revoked(name, "sold", weakens=True))
        ledger.decide()
    ledger.decide()
    ledger.decide()
    assert "".join(ledger.chain.members) == "adefgh"
    ledger.record("d", Loaded("b", HASH, bytes(32)))
    ledger.record("e", Loaded("d", HASH, HASH))
    ledger.record("d", Loaded("b", HASH, HASH))
    return ledger, ledger.decide()


def test_a_record_proves_across_changes_of_members(made: tuple[Ledger, int]) -> None:
    ledger, height = made
    shown = [verify(prove(ledger.genesis, ledger.commits.get, height, i), ledger.genesis) for i in range(3)]
    assert [(each.node, each.height) for each in shown if isinstance(each, Proven)] == [
        ("d", 11), ("e", 11), ("d", 11),
    ]  # fmt: skip
    first = verify(prove(ledger.genesis, ledger.commits.get, 1, 0), ledger.genesis)
    assert first == Proven(Loaded("b", HASH, HASH), "b", 1, UTC + 1)


def test_heights_are_skipped_while_more_than_a_third_stay(made: tuple[Ledger, int]) -> None:
    ledger, height = made
    proof = prove(ledger.genesis, ledger.commits.get, height, 0)
    assert [step.header.height for step in proof.steps] == [9, 11]  # a and c are left at 9
    assert len({commit.block.header.members for commit in ledger.commits.values()}) == 8
    assert [len(step.members or ()) for step in proof.steps] == [7, 6]


@pytest.mark.parametrize(
    ("believed", "signed", "enough"),
    [("abc", "ade", False), ("abc", "abde", True), ("abc", "de", False), ("a", "abcd", True)]
    + [("abcdef", "abgh", False), ("abcdef", "abcg", True)],
)
def test_more_than_a_third_of_those_believed_must_have_signed(
    believed: str, signed: str, enough: bool
) -> None:
    def members(names: str) -> Members:
        return tuple(Member(name, Key(name).public) for name in names)

    qc = Qc("main", 9, 0, PRECOMMIT, HASH, tuple(Seal(name, bytes(64)) for name in signed))
    assert overlaps(members(believed), members(signed + "xyz"), qc) == enough
    impostors = tuple(Member(name, Key("x").public) for name in signed)
    assert not overlaps(members(believed), impostors, qc)


def test_who_has_the_keys_of_those_who_left_proves_nothing(made: tuple[Ledger, int]) -> None:
    """b and c, who were revoked, and a friend of theirs sign a header of their own at the next height."""
    ledger, height = made
    believed = Trust(ledger.chain.id, height, ledger.chain.state.voting)
    gang = tuple(Member(name, Key(name).public) for name in ("b", "c", "x"))
    header = msgspec.structs.replace(
        ledger.commits[height].block.header, height=height + 1, members=members_hash(gang)
    )
    votes = [
        sign(Keyring({}, Key(who)), Vote(believed.chain, height + 1, 0, PRECOMMIT, header.id, who))
        for who in ("b", "c", "x")
    ]
    seals = tuple(Seal(vote.who, vote.sig) for vote in votes)
    step = Step(header, Qc(believed.chain, height + 1, 0, PRECOMMIT, header.id, seals), gang)
    shown = advance(believed, step, lambda members: Keyring({each.node: each.public for each in members}))
    assert shown == Malformed("a third of the members at 11 or fewer signed height 12")


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


def the_same_members_again(proof: Proof, ledger: Ledger) -> Proof:
    members = State(ledger.genesis).voting
    first = Step(ledger.commits[1].block.header, ledger.commits[1].qc, members)
    return msgspec.structs.replace(proof, steps=(first, *proof.steps))


def backwards(proof: Proof, ledger: Ledger) -> Proof:
    return msgspec.structs.replace(proof, steps=(*proof.steps, proof.steps[0]))


def without_the_way(proof: Proof, ledger: Ledger) -> Proof:
    return msgspec.structs.replace(proof, steps=proof.steps[-1:])


def too_few_seals(proof: Proof, ledger: Ledger) -> Proof:
    last = proof.steps[-1]
    qc = msgspec.structs.replace(last.qc, seals=last.qc.seals[:2])
    return msgspec.structs.replace(proof, steps=(*proof.steps[:-1], msgspec.structs.replace(last, qc=qc)))


def one_seal_many_times(proof: Proof, ledger: Ledger) -> Proof:
    last = proof.steps[-1]
    qc = msgspec.structs.replace(last.qc, seals=last.qc.seals[:1] * len(last.qc.seals))
    return msgspec.structs.replace(proof, steps=(*proof.steps[:-1], msgspec.structs.replace(last, qc=qc)))


def another_transaction(proof: Proof, ledger: Ledger) -> Proof:
    return msgspec.structs.replace(proof, tx=ledger.commits[1].block.body[0])


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (other_members, "height 9 has other members than are named"),
        (the_same_members_again, "height 1 has other members than are named"),
        (without_the_way, "a third of the members at 0 or fewer signed height 11"),
        (too_few_seals, "height 11 has no certificate of its members"),
        (one_seal_many_times, "height 11 has no certificate of its members"),
        (another_transaction, "the transaction is not in the block at height 11"),
    ],
)
def test_a_proof_that_lacks_something_says_what(
    made: tuple[Ledger, int], change: Callable[[Proof, Ledger], Proof], why: str
) -> None:
    ledger, height = made
    proof = change(prove(ledger.genesis, ledger.commits.get, height, 0), ledger)
    assert verify(proof, ledger.genesis) == Malformed(why)


def test_a_proof_goes_forwards_alone(made: tuple[Ledger, int]) -> None:
    ledger, height = made
    shown = verify(backwards(prove(ledger.genesis, ledger.commits.get, height, 0), ledger), ledger.genesis)
    assert isinstance(shown, Malformed)
    assert shown.reason.startswith("height 9 of main-")


@pytest.mark.parametrize(("height", "index"), [(0, 0), (99, 0), (1, 7), (1, -1)])
def test_what_is_not_there_has_no_proof(made: tuple[Ledger, int], height: int, index: int) -> None:
    ledger, _ = made
    with pytest.raises(IndexError):
        prove(ledger.genesis, ledger.commits.get, height, index)


def test_another_genesis_proves_nothing(made: tuple[Ledger, int]) -> None:
    ledger, height = made
    proof = prove(ledger.genesis, ledger.commits.get, height, 0)
    other = msgspec.structs.replace(ledger.genesis, time=UTC - 1)
    assert isinstance(verify(proof, other), Malformed)
    assert isinstance(verify(msgspec.structs.replace(proof, chain=other.chain), other), Malformed)

"""Bytes from a peer, whatever they are: never an exception, and nothing is taken that is not canonical."""

from __future__ import annotations

import struct
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from ledgers import HASH, SECOND, UTC, Keys, Ledger, genesis, party

from ledger.codec import Malformed, decode, digest, encode
from ledger.consensus import Consensus
from ledger.genesis import Genesis
from ledger.gossip import Gossip
from ledger.light import Proof
from ledger.ports import Kept, Timer
from ledger.proof import prove, verify
from ledger.records import (
    Accused,
    Anchored,
    Completion,
    Demand,
    Enrolled,
    Firmware,
    Forced,
    Inspection,
    LeaseEnded,
    LeaseGranted,
    Loaded,
    Offer,
    PoolClosed,
    PoolOpened,
    PoolPaused,
    PoolResumed,
    Procedure,
    Record,
    Requirement,
    Revoked,
    SessionClosed,
    SessionOpened,
    SignedOff,
    Written,
    commit,
    kind_of,
    opens,
    read,
    transaction,
)
from ledger.signing import sign
from ledger.types import (
    PREVOTE,
    Ballot,
    Batch,
    Block,
    Evidence,
    Message,
    Proposal,
    Qc,
    Seal,
    Status,
    Tx,
    Vote,
)

GENESIS = genesis("abcd", "xy")
WIRE = Message | Tx | Batch  # what a node decodes from its bus


def _ledger() -> Ledger:
    ledger = Ledger(GENESIS)
    ledger.record("b", Loaded("b", HASH, HASH))
    ledger.decide()
    return ledger


LEDGER = _ledger()
BLOCK = LEDGER.chain.propose(LEDGER.chain.proposer(0), UTC + 2 * SECOND)
VOTES = tuple(
    sign(Keys("c"), Vote(LEDGER.chain.id, 2, 0, PREVOTE, bid, "c")) for bid in (BLOCK.id, b"", HASH)
)
QC = Qc(LEDGER.chain.id, 2, 0, PREVOTE, BLOCK.id, tuple(Seal(who, bytes(64)) for who in "abc"))
BALLOT = sign(Keys("c"), Ballot(LEDGER.chain.id, 2, 1, BLOCK.id, "c"))
PROPOSAL = Proposal(LEDGER.chain.id, 2, 1, QC, "c", BLOCK, BALLOT.sig)
STATUS = Status(LEDGER.chain.id, "c", 1, 2, 0, BLOCK.id, b"\x05", b"\0", True, False)
PROOF = prove(GENESIS, LEDGER.commits.get, 1, 0)
KEPT = Kept(2, 1, (0, BLOCK.id), (1, BLOCK.id), QC, (*VOTES, BALLOT))

RECORDS: tuple[Record, ...] = (
    Requirement("t1", 10, "PTVA10212", "b", 122, UTC, UTC),
    Procedure("t1", 10, "feature-3", "milling", HASH, UTC),
    Completion("t1", 10, UTC),
    Inspection("t1", 10, "feature-3", HASH, True, "hole"),
    Demand("PTVA10212-11", "hole", "steel", "machining parameters"),
    Offer("PTVA10212-11", "node-4", 4),
    SessionOpened("s1", "starter", HASH),
    SessionClosed("s1", "PASS", HASH),
    LeaseGranted("infeed", "anna", 7, UTC),
    LeaseEnded("infeed", "anna", 7, UTC, "it ran out"),
    Forced("infeed", "motor", False, HASH, HASH, "anna", UTC),
    Written("infeed", "anna", 7, UTC, UTC + 1, 12, ("eye", "motor"), 0, HASH, HASH),
    Loaded("infeed", HASH, HASH),
    SignedOff("s1", HASH, "A. Nyström", "customer"),
    Enrolled(party("e")),
    Revoked("e", "stolen"),
    Firmware("b", HASH, "1.2.3"),
    Accused(Evidence(VOTES[0], VOTES[1])),
    PoolOpened("mill", "t1", ("a", "b", "c", "d"), UTC),
    PoolResumed("mill", "t2", UTC),
    PoolPaused("mill"),
    PoolClosed("mill"),
    Anchored("mill", PROOF),
)
SAMPLES: tuple[tuple[Any, Any], ...] = (
    *((each, WIRE) for each in (PROPOSAL, *VOTES, QC, LEDGER.commits[1], STATUS)),
    (LEDGER.commits[1].block.body[0], WIRE),
    (Batch(LEDGER.commits[1].block.body), WIRE),
    (PROOF, Proof),
    (GENESIS, Genesis),
    (KEPT, Kept),
    *((record, Record) for record in RECORDS),
)
INTEGERS = [0, 1, -1, 23, 24, 31, 127, 128, 255, 256, 2**15, 2**16, 2**31 - 1, 2**31, 2**32, 2**63 - 1, 2**63,
            2**64 - 1, -(2**63)]  # fmt: skip
OTHERS = [*INTEGERS, None, True, False, 1.5, float("nan"), "", "a", "A", "z" * 33, "vote", "\ud7ff", b"",
          bytes(31), bytes(32), bytes(33), bytes(64), [], ["vote"], {}, {"of": "vote"}]  # fmt: skip


def taken(data: bytes, shape: Any) -> Any:
    """What ``data`` decodes to; if to anything, then ``data`` is its one encoding."""
    value = decode(data, shape)
    if not isinstance(value, Malformed):
        assert encode(value) == data
    return value


# --- records ----------------------------------------------------------------------------------------------


def test_every_kind_of_record_is_here() -> None:
    assert {type(record) for record in RECORDS} == set(Record.__args__)  # type: ignore[attr-defined]
    assert len({kind_of(record) for record in RECORDS}) == len(RECORDS)


@pytest.mark.parametrize("record", RECORDS, ids=kind_of)
def test_a_record_is_read_as_it_was_written(record: Record) -> None:
    tx = transaction(LEDGER.chain.id, "b", 1, record)
    assert read(tx) == record
    assert tx.kind == kind_of(record)
    wrong = msgspec.structs.replace(tx, kind="forced" if tx.kind != "forced" else "loaded")
    assert isinstance(read(wrong), Malformed)


@pytest.mark.parametrize("record", RECORDS, ids=kind_of)
def test_every_field_of_a_record_has_bounds(record: Record) -> None:
    """Nobody can put a file on the chain: no field takes ten thousand characters, bytes or entries."""
    for field in record.__struct_fields__:
        for huge in ("x" * 10_000, bytes(10_000), ("a",) * 10_000, 2**63, -1):
            with pytest.raises(ValueError, match=r"cannot be taken|exceeds|64-bit"):
                transaction(LEDGER.chain.id, "b", 1, msgspec.structs.replace(record, **{field: huge}))


def test_a_commitment_is_opened_by_its_salt_and_data_alone() -> None:
    salt, data = digest(b"random"), b"diameter 12.003 mm"
    committed = commit(salt, data)
    assert opens(committed, salt, data)
    assert not opens(committed, salt, data + b"0")
    assert not opens(committed, digest(b"other"), data)
    assert not opens(committed, salt[:-1], salt[-1:] + data)
    assert commit(digest(b"other"), data) != committed


# --- decoding ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("value", "shape"), SAMPLES, ids=lambda each: type(each).__name__)
def test_what_is_canonical_is_taken(value: Any, shape: Any) -> None:
    assert taken(encode(value), shape) == value


@given(st.binary(max_size=400), st.sampled_from([WIRE, Record, Proof, Genesis, Kept]))
@example(b"", WIRE)
@example(b"\xc1", WIRE)
@example(b"\x91" * 5_000, WIRE)
@example(b"\xdd\xff\xff\xff\xff", WIRE)
@example(b"\x98\xa4vote\xa1\xff", WIRE)
def test_any_bytes_are_taken_or_told(data: bytes, shape: Any) -> None:
    taken(data, shape)


@given(st.data())
def test_a_mutated_message_is_taken_only_if_it_is_canonical(data: st.DataObject) -> None:
    value, shape = data.draw(st.sampled_from(SAMPLES))
    raw = bytearray(encode(value))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(raw)))
        match data.draw(st.sampled_from(["set", "insert", "delete", "cut", "double"])):
            case "set" if at < len(raw):
                raw[at] = data.draw(st.integers(0, 255))
            case "insert":
                raw[at:at] = data.draw(st.binary(min_size=1, max_size=9))
            case "delete":
                del raw[at : at + data.draw(st.integers(1, 9))]
            case "cut":
                del raw[at:]
            case _:
                raw[at:at] = raw[at : at + 40]
    taken(bytes(raw), shape)


def _loose(value: Any, wide: int) -> bytes:
    """MessagePack of ``value``, its item number ``wide`` in a longer form than need be."""
    count = -1

    def packed(each: Any) -> bytes:
        nonlocal count
        count += 1
        if count != wide or isinstance(each, bool | None):
            if isinstance(each, list):
                head = bytes([0x90 + len(each)]) if len(each) < 16 else b"\xdc" + struct.pack(">H", len(each))
                return head + b"".join(map(packed, each))
            return encode(each)
        match each:
            case list():
                return b"\xdd" + struct.pack(">I", len(each)) + b"".join(map(packed, each))
            case int():
                return (
                    b"\xcf" + struct.pack(">Q", each) if each < 2**32 else b"\xca" + struct.pack(">f", each)
                )
            case str():
                return b"\xdb" + struct.pack(">I", len(each.encode())) + each.encode()
            case bytes():
                return b"\xc6" + struct.pack(">I", len(each)) + each
        raise AssertionError(each)

    return packed(value)


@pytest.mark.parametrize(("value", "shape"), SAMPLES, ids=lambda each: type(each).__name__)
def test_another_encoding_of_the_same_is_not_taken(value: Any, shape: Any) -> None:
    raw = msgspec.msgpack.decode(encode(value))
    assert _loose(raw, -1) == encode(value)
    refused = 0
    for wide in range(200):
        loose = _loose(raw, wide)
        if loose != encode(value):
            assert isinstance(decode(loose, shape), Malformed), wide
            refused += 1
    assert refused > 1


# --- a node -------------------------------------------------------------------------------------------------


def _places(value: Any, path: tuple[int, ...] = ()) -> list[tuple[int, ...]]:
    found = [path] if path else []
    if isinstance(value, list):
        for number, each in enumerate(value):
            found += _places(each, (*path, number))
    return found


def _signed(message: Any, who: str) -> Any:
    """With a signature of ``who`` that holds, so that it is looked at."""
    keys = Keys(who)
    match message:
        case Vote() | Status():
            return sign(keys, msgspec.structs.replace(message, who=who))
        case Tx():
            return sign(keys, msgspec.structs.replace(message, node=who))
        case Proposal():
            header = msgspec.structs.replace(message.block.header, proposer=who)
            block = Block(header, message.block.body)
            said = Ballot(message.chain, message.height, message.round, block.id, who)
            return msgspec.structs.replace(message, who=who, block=block, sig=sign(keys, said).sig)
        case Qc():
            votes = [
                sign(Keys(each), Vote(*(getattr(message, f) for f in QC_FIELDS), each))  # type: ignore[arg-type]
                for each in "abd"
            ]
            return msgspec.structs.replace(message, seals=tuple(Seal(vote.who, vote.sig) for vote in votes))
    return message


QC_FIELDS = ("chain", "height", "round", "type", "bid")


@given(st.data())
def test_a_node_takes_whatever_a_member_signs_without_an_exception(data: st.DataObject) -> None:
    """Fields of messages are swapped for others, and d signs what comes out."""
    ledger = _ledger()
    node = Consensus("b", ledger.chain, Keys("b"))
    gossip = Gossip(node)
    now = UTC + 2 * SECOND
    node.begin(now)
    for _ in range(data.draw(st.integers(1, 8))):
        raw = msgspec.msgpack.decode(encode(data.draw(st.sampled_from(WIRE_SAMPLES))))
        for _ in range(data.draw(st.integers(0, 2))):
            *way, last = data.draw(st.sampled_from(_places(raw)))
            inner = raw
            for each in way:
                inner = inner[each] if isinstance(inner, list) and each < len(inner) else [None] * (last + 1)
            if isinstance(inner, list) and last < len(inner):
                inner[last] = data.draw(st.sampled_from(OTHERS))
        message = taken(encode(raw), WIRE)
        if isinstance(message, Malformed):
            continue
        for each in message.txs if isinstance(message, Batch) else (message,):
            heard = _signed(each, "d") if data.draw(st.booleans()) else each
            match heard:
                case Tx():
                    ledger.chain.submit(heard)
                    node.work(now)
                case Status():
                    gossip.answer(heard)
                case _:
                    node.receive(heard, now)
        for kind in ("propose", "prevote", "precommit"):
            if data.draw(st.booleans()):
                node.timeout(Timer(kind, node.height, node.round), now)  # type: ignore[arg-type]
        gossip.status()
    assert node.height == ledger.chain.height


WIRE_SAMPLES = [value for value, shape in SAMPLES if shape is WIRE]


@given(st.data())
def test_a_proof_of_anything_is_verified_without_an_exception(data: st.DataObject) -> None:
    raw = msgspec.msgpack.decode(encode(PROOF))
    *way, last = data.draw(st.sampled_from(_places(raw)))
    inner = raw
    for each in way:
        inner = inner[each]
    before = inner[last]
    inner[last] = data.draw(st.sampled_from(OTHERS))
    proof = taken(encode(raw), Proof)
    if not isinstance(proof, Malformed) and inner[last] != before:
        assert isinstance(verify(proof, GENESIS), Malformed)

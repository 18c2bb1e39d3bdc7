"""An envelope is what was sealed, on the topic it was sealed for; a topic says whose it is."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.net import topics
from gateway.net.envelope import MAX_BYTES, Envelope, open_envelope, seal, verified
from gateway.net.identity import Identity, Trust
from ledger.codec import Malformed

ENVELOPE = Envelope(1, "st-a", b"bootboot", 7, 1_000, 2_000, "event", b"body")
TOPIC = topics.event("demo", "st-a")
IDENTITY = Identity.create("st-a")
TRUST = Trust()
TRUST.add("st-a", IDENTITY.public_bytes)


def opened(data: bytes) -> Envelope:
    envelope = open_envelope(data)
    assert isinstance(envelope, Envelope)
    return envelope


def test_unsigned_comes_back_as_it_was() -> None:
    envelope = opened(seal(TOPIC, ENVELOPE))
    assert envelope == ENVELOPE
    assert verified(TOPIC, envelope, TRUST) is None


def test_signed_is_verified_by_the_senders_key_alone() -> None:
    envelope = opened(seal(TOPIC, ENVELOPE, IDENTITY))
    assert msgspec.structs.replace(envelope, sig=b"") == ENVELOPE
    assert verified(TOPIC, envelope, TRUST) is True
    assert verified(TOPIC, envelope, Trust()) is False
    assert verified(TOPIC, envelope, None) is False
    stranger = Trust()
    stranger.add("st-a", Identity.create("st-a").public_bytes)
    assert verified(TOPIC, envelope, stranger) is False


def test_a_signature_does_not_hold_on_another_topic() -> None:
    envelope = opened(seal(TOPIC, ENVELOPE, IDENTITY))
    assert verified(topics.event("other", "st-a"), envelope, TRUST) is False


@pytest.mark.parametrize(
    "change",
    [
        {"sender": "st-b"},
        {"boot": b"bootbooT"},
        {"seq": 8},
        {"utc_ns": 1_001},
        {"mono_ns": 2_001},
        {"kind": "image"},
        {"body": b"Body"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_every_field_is_signed(change: dict[str, object]) -> None:
    trust = Trust()
    for node in ("st-a", "st-b"):
        trust.add(node, IDENTITY.public_bytes)
    envelope = opened(seal(TOPIC, ENVELOPE, IDENTITY))
    assert verified(TOPIC, envelope, trust) is True
    assert verified(TOPIC, msgspec.structs.replace(envelope, **change), trust) is False


@pytest.mark.parametrize(
    "change",
    [
        {"v": 2},
        {"sender": "St-a"},
        {"sender": "st-a\n"},
        {"sender": "a" * 33},
        {"boot": b"short"},
        {"seq": -1},
        {"seq": 2**63},
        {"kind": ""},
        {"kind": "k" * 33},
        {"sig": b"x"},
        {"sig": b"x" * 65},
    ],
    ids=str,
)
def test_a_field_out_of_bounds_is_malformed(change: dict[str, object]) -> None:
    assert isinstance(open_envelope(seal(TOPIC, msgspec.structs.replace(ENVELOPE, **change))), Malformed)


@given(st.binary(max_size=100))
def test_garbage_is_malformed(data: bytes) -> None:
    assert isinstance(open_envelope(data), Malformed)


def test_size_is_bounded_on_both_sides() -> None:
    large = msgspec.structs.replace(ENVELOPE, body=bytes(MAX_BYTES))
    with pytest.raises(ValueError, match="at most"):
        seal(TOPIC, large)
    assert isinstance(open_envelope(msgspec.msgpack.encode(large)), Malformed)


@pytest.mark.parametrize(
    ("topic", "sender", "retainable"),
    [
        (topics.state("demo", "st-a"), "st-a", True),
        (topics.image("demo", "st-a"), "st-a", False),
        (topics.event("demo", "st-a"), "st-a", False),
        (topics.command("demo", "st-a", "rig"), "rig", False),
        (topics.reply("demo", "st-a", "rig"), "st-a", False),
        (topics.couple("demo", "st-a", "st-b"), "st-a", False),
        (topics.pool("main", "vote", "st-a"), "st-a", True),
        ("tl/1/line/demo/st/st-a/other", None, False),
        ("tl/1/line/demo/st/st-a/state\n", None, False),
        ("tl/1/line/demo/st/st-a/state/more", None, False),
        ("", None, False),
    ],
)
def test_a_topic_says_whose_it_is(topic: str, sender: str | None, retainable: bool) -> None:
    assert topics.topic_sender(topic) == sender
    assert topics.retainable(topic) is retainable


@pytest.mark.parametrize("part", ["#", "a/b", "", "A", "a+"])
def test_only_ids_make_a_topic(part: str) -> None:
    with pytest.raises(ValueError, match="topic"):
        topics.command("demo", "st-a", part)
    assert topics.state("demo", topics.ANY) == "tl/1/line/demo/st/+/state"

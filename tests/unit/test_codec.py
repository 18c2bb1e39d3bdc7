"""One value has one encoding; signatures hold for what they were made for; garbage is a value."""

from __future__ import annotations

import hashlib

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from ledger import codec
from ledger.codec import Malformed


class Part(msgspec.Struct, frozen=True, array_like=True):
    name: str
    size: int
    weight: float
    tags: dict[str, bytes]


PARTS = st.builds(
    Part,
    name=st.text(max_size=20),
    size=st.integers(-(2**63), 2**64 - 1),
    weight=st.floats(allow_nan=False),
    tags=st.dictionaries(st.text(max_size=5), st.binary(max_size=5), max_size=4),
)


@given(PARTS)
def test_what_is_encoded_decodes_to_itself(part: Part) -> None:
    assert codec.decode(codec.encode(part), Part) == part


@given(st.binary(max_size=60))
def test_whatever_decodes_has_exactly_these_bytes(data: bytes) -> None:
    value = codec.decode(data, Part)
    assert isinstance(value, Malformed) or codec.encode(value) == data


@given(PARTS, st.data())
def test_no_other_bytes_mean_the_same(part: Part, data: st.DataObject) -> None:
    encoded = bytearray(codec.encode(part))
    place = data.draw(st.integers(0, len(encoded) - 1))
    encoded[place] ^= data.draw(st.integers(1, 255))
    assert codec.decode(bytes(encoded), Part) != part


def test_the_order_of_keys_does_not_matter() -> None:
    first = Part("a", 1, 0.5, {"x": b"1", "y": b"2"})
    second = Part("a", 1, 0.5, {"y": b"2", "x": b"1"})
    assert codec.encode(first) == codec.encode(second)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"\x94\xa1a\xcd\x00\x01\xcb" + bytes(8) + b"\x80", "canonical"),  # 1 in three bytes
        (b"\x94\xd9\x01a\x01\xcb" + bytes(8) + b"\x80", "canonical"),  # a long header for a short text
        (b"\x94\xa1a\x01\x00\x80", "canonical"),  # an integer where a float is
        (b"\x94\xa1a\x01\xca" + bytes(4) + b"\x80", "canonical"),  # a float in four bytes
        (b"\x94\xa1a\x01\xcb" + bytes(8) + b"\x82\xa1y\xc4\x00\xa1x\xc4\x00", "canonical"),  # keys unsorted
        (b"\x94\xa1a\x01\xcb" + bytes(8) + b"\x82\xa1x\xc4\x00\xa1x\xc4\x00", "canonical"),  # a key twice
        (b"\x95\xa1a\x01\xcb" + bytes(8) + b"\x80\x01", "canonical"),  # a field too many
        (b"\x94\xa1a\x01\xcb" + bytes(8) + b"\x80\x00", "trailing"),
        (b"\x93\xa1a\x01\xcb" + bytes(8), "length"),
        (b"\x94\xa1\xff\x01\xcb" + bytes(8) + b"\x80", "utf-8"),
        (b"\x91" * 100_000, ""),
        (b"", "truncated"),
    ],
)
def test_what_is_not_canonical_is_malformed(data: bytes, why: str) -> None:
    value = codec.decode(data, Part)
    assert isinstance(value, Malformed)
    assert why in value.reason.lower()


def test_deep_nesting_is_malformed_for_a_shape_that_allows_it() -> None:
    assert isinstance(codec.decode(b"\x91" * 100_000 + b"\x90", list), Malformed)


def test_a_limit_is_kept_before_anything_is_decoded() -> None:
    data = codec.encode(b"x" * 100)
    assert codec.decode(data, bytes, len(data)) == b"x" * 100
    assert isinstance(codec.decode(data, bytes, len(data) - 1), Malformed)


def test_a_digest_is_over_the_concatenation() -> None:
    assert codec.digest(b"ab", b"c") == codec.digest(b"abc") == hashlib.sha256(b"abc").digest()


class TestSignatures:
    key = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    public = key.public_key().public_bytes_raw()

    def test_a_signature_holds(self) -> None:
        signature = codec.sign(self.key, "vote", b"data")
        assert len(signature) == codec.SIGNATURE_BYTES
        assert codec.verify(self.public, "vote", b"data", signature)

    @pytest.mark.parametrize(("context", "data"), [("block", b"data"), ("vote", b"dat"), ("voted", b"ata")])
    def test_it_holds_for_nothing_else(self, context: str, data: bytes) -> None:
        assert not codec.verify(self.public, context, data, codec.sign(self.key, "vote", b"data"))

    @given(st.binary(max_size=80))
    def test_no_other_bytes_are_a_signature(self, signature: bytes) -> None:
        assert not codec.verify(self.public, "vote", b"data", signature)

    @pytest.mark.parametrize("public", [b"", bytes(31), bytes(33), b"\xff" * 32])
    def test_a_bad_key_verifies_nothing(self, public: bytes) -> None:
        assert not codec.verify(public, "vote", b"data", codec.sign(self.key, "vote", b"data"))

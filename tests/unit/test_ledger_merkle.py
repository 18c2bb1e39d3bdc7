"""Merkle roots and proofs: what is in proves, and nothing else does."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger import merkle
from ledger.codec import digest

LEAVES = st.lists(st.binary(max_size=40), min_size=1, max_size=40)


def test_small_roots_are_those_of_rfc_6962() -> None:
    one, two, three = (digest(b"\x00", leaf) for leaf in (b"a", b"b", b"c"))
    assert merkle.root([]) == digest(b"")
    assert merkle.root([b"a"]) == one
    assert merkle.root([b"a", b"b", b"c"]) == digest(b"\x01", digest(b"\x01", one, two), three)


@given(LEAVES, st.data())
def test_every_leaf_proves_at_its_place_alone(leaves: list[bytes], data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(leaves) - 1))
    root, path = merkle.root(leaves), merkle.proof(leaves, index)
    assert merkle.proves(leaves[index], index, len(leaves), path, root)
    assert not merkle.proves(leaves[index] + b"x", index, len(leaves), path, root)
    other = data.draw(st.integers(0, len(leaves) - 1))
    if leaves[other] != leaves[index]:
        assert not merkle.proves(leaves[index], other, len(leaves), path, root)
    assert not merkle.proves(leaves[index], index, len(leaves), (*path, bytes(32)), root)
    if path:
        assert not merkle.proves(leaves[index], index, len(leaves), path[:-1], root)


@given(LEAVES, LEAVES)
def test_other_leaves_have_another_root(one: list[bytes], other: list[bytes]) -> None:
    assert (merkle.root(one) == merkle.root(other)) == (one == other)


@pytest.mark.parametrize("index", [-1, 2])
def test_a_leaf_that_is_not_there_has_no_proof(index: int) -> None:
    with pytest.raises(IndexError):
        merkle.proof([b"a", b"b"], index)
    assert not merkle.proves(b"a", index, 2, (), merkle.root([b"a"]))

"""``genesis.json`` comes back as it was, and no byte of it can be changed unseen."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.errors import BadInput
from gateway.genesisfile import genesis_bytes, load_genesis, read_genesis
from ledger.genesis import Genesis
from ledger.records import Party

MADE = Genesis(
    1,
    "starter",
    1_700_000_000_000_000_000,
    (Party("infeed", bytes(range(32)), "starter"), Party("rig", bytes(32), "rig", False, True)),
)


def test_it_comes_back() -> None:
    assert read_genesis(genesis_bytes(MADE)) == MADE
    assert MADE.id.hex() in genesis_bytes(MADE).decode()


def test_every_changed_byte_shows() -> None:
    data = genesis_bytes(MADE)
    for at in range(len(data)):
        for flipped in (0x01, 0x20, 0x80):
            changed = bytearray(data)
            changed[at] ^= flipped
            with pytest.raises(ValueError):
                read_genesis(bytes(changed))


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("genesis 2", "genesis 1", "format 'genesis 1' is not known"),
        ('"owner": "starter",', "", "a party without 'owner'"),
        ('"time": 17', '"time": "17", "other": 17', "Expected `int`"),
        ('"node": "rig"', '"node": "infeed"', "two parties of starter have one name"),
        ("{", "", "cannot|Expected|malformed|object"),
    ],
)
def test_what_is_wrong_is_said(old: str, new: str, says: str, tmp_path: Path) -> None:
    path = tmp_path / "genesis.json"
    path.write_text(genesis_bytes(MADE).decode().replace(old, new, 1))
    with pytest.raises(BadInput, match=says) as caught:
        load_genesis(path)
    assert str(path) in str(caught.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="No such file"):
        load_genesis(tmp_path / "genesis.json")

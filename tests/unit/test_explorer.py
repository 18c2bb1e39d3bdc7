"""A chain in a terminal: all is there, nothing is wider than 80 columns, nothing does a terminal obey."""

from __future__ import annotations

import json

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ledger.chain import DecidedChain
from ledger.codec import sign as sign_bytes
from ledger.genesis import Genesis
from ledger.keys import Keyring
from ledger.records import (
    Completion,
    Inspection,
    Party,
    Record,
    Requirement,
    SessionClosed,
    SessionOpened,
    transaction,
)
from ledger.signing import sign
from ledger.types import PRECOMMIT, Block, Commit, Qc
from rig.explorer import as_json, name_of, one_block, one_record, overview, standing

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
    """A chain of blocks that nobody voted on: what is shown does not depend on votes."""

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
        self.blocks: list[Block] = []

    def block(self, *records: tuple[str, Record]) -> Block:
        for node, record in records:
            self.seqs[node] += 1
            tx = transaction(self.chain.id, node, self.seqs[node], record)
            assert self.chain.submit(sign(self.rings[node], tx)) == ""
        block = self.chain.propose(self.chain.proposer(0), START + (len(self.blocks) + 1) * 60 * SECOND)
        qc = Qc(self.chain.id, self.chain.height, 0, PRECOMMIT, block.id, ())
        self.chain.commit(Commit(qc, block))
        self.blocks.append(block)
        return block


@pytest.fixture
def made() -> Made:
    made = Made(epoch=3)
    made.block(("rig", SessionOpened("s", "starter", HASH)))
    made.block(
        ("rig", Requirement("w-1", 1, "phone", LONG, 18 * SECOND // 10, START, START)),
        ("rig", Requirement("w-1", 2, "\x1b[31mphone", "glue", 22 * SECOND // 10, START, START)),
    )
    made.block((LONG, Completion("w-1", 1, START)), ("glue", Completion("w-1", 2, START)))
    made.block(
        ("inspector", Inspection("w-1", 1, "feed", HASH, True, "time in station")),
        ("inspector", Inspection("w-1", 2, "glue", HASH, False, "time in station")),
    )
    made.block(("rig", SessionClosed("s", "PASS", HASH)))
    return made


def checked(lines: list[str]) -> str:
    assert max(map(len, lines)) <= 80
    text = "\n".join(lines)
    assert "\x1b" not in text
    return text


def test_all_blocks(made: Made) -> None:
    text = checked(list(overview(made.genesis, made.blocks)))
    assert made.genesis.id.hex() in text
    assert made.genesis.chain in text
    assert "a-station-with-… line             votes" in text
    assert "rig              line             plans" in text
    assert "2 requirement" in text
    assert "     5  03:09:05.000" in text


def test_one_block_and_one_record(made: Made) -> None:
    block = made.blocks[1]
    text = checked(list(one_block(block)))
    assert block.id.hex() in text
    assert made.blocks[0].id.hex() in text
    assert "rig/3" in text
    tx = block.body[1]
    assert name_of(tx) == "rig/3"
    text = checked(list(one_record(block, tx)))
    for said in ("requirement", "\\x1b[31mphone", "2200000000", "2026-01-02 03:04:05 UTC", tx.sig.hex()[:64]):
        assert said in text


def test_workload_counts_at_once_and_comes_into_force_with_the_epoch(made: Made) -> None:
    text = checked(list(standing(made.genesis, made.blocks)))
    row = next(line.split() for line in text.splitlines() if line.startswith("a-station"))
    assert row[1:7] == ["1.8", "s", "0.0", "s", "50.0%", row[6]]
    assert "M comes into force in 1" in text
    made.block()
    text = checked(list(standing(made.genesis, made.blocks)))
    rows = [line.split() for line in text.splitlines() if line.startswith(("a-station", "glue"))]
    assert [row[1:6] for row in rows] == [
        ["1.8", "s", "1.8", "s", "100.0%"],
        ["0.0", "s", "0.0", "s", "0.0%"],
    ]
    assert sum(int(row[6]) for row in rows) == 6


def test_for_other_programs(made: Made) -> None:
    lines = [json.loads(json.dumps(as_json(block))) for block in made.blocks]
    assert [line["height"] for line in lines] == [1, 2, 3, 4, 5]
    assert lines[1]["prev"] == lines[0]["id"]
    assert lines[4]["records"][0] == {
        "record": "rig/4", "kind": "session-closed", "session": "s", "verdict": "PASS",
        "manifest": HASH.hex(), "signature": made.blocks[4].body[0].sig.hex(),
    }  # fmt: skip

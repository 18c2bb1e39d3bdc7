"""A chain in a terminal: all is there, nothing is wider than 80 columns, nothing does a terminal obey."""

from __future__ import annotations

import json

import pytest
from chain_made import HASH, LONG, SECOND, START, Made

from ledger.records import Completion, Inspection, Requirement, SessionClosed, SessionOpened
from rig.explorer import as_json, name_of, one_block, one_record, overview, standing


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
    for said in (
        "requirement",
        "\\x1b[31mphone",
        "takes         2.2 s",
        "2026-01-02 03:04:05 UTC",
        tx.sig.hex()[:64],
    ):
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

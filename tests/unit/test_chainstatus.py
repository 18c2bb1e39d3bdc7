"""What nodes say of a chain: the unverified is shown, and counts for nothing beside what is verified."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.errors import BadInput
from gateway.net.reports import ChainState, PoolState
from rig.chainstatus import Heard, ask, table

POOL = PoolState("mill", "mill-2", "t1", 1, 0, "")
TRUE = ChainState(True, "b1", "row-1", height=7, proposer="a", workloads={"a": 10**9}, shares={"a": 1.0})
FALSE = ChainState(
    True, "b2", "row-1", height=9_000, proposer="mallory", workloads={"mallory": 10**12}, pools=(POOL,)
)


def test_what_is_not_verified_is_marked_and_decides_nothing() -> None:
    shown = table({"row/a": Heard(TRUE, True), "row/b": Heard(FALSE, False)})
    assert shown[1].startswith("height   7, ")
    assert "proposed by a," in shown[2]
    assert [line for line in shown if "mallory" in line or "pool mill" in line] == []
    assert any(line.startswith("row/b") and "unverified" in line for line in shown)


def test_where_nothing_is_verified_the_head_says_so() -> None:
    shown = table({"row/b": Heard(FALSE, False)})
    assert shown[1].startswith("height   9000, ")
    assert shown[1].endswith(", unverified")


def test_nobody_is_asked_in_the_clear_on_another_machine(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="in the clear"):
        ask("mqtt://192.0.2.1:1883", None, "rig")

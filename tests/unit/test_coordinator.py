"""What is planned of a line's bill of process, and what is made of what the rig measured."""

from __future__ import annotations

from concurrent.futures import Future
from pathlib import Path

import msgspec
import pytest

from gateway.net.messages import Trace
from gateway.twin.workpiece import Happening, Kind, Workpiece
from ledger.records import Completion, Inspection, Record, Requirement, opens
from ledger.state import State
from rig.bills import Bills, ItemLine, OperationLine
from rig.chain import Decided, NotFinal, RigChain, Settled, Submitted
from rig.coordinator import INSPECTIONS, Coordinator, Inspections, Operation, planned
from rig.genesis import begin, witnesses
from rig.trace import Reading

MS = 1_000_000
BILLS = Bills(
    items={"phone": ItemLine(name="phone"), "board": ItemLine(name="board")},
    operations={
        "print": OperationLine(of="board", takes=900 * MS),
        "feed": OperationLine(of="phone", takes=1_800 * MS),
        "look": OperationLine(of="phone", after=["feed"]),
        "screw": OperationLine(of="phone", after=["look", "print"], takes=2_300 * MS),
        "pack": OperationLine(of="phone", after=["screw"], takes=500 * MS),
    },
    does={
        "printer": ("print",), "infeed": ("feed",), "eye": ("look",), "robot": ("screw",),
        "left": ("pack",), "right": ("pack",),
    },
)  # fmt: skip


def test_what_is_planned_lies_on_the_way_has_a_time_and_one_station() -> None:
    assert planned(BILLS, "infeed") == [
        Operation(2, "feed", "infeed", 1_800 * MS),
        Operation(4, "screw", "robot", 2_300 * MS),
    ]
    assert [each.name for each in planned(BILLS, "printer")] == ["print", "screw"]
    assert planned(BILLS, "left") == []
    assert planned(Bills(), "infeed") == []


def reading(*happenings: tuple[int, Kind, str]) -> Reading:
    happened = tuple(Happening(ms * MS, kind, "belt", workpiece, "") for ms, kind, workpiece in happenings)
    return Reading(Trace(0, 0, 10_000 * MS, 100, "done", {}, happenings=happened))


class Recorded(RigChain):
    """A chain that takes what is submitted, and on which what is ``completed`` is final already."""

    def __init__(self, *completed: tuple[str, int]) -> None:
        self.inspector = "inspector"
        self.state: State
        nodes = {name: name.encode().ljust(32) for name in ("infeed", "robot", "operator", "inspector")}
        self.genesis = begin("line", 0, nodes, "operator", "inspector", 1)
        self.records: list[tuple[str, Record]] = []
        self.decided = [Decided(1, "infeed", Completion(*each, 0)) for each in completed]

    def submit(self, record: Record, node: str = "") -> Submitted:
        self.records.append((node, record))
        accepted: Future[int] = Future()
        accepted.set_result(len(self.records))
        return Submitted(record, node, accepted)

    def follow(self) -> None:
        pass

    def settle(self, submitted: Submitted, limit: float = 0.0) -> Settled:
        assert submitted.number.result() == len(self.records), "the last one is waited for"
        assert submitted.node == self.inspector
        return Settled(2, 0, 3, 4)


WORKPIECES = tuple(Workpiece(f"w-{number}", "phone") for number in (1, 2, 3))
READINGS = {
    "infeed": reading(
        *((0, "entered", "w-1"), (10, "entered", "w-2"), (1_800, "left", "w-1"), (20, "entered", "w-3")),
        *((1_850, "left", "w-2"), (1_900, "left", "w-3")),
    ),
    "robot": reading(
        *((1_900, "entered", "w-1"), (4_200, "finished", "w-1")),
        *((4_300, "entered", "w-2"), (6_000, "rejected", "w-2"), (6_100, "entered", "w-3")),
    ),
}


def test_each_operation_of_each_workpiece_is_planned() -> None:
    chain = Recorded()
    Coordinator(chain, BILLS).plan(WORKPIECES, "infeed", 60_000 * MS)
    plans = [record for _, record in chain.records if isinstance(record, Requirement)]
    assert [(each.task, each.operation, each.node, each.takes) for each in plans[:3]] == [
        ("w-1", 2, "infeed", 1_800 * MS),
        ("w-1", 4, "robot", 2_300 * MS),
        ("w-2", 2, "infeed", 1_800 * MS),
    ]
    assert len(plans) == 6
    assert {each.due - each.time for each in plans} == {60_000 * MS}


def test_what_a_station_does_that_is_no_node_is_not_planned() -> None:
    bills = msgspec.structs.replace(BILLS, does={**BILLS.does, "robot": (), "played": ("screw",)})
    chain = Recorded()
    Coordinator(chain, bills).plan(WORKPIECES, "infeed", 60_000 * MS)
    assert {record.node for _, record in chain.records if isinstance(record, Requirement)} == {"infeed"}


def test_witnesses_make_up_what_is_missing() -> None:
    assert witnesses(["a", "b"], "rig") == ("witness-1", "witness-2")
    assert witnesses(["a", "witness-1"], "witness-3", ["witness-2", "a"]) == ("witness-4", "witness-5")
    assert witnesses("abcde", "rig") == ()


def test_what_was_given_on_is_inspected_and_passes_unless_it_was_taken_out(tmp_path: Path) -> None:
    chain = Recorded(("w-1", 2), ("w-2", 2), ("w-3", 2), ("w-1", 4))
    coordinator = Coordinator(chain, BILLS)
    coordinator.plan(WORKPIECES, "infeed", 60_000 * MS)
    coordinator.measured(READINGS)
    chain.records.clear()
    coordinator.inspect(tmp_path)
    kept = msgspec.json.decode((tmp_path / INSPECTIONS).read_bytes(), type=Inspections).inspections
    assert [(each.task, each.operation, each.passed, each.value) for each in kept] == [
        ("w-1", 2, True, "1800.000 ms"),
        ("w-2", 2, False, "1840.000 ms"),
        ("w-3", 2, True, "1880.000 ms"),
        ("w-1", 4, True, "2300.000 ms"),
    ]
    for each, (node, record) in zip(kept, chain.records, strict=True):
        assert node == "inspector"
        assert isinstance(record, Inspection)
        assert (record.task, record.operation, record.passed) == (each.task, each.operation, each.passed)
        assert opens(record.value, bytes.fromhex(each.salt), each.value.encode())
        assert not opens(record.value, bytes(32), each.value.encode())


def test_what_no_station_completed_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rig.coordinator.TOLD", 0.0)
    coordinator = Coordinator(Recorded(("w-1", 2)), BILLS)
    coordinator.plan(WORKPIECES[:1], "infeed", 60_000 * MS)
    coordinator.measured(READINGS)
    with pytest.raises(NotFinal, match="1 of 2 operations were not completed on the chain"):
        coordinator.inspect(tmp_path)


def test_a_line_without_plans_leaves_no_trace(tmp_path: Path) -> None:
    chain = Recorded()
    coordinator = Coordinator(chain, Bills())
    coordinator.plan(WORKPIECES, "infeed", 60_000 * MS)
    coordinator.measured(READINGS)
    coordinator.inspect(tmp_path)
    assert chain.records == []
    assert list(tmp_path.iterdir()) == []

"""A cell with a real machine: the gate before its actuators, sensors composed, its loss, its safe state."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import msgspec
import pytest
from cell_support import MS, SECOND, Bench

from gateway.cell.cell import Cell, Inputs, Outputs
from gateway.cell.composing import compose
from gateway.cell.machine import REFRESH
from gateway.field.tags import TagRef
from gateway.field.types import Value
from gateway.net.messages import (
    Force,
    Free,
    Inject,
    Pause,
    Place,
    Refused,
    Release,
    Renew,
    Reset,
    Run,
    Trace,
)
from gateway.station import LONGEST, Mode, Station, load_station
from gateway.terminals import mirrored
from gateway.twin.workpiece import Workpiece

INFEED = load_station(Path(__file__).resolve().parents[2] / "config" / "stations" / "infeed.yaml")
REST: dict[str, Value] = {"belt-run": False, "stopper-open": False}
SHOWN: dict[str, Value] = {
    "part-at-stop": False, "part-leaving": False, "stop-closed": True, "stop-opened": False,
    "air-ok": True, "drive-ok": True, "belt-speed": 0.0,
}  # fmt: skip


class MachineBench(Bench):
    """The infeed with a machine that is told what it shows; ``plant`` is what it holds at its actuators."""

    def __init__(
        self,
        mode: Mode = "ril",
        stored: Mapping[tuple[str, str], bytes] | None = None,
        station: Station = INFEED,
    ) -> None:
        self.mode = mode
        super().__init__(station=station, stored=stored)
        self.cell = Cell(station, self.neighbours, 0, dict(self.disk), "epoch", mode)
        self.plant: dict[str, Value] = {}
        self.wrote: list[dict[str, Value]] = []
        self.plant_there = True
        self._show: dict[str, Value] = dict(SHOWN)

    def show(self, **values: Value) -> None:
        """From the next scan on."""
        self._show |= {name.replace("_", "-"): value for name, value in values.items()}

    def step(  # type: ignore[override]
        self, image: Mapping[str, Value] | None = None, after: int = 10 * MS, **_: object
    ) -> Outputs:
        self.now += after
        asked, self._asked = tuple(self._asked), []
        shown, self._show = self._show, {}
        lost = {} if self.plant_there else {"plant": "it does not answer"}
        seen = Inputs(
            image or {}, not lost, 0, 0, self._persisted, asked, (), self.refused, lost,
            machine=shown if self.plant_there else {},
        )  # fmt: skip
        out = self.cell.step(self.now, seen)
        self._persist(out)
        self.device.update(out.writes)
        if out.actuate:
            assert self.plant_there, "nothing is sent to who is not there"
            self.plant.update(out.actuate)
            self.wrote.append(dict(out.actuate))
        self.cell.took({**out.writes, **out.actuate})
        return out


# --- the gate ------------------------------------------------------------------------------------------


def test_with_the_gate_closed_nothing_is_ever_written_to_the_plant() -> None:
    bench = MachineBench()
    for _ in range(50):
        out = bench.step({"belt-run": True, "stopper-open": True, "lamp-fault": True})
        assert out.actuate == out.writes == {}
    assert bench.cell.values["belt-run"] is True


def test_with_the_gate_open_the_plant_gets_what_the_controller_puts_out_and_no_more_than_its_terminals() -> (
    None
):
    bench = MachineBench()
    bench.step({"belt-run": True, "stopper-open": False, "lamp-fault": True})
    bench.lease()
    assert bench.plant == {"belt-run": True, "stopper-open": False}
    bench.step({"stopper-open": True})
    assert bench.plant == {"belt-run": True, "stopper-open": True}


def test_an_output_that_is_not_known_yet_is_off() -> None:
    bench = MachineBench()
    bench.lease()
    assert bench.plant == REST


def test_actuators_are_written_anew_so_that_a_module_that_dropped_them_gets_them_again() -> None:
    bench = MachineBench()
    bench.step({"belt-run": True})
    token = bench.lease()
    bench.wrote.clear()
    for _ in range(100):
        if bench.now % (200 * MS) == 0:
            bench.ask(Renew(token))
        bench.step()
    assert SECOND // REFRESH - 1 <= len(bench.wrote) <= SECOND // REFRESH + 1
    assert all(each == {"belt-run": True, "stopper-open": False} for each in bench.wrote)


def test_writing_actuators_anew_is_beside_the_rate_and_a_stop_waits_for_nothing(tmp_path: Path) -> None:
    """At 10/s a real change has room for one tag in a tenth of a second, whatever is refreshed meanwhile."""
    text = Path(INFEED.file).read_text().replace("../programs/", f"{Path(INFEED.file).parents[1]}/programs/")
    (tmp_path / "infeed.yaml").write_text(f"{text}\nwrites: {{rate: 10/s}}\n")
    bench = MachineBench(station=load_station(tmp_path / "infeed.yaml"))
    bench.step({"belt-run": True, "stopper-open": False})
    bench.lease(ttl=5 * SECOND)
    bench.steps(200)  # all is written, and anew, and anew
    bench.wrote.clear()
    request = bench.ask(Run(1, (Pause(SECOND),)))
    bench.steps(110)
    trace = bench.replies[request]
    assert isinstance(trace, Trace)
    assert not trace.overruns
    assert len(bench.wrote) >= SECOND // REFRESH
    stopped = bench.now
    bench.step({"belt-run": False, "stopper-open": True})
    while bench.plant["belt-run"]:
        bench.step()
    assert bench.now <= stopped + 10 * MS
    assert bench.plant["stopper-open"] is False, "it waits, for the stop comes first"


def test_a_number_stays_within_its_range_and_one_that_is_none_leaves_its_actuator_as_it_is() -> None:
    glue = load_station(Path(INFEED.file).with_name("glue.yaml"))
    cell = Cell(glue, Bench().neighbours, 0, {}, "epoch", "ril")
    assert cell.machine is not None
    assert cell.machine.actuators["axis-target"].type.name == "REAL"
    cell.machine.see((), {})
    assert cell.machine.follow(0, {"axis-target": 120.0}, True)["axis-target"] == 120.0
    assert cell.machine.follow(0, {"axis-target": math.nan}, True)["axis-target"] == 120.0
    assert cell.machine.follow(0, {"axis-target": 9_000.0}, True)["axis-target"] == 400.0
    assert cell.machine.follow(0, {"axis-target": math.nan}, False)["axis-target"] == 0


@pytest.mark.parametrize("how", ["released", "ran out", "shut"])
def test_when_the_lease_goes_every_actuator_drops_once_and_then_nothing_is_written(how: str) -> None:
    bench = MachineBench()
    bench.step({"belt-run": True, "stopper-open": True})
    token = bench.lease()
    assert bench.plant == {"belt-run": True, "stopper-open": True}
    if how == "released":
        bench.ask(Release(token))
    elif how == "shut":
        bench.cell.shut()
    bench.wrote.clear()
    for _ in range(300):
        bench.step({"belt-run": True})
    *before, last = bench.wrote
    assert all(each["belt-run"] is True for each in before)
    assert last == REST
    assert bench.cell.gate.state == "closed"
    assert "safe: the safe state is driven" in bench.events
    assert bench.device["air-ok"] is False


def test_a_lease_that_runs_out_drops_the_actuators_within_its_time_and_100_ms_also_at_the_longest_scan() -> (
    None
):
    bench = MachineBench()
    bench.step({"belt-run": True})
    token = bench.lease()
    bench.ask(Renew(token))
    bench.step()
    renewed = bench.now
    while bench.plant["belt-run"]:
        bench.step(after=LONGEST)
    assert renewed + SECOND <= bench.now <= renewed + SECOND + 100 * MS


def test_after_a_kill_while_driving_the_actuators_drop_at_once() -> None:
    bench = MachineBench()
    bench.step({"belt-run": True})
    bench.lease()
    bench.plant.clear()
    bench.cell = Cell(INFEED, bench.neighbours, bench.now, dict(bench.disk), "epoch", "ril")
    bench.step({"belt-run": True})
    assert bench.plant == REST
    bench.steps(2)
    assert bench.journalled("gate") == set()


# --- what the controller reads -------------------------------------------------------------------------


def test_the_controller_reads_the_machine_and_forces_lie_over_it() -> None:
    bench = MachineBench()
    token = bench.lease()
    bench.show(belt_speed=123.0, part_at_stop=True)
    bench.step()
    assert (bench.device["belt-speed"], bench.device["part-at-stop"]) == (123.0, True)
    bench.run(token, Force(TagRef("part-at-stop"), False), Force(TagRef("belt-speed"), 400.0), keep=True)
    bench.show(belt_speed=124.0)
    bench.step()
    assert (bench.device["belt-speed"], bench.device["part-at-stop"]) == (400.0, False)
    bench.run(token, Free(TagRef("part-at-stop")), Free(TagRef("belt-speed")))
    bench.step()
    assert (bench.device["belt-speed"], bench.device["part-at-stop"]) == (124.0, True)


def test_a_virtual_workpiece_shows_at_an_eye_of_the_machine_and_the_machine_shows_when_it_is_gone() -> None:
    bench = MachineBench()
    bench.step({"belt-run": True})
    token = bench.lease()
    request = bench.ask(
        Run(token, (Place("belt", (Workpiece("w-1", length=150.0),), SECOND), Pause(2 * SECOND), Reset()))
    )
    eye: list[Value] = []
    while request not in bench.replies:
        if bench.now % (200 * MS) == 0:
            bench.ask(Renew(token))
        bench.step()
        eye.append(bench.device["part-at-stop"])
    assert isinstance(bench.replies[request], Trace)
    assert eye[0] is False
    assert eye[-2] is True
    bench.step()
    assert bench.device["part-at-stop"] is False
    bench.show(part_at_stop=True)  # a real one
    bench.step()
    assert bench.device["part-at-stop"] is True


def test_the_twin_stands_while_the_plant_does() -> None:
    bench = MachineBench()
    bench.step({"belt-run": True})
    bench.steps(50)
    assert bench.cell.twin.sense()["belt-speed"] == 0
    bench.lease()
    bench.steps(50)
    assert bench.cell.twin.sense()["belt-speed"] == pytest.approx(500, rel=0.02)


BOOL, SPEED = INFEED.tags["part-at-stop"], INFEED.tags["belt-speed"]


@pytest.mark.parametrize(
    ("machine", "twin", "empty", "shown"),
    [
        # a switch that closes before a workpiece
        (False, False, False, False),
        (True, False, False, True),
        (False, True, False, True),
        (True, True, False, True),
        # one that opens before it
        (True, True, True, True),
        (False, True, True, False),
        (True, False, True, False),
        (False, False, True, False),
    ],
)
def test_switches_composed(machine: bool, twin: bool, empty: bool, shown: bool) -> None:
    assert compose(BOOL, machine, twin, empty) is shown


@pytest.mark.parametrize(
    ("machine", "twin", "empty", "shown"),
    [
        (12.0, 30.0, 30.0, 12.0),  # nothing virtual there: the machine, whatever the twin says
        (0.0, 250.0, 0.0, 250.0),
        (12.0, 250.0, 10.0, 252.0),  # the machine's offset stays
        (300.0, 100.0, 290.0, 110.0),  # a distance becomes less
        (400.0, 250.0, 0.0, 500.0),  # within the range
        (0.0, 10.0, 60.0, 0.0),
    ],
)
def test_numbers_composed(machine: float, twin: float, empty: float, shown: float) -> None:
    assert compose(SPEED, machine, twin, empty) == shown


# --- losing the plant ----------------------------------------------------------------------------------


def test_a_lost_plant_ends_the_script_and_the_controller_reads_safe_values() -> None:
    bench = MachineBench()
    bench.step({"belt-run": True})
    token = bench.lease()
    request = bench.ask(Run(token, (Pause(SECOND // 2),)))
    bench.steps(5)
    assert bench.device["air-ok"] is True
    bench.plant_there = False
    bench.wrote.clear()
    bench.steps(2)
    trace = bench.replies[request]
    assert isinstance(trace, Trace)
    assert trace.ended == "link"
    assert trace.lost == {"plant": "it does not answer"}
    assert bench.device == {tag.name: tag.safe for tag in INFEED.inputs}
    assert bench.wrote == []
    assert "link: the plant is not connected: it does not answer" in bench.events
    assert bench.cell.qualities.now["air-ok"] == "bad"
    assert "belt-run" not in bench.cell.qualities.now
    assert bench.cell.twin.sense()["belt-speed"] < 500  # it stands as the plant does


def test_a_plant_that_is_back_is_read_and_written_anew() -> None:
    bench = MachineBench()
    bench.step({"belt-run": True})
    token = bench.lease()
    bench.plant_there = False
    bench.steps(3)
    bench.ask(Renew(token))
    bench.plant.clear()
    bench.plant_there = True
    bench.show(**{name.replace("-", "_"): value for name, value in SHOWN.items()})
    bench.steps(2)
    assert bench.plant == {"belt-run": True, "stopper-open": False}
    assert bench.device["air-ok"] is True


def test_a_lease_that_goes_while_the_plant_is_lost_drops_its_actuators_when_it_is_back() -> None:
    bench = MachineBench()
    bench.step({"belt-run": True})
    bench.lease()
    bench.plant_there = False
    bench.steps(300)
    assert bench.cell.gate.state == "safing"
    assert not bench.cell.driving  # nobody need wait for it
    bench.plant.clear()
    bench.plant_there = True
    bench.steps(2)
    assert bench.plant == REST
    assert bench.cell.gate.state == "closed"


# --- what is not possible ------------------------------------------------------------------------------


def test_no_fault_is_injected_into_a_plant_that_is_real() -> None:
    bench = MachineBench()
    token = bench.lease()
    answer = bench.answer(Run(token, (Inject("belt.trip"),)))
    assert answer == Refused("infeed: the plant is real, no fault can be injected into it")


def test_no_scan_is_left_out_with_a_real_machine() -> None:
    bench = MachineBench()
    bench.steps(20)
    due = bench.cell.due()
    assert due is not None
    assert due <= bench.now


def test_in_shadow_nothing_is_written_not_even_what_a_kill_in_another_mode_left_to_be_made_safe() -> None:
    driven = MachineBench()
    driven.step({"belt-run": True})
    driven.lease()
    bench = MachineBench("shadow", driven.disk)
    for _ in range(20):
        out = bench.step({"belt-run": True})
        assert out.actuate == out.writes == {}
    assert bench.journalled("gate") == set()
    assert bench.cell.values["air-ok"] is True  # as the controller reads it


def test_a_plants_terminals_are_of_its_own_device_and_byte_order() -> None:
    assert INFEED.plant is not None
    plant = msgspec.structs.replace(INFEED.plant, name="machine", order="CDAB")
    found = mirrored(msgspec.structs.replace(INFEED, plant=plant))
    assert {tag.device for tag in found.values()} == {"machine"}
    usual = mirrored(INFEED)["belt-speed"].type
    assert found["belt-speed"].type.pack(1.0) == usual.pack(1.0)[2:] + usual.pack(1.0)[:2]

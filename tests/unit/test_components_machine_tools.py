"""Machine tools: the course of a cut, what it leaves, energy against sums, wear from cut to cut, faults."""

from __future__ import annotations

import pytest
from twin_bench import MS, START, Bench, part

from gateway.twin import machining
from gateway.twin.components.machine_tool import MachineTool
from gateway.twin.components.machine_tools import Drill, Lathe, Mill, WireCutter
from gateway.twin.components.places import Nest

LATHE = {
    "run-up": 500.0, "back": 200.0, "size": 40.0, "revolutions": 1_500.0, "feed": 0.2, "length": 10.0,
    "depth": 1.0, "corner": 0.8, "rated": 12.0, "idle": 0.5, "scatter": 0.0,
    "kc11": 1_700.0, "mc": 0.25, "taylor-c": 300.0, "taylor-n": 0.25,
}  # fmt: skip
CUT_MS = 10 / (0.2 * 1_500) * 60_000  # 2 s


class Shop:
    """A machine tool with a workpiece in its chuck."""

    def __init__(self, family: type[MachineTool] = Lathe, **params: float) -> None:
        self.bench = Bench()
        self.chuck = self.bench.add(Nest, {"load": 0})
        self.chuck.drive("release", False)
        base = LATHE if family is Lathe else {"revolutions": 3_000.0, "scatter": 0.0}
        base = {"scatter": 0.0} if family is WireCutter else base
        self.tool = self.bench.add(family, {**base, **params}, on=self.chuck)
        self.chuck.admit(part("a"))

    def cut(self, begin: float, took: float = CUT_MS) -> None:
        """Feed from ``begin`` ms on for the whole cut, and go home."""
        self.bench.to(begin)
        self.tool.drive("feed", True)
        self.bench.to(begin + took + 1)
        assert self.tool.sense("done") is True
        self.tool.drive("feed", False)
        self.bench.to(begin + took + 500)

    def done(self) -> dict[str, float]:
        return {key: float(value) for key, value in self.chuck.contents()[0].done.items()}


def test_a_cut_takes_its_time_at_speed_and_leaves_size_and_roughness() -> None:
    s = Shop()
    s.tool.drive("spindle", True)
    s.bench.to(499)
    assert s.tool.sense("at-speed") is False
    s.bench.to(500)
    assert (s.tool.sense("at-speed"), s.tool.sense("speed")) == (True, 1_500)
    s.tool.drive("feed", True)
    s.bench.to(600)
    steel = machining.Material(1_700, 0.25, 300, 0.25)
    assert s.tool.sense("force") == pytest.approx(machining.kienzle(steel, 1, 0.2), rel=1e-6)
    s.bench.to(500 + CUT_MS - 1)
    assert s.tool.sense("done") is False
    s.bench.to(500 + CUT_MS + 1)
    assert (s.tool.sense("done"), s.tool.sense("force")) == (True, 0)
    wear = CUT_MS / 60_000 / machining.tool_life(steel, machining.edge_speed(40, 1_500))
    assert s.done()["cut_size"] == pytest.approx(40 + 2 * machining.set_back(wear), abs=1e-3)
    assert s.done()["cut_roughness"] == pytest.approx(0.2**2 / (8 * 0.8) * 1000 / 4 * (1 + wear), rel=1e-3)
    s.tool.drive("feed", False)
    assert s.tool.sense("home") is False
    s.bench.to(500 + CUT_MS + 202)
    assert (s.tool.sense("home"), s.tool.sense("done")) == (True, False)


def test_a_cut_waits_for_the_spindle() -> None:
    s = Shop()
    s.tool.drive("feed", True)
    s.tool.drive("spindle", True)
    s.bench.to(400)
    assert s.tool.sense("force") == 0
    s.bench.to(500 + CUT_MS + 1)
    assert s.tool.sense("done") is True


def test_energy_is_power_over_time() -> None:
    s = Shop()
    s.tool.drive("spindle", True)
    s.bench.to(500)
    s.tool.drive("feed", True)
    summed = 0.0
    for ms in range(500, 500 + round(CUT_MS)):
        s.bench.kernel.advance(START + ms * MS + MS // 2)
        summed += float(s.tool.sense("power")) / 1000
    s.bench.to(500 + CUT_MS)
    assert s.tool.sense("energy") == pytest.approx(summed, rel=1e-4)


def test_wear_adds_up_until_the_tool_is_changed() -> None:
    s = Shop(**{"taylor-c": 120.0, "rated": 30.0})  # lives (120 / 188)^4 = 0.165 min, five cuts
    s.tool.drive("spindle", True)
    s.bench.to(600)
    sizes = []
    for n in range(5):
        s.cut(1_000 + 3_000 * n)
        sizes.append(s.done()["cut_size"])
    assert sizes == sorted(sizes)
    assert sizes[-1] - 40 == pytest.approx(2 * machining.set_back(1), abs=1e-3)
    assert s.tool.sense("worn") is True
    s.tool.drive("change", True)
    assert s.tool.sense("worn") is False
    s.cut(20_000)
    assert s.done()["cut_size"] < sizes[1]


def test_a_worn_tool_needs_more_force_than_the_spindle_has() -> None:
    s = Shop(rated=1.75)  # a sharp one takes 1.6 kW
    s.tool.drive("spindle", True)
    s.bench.to(600)
    s.cut(600)
    s.bench.fault(s.tool, "tool-worn")
    s.tool.drive("feed", True)
    s.bench.to(10_000)
    assert (s.tool.sense("ready"), s.tool.sense("at-speed"), s.tool.sense("done")) == (False, False, False)
    s.tool.drive("feed", False)
    s.bench.fault(s.tool, "tool-worn", False)
    s.tool.drive("reset", True)
    s.bench.to(11_000)
    s.cut(12_000)


@pytest.mark.parametrize(("fault", "rough"), [("tool-broken", None), ("chatter", 4.0), ("tool-worn", 2.0)])
def test_faults_show_in_the_surface(fault: str, rough: float | None) -> None:
    found = []
    for each in ("", fault):
        s = Shop()
        if each:
            s.bench.fault(s.tool, each)
        s.tool.drive("spindle", True)
        s.cut(600)
        found.append(s.done())
    assert found[1].get("cut_roughness") == (
        rough and pytest.approx(rough * found[0]["cut_roughness"], rel=0.01)
    )


def test_a_tripped_spindle_stops_the_cut_which_then_goes_on() -> None:
    s = Shop()
    s.tool.drive("spindle", True)
    s.bench.to(600)
    s.tool.drive("feed", True)
    s.bench.to(1_600)
    s.bench.fault(s.tool, "spindle")
    s.bench.to(5_000)
    assert (s.tool.sense("ready"), s.tool.sense("speed"), s.tool.sense("done")) == (False, 0, False)
    s.bench.fault(s.tool, "spindle", False)
    s.tool.drive("reset", True)
    s.bench.to(5_500 + CUT_MS - 1_000 - 1)
    assert s.tool.sense("done") is False
    s.bench.to(5_500 + CUT_MS - 1_000 + 1)
    assert s.tool.sense("done") is True


def test_a_workpiece_that_is_taken_out_ends_its_cut() -> None:
    s = Shop()
    s.tool.drive("spindle", True)
    s.bench.to(600)
    s.tool.drive("feed", True)
    s.bench.to(1_600)
    s.chuck.clear()
    s.chuck.admit(part("b"))
    s.bench.to(9_000)
    assert (s.tool.sense("done"), s.done()) == (False, {})


def test_sizes_scatter_by_a_seeded_stream() -> None:
    sizes = []
    for _ in range(2):
        s = Shop(scatter=0.01)
        s.tool.drive("spindle", True)
        s.bench.to(600)
        found = []
        for n in range(5):
            s.cut(1_000 + 3_000 * n)
            found.append(s.done()["cut_size"])
        sizes.append(found)
    assert sizes[0] == sizes[1]
    assert len(set(sizes[0])) == 5


@pytest.mark.parametrize("family", [Mill, Drill, WireCutter])
def test_every_machine_cuts_as_long_as_its_plan_says(family: type[MachineTool]) -> None:
    s = Shop(family)
    s.tool.drive("spindle", True)
    s.bench.to(1_000)
    s.tool.drive("feed", True)
    took = s.tool.cut.minutes * 60_000
    s.bench.to(1_000 + took - 1)
    assert s.tool.sense("done") is False
    assert s.tool.sense("force") == pytest.approx(s.tool.cut.force)
    s.bench.to(1_000 + took + 1)
    assert s.tool.sense("done") is True
    assert set(s.done()) == {"cut_size", "cut_roughness"}

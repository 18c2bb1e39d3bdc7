"""A cell with a virtual controller beside the real one: partings are in traces, in the state and told."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from beside_bench import line_number, noting
from starter_harness import compiled, line, source

from gateway.cell.cell import Cell
from gateway.cell.standing import standing
from gateway.controller.beside import REST, Beside
from gateway.field.tags import TagRef
from gateway.net.messages import IN_STEP, Action, Force, Free, Pause, Trace
from gateway.twin.discrepancy import Discrepancy
from rig.backend import Script
from rig.procedures.common import in_automatic, in_manual
from rig.virtual import VirtualBackend

SECOND = 1_000_000_000


class WithCompanion(VirtualBackend):
    """The starter line, its glue station with a virtual controller beside; ``told`` is what its cell told."""

    def __init__(self, changed: Mapping[str, str]) -> None:
        programs = {name: compiled(changed.get(name, source(name))) for name in line().stations}
        super().__init__(line(), programs, every_scan=True)
        glue = self.stations["glue"]
        beside = Beside(glue.station, noting("glue", source("glue")))
        glue.cell = Cell(glue.station, line().stations["glue"].neighbours, 0, epoch="glue", beside=beside)
        glue.cell.gliding.allowed = False
        self.told: list[Discrepancy] = []
        self.hold("glue")

    def _step(self, name: str) -> None:
        if name != "glue":
            return  # it is tried alone
        each = self.stations[name]
        out = each.step(self.time)
        self.told += out.differs
        for _, request, body in out.replies:
            if request:
                self._replies[request] = body
        self._schedule.again((name, "step"), 0)

    def go(self, *actions: Action) -> Trace:
        return self.run({"glue": Script(actions)})["glue"]

    @property
    def cell(self) -> Cell:
        return self.stations["glue"].cell


def start(changed: Mapping[str, str]) -> WithCompanion:
    backend = WithCompanion(changed)
    backend.go(*in_automatic(line().stations["glue"].station, isolated=True), Pause(2 * REST))
    return backend


def test_the_unchanged_program_has_nothing_to_tell() -> None:
    backend = start({})
    assert backend.cell.companion is not None
    assert backend.cell.companion.stands == IN_STEP
    trace = backend.go(Force(TagRef("door-closed"), False), Pause(SECOND), Free(TagRef("door-closed")))
    assert trace.differs == ()
    assert backend.told == []


@pytest.fixture
def backend() -> WithCompanion:
    return start({"glue": source("glue").replace("NOT DoorClosed OR NOT AirOk", "NOT AirOk")})


def test_a_dropped_interlock_is_in_the_trace_with_its_statement(backend: WithCompanion) -> None:
    trace = backend.go(Force(TagRef("door-closed"), False), Pause(SECOND))
    lamp = next(each for each in trace.differs if each.tag == "lamp-fault")
    assert (lamp.twin, lamp.machine, lamp.end) == (True, False, None)
    assert 0 <= lamp.begin < SECOND
    place = f"glue.st:{line_number('glue', 'LampFault := State = ')} in scan "
    assert lamp.suspect.startswith(place)
    state = standing(backend.cell, "boot", "ready")
    assert "lamp-fault" in [each.tag for each in state.differs]
    assert [each.tag for each in backend.told] == [each.tag for each in trace.differs]


def test_what_lasts_is_in_the_next_trace_too_and_ends_with_the_lease(backend: WithCompanion) -> None:
    backend.go(Force(TagRef("door-closed"), False), Pause(SECOND))
    later = backend.go(Pause(SECOND // 10))
    lamp = next(each for each in later.differs if each.tag == "lamp-fault")
    assert lamp.begin < 0
    assert lamp.end is None
    backend.cell.shut()  # the safe values are driven, then nobody knows what the controller reads
    for _ in range(200):
        backend._next()
    assert backend.cell.gate.state == "closed"
    assert standing(backend.cell, "boot", "ready").differs == ()
    assert [each.end is not None for each in backend.told if each.tag == "lamp-fault"][-1]
    assert "nobody knows" in standing(backend.cell, "boot", "ready").beside


def test_manual_mode_brings_both_together_again(backend: WithCompanion) -> None:
    backend.go(Force(TagRef("door-closed"), False), Pause(SECOND), Free(TagRef("door-closed")))
    station = line().stations["glue"].station
    backend.go(*in_manual(station), Pause(SECOND), *in_automatic(station, isolated=True), Pause(2 * REST))
    assert standing(backend.cell, "boot", "ready").differs == ()

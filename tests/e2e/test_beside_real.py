"""A virtual controller beside one that is a process of its own: it never parts from the same program, and a
changed statement is found with its file and line."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
from running import ROOT, Starter, by_id, until
from site_modes import line_file

from gateway.field.tags import TagRef, read_ref
from gateway.net.messages import IN_STEP, Action, Feed, Force, Free, Pause, Trace
from gateway.twin.discrepancy import Discrepancy
from gateway.twin.workpiece import OUT
from rig.backend import Script
from rig.line import load_line
from rig.local import LocalLine
from rig.open import Options
from rig.procedures.common import in_automatic, in_manual
from rig.report.bundle import REPORT

SECOND = 1_000_000_000
LINE = "".join(
    f"  - {{station: ../stations/{name}.yaml, mode: hil, serve: true, beside: true}}\n"
    for name in ("infeed", "glue", "screw")
)
COUPLED = """\
  - {from: infeed, to: glue, signals: {glue.take: infeed.next-ready}}
  - {from: glue, to: screw, signals: {screw.take: glue.next-ready}}
"""


def source(station: str) -> str:
    return (ROOT / "config" / "programs" / f"{station}.st").read_text("utf-8")


class Site:
    """The starter line with its controllers, and one beside each."""

    def __init__(self, local: LocalLine) -> None:
        self.local, self.backend = local, local.backend
        self.line = local.line
        for name in self.line.stations:
            self.backend.hold(name)

    def go(self, scripts: Mapping[str, list[Action]], tail: int = 0) -> dict[str, Trace]:
        return self.backend.run(
            {name: Script(tuple(actions), tail=tail) for name, actions in scripts.items()}
        )

    def compared(self) -> bool:
        """Whether all are in step with their real ones."""
        return not any(map(self.backend.uncompared, self.line.stations))

    def automatic(self) -> None:
        """All in automatic, and at rest until they are in step."""
        self.go(
            {name: in_automatic(each.station, isolated=False) for name, each in self.line.stations.items()}
        )
        until("all are compared", self.compared)


@contextmanager
def site(folder: Path, changed: Mapping[str, str]) -> Iterator[Site]:
    """With ``changed`` programs in the controllers, by station."""
    file = line_file(folder, LINE, COUPLED)
    programs: dict[str, Path] = {}
    for name, text in changed.items():
        programs[name] = folder / f"{name}-changed.st"
        programs[name].write_text(text, "utf-8")
    options = Options(file, programs=programs, ports="auto", broker="embedded")
    (folder / "run").mkdir()
    local = LocalLine(load_line(file, programs), options, folder / "run")
    try:
        local.start()
        yield Site(local)
    finally:
        local.stop()


def differing(traces: Mapping[str, Trace]) -> list[Discrepancy]:
    return [each for trace in traces.values() for each in trace.differs]


@pytest.mark.long
def test_the_same_program_never_parts(tmp_path: Path) -> None:
    with site(tmp_path, {}) as here:
        found: list[Discrepancy] = []
        here.automatic()
        # Busy: workpieces through the whole line.
        pieces = tuple(here.line.workpiece(n) for n in range(1, 6))
        inlet = here.line.stations["infeed"].station.inlet
        assert inlet is not None
        busy: dict[str, list[Action]] = {name: [Pause(20 * SECOND)] for name in here.line.stations}
        busy["infeed"].insert(0, Feed(inlet, pieces))
        traces = here.go(busy)
        found += differing(traces)
        assert sum(each.kind in OUT for each in traces["screw"].happenings) == 5
        # Through interlocks, manual mode and back, each on its own.
        for name, each in here.line.stations.items():
            station = each.station
            forced = [tag for tag in station.inputs if tag.type.kind == "bool"]
            actions: list[Action] = []
            for tag in forced:
                ref = TagRef(tag.name)
                actions += [
                    Force(ref, True),
                    Pause(SECOND // 5),
                    Force(ref, False),
                    Pause(SECOND // 5),
                    Free(ref),
                ]
            actions += [*in_manual(station), Pause(SECOND // 2), *in_automatic(station, isolated=False)]
            found += differing(here.go({name: [*actions, Pause(SECOND)]}))
        # Idle.
        found += differing(here.go({name: [Pause(5 * SECOND)] for name in here.line.stations}))
        assert found == []


class Fault(NamedTuple):
    """``old`` became ``new`` in the controller; by ``cause`` ``tag`` parts, which ``statement`` writes."""

    station: str
    old: str
    new: str
    tag: str
    statement: str
    cause: str = ""


FAULTS = {
    "a timer doubled": Fault(
        "infeed", "PT := T#500ms", "PT := T#1s", "belt-run", "BeltRun := State <> ", "belt-speed"
    ),
    "an output inverted": Fault(
        "glue", "LampFault := State = ", "LampFault := State <> ", "lamp-fault", "LampFault := State = "
    ),
    "an interlock dropped": Fault(
        "glue",
        "NOT DoorClosed OR NOT AirOk",
        "NOT AirOk",
        "lamp-fault",
        "LampFault := State = ",
        "door-closed",
    ),
}


@pytest.mark.long
@pytest.mark.parametrize("fault", FAULTS.values(), ids=list(FAULTS))
def test_a_changed_statement_is_found(fault: Fault, tmp_path: Path) -> None:
    station, old, new, tag, statement, cause = fault
    lines = source(station).splitlines()
    (number,) = [n for n, line in enumerate(lines, 1) if line.startswith(statement)]
    with site(tmp_path, {station: source(station).replace(old, new)}) as here:
        here.automatic()
        tags = here.line.stations[station].station.tags
        forced: list[Action] = [Force(TagRef(cause), tags[cause].safe)] if cause else []
        trace = here.go({station: [*forced, Pause(2 * SECOND)]})[station]
        found = {each.tag: each for each in trace.differs}
        assert tag in found
        assert found[tag].suspect.startswith(f"{station}.st:{number} in scan ")
        assert found[tag].twin != found[tag].machine
        others = {name for name in here.line.stations if name != station}
        assert differing(here.go({name: [Pause(SECOND // 10)] for name in others})) == []
        if found[tag].end is None:
            live = here.backend.seen()[station].state
            assert live is not None
            assert tag in [each.tag for each in live.differs]


@pytest.mark.long
@pytest.mark.parametrize("changed", [pytest.param(False, id="unchanged"), pytest.param(True, id="changed")])
def test_a_session_says_which_statement_it_was(changed: bool, tmp_path: Path, start: Starter) -> None:
    line = line_file(tmp_path, "  - {station: ../stations/glue.yaml, mode: hil, serve: true, beside: true}\n")
    other = tmp_path / "other.st"
    other.write_text(source("glue").replace("NOT DoorClosed OR NOT AirOk", "NOT AirOk"), "utf-8")
    more = ("--program", f"glue={other}") if changed else ()
    run = start.session(tmp_path, line, "--broker", "embedded", "--ports", "auto", "-k",
                        "sequence or interlock or agreement", *more)  # fmt: skip
    status = run.wait(300)
    run.assert_nothing_left()
    # What else cannot be measured on a busy machine is of other tests.
    assert status in ((1, 3) if changed else (0, 3)), run.shown
    assert run.run is not None
    record = run.record({0: "PASS", 1: "FAIL", 3: "ERROR"}[status], complete=True)
    step = by_id(record)["agreement/controller[glue]"]
    if not changed:
        assert step.verdict == "PASS"
        assert record.discrepancies == ()
        return
    (number,) = [
        n for n, text in enumerate(source("glue").splitlines(), 1) if text.startswith("LampFault := State")
    ]
    place = f"glue.st:{number} in scan "
    assert step.verdict == "FAIL"
    assert "lamp-fault" in step.tags
    assert place in step.message
    lamp = next(each for each in record.discrepancies if each.tag == "lamp-fault")
    assert lamp.suspect.startswith(place)
    assert (lamp.virtual, lamp.real) == ("true", "false")
    page = (run.run / REPORT).read_text("utf-8")
    assert place in page
    assert "lamp-fault" in page[page.index('id="discrepancies"') :]


@contextmanager
def shadowed(folder: Path, feeds: Mapping[str, int], changed: Mapping[str, str]) -> Iterator[LocalLine]:
    """These stations in shadow, each with a virtual controller beside its own and a workpiece every so many
    seconds; once all are in step. ``changed`` programs are in the real ones."""
    each = "  - {{station: ../stations/{}.yaml, mode: shadow, serve: true, feed: {} s, beside: true}}\n"
    file = line_file(folder, "".join(each.format(*fed) for fed in feeds.items()), "  []\n")
    programs: dict[str, Path] = {}
    for name, text in changed.items():
        programs[name] = folder / f"{name}-changed.st"
        programs[name].write_text(text, "utf-8")
    options = Options(file, programs=programs, ports="auto", broker="embedded")
    (folder / "run").mkdir()
    local = LocalLine(load_line(file, programs), options, folder / "run")

    def in_step(station: str) -> bool:
        seen = local.backend.seen().get(station)
        return seen is not None and seen.state is not None and seen.state.beside == IN_STEP

    try:
        local.start()
        for name in feeds:
            until(f"{name} in step", lambda name=name: in_step(name))
        yield local
        for name in feeds:
            assert in_step(name)
    finally:
        local.backend.close()
        local.stop()


def produce(local: LocalLine, seconds: int) -> dict[str, Trace]:
    """Watch all for so long; what came is told by the twins."""
    return local.backend.run({name: Script((Pause(seconds * SECOND),)) for name in local.line.stations})


def parted(local: LocalLine, station: str) -> list[Discrepancy]:
    """Where its controllers parted, ever."""
    outputs = {tag.name for tag in local.line.stations[station].station.outputs}
    return [each for each in local.backend.differences(station) if read_ref(each.tag).tag in outputs]


def surely_parted(local: LocalLine, station: str) -> list[Discrepancy]:
    """Those that are in no doubt: the gateway of a busy machine may not have seen all that was read."""
    return [each for each in parted(local, station) if not each.doubt]


@pytest.mark.long
def test_in_shadow_a_changed_timer_is_named_and_the_unchanged_program_beside_it_is_not(
    tmp_path: Path,
) -> None:
    timer = "AtStop(IN := PartAtStop, PT := T#{})"
    slower = source("infeed").replace(timer.format("100ms"), timer.format("4s"))
    assert slower != source("infeed")
    with shadowed(tmp_path, {"infeed": 9, "screw": 3}, {"infeed": slower}) as local:
        # The virtual one lets it go at once, finds that nothing comes, and is in fault.
        found = until("they part", lambda: parted(local, "infeed"), 90)[0]
        statement = {
            "stopper-open": "StopperOpen := ",
            "lamp-fault": "LampFault := ",
            "belt-run": "BeltRun := ",
        }
        places = [
            n
            for n, each in enumerate(source("infeed").splitlines(), 1)
            if each.startswith(statement[found.tag])
        ]
        assert found.suspect.startswith(f"infeed.st:{places[-1]} in scan ")
        assert found.twin != found.machine
        assert surely_parted(local, "screw") == []


@pytest.mark.long
@pytest.mark.parametrize("busy", [0, 2], ids=["free", "busy"])
@pytest.mark.parametrize("station", ["infeed", "glue", "screw"])
def test_in_shadow_the_same_program_never_parts(
    station: str, busy: int, tmp_path: Path, start: Starter
) -> None:
    with shadowed(tmp_path, {station: 3}, {}) as local:
        for _ in range(busy):
            start(tmp_path, sys.executable, "-c", "while True: pass")
        trace = produce(local, 30)[station]
        assert sum(each.kind in OUT for each in trace.happenings) >= 7
        assert surely_parted(local, station) == []


@pytest.mark.long
def test_in_shadow_it_runs_on_what_the_real_controller_reads(tmp_path: Path) -> None:
    other = source("glue").replace("Take := State = EMPTY", "Take := State <> EMPTY")
    with shadowed(tmp_path, {"glue": 8}, {"glue": other}) as local:
        produce(local, 5)
        found = {each.tag: each for each in parted(local, "glue")}
        (place,) = [n for n, each in enumerate(source("glue").splitlines(), 1) if each.startswith("Take :=")]
        assert found["take"].suspect.startswith(f"glue.st:{place} in scan ")
        assert found["take"].twin != found["take"].machine

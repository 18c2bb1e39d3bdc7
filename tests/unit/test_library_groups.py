"""Every group of the library on its bench: its twin, its pattern, its signals, what it notices.

The pattern runs in the virtual controller, and the procedures that judge it are those of a session.
"""

from __future__ import annotations

import pytest
from library_bench import OnBench, group_of, passes

from gateway.field.tags import TagRef
from gateway.library.bench import UNIT, try_twin
from gateway.library.files import load_library
from gateway.net.messages import Await, Force, Place
from gateway.twin.twin import Twin
from rig.procedures.checkout import test_input as check_input
from rig.procedures.checkout import test_output as check_output
from rig.procedures.common import in_automatic
from rig.procedures.interlocks import test_interlock as check_interlock
from rig.procedures.sequence import test_sequence as check_sequence

NAMES = load_library().names
OFF = 100_000_000  # ns, until what the controller was told shows at its outputs


@pytest.fixture(scope="module", params=NAMES)
def bench(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> OnBench:
    """One group after the other, on its bench."""
    return OnBench(group_of(request.param), tmp_path_factory.mktemp("bench"))


def test_twin_of_the_group_does_what_its_test_says(bench: OnBench) -> None:
    assert bench.group.entry.test, "a group has a test"
    wrong = list(try_twin(bench.composition, Twin(bench.station.twin, bench.station.tags)))
    assert not wrong, "\n".join(wrong)


def test_every_signal_of_the_group_moves_alone_and_is_seen(bench: OnBench) -> None:
    own = [tag for tag in bench.station.tags.values() if tag.name.startswith(f"{UNIT}-")]
    wrong = []
    for tag in own:
        if tag.direction == "output":
            wrong.append(passes(bench, check_output, output=(bench.handle, tag)))
        else:
            wrong.append(passes(bench, check_input, input=(bench.handle, tag)))
    assert not any(wrong), "\n".join(filter(None, wrong))


def test_pattern_does_its_cycle_in_its_times(bench: OnBench) -> None:
    if bench.composition.steps:
        assert "cycle" in bench.station.sequences, "the bench shows no cycle"
    scenarios = bench.station.sequences.values()
    wrong = [passes(bench, check_sequence, sequence=(bench.handle, each)) for each in scenarios]
    assert not any(wrong), "\n".join(filter(None, wrong))


def test_pattern_notices_each_fault(bench: OnBench) -> None:
    noticed = [each for name, each in bench.station.interlocks.items() if name.startswith(f"{UNIT}-")]
    assert len(noticed) == len(bench.group.entry.monitors), "a monitor that is never reached on the bench"
    wrong = [passes(bench, check_interlock, interlock=(bench.handle, each)) for each in noticed]
    assert not any(wrong), "\n".join(filter(None, wrong))


def test_all_that_moves_goes_off_when_automatic_ends(bench: OnBench) -> None:
    """Manual mode without a jog, at the first instant at which the group is seen to work."""
    unit, station = bench.composition.units[UNIT], bench.station
    switches = [unit.tag(port.name) for port in bench.group.actuators if port.port.kind == "bool"]
    shown = bench.group.entry.shows
    actions = in_automatic(station, isolated=True)
    if shown.work:
        scenario, first = station.sequences["cycle"], unit.tag(next(iter(shown.work)))
        until = next(i for i, each in enumerate(scenario.steps) if each.ref.tag == first)
        assert scenario.place is not None
        actions += [Force(ref, value) for ref, value in scenario.set]
        actions.append(Place(scenario.place, (bench.session.line.workpiece(1),), 5_000_000_000))
        actions += [Await(e.ref, e.value, e.tolerance, e.within) for e in scenario.steps[: until + 1]]
    for name, edge in shown.take.items() if not shown.work else ():
        port = bench.group.ports[name].port
        if port.direction == "actuator" and port.kind == "bool":
            actions.append(Await(TagRef(unit.tag(name)), unit.value(edge.text) == "true", 0.0, 10**10))
    assert station.manual is not None
    actions.append(Force(station.manual, True))
    actions += [Await(TagRef(tag), False, 0.0, OFF) for tag in switches]
    bench.handle.run(*actions)

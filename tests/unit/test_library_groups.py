"""Every group of the library on its bench: its twin, its pattern, its signals, what it notices.

The pattern runs in the virtual controller, and the procedures that judge it are those of a session.
"""

from __future__ import annotations

import pytest
from library_bench import GUARD, OnBench, group_of, passes

from gateway.field.tags import TagRef
from gateway.library.bench import UNIT, try_twin
from gateway.library.entries import Edge
from gateway.library.files import load_library
from gateway.net.messages import Action, Await, Force, Inject, Place
from gateway.twin.twin import Twin
from rig.procedures.checkout import test_input as check_input
from rig.procedures.checkout import test_output as check_output
from rig.procedures.common import in_automatic
from rig.procedures.interlocks import test_interlock as check_interlock
from rig.procedures.sequence import test_sequence as check_sequence

NAMES = load_library().names
OFF = 100_000_000  # ns, until what the controller was told shows at its outputs
AWHILE = 10_000_000_000  # ns, until a group is seen to work


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


def to_where_it_works(bench: OnBench) -> tuple[list[Action], list[str]]:
    """What brings the group to where it is seen to work, and which of its switches are on there."""
    unit, shown = bench.composition.units[UNIT], bench.group.entry.shows
    phase = shown.work or shown.take
    on = [
        unit.tag(name)
        for name, edge in phase.items()
        if bench.group.ports[name].port.direction == "actuator"
        and not isinstance(edge, Edge)
        and unit.value(edge.text).lower() == "true"
    ]
    actions = in_automatic(bench.station, isolated=True)
    if shown.work:
        scenario = bench.station.sequences["cycle"]
        first = unit.tag(next(iter(shown.work)))
        until = next(i for i, each in enumerate(scenario.steps) if each.ref.tag == first)
        assert scenario.place is not None
        actions += [Force(ref, value) for ref, value in scenario.set]
        actions.append(Place(scenario.place, (bench.session.line.workpiece(1),), 5_000_000_000))
        actions += [Await(e.ref, e.value, e.tolerance, e.within) for e in scenario.steps[: until + 1]]
    return actions + [Await(TagRef(tag), True, 0.0, AWHILE) for tag in on], on


def test_all_that_moves_goes_off_when_manual_mode_begins(bench: OnBench) -> None:
    """Without a jog nothing is on in manual mode, wherever automatic was."""
    unit = bench.composition.units[UNIT]
    switches = [unit.tag(port.name) for port in bench.group.actuators if port.port.kind == "bool"]
    actions, _ = to_where_it_works(bench)
    assert bench.station.manual is not None
    actions.append(Force(bench.station.manual, True))
    actions += [Await(TagRef(tag), False, 0.0, OFF) for tag in switches]
    bench.handle.run(*actions)


def test_what_works_goes_off_when_another_group_has_a_fault(bench: OnBench) -> None:
    actions, on = to_where_it_works(bench)
    if GUARD in bench.composition.units:
        actions.append(Inject(f"{GUARD}.open"))
        actions += [Await(TagRef(tag), False, 0.0, OFF) for tag in on]
        bench.handle.run(*actions)

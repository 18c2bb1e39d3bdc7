"""Every group of the library on its bench: its twin, its pattern, its signals, what it notices.

The pattern runs in the virtual controller, and the procedures that judge it are those of a session.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from library_bench import group_of, on_bench, open_session, passes

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
WORKING = [
    name
    for name in NAMES
    if (group := load_library().group(name, [])) is not None
    and any(port.port.kind == "bool" for port in group.actuators)
    and group.entry.shows.work
]
OFF = 100_000_000  # ns, until what the controller was told shows at its outputs


@pytest.mark.parametrize("name", NAMES)
def test_twin_of_the_group_does_what_its_test_says(name: str, tmp_path: Path) -> None:
    group = group_of(name)
    assert group.entry.test, "a group has a test"
    station, composition = on_bench(tmp_path, group)
    wrong = list(try_twin(composition, Twin(station.twin, station.tags)))
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("name", NAMES)
def test_every_signal_of_the_group_moves_alone_and_is_seen(name: str, tmp_path: Path) -> None:
    station, _ = on_bench(tmp_path, group_of(name))
    session = open_session(tmp_path)
    handle = session.stations[station.id]
    own = [tag for tag in station.tags.values() if tag.name.startswith(f"{UNIT}-")]
    wrong = []
    for tag in own:
        if tag.direction == "output":
            wrong.append(passes(session, check_output, station.id, output=(handle, tag)))
        else:
            wrong.append(passes(session, check_input, station.id, input=(handle, tag)))
    assert not any(wrong), "\n".join(filter(None, wrong))


@pytest.mark.parametrize("name", NAMES)
def test_pattern_does_its_cycle_in_its_times_and_notices_its_faults(name: str, tmp_path: Path) -> None:
    group = group_of(name)
    station, composition = on_bench(tmp_path, group)
    session = open_session(tmp_path)
    handle = session.stations[station.id]
    noticed = [each for each in station.interlocks if each.startswith(f"{UNIT}-")]
    assert len(noticed) == len(group.entry.monitors), "a monitor that is never reached on the bench"
    if composition.steps:
        assert "cycle" in station.sequences, "the bench shows no cycle"
    wrong = [
        passes(session, check_sequence, station.id, sequence=(handle, scenario))
        for scenario in station.sequences.values()
    ]
    wrong += [
        passes(session, check_interlock, station.id, interlock=(handle, scenario))
        for name, scenario in station.interlocks.items()
        if name in noticed
    ]
    assert not any(wrong), "\n".join(filter(None, wrong))


@pytest.mark.parametrize("name", WORKING)
def test_all_that_moves_goes_off_when_automatic_ends(name: str, tmp_path: Path) -> None:
    """Manual mode without a jog, at the first instant at which the group is seen to work."""
    group = group_of(name)
    station, composition = on_bench(tmp_path, group)
    unit = composition.units[UNIT]
    switches = [unit.tag(port.name) for port in group.actuators if port.port.kind == "bool"]
    work = unit.tag(next(iter(group.entry.shows.work)))
    scenario = station.sequences["cycle"]
    first = next(i for i, each in enumerate(scenario.steps) if each.ref.tag == work)
    session = open_session(tmp_path)
    handle = session.stations[station.id]
    assert station.manual is not None
    assert scenario.place is not None
    actions = in_automatic(station, isolated=True)
    actions += [Force(ref, value) for ref, value in scenario.set]
    actions.append(Place(scenario.place, (session.line.workpiece(1),), 5_000_000_000))
    actions += [Await(e.ref, e.value, e.tolerance, e.within) for e in scenario.steps[: first + 1]]
    actions.append(Force(station.manual, True))
    actions += [Await(type(station.manual)(tag), False, 0.0, OFF) for tag in switches]
    handle.run(*actions)

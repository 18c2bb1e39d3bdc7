"""Looking only at what an event may change misses nothing: against looking at every switch, at random."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from library_bench import OnBench, group_of

from gateway.field.types import Value
from gateway.station import Station, load_station
from gateway.twin.influence import influence
from gateway.twin.twin import Twin
from gateway.twin.workpiece import Workpiece

MS = 1_000_000
STARTER = Path(__file__).resolve().parents[2] / "config" / "stations"
GROUPS = (
    "clamp", "dial-table", "diverter", "dispenser", "guard-door", "lift-pneumatic", "loader-vacuum", "merger",
    "press-servo", "reject-chute", "robot-loader", "safety-relay", "screwdriver", "shuttle-sorter",
    "unloader",
)  # fmt: skip


def act(twin: Twin, station: Station, chance: random.Random, number: int) -> None:
    """One act of a controller, a neighbour or a person."""
    what = chance.random()
    if what < 0.7:
        tag = chance.choice([tag for tag in station.outputs if tag.type.kind in ("bool", "int", "real")])
        value: Value = chance.random() < 0.6
        if tag.type.kind != "bool":
            value = chance.uniform(*tag.range)
            value = round(value) if tag.type.kind == "int" else value
        twin.drive(tag.name, value)
    elif what < 0.9:
        workpiece = Workpiece(f"w{number}", "part", 150.0)
        for carrier in sorted({*station.inlets.values(), *station.outlets.values()}):
            if twin.carrier(carrier).admits(workpiece):
                twin.admit(carrier, workpiece)
                break
    elif active := twin.active_faults():  # under a fault all is looked at: not too often
        twin.inject(active[0], False)
    else:
        name = chance.choice([name for name, spec in station.twin.items() if spec.family.FAULTS])
        twin.inject(f"{name}.{chance.choice(station.twin[name].family.FAULTS).name}")


def check(station: Station, seed: int) -> int:
    """Do 300 random acts; how many edges there were."""
    chance, twin, seen = random.Random(seed), Twin(station.twin, station.tags), 0
    booleans = {tag.name for tag in station.inputs if tag.type.kind == "bool"}
    for number in range(300):
        for _ in range(chance.randrange(3)):
            act(twin, station, chance, number)
        twin.advance(twin.now + chance.randrange(200 * MS))
        seen += len(twin.edges())
        every = {name: wire.arriving() for name, wire in wires(twin).items() if name in booleans}
        assert {name: twin.levels[name] for name in every} == every, (seed, number)
    return seen


def wires(twin: Twin) -> dict[str, object]:
    """The sensors' wires by tag."""
    return {wire.tag.name: wire for wire in twin._sensors}


@pytest.mark.parametrize("name", ["infeed", "glue", "screw"])
def test_of_the_starter_stations(name: str) -> None:
    station = load_station(STARTER / f"{name}.yaml")
    assert sum(check(station, seed) for seed in range(5)) > 100


@pytest.mark.parametrize("name", GROUPS)
def test_of_composed_stations(name: str, tmp_path: Path) -> None:
    station = OnBench(group_of(name), tmp_path).station
    assert sum(check(station, seed) for seed in range(3)) > 20


def test_how_far_it_reaches() -> None:
    station = load_station(STARTER / "glue.yaml")
    near = influence(Twin(station.twin, station.tags).components)
    assert near["door"] == {"door"}
    assert near["air"] == {"air", "lift", "valve", "belt", "eye", "axis"}
    assert near["lift"] == {"lift", "belt", "eye", "valve", "axis"}, "but not the air that moves it"

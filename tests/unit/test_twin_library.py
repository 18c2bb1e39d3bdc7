"""Components checked against their kinds: whole numbers, ranges, and what every real sensor can be given."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from gateway.field.conversion import Range
from gateway.field.tags import Tag
from gateway.field.types import TYPES, Scalar
from gateway.scalar import Text
from gateway.station import load_station
from gateway.twin.component import Component, Param, Port
from gateway.twin.kinds import KINDS
from gateway.twin.library import ComponentEntry, ComponentSpec, compile_components
from gateway.twin.twin import Twin

INFEED = load_station(Path(__file__).resolve().parents[2] / "config" / "stations" / "infeed.yaml")


class Scanner(Component):
    """Reads a code of 1 to 500; its signal's strength lies between 0 and 60 mm."""

    PARAMS = (
        Param("time", "ms", 10, 900, 100, drawn=True),
        Param("settle", "s", 0.001, 60, 1, drawn=True),
        Param("width", "mm", 1, 100, 10),
    )

    PORTS = (
        Port("program", "actuator", "int", low=0, high=15),
        Port("code", "sensor", "int", low=1, high=500),
        Port("strength", "sensor", "real", "mm", low=0, high=60),
    )

    def drive(self, port: str, value: Scalar) -> None:
        pass

    def sense(self, port: str) -> Scalar:
        return 731 if port == "code" else 12.345


def tag(name: str, direction: str, kind: str, low: float, high: float, unit: str = "1") -> Tag:
    """One like the infeed's belt-speed."""
    return msgspec.structs.replace(
        INFEED.tags["belt-speed"],
        name=name,
        direction=direction,
        type=TYPES[kind],
        range=Range(low, high),
        unit=unit,
    )


TAGS = {
    each.name: each
    for each in (
        tag("program", "output", "INT", 0, 100),
        tag("program-far", "output", "INT", 20, 30),
        tag("program-real", "output", "REAL", 0, 15),
        tag("code", "input", "UINT", 0, 500),
        tag("code-word", "input", "WORD", 0, 1000),
        tag("code-short", "input", "UINT", 0, 255),
        tag("strength", "input", "INT", 10, 40, "mm"),
        tag("strength-far", "input", "INT", 100, 400, "mm"),
        tag("strength-cm", "input", "INT", 0, 4, "cm"),
    )
}


def compiled(
    monkeypatch: pytest.MonkeyPatch, ports: dict[str, str], params: dict[str, str] | None = None
) -> tuple[dict[str, ComponentSpec], list[str]]:
    """The specs of one scanner, and what was wrong."""
    monkeypatch.setitem(KINDS, "scanner", Scanner)
    bound = {"program": "program", "code": "code", "strength": "strength", **ports}
    entry = ComponentEntry(
        "scanner",
        {name: Text(text, 2) for name, text in (params or {}).items()},
        {},
        {name: Text(text, 1) for name, text in bound.items()},
        name="scan",
    )
    wrong: list[str] = []
    specs = compile_components(
        {"scan": entry}, TAGS, lambda line, what, hint: wrong.append(f"{what}; {hint}")
    )
    return specs, wrong


@pytest.mark.parametrize(
    ("ports", "wrong"),
    [
        ({}, []),
        ({"code": "code-word"}, []),
        ({"program": "program-real"}, ["port program is int, program-real a REAL; bind an integer"]),
        (
            {"code": "code-short"},
            ["port code shows 1..500, code-short holds 0..255; let the range hold it all"],
        ),
        ({"program": "program-far"}, ["port program has 0..15, program-far 20..30; let the ranges overlap"]),
        ({"strength": "strength-far"}, ["port strength has 0..60, strength-far 100..400"]),
        ({"strength": "strength-cm"}, ["port strength is in mm, strength-cm in cm; use the same unit"]),
    ],
)
def test_ports_are_bound_to_what_holds_their_values(
    monkeypatch: pytest.MonkeyPatch, ports: dict[str, str], wrong: list[str]
) -> None:
    _, said = compiled(monkeypatch, ports)
    assert len(said) == len(wrong)
    for expected, line in zip(wrong, said, strict=True):
        assert expected in line


@pytest.mark.parametrize(
    ("param", "text", "wrong"),
    [
        ("strength.lag", "20", ""),
        ("strength.noise", "0.1 cm", ""),
        ("strength.noise", "-1 mm", "is outside its limits"),
        ("strength.lag", "5 mm", "is a length"),
        ("code.noise", "1", "has no parameter 'code.noise'"),
        ("program.lag", "1 ms", "has no parameter 'program.lag'"),
        ("time", "normal 100 ms 5 ms", ""),
        ("time", "uniform 2 s 4 s", "is outside its limits"),
        ("time", "normal 100 ms", "write 'normal <mean> <deviation>'"),
        ("width", "uniform 2 mm 4 mm", "give one number"),
    ],
)
def test_real_sensors_take_lag_noise_and_resolution(
    monkeypatch: pytest.MonkeyPatch, param: str, text: str, wrong: str
) -> None:
    _, said = compiled(monkeypatch, {}, {param: text})
    assert (wrong in said[0]) if wrong else said == []


def test_they_act_in_the_twin_and_whole_numbers_stay_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    specs, said = compiled(monkeypatch, {}, {"strength.resolution": "0.5 mm"})
    assert said == []
    twin = Twin(specs, TAGS)
    assert twin.sense()["strength"] == 12.5
    assert twin.sense()["code"] == 500
    twin.inject("scan.code.offset -0.6")
    assert twin.sense()["code"] == 500
    assert type(twin.sense()["code"]) is int
    noisy, _ = compiled(monkeypatch, {}, {"strength.noise": "1 mm"})
    readings = [Twin(noisy, TAGS, seed=seed).sense()["strength"] for seed in (1, 1, 2)]
    assert readings[0] == readings[1] != readings[2]


@pytest.mark.parametrize(
    ("written", "word", "wrong"),
    [
        ("screw_torque", "screw_torque", ""),
        ("", "quality", ""),
        ("Screw torque", "", "c.looks-at: 'Screw torque' is no name"),
    ],
)
def test_a_parameter_may_be_a_name(written: str, word: str, wrong: str) -> None:
    params = {"low": Text("0", 7), "high": Text("1", 7)} | ({"looks-at": Text(written, 7)} if written else {})
    links = {"on": Text("nest", 7)}
    entries = {
        "nest": ComponentEntry("nest", name="nest"),
        "c": ComponentEntry("camera", params, links, name="c"),
    }
    said: list[str] = []
    specs = compile_components(entries, {}, lambda line, what, hint="": said.append(f"{line}: {what}"))
    said = [each for each in said if "is not bound" not in each]
    assert said == ([f"7: {wrong}"] if wrong else [])
    if not wrong:
        assert specs["c"].words == {"looks-at": word, "result": ""}


def test_times_are_drawn_within_limits_by_the_seed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    specs, said = compiled(
        monkeypatch, {}, {"time": "exponential 300 ms", "settle": "triangular 1 s 2 s 6 s"}
    )
    assert said == []
    assert specs["scan"].params["time"] == 300
    assert specs["scan"].params["settle"] == 3

    def drawn(seed: int, time: str) -> list[int]:
        scanner = Twin(specs, TAGS, seed=seed).components["scan"]
        return [scanner.lasts(time) for _ in range(2000)]

    assert drawn(1, "time") == drawn(1, "time") != drawn(2, "time")
    assert (min(drawn(1, "time")), max(drawn(1, "time"))) == (10_000_000, 900_000_000)
    settled = drawn(1, "settle")
    assert 1e9 <= min(settled) < max(settled) <= 6e9
    assert sum(settled) / len(settled) == pytest.approx(3e9, rel=0.03)
    plain, _ = compiled(monkeypatch, {})
    scanner = Twin(plain, TAGS).components["scan"]
    assert {scanner.lasts("time") for _ in range(5)} == {100_000_000}

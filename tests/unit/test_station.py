"""The station file: what is read from a good one, and every problem of a bad one with its line."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from gateway.errors import BadInput, Problem
from gateway.field.tags import TagRef
from gateway.station import Station, load_station

GOOD = Path(__file__).parent / "data" / "cell" / "belt.yaml"


@pytest.fixture(scope="module")
def station() -> Station:
    return load_station(GOOD)


def load(folder: Path, *edits: tuple[str, str]) -> list[str]:
    """What is said about the good file after ``edits``, each of which must apply; ``line: what; hint``."""
    text = GOOD.read_text()
    for old, new in edits:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    path = folder / "belt.yaml"
    path.write_text(text)
    problems: tuple[Problem, ...] = ()
    try:
        load_station(path)
    except BadInput as bad:
        problems = bad.problems
    assert all(problem.file == str(path) for problem in problems)
    return [str(problem).removeprefix(f"{path}:") for problem in problems]


APART = {
    "id: belt\n": "id: Belt\n",
    "scan: 10 ms": "scan: 10 m",
    "manual: command.0": "manual: comand.0",
    "inlet: belt": "inlet: bel",
    "modbus://127": "modbuss://127",
    "twin:\n": "writes: {only: [comand], rate: 0/s}\ntwin:\n",
    '"coil:102", safe: false': '"coil:102", safe: false, tolerance: {time: 100 ms}',
    "length: 200 mm": "length: 200 kg",
    '{"on": belt}': '{"on": belf}',
    "place: belt": "place: bet",
    "tag: ready": "tag: redy",
}
"""Edits, each of which is said whatever else is wrong."""


def line_of(start: str) -> int:
    return next(
        number
        for number, line in enumerate(GOOD.read_text().splitlines(), 1)
        if line.strip().startswith(start)
    )


@pytest.mark.parametrize("first", APART)
def test_no_error_hides_another(tmp_path: Path, first: str) -> None:
    alone = {old: set(load(tmp_path, (old, new))) for old, new in APART.items()}
    assert all(alone.values())
    for second in APART.keys() - {first}:
        said = load(tmp_path, (first, APART[first]), (second, APART[second]))
        assert len(said) == len(alone[first]) + len(alone[second]), (second, said)


def test_an_id_left_out_hides_nothing_else(tmp_path: Path) -> None:
    said = load(tmp_path, ("id: belt\n", ""), ("twinline: station 1\n", ""), ("inlet: belt", "inlet: bel"))
    assert [each.partition(": ")[2] for each in said] == [
        "the file: key 'id' is missing",
        "the file: key 'twinline' is missing",
        "inlet: 'bel' is no carrier; name one, such as a belt",
    ]


def test_what_a_good_file_says(station: Station) -> None:
    assert (station.id, station.scan) == ("belt", 10_000_000)
    assert (station.manual, station.acknowledge) == (TagRef("command", 0), None)
    assert [tag.name for tag in station.inputs] == ["command", "ok", "eye", "next", "speed"]
    assert [tag.name for tag in station.outputs] == ["run", "ready", "seen", "rate"]
    assert (station.inlet, station.outlet, station.reentry) == ("belt", "belt", "belt")
    assert station.commands == {"command"}
    assert station.echoes == {"seen"}
    assert station.twin["belt"].params["length"] == 200
    assert station.sequences["pass"].steps[0].within == 1_000_000_000
    assert station.interlocks["trip"].never[0].value is True
    assert len(station.sha256) == 64


def test_the_hash_is_of_the_bytes(tmp_path: Path, station: Station) -> None:
    path = tmp_path / "belt.yaml"
    path.write_bytes(GOOD.read_bytes() + b"# one more line\n")
    assert load_station(path).sha256 != station.sha256


def test_the_device_and_where_it_is(station: Station) -> None:
    device = station.controller
    assert (device.protocol, device.endpoint, device.timeout) == ("modbus", ("127.0.0.1", 502), 500_000_000)
    moved = station.moved({"plc": 1502}).controller
    assert moved.address == "modbus://127.0.0.1:1502/1"
    assert moved.endpoint == ("127.0.0.1", 1502)
    assert station.program_path() is None


@pytest.mark.parametrize(
    ("address", "endpoint", "moved"),
    [
        ("opc.tcp://plc.example/path", ("plc.example", 4840), "opc.tcp://plc.example:9/path"),
        ("s7://10.0.0.7/0/1", ("10.0.0.7", 102), "s7://10.0.0.7:9/0/1"),
        ("modbus://[fe80::1]:5020/3", ("fe80::1", 5020), "modbus://[fe80::1]:9/3"),
    ],
)
def test_addresses_of_devices(station: Station, address: str, endpoint: tuple[str, int], moved: str) -> None:
    device = msgspec.structs.replace(station.controller, address=address)
    assert device.endpoint == endpoint
    assert device.at_port(9).address == moved
    assert device.at_port(9).endpoint == (endpoint[0], 9)


def test_a_program_is_found_beside_the_station(tmp_path: Path) -> None:
    assert load(tmp_path, ('502/1"}', '502/1", program: ../belt.st}')) == []
    assert load_station(tmp_path / "belt.yaml").program_path() == (tmp_path / "../belt.st").resolve()


EYE = "kind: photo-eye, params: {at: 100 mm}"


@pytest.mark.parametrize(
    ("old", "new", "start", "what"),
    [
        (
            "station 1",
            "station 2",
            "twinline:",
            "twinline: 'station 2' is no station format; write twinline: station 1",
        ),
        ("id: belt\n", "id: Belt\n", "id:", "id: 'Belt' is not an id; use a small letter"),
        ("scan: 10 ms", "scan: 10", "scan:", "scan: '10' has no unit; write for example '10 ms'"),
        ("scan: 10 ms", "scan: 0", "scan:", "scan: 0 ms; give 1 ms to 100 ms"),
        (
            "scan: 10 ms",
            "scan: 1 s",
            "scan:",
            "scan: 1 s; give 1 ms to 100 ms, or a lost lease is seen too late",
        ),
        (
            "manual: command.0",
            "manual: comand.0",
            "manual:",
            "manual: comand.0 is not a tag of this station; did",
        ),
        (
            "manual: command.0",
            "manual: command",
            "manual:",
            "manual: command is a WORD; name a BOOL or one bit",
        ),
        ("manual: command.0", "manual: seen.0", "manual:", "manual: seen.0 is an output; name an input"),
        ("inlet: belt", "inlet: eye", "inlet:", "inlet: 'eye' is no carrier; name one, such as a belt"),
        ("outlet: belt", "outlet: best", "outlet:", "outlet: 'best' is no carrier; name one"),
        (
            "modbus://127.0.0.1:502/1",
            "http://127.0.0.1",
            "plc:",
            "is not a device's address; write modbus://",
        ),
        ("modbus://127.0.0.1:502/1", "modbus://:502", "plc:", "is not a device's address; write modbus://"),
        ("modbus://127.0.0.1:502/1", "modbus://a:0", "plc:", "is not a device's address; write modbus://"),
        ("modbus://127.0.0.1:502/1", "modbus://[::1", "plc:", "is not a device's address; write modbus://"),
        ('502/1"}', '502/1", timeout: 0}', "plc:", "plc: timeout is 0; give for example 200 ms"),
        ("{sees: eye}", "{}", "eye:  {", "eye: port sees is not bound; name the tag it is wired to"),
        ("kind: photo-eye", "kind: photo-aye", "eye:  {", "eye: kind 'photo-aye' is not known; did you mean"),
        (
            EYE,
            EYE.replace("100 mm", "100 bar"),
            "eye:  {",
            "eye.at: '100 bar' is a pressure; a quantity in mm",
        ),
        (
            EYE,
            EYE.replace("at:", "off: 1, at:"),
            "eye:  {",
            "eye: a photo-eye has no parameter 'off'; there are at",
        ),
        ('{"on": belt}', '{"on": bett}', "eye:  {", "eye: link on names 'bett', which is no component; did"),
        ("{sees: eye}", "{sees: run}", "eye:  {", "eye: port sees is a sensor, run an output; an sensor is"),
        ("{sees: eye}", "{sees: ok}", "eye:  {", "eye: tag ok is driven by belt already; bind one sensor"),
        ("place: belt", "place: eye", "pass:", "pass: place 'eye' is no carrier; name one, such as a belt"),
        ("{tag: seen.2", "{tag: seen.16", "- {tag: seen", "pass seen.16: WORD has no bit 16; name a bit"),
        ("{tag: seen.2", "{tag: sean.2", "- {tag: seen", "pass sean.2 is not a tag of this station; did"),
        ('seen.2, becomes: "true"', "seen.2, becomes: 1", "- {tag: seen", "pass: seen.2: '1' is not a truth"),
        ("within: 1 s}", "within: 1 s, after: 2 s}", "- {tag: seen", "after is later than within; swap"),
        ("within: 1 s}", "within: 1 s, tolerance: -1}", "- {tag: seen", "tolerance -1; give 0 or more"),
        ("within: 1 s}", "within: -1 s}", "- {tag: seen", "'-1 s' is no time that can be waited for; write"),
        (
            "inject: [belt.trip]",
            "inject: [belt.tripp]",
            "inject:",
            "'belt.tripp': a belt-conveyor has the faults",
        ),
        ("inject: [belt.trip]", "inject: [belt.ok.stuck-up]", "inject:", "this wire has the faults stuck-on"),
        (
            "inject: [belt.trip]",
            "inject: [belt.speed.stuck-on]",
            "inject:",
            "this wire has the faults stuck,",
        ),
        ("inject: [belt.trip]", "inject: []", "trip:", "trip: an interlock needs inject and expect; add"),
    ],
)
def test_one_problem_is_said_at_its_line(tmp_path: Path, old: str, new: str, start: str, what: str) -> None:
    said = load(tmp_path, (old, new))
    line = line_of(start)
    assert len(said) == 1, said
    assert said[0].startswith(f"{line}:")
    assert what in said[0]


@pytest.mark.parametrize(
    ("held", "what"),
    [
        ("speed: 501", "trip: set speed: 501 is outside its range; give 0..500"),
        ("run: true", "trip: set run is an output; only inputs can be held"),
        ("command.x: true", "trip: set 'command.x' does not name a tag or its bit; write seen.3 or row[2]"),
        (
            "command.99: true",
            "trip: set 'command.99' does not name a tag or its bit; write seen.3 or row[2]",
        ),
        ("next: maybe", "trip: set: next: 'maybe' is not a BOOL; write true or false"),
        ("nxt: true", "trip: set nxt is not a tag of this station; did you mean 'next'?"),
    ],
)
def test_what_a_scenario_holds(tmp_path: Path, held: str, what: str) -> None:
    said = load(tmp_path, ("  trip:\n", f"  trip:\n    set: {{{held}}}\n"))
    assert said == [f"{line_of('trip:') + 1}: {what}"]


def test_a_carrier_that_passes_on_inside_the_station_is_no_outlet(tmp_path: Path) -> None:
    after = "twin:\n  last: {kind: nest}\n"
    said = load(
        tmp_path, ("twin:\n", after), ("kind: belt-conveyor,", "kind: belt-conveyor, links: {to: last},")
    )
    assert said == [f"{line_of('outlet:')}: outlet: belt passes on to last; name the last carrier"]


def test_what_a_scenario_needs_of_its_station(tmp_path: Path) -> None:
    recover = ("  trip:\n", "  trip:\n    recover: [{tag: seen.2, becomes: true, within: 1 s}]\n")
    (said,) = load(tmp_path, recover)
    assert "trip: recover: the station has no acknowledge" in said
    acknowledge = ("manual: command.0\n", "manual: command.0\nacknowledge: command.1\n")
    assert load(tmp_path, recover, acknowledge) == []
    in_manual = ("  trip:\n", "  trip:\n    mode: manual\n")
    assert load(tmp_path, in_manual) == []
    (said,) = load(tmp_path, in_manual, ("manual: command.0\n", ""))
    assert "trip: mode: the station has no manual mode" in said


def test_a_sequence_without_steps_proves_nothing(tmp_path: Path) -> None:
    said = load(
        tmp_path, ("    steps:\n      - {tag: seen.2", "    steps: []\n    expect:\n      - {tag: seen.2")
    )
    assert [each.partition("; ")[0] for each in said] == [
        f"{line_of('pass:')}: pass: a sequence injects nothing",
        f"{line_of('pass:')}: pass: a sequence needs steps",
    ]


def test_many_problems_appear_at_once_in_order_of_line(tmp_path: Path) -> None:
    said = load(
        tmp_path,
        ("manual: command.0", "manual: comand.0"),
        ('"coil:1"', '"coil:0"'),
        ("unit: mm/s}", "unit: mph}"),
        ("kind: photo-eye", "kind: photo-aye"),
        ("inject: [belt.trip]", "inject: [belt.tripp]"),
    )
    starts = ("manual:", "ready:", "rate:", "eye:  {", "inject:")
    assert [int(each.partition(":")[0]) for each in said] == [line_of(start) for start in starts]


def test_a_station_has_one_controller(tmp_path: Path) -> None:
    said = load(tmp_path, ('502/1"}', '502/1"}\n  io: {address: "s7://a"}'))
    hint = "give the others role: coupler or served"
    assert said[0] == f"{line_of('devices:')}: devices: a station has one controller; {hint}"
    assert all("names no device" in each for each in said if ": run:" in each)


def test_an_output_that_became_an_input_is_said_at_both_its_ends(tmp_path: Path) -> None:
    said = load(tmp_path, ("  run:     {direction: output", "  run:     {direction: input"))
    assert [int(each.partition(":")[0]) for each in said] == [line_of("run:"), line_of("belt: {kind")]


def test_a_missing_file_says_what_is_near(tmp_path: Path) -> None:
    (tmp_path / "glue.yaml").write_text("x")
    with pytest.raises(BadInput, match=r"no such file; did you mean .*glue\.yaml"):
        load_station(tmp_path / "gleu.yaml")

"""A station's mode on its way from the line file to its gateway, and what is said where it cannot be."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import get_args

import msgspec
import pytest

from gateway.agentfile import AgentConfig, check
from gateway.controller.compile import compile_program
from gateway.errors import BadInput
from gateway.field.devices import Devices
from gateway.played import Played
from gateway.station import Mode, Station, load_station
from gateway.wiring import Wiring
from rig.line import Line, load_line
from rig.open import Options
from rig.open import prepare as ready
from rig.prepare import CONFIG, PROGRAM, prepare
from rig.verdicts import ControllerGone

ROOT = Path(__file__).parents[2]
MODES: tuple[Mode, ...] = get_args(Mode)
PLANT = 'plant: {address: "modbus://127.0.0.1:15041/1", role: plant}'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The starter's stations, and a line of one of them."""
    shutil.copytree(ROOT / "config" / "stations", tmp_path / "stations")
    shutil.copytree(ROOT / "config" / "programs", tmp_path / "programs")
    return tmp_path


def line_of(folder: Path, station: str) -> Path:
    file = folder / "line.yaml"
    file.write_text(
        "twinline: line 1\nid: one\nproduct: {type: phone, length: 150 mm}\nstations:\n"
        f"  - {{station: stations/infeed.yaml, {station}}}\n"
    )
    return file


def said(bad: BadInput) -> list[str]:
    return [str(problem) for problem in bad.problems]


def edited(folder: Path, old: str, new: str) -> Path:
    file = folder / "stations" / "infeed.yaml"
    text = file.read_text()
    assert text.count(old) == 1
    file.write_text(text.replace(old, new))
    return file


@pytest.fixture
def infeed() -> Station:
    return load_station(ROOT / "config" / "stations" / "infeed.yaml")


# --- the line file -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", MODES)
def test_the_word_in_the_line_file_comes_to_the_gateway(folder: Path, mode: Mode) -> None:
    line = load_line(line_of(folder, f"mode: {mode}"))
    assert line.stations["infeed"].mode == mode
    list(prepare(line, folder / "out", ("mqtt://127.0.0.1:1883",), "anna", chain=False))
    place = folder / "out" / "infeed"
    config = msgspec.json.decode((place / CONFIG).read_bytes(), type=AgentConfig)
    assert config.mode == mode
    assert config.addresses["plant"] == "modbus://127.0.0.1:15041/1"
    played = mode in ("virtual", "ril")
    assert config.program == (PROGRAM if played else "")
    assert (place / PROGRAM).exists() == played
    check(config, load_station(place / config.station).placed(config.id, config.addresses))


def test_a_mode_that_is_asked_for_stands_in_for_all(folder: Path) -> None:
    file = line_of(folder, "mode: hil, serve: true")
    for mode in MODES:
        line = ready(Options(file, mode, broker="embedded"))
        assert line.mode == line.stations["infeed"].mode == mode


def test_the_plants_address_is_replaced_as_any_other(folder: Path) -> None:
    line = load_line(line_of(folder, 'mode: ril, addresses: {plant: "modbus://10.0.0.9:502/3"}'))
    station = line.stations["infeed"].station
    assert station.plant is not None
    assert station.plant.address == "modbus://10.0.0.9:502/3"
    assert station.moved({"plant": 1502}).plant == msgspec.structs.replace(
        station.plant, address="modbus://10.0.0.9:1502/3"
    )
    with pytest.raises(BadInput) as bad:
        load_line(line_of(folder, 'mode: ril, addresses: {plant: "s7://10.0.0.9"}'))
    assert "plant speaks modbus, and s7://10.0.0.9 another protocol" in said(bad.value)[0]


def test_ril_without_a_plant(folder: Path) -> None:
    edited(folder, PLANT, "# none")
    with pytest.raises(BadInput) as bad:
        load_line(line_of(folder, "mode: ril"))
    (problem,) = said(bad.value)
    assert problem.startswith(f"{folder / 'line.yaml'}:5: infeed: ril drives the real plant, and ")
    assert problem.endswith("add plant: {address: modbus://host:port/unit, role: plant} to its devices")
    with pytest.raises(BadInput, match="--mode: infeed: ril drives the real plant"):
        ready(Options(line_of(folder, "mode: hil"), "ril", broker="embedded"))


@pytest.mark.parametrize("mode", ["virtual", "ril"])
def test_a_played_controller_without_a_program(folder: Path, mode: Mode) -> None:
    edited(folder, ", program: ../programs/infeed.st", "")
    with pytest.raises(
        BadInput, match=r"the controller names no program, and .* serves it; add program: path"
    ):
        load_line(line_of(folder, f"mode: {mode}"))
    with pytest.raises(BadInput, match=f"the controller names no program, and {mode} mode runs one"):
        ready(Options(line_of(folder, "mode: hil"), mode, broker="embedded"))


# --- the station file --------------------------------------------------------------------------------------


def test_a_plant_is_no_device_that_tags_can_lie_on(infeed: Station) -> None:
    assert infeed.plant is not None
    assert infeed.plant.role == "plant"
    assert list(infeed.devices) == ["plc"]
    assert list(infeed.reached) == ["plc", "plant"]
    assert {tag.device for tag in infeed.tags.values()} == {"plc"}


@pytest.mark.parametrize(
    ("plant", "what"),
    [
        ('plant: {address: "s7://127.0.0.1", role: plant}', "plant: a plant is reached by a Modbus module"),
        (
            'plant: {address: "modbus://127.0.0.1:1/1", role: plant, base: 1}',
            "plant: a plant is reached by a Modbus module",
        ),
        (
            'plant: {address: "modbus://127.0.0.1:1/1", role: plant, program: x.st}',
            "plant: a plant device runs no program",
        ),
        (PLANT + "\n  more: " + PLANT.removeprefix("plant: "), "more: plant is the plant already"),
    ],
)
def test_a_plants_device_that_is_wrong(folder: Path, plant: str, what: str) -> None:
    with pytest.raises(BadInput) as bad:
        load_station(edited(folder, PLANT, plant))
    assert [each for each in said(bad.value) if what in each], said(bad.value)


# --- the gateway -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mode", "program", "plant", "what"),
    [
        ("virtual", "", True, "infeed: mode virtual plays a program, none is named"),
        ("ril", "", True, "infeed: mode ril plays a program, none is named"),
        ("hil", "x.st", True, "infeed: mode hil plays no program"),
        ("shadow", "x.st", True, "infeed: mode shadow plays no program"),
        ("ril", "x.st", False, "infeed: ril drives the real plant, and "),
    ],
)
def test_a_configuration_that_does_not_go_together(
    infeed: Station, mode: Mode, program: str, plant: bool, what: str
) -> None:
    config = AgentConfig("one", "infeed.yaml", (), "", "", "", program=program, mode=mode)
    station = infeed if plant else msgspec.structs.replace(infeed, plant=None)
    with pytest.raises(BadInput) as bad:
        check(config, station)
    assert what in said(bad.value)[0]


def test_what_each_mode_connects(infeed: Station) -> None:
    program = compile_program((ROOT / "config" / "programs" / "infeed.st").read_text())

    def wired(mode: Mode) -> Wiring:
        return Wiring(infeed, mode, program if mode in ("virtual", "ril") else None, lambda: None)

    wirings = {mode: wired(mode) for mode in MODES}
    assert {mode: type(each.controller) for mode, each in wirings.items()} == {
        "virtual": Played, "hil": Devices, "ril": Played, "shadow": Devices
    }  # fmt: skip
    assert {mode: list(each.links) for mode, each in wirings.items()} == {
        "virtual": ["plc"], "hil": ["plc"], "ril": ["plc", "plant"], "shadow": ["plc"]
    }  # fmt: skip
    assert {mode for mode, each in wirings.items() if each.asked} == {"hil", "ril", "shadow"}
    assert wirings["ril"].lost == {"plant": "not connected yet"}


def test_a_plant_that_went_away_is_the_stations_fault(infeed: Station) -> None:
    gone = ControllerGone(infeed, {"plant": "it hung up"})
    assert str(gone) == "infeed: device plant is lost: it hung up"
    assert gone.tags == ("infeed", "plant")


def test_a_line_in_one_mode_is_in_that_mode(folder: Path) -> None:
    line: Line = load_line(line_of(folder, "mode: shadow"))
    assert line.mode == "shadow"

"""One seed, one run: what chance decides in the twins follows from the line's, wherever they run."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest
from library_bench import LINE

from gateway.agentfile import load_config
from gateway.errors import BadInput
from gateway.field.tags import TagRef
from gateway.net.messages import AwaitHappenings, Feed, Force
from gateway.twin.twin import Twin
from rig.backend import Script
from rig.line import Line, load_line
from rig.open import Options, compile_all
from rig.open import prepare as open_line
from rig.prepare import prepare
from rig.procedures.common import in_automatic
from rig.twins import recorded, replay_file
from rig.virtual import VirtualBackend

STATION = """\
twinline: station 1
id: test
devices: {plc: {address: "modbus://127.0.0.1:15040/1"}}
groups:
  belt:   {use: belt}
  air:    {use: air-unit}
  stop:   {use: stop-gate, params: {at: 260 mm}, links: {on: belt}}
  camera: {use: camera, params: {at: 220 mm, time: uniform 100 ms 900 ms}, links: {on: belt}}
cycle:
  - [camera]
"""


def file(folder: Path, more: str = "", line: str = LINE) -> Path:
    (folder / "station.yaml").write_text(STATION, "utf-8")
    (folder / "line.yaml").write_text(line + more, "utf-8")
    return folder / "line.yaml"


def options(path: Path, **given: object) -> Options:
    asked: dict[str, object] = {
        "line": str(path), "mode": None, "program": [], "ports": "file", "broker": None, "runs": "runs",
        "operator": "rig", "procedures": [], "keys": None, "seed": None, "break_lease": False,
    }  # fmt: skip
    return Options.of(argparse.Namespace(**asked | given))


def run(line: Line, folder: Path) -> tuple[int, ...]:
    """When a workpiece left; the recording of the twin is in ``folder``."""
    programs, problems = compile_all(line)
    assert not problems
    backend = VirtualBackend(line, programs)
    each = backend.stations["test"]
    twins: dict[str, tuple[object, Twin]] = {"test": (each.station, each.cell.twin)}
    with recorded(twins, folder):  # type: ignore[arg-type]  # a station it is
        backend.hold("test")
        inlet = each.station.inlet
        assert inlet is not None
        ready = Force(TagRef("next-ready"), True)
        actions = [*in_automatic(each.station, isolated=True), ready, Feed(inlet, (line.workpiece(1),))]
        script = Script((*actions, AwaitHappenings(("finished", "left"), 1, 60_000_000_000)))
        trace = backend.run({"test": script})["test"]
    return tuple(each.time for each in trace.happenings if each.kind in ("finished", "left"))


def test_the_same_seed_gives_the_same_run_and_another_one_another(tmp_path: Path) -> None:
    lines = [load_line(file(tmp_path, f"seed: {seed}\n")) for seed in (7, 7, 8)]
    one, again, other = (run(line, tmp_path / str(n)) for n, line in enumerate(lines))
    assert len(one) == 1
    assert one == again
    assert one != other


def test_a_recording_is_replayed_under_its_own_seed(tmp_path: Path) -> None:
    run(load_line(file(tmp_path, "seed: 12345\n")), tmp_path / "twins")
    said: list[str] = []
    recording = tmp_path / "twins" / "test.jsonl"
    assert replay_file(recording, tmp_path / "station.yaml", lambda line: None, said.append) == 0, said
    assert "as recorded" in said[0]


def test_the_option_goes_before_the_line_file(tmp_path: Path) -> None:
    path = file(tmp_path, "seed: 7\n")
    assert open_line(options(path)).seed == 7
    assert open_line(options(path, seed="8")).seed == 8
    assert load_line(file(tmp_path)).seed == 0


@pytest.mark.parametrize("text", ["-1", "x", "1.5", "1234567890123456789"])
def test_what_is_no_seed(text: str, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=f"line.yaml:6.* seed: {text!r} is no seed; write a whole number"):
        load_line(file(tmp_path, f"seed: {text}\n"))
    with pytest.raises(BadInput, match=f"--seed: {text!r} is no seed; write a whole number"):
        options(file(tmp_path), seed=text)


def test_gateways_get_it_with_their_configuration(tmp_path: Path) -> None:
    line = load_line(file(tmp_path, "seed: 99\n"))
    list(prepare(line, tmp_path / "out", ("mqtt://127.0.0.1:1883",), "desk", chain=False))
    assert load_config(tmp_path / "out" / "test" / "gateway.json").seed == 99


def test_gateways_elsewhere_keep_theirs(tmp_path: Path) -> None:
    path = file(tmp_path, line=LINE.replace("virtual", "hil"))
    with pytest.raises(BadInput, match="--seed: gateways elsewhere have one of their own"):
        open_line(options(path, seed="3", keys=str(tmp_path), broker="mqtt://127.0.0.1:1883"))


def test_a_line_of_one_mode_has_that_and_another_is_mixed(tmp_path: Path) -> None:
    line = load_line(file(tmp_path))
    assert line.mode == "virtual"
    assert line.in_mode("hil").mode == "hil"
    two = "  - {station: station.yaml, as: other, mode: hil}\n"
    assert load_line(file(tmp_path, two)).mode == "mixed"

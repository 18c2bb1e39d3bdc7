"""A line of stations in several modes: one against its controller, the others played in one process."""

from __future__ import annotations

from pathlib import Path

import pytest
from running import ROOT, Starter, by_id

STATIONS = ROOT / "config" / "stations"


def mixed(folder: Path) -> Path:
    """The starter line with only its middle station against a controller."""
    line = folder / "modes.yaml"
    line.write_text(
        f"""twinline: line 1
id: modes
product: {{type: phone, length: 150 mm}}
stations:
  - {{station: {STATIONS / "infeed.yaml"}, mode: virtual}}
  - {{station: {STATIONS / "glue.yaml"}, mode: hil, serve: true}}
  - {{station: {STATIONS / "screw.yaml"}, mode: virtual}}
couplings:
  - {{from: infeed, to: glue, signals: {{glue.take: infeed.next-ready}}}}
  - {{from: glue, to: screw, signals: {{screw.take: glue.next-ready}}}}
flow: {{workpieces: 4, source: infeed, sink: screw, within: 60 s}}
"""
    )
    return line


@pytest.mark.long
def test_virtual_stations_beside_one_with_a_controller(tmp_path: Path, start: Starter) -> None:
    run = start.session(tmp_path, mixed(tmp_path), "--broker", "embedded", "-k", "sequence or workpieces")
    assert run.wait(120) == 0, run.shown
    run.assert_nothing_left()
    record = run.record("PASS", complete=True)
    steps = by_id(record)
    assert {step.verdict for step in steps.values()} == {"PASS"}
    assert {f"connect/controller[{name}]" for name in ("infeed", "glue", "screw")} <= steps.keys()
    assert record.flow is not None
    assert (record.flow.finished, record.flow.lost, record.flow.doubled) == (4, 0, 0)
    logs = {log.name for log in (run.run / "logs").iterdir()}
    assert {"gateway-host.log", "gateway-glue.log", "controller-glue.log"} <= logs
    assert not {"gateway-infeed.log", "controller-screw.log"} & logs


def test_a_mode_that_is_asked_for_holds_for_all(tmp_path: Path, start: Starter) -> None:
    run = start.session(tmp_path, mixed(tmp_path), "--mode", "virtual", "-k", "workpieces")
    assert run.wait() == 0, run.shown
    assert run.record("PASS", complete=True).mode == "virtual"


@pytest.mark.long
def test_a_line_of_all_four_modes(tmp_path: Path, start: Starter) -> None:
    line = ROOT / "config" / "lines" / "modes.yaml"
    select = "connect or sequence[glue.bead] or air-lost or workpieces or agreement"
    run = start.session(tmp_path, line, "--broker", "embedded", "--ports", "auto", "-k", select)
    assert run.wait(240) == 0, run.shown
    run.assert_nothing_left()
    record = run.record("PASS", complete=True)
    steps = by_id(record)
    verdicts = {
        "connect/lease[glue]": "PASS",
        "connect/device[glue.plant]": "PASS",
        "connect/lease[screw]": "SKIPPED",
        "sequence/sequence[glue.bead]": "PASS",
        "interlocks/interlock[infeed.air-lost]": "PASS",
        "interlocks/interlock[glue.air-lost]": "SKIPPED",
        "interlocks/interlock[screw.air-lost]": "SKIPPED",
        "agreement/agreement[glue]": "PASS",
        "agreement/agreement[screw]": "PASS",
        "flow/workpieces": "PASS",
    }
    assert {name: steps[name].verdict for name in verdicts} == verdicts
    assert steps["interlocks/interlock[glue.air-lost]"].message == (
        "the plant is real: no fault is injected into it"
    )
    assert {each.station: each.mode for each in record.stations} == {
        "infeed": "virtual", "glue": "ril", "seal": "hil", "screw": "shadow"
    }  # fmt: skip
    assert record.flow is not None
    assert (record.flow.lost, record.flow.doubled) == (0, 0)
    # The machine in shadow at the end is fed by others too: theirs come out besides, and count in no takt.
    assert (record.flow.workpieces, record.flow.finished, len(record.flow.takt)) == (4, 4, 3)
    assert record.flow.besides > 0
    assert run.run is not None
    assert f"{record.flow.besides} more came out" in (run.run / "report.html").read_text("utf-8")
    logs = {log.name for log in (run.run / "logs").iterdir()}
    assert {"plant-glue.log", "plant-screw.log", "controller-seal.log", "controller-screw.log"} <= logs
    assert "controller-glue.log" not in logs

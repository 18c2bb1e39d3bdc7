"""A line of stations in several modes: one against its controller, the others played in one process."""

from __future__ import annotations

from pathlib import Path

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

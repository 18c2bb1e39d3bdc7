"""A line whose source is a station in shadow: the machine feeds itself, and the rig counts what comes."""

from __future__ import annotations

from pathlib import Path

from running import ROOT, Starter, by_id

STATIONS = ROOT / "config" / "stations"
WORKPIECES = 3


def line_file(folder: Path) -> Path:
    line = folder / "watched.yaml"
    line.write_text(
        f"""twinline: line 1
id: watched
product: {{type: phone, length: 150 mm}}
stations:
  - {{station: {STATIONS / "infeed.yaml"}, mode: shadow, serve: true, feed: 4 s, watch: 3 s}}
  - {{station: {STATIONS / "screw.yaml"}, mode: virtual}}
couplings:
  - {{from: infeed, to: screw, signals: {{screw.take: infeed.next-ready}}}}
flow: {{workpieces: {WORKPIECES}, source: infeed, sink: screw, within: 90 s}}
"""
    )
    return line


def test_the_machine_feeds_the_line_and_nothing_is_written_to_it(tmp_path: Path, start: Starter) -> None:
    select = "connect or checkout or workpieces"
    run = start.session(
        tmp_path, line_file(tmp_path), "--broker", "embedded", "--ports", "auto", "-k", select
    )
    assert run.wait(240) == 0, run.shown
    run.assert_nothing_left()
    record = run.record("PASS", complete=True)
    steps = by_id(record)
    mine = {id: step for id, step in steps.items() if step.station == "infeed"}
    connected = {f"connect/{what}[infeed]" for what in ("gateway", "controller")}
    assert {id for id, step in mine.items() if step.verdict == "PASS"} == connected
    assert {step.message for id, step in mine.items() if id not in connected} == {
        "both are real: nothing is written"
    }
    assert all(step.verdict == "PASS" for step in steps.values() if step.station == "screw")
    flow = record.flow
    assert flow is not None
    assert flow.finished >= WORKPIECES
    assert (flow.lost, flow.doubled, flow.besides) == (0, 0, 0)
    logs = {log.name for log in (run.run / "logs").iterdir()}
    assert {"plant-infeed.log", "controller-infeed.log", "gateway-infeed.log"} <= logs


def test_a_gateway_that_is_killed_while_it_watches_is_an_error(tmp_path: Path, start: Starter) -> None:
    line = tmp_path / "alone.yaml"
    line.write_text(
        f"""twinline: line 1
id: alone
product: {{type: phone, length: 150 mm}}
stations:
  - {{station: {STATIONS / "infeed.yaml"}, mode: shadow, serve: true, watch: 60 s}}
"""
    )
    run = start.session(
        tmp_path, line, "--broker", "embedded", "--ports", "auto", "-k", "connect or agreement"
    )
    run.wait_step("connect/controller[infeed]")
    run.kill("/infeed/agent.json")
    assert run.wait(120) == 3, run.shown
    run.assert_nothing_left()
    record = run.record("ERROR", complete=True)
    watched = by_id(record)["agreement/agreement[infeed]"]
    assert watched.verdict == "ERROR"
    assert "infeed" in watched.message

"""A session with gateways that run already: it starts nothing, ends nothing, and says what is not there."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from running import TWINLINE, Memory, Starter, belt, by_id, memory, secured, witnesses
from site_alone import Site


@pytest.fixture
def site(tmp_path: Path, start: Starter) -> Iterator[Site]:
    made = belt(tmp_path, serve=True)  # its controller runs elsewhere all the same
    start.controller(tmp_path, made)
    with secured(tmp_path) as broker:
        yield Site(tmp_path, made, start, broker)


def options(site: Site, *more: str) -> tuple[str, ...]:
    return ("--broker", site.broker.url, "--keys", str(site.keys), "--operator", "anna", *more)


def test_it_passes_and_leaves_the_gateway_running(site: Site, tmp_path: Path, start: Starter) -> None:
    gateway = site.gateway()
    witnesses(tmp_path, site.keys, start)
    for number in range(2):  # the lease was given back, and nothing else of the first is left
        folder = site.folder / f"session-{number}"
        run = site.start.session(folder, site.made.line, *options(site, "-k", "passing or drive-ok"))
        assert not run.processes("gateway.")
        assert run.wait() == 0, run.shown
        run.assert_nothing_left()
        record = run.record("PASS", complete=True)
        assert record.operator == "anna"
        assert by_id(record)["connect/gateway[belt]"].verdict == "PASS"
        trusted = ("--genesis", str(site.keys / "genesis.json"))
        verified = start(tmp_path, *TWINLINE, "ledger", "verify", str(run.run), *trusted)
        assert verified.wait() == 0, verified.shown
        with memory(site.made.port) as watched:
            watched.wait(Memory.SAFE)
    assert gateway.process.poll() is None
    gateway.process.terminate()
    assert gateway.wait() == 0, gateway.shown


@pytest.mark.long
def test_a_gateway_that_is_not_there(site: Site) -> None:
    run = site.start.session(site.folder, site.made.line, *options(site))
    assert run.wait() == 3, run.shown
    run.assert_nothing_left()
    steps = run.record("ERROR", complete=True).steps
    assert steps[0].verdict == "ERROR"
    assert "gateway belt: no answer within 3 s" in steps[0].message
    assert {step.verdict for step in steps[1:]} == {"SKIPPED"}


@pytest.mark.long
def test_a_gateway_that_has_another_station_file(site: Site) -> None:
    site.gateway()
    site.made.change("stations/belt.yaml", ("title: Belt", "title: Changed"))
    run = site.start.session(site.folder, site.made.line, *options(site))
    assert run.wait() == 3, run.shown
    run.assert_nothing_left()
    failed = by_id(run.record("ERROR", complete=True))["connect/gateway[belt]"]
    assert "gateway belt has another version of" in failed.message


@pytest.mark.long
def test_a_gateway_that_runs_in_another_mode(site: Site) -> None:
    site.gateway()
    run = site.start.session(site.folder, site.made.line, *options(site, "--mode", "shadow"))
    assert run.wait() == 3, run.shown
    step = by_id(run.record("ERROR", complete=True))["connect/gateway[belt]"]
    assert step.verdict == "ERROR"
    assert "gateway belt runs in mode hil, here it is shadow; prepare it again" in step.message


@pytest.mark.long
def test_an_operator_whom_the_gateway_does_not_know(site: Site) -> None:
    site.gateway()
    other = site.folder / "elsewhere"
    prepared = site.start(
        site.folder, *TWINLINE, "gateway", "prepare", str(site.made.line), "--into", str(other),
        "--broker", site.broker.url, "--operator", "anna",
    )  # fmt: skip
    assert prepared.wait() == 0, prepared.shown
    run = site.start.session(
        site.folder, site.made.line, "--broker", site.broker.url, "--keys", str(other), "--operator", "anna"
    )
    assert run.wait() == 3, run.shown
    run.assert_nothing_left()


def test_what_is_wrong_is_said_before_anything_starts(site: Site) -> None:
    (site.keys / "anna.pem").chmod(0o644)
    run = site.start.session(site.folder, site.made.line, *options(site, "--ports", "auto"))
    assert run.wait() == 2
    assert "--ports: gateways elsewhere have ports of their own" in run.said
    run = site.start.session(site.folder, site.made.line, *options(site))
    assert run.wait() == 2
    assert "others can read this private key" in run.said
    (site.keys / "anna.pem").chmod(0o600)
    (site.keys / "trust.yaml").write_text("nodes: {}\n")
    run = site.start.session(site.folder, site.made.line, *options(site))
    assert run.wait() == 2
    assert "the key of belt is not in it" in run.said
    for prepared in site.keys.glob("*/gateway.json"):
        prepared.unlink()
    run = site.start.session(site.folder, site.made.line, "--keys", str(site.keys), "--operator", "anna")
    assert run.wait() == 2
    assert "reached by a broker, none is named" in run.said
    assert not (site.folder / "runs").exists()


def test_what_is_prepared(site: Site) -> None:
    folder = site.config.parent
    assert {each.name for each in folder.iterdir()} == {
        "enrolment.json",
        "gateway.json",
        "genesis.json",
        "key.pem",
        "station.yaml",
        "tls",
        "trust.yaml",
    }
    assert stat.S_IMODE((folder / "key.pem").stat().st_mode) == 0o600
    config = json.loads(site.config.read_text())
    assert (config["line"], config["id"], config["key"]) == ("one", "belt", "key.pem")
    alone = site.start(
        site.folder, *TWINLINE, "gateway", "prepare", str(site.made.line), "--into", "alone",
        "--broker", site.broker.url, "--operator", "anna", "--no-chain",
    )  # fmt: skip
    assert alone.wait() == 0, alone.shown
    there = {each.name for each in (site.folder / "alone").iterdir()}
    assert there == {"anna", "anna.pem", "authority", "belt", "broker", "trust.yaml"}
    assert json.loads((site.folder / "alone/belt/gateway.json").read_text())["chain"] == ""
    before = (folder / "key.pem").read_bytes(), (site.keys / "anna.pem").read_bytes()
    again = site.start(
        site.folder, *TWINLINE, "gateway", "prepare", str(site.made.line), "--into", str(site.keys),
        "--broker", site.broker.url, "--operator", "anna",
    )  # fmt: skip
    assert again.wait() == 0, again.shown
    assert ((folder / "key.pem").read_bytes(), (site.keys / "anna.pem").read_bytes()) == before
    wrong = site.start(
        site.folder, *TWINLINE, "gateway", "prepare", str(site.made.line), "--into", str(site.keys),
        "--broker", "tcp://there", "--operator", "belt",
    )  # fmt: skip
    assert wrong.wait() == 2
    assert "--broker: 'tcp://there' is no broker" in wrong.said
    assert "--operator: 'belt' is a station of this line" in wrong.said

"""Sessions on a chain that outlives them: without a quorum, with a rig that dies, and what comes of both."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from running import (
    CONTROLLER,
    GATEWAY,
    HOLD,
    TWINLINE,
    Memory,
    Run,
    Starter,
    belt,
    memory,
    procedures,
    until,
    witnesses,
)
from site_alone import Site

from gateway.genesisfile import load_genesis
from gateway.net.reports import ChainState
from ledger.records import SessionClosed
from rig.broker import Broker
from rig.chainfolder import examine
from rig.chainstatus import Heard, ask
from rig.line import load_line
from rig.ports import free_ports
from rig.prepare import CONFIG, prepare

BILLS = (
    "bom: {box: {length: 100 mm}}\n"
    "bop: {carry: {of: box, takes: 1.5 s}}\n"
    "bor: {belt: [carry]}\n"
)  # fmt: skip

NOBODY = Heard(ChainState(False, "", ""), False)


@pytest.fixture
def site(tmp_path: Path, start: Starter) -> Iterator[Site]:
    """The small line with a bill of process; its gateway runs, its witnesses do not."""
    made = belt(tmp_path, serve=True)
    made.line.write_text(made.line.read_text() + BILLS)
    start.controller(tmp_path, made)
    with Broker(tmp_path / "broker") as broker:
        site = Site(tmp_path, made, start, broker)
        site.gateway()
        yield site


def session(site: Site, name: str, select: str) -> Run:
    options = ("--broker", site.broker.url, "--keys", str(site.keys), "--operator", "anna", "-k", select)
    return site.start.session(site.folder / name, site.made.line, *options)


def heard(site: Site) -> dict[str, Heard]:
    """What each node of the line says of the chain, by its id."""
    return {name.partition("/")[2]: each for name, each in ask(site.broker.url, site.keys, "anna").items()}


def verify(site: Site, run: Run) -> Run:
    assert run.run is not None
    trusted = ("--genesis", str(site.keys / "genesis.json"))
    asked = site.start(site.folder, *TWINLINE, "ledger", "verify", str(run.run), *trusted)
    asked.wait()
    return asked


def test_without_a_quorum_the_evidence_is_there_and_becomes_final_later(site: Site) -> None:
    alone = session(site, "alone", "passing")
    assert alone.wait() == 3, alone.shown
    assert "the manifest is not final: 1 of 4 nodes are heard, 3 must sign" in alone.said
    alone.record("PASS", complete=True)
    assert alone.run is not None
    asked = verify(site, alone)
    assert asked.wait() == 1
    assert "the manifest was not final when the session ended" in asked.said

    witnesses(site.folder, site.keys, site.start)
    later = session(site, "later", "passing")
    assert later.wait() == 0, later.shown
    assert verify(site, later).wait() == 0

    copy = ("--state", str(site.keys / "ledger/anna"))
    proved = site.start(site.folder, *TWINLINE, "ledger", "prove", str(alone.run), *copy)
    assert proved.wait() == 0, proved.shown
    asked = verify(site, alone)
    assert asked.wait() == 0, asked.shown
    shown = site.start(site.folder, *TWINLINE, "ledger", "status", *copy)
    assert shown.wait() == 0, shown.shown
    assert "witness-3" in shown.shown


def test_the_chain_and_the_line_go_on_without_the_rig(site: Site) -> None:
    witnesses(site.folder, site.keys, site.start)
    procedures(site.folder / "killed", hold=HOLD)
    killed = session(site, "killed", "hold")
    with memory(site.made.port) as watched:
        watched.wait(Memory.HELD)
        before = until("it is heard", lambda: heard(site).get("belt")).state.height
        killed.signal(signal.SIGKILL)  # dispatcher, operator and inspector at once
        watched.wait(Memory.SAFE)
    # That the lease has ended is recorded by the gateway, and agreed on without the rig.
    until("a block without the rig", lambda: heard(site).get("witness-1", NOBODY).state.height > before)
    others = {"belt", "witness-1", "witness-2"}
    until("all are there", lambda: others <= {n for n, each in heard(site).items() if each.state.online})
    found = heard(site)
    assert all(each.verified for name, each in found.items() if name.startswith(("belt", "witness")))

    again = session(site, "again", "workpieces")
    assert again.wait() == 0, again.shown
    assert verify(site, again).wait() == 0
    assert "workload and share of the next blocks" not in again.said  # the epoch of such a chain is longer
    assert again.run is not None
    asked = site.start(site.folder, *TWINLINE, "ledger", "status", str(again.run))
    assert asked.wait() == 2
    assert "and M follows from all of them; give the copy of a node: --state" in asked.said
    records = [kind for block in examine(again.run).blocks for kind in (tx.kind for tx in block.body)]
    made = records.count("completion")
    assert made == records.count("requirement") == records.count("inspection") > 0
    assert records.count(SessionClosed.__struct_config__.tag or "") == 1


def test_a_station_that_is_new_in_the_line_joins_its_chain(site: Site) -> None:
    witnesses(site.folder, site.keys, site.start)
    before = load_genesis(site.keys / "genesis.json")
    (port,) = free_ports(1)
    mine = site.made.line.read_text()
    entry = "  - {station: ../stations/belt.yaml, mode: hil, serve: true}\n"
    address = f'addresses: {{plc: "modbus://127.0.0.1:{port}/1"}}'
    assert entry in mine
    other = f"  - {{station: ../stations/belt.yaml, as: other, {address}}}\n"
    site.made.line.write_text(mine.replace(entry, entry + other))
    said = " ".join(prepare(load_line(site.made.line), site.keys, (site.broker.url,), "anna"))
    assert str(site.keys / "other") in said
    assert load_genesis(site.keys / "genesis.json") == before
    program = str(site.made.folder / "programs/belt.st")
    site.start(
        site.folder, sys.executable, "-m", CONTROLLER, program, "--address", f"modbus://127.0.0.1:{port}/1"
    )
    site.start(site.folder, sys.executable, "-m", GATEWAY, str(site.keys / "other" / CONFIG))
    until("it is a stranger", lambda: "not enrolled" in heard(site).get("other", NOBODY).state.problem)
    run = session(site, "joined", "passing")
    assert run.wait() == 0, run.shown
    assert verify(site, run).wait() == 0
    until("it votes", lambda: heard(site).get("other", NOBODY).state.member)


def test_status_says_who_is_there(site: Site) -> None:
    until("it tells of itself", lambda: "belt" in heard(site))
    asked = site.start(site.folder, *TWINLINE, "ledger", "status", "--broker", site.broker.url)
    assert asked.wait() == 0, asked.shown
    assert "one/belt" in asked.shown
    assert "unverified; " in asked.said
    site.broker.stop()
    asked = site.start(site.folder, *TWINLINE, "ledger", "status", "--broker", site.broker.url)
    assert asked.wait() == 3, asked.shown
    assert "no broker answers" in asked.said

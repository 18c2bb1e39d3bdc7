"""A line whose every node was let in by a token: prepared from the authority, commissioned, all by TLS."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from running import GATEWAY, Starter, belt, witnesses
from site_authority import start_authority

from gateway import enroll
from gateway.pki.enrolment import Kind
from gateway.pki.token import Token
from rig.broker import HOST, Broker
from rig.line import load_line
from rig.pki.authority import Authority
from rig.pki.desk import Desk
from rig.pki.registry import Place, Registry
from rig.prepare import prepare

NODES: dict[str, Kind] = {
    "belt": "gateway", "witness-1": "witness", "witness-2": "witness", "witness-3": "witness",
    "anna": "operator", "inspector": "party", "broker": "broker",
}  # fmt: skip


def test_a_line_is_commissioned_by_nodes_that_made_their_own_keys(tmp_path: Path, start: Starter) -> None:
    made, keys = belt(tmp_path), tmp_path / "gateways"
    start.controller(tmp_path, made)
    authority = Authority.create(tmp_path / "authority", "one", None, now=time.time_ns())
    registry = Registry(authority.folder)
    desk = Desk(authority, registry, time.time_ns)
    _, address = start_authority(start, tmp_path)
    for node, kind in NODES.items():
        hosts = (HOST,) if kind == "broker" else ()
        roles = ("commissioner", "signer") if kind == "operator" else ()
        token = desk.invite(Place(node, kind, "one", roles, hosts), 60 * 10**9)
        assert isinstance(token, Token), token
        enroll.by_token(token, address, keys / node)
    registry.close()
    broker = Broker(keys / "broker", secured=True)
    list(prepare(load_line(made.line), keys, (broker.url,), "anna", pki=authority.folder))
    assert not list(keys.glob("*.pem"))
    with broker:
        gateway = start(tmp_path, sys.executable, "-m", GATEWAY, str(keys / "belt/gateway.json"))
        gateway.wait_ready()
        witnesses(tmp_path, keys, start)
        options = ("--broker", broker.url, "--keys", str(keys), "--operator", "anna", "-k", "passing")
        session = start.session(tmp_path, made.line, *options)
        assert session.wait(120) == 0, session.shown
        assert "manifest final at height" in session.said

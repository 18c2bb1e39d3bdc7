"""All checks in order, causes before what comes of them; each finding as soon as it is there."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from gateway.agentfile import AgentConfig, check, read_config
from gateway.errors import BadInput
from gateway.local.checks import certificate, device
from gateway.local.checks.cable import cable
from gateway.local.checks.clock import clock
from gateway.local.checks.disk import disk
from gateway.local.checks.finding import Finding, ok, unseen, wrong
from gateway.local.checks.ledger import ledger
from gateway.local.checks.line import Heard, listen
from gateway.local.client import Client, Unanswered
from gateway.local.messages import (
    AskChain,
    AskDevices,
    AskStatus,
    AskTags,
    Chain,
    Devices,
    DeviceShown,
    Status,
    Tags,
    Witnessed,
)
from gateway.net.identity import Identity, Trust
from gateway.net.link import broker_address
from gateway.net.messages import Refused
from gateway.station import Device, Station, load_station

TIMEOUT_NS = 2_000_000_000
LATE = 0.01  # of all scans: so many may come late on a machine that has other things to do


class Agent:
    """What the agent says of itself, where it runs."""

    def __init__(self, folder: Path) -> None:
        self.why: Unanswered | None = None
        self.status: Status | None = None
        self.chain = Chain({})
        self.devices: dict[str, DeviceShown] = {}
        self.tags = Tags(())
        try:
            with Client(folder) as client:
                status, devices = client.ask(AskStatus(), Status), client.ask(AskDevices(), Devices)
                tags, chain = client.ask(AskTags(), Tags), client.ask(AskChain(), Chain)
        except Unanswered as unanswered:
            self.why = unanswered
            return
        if not isinstance(status, Refused | None):
            self.status = status
        if not isinstance(devices, Refused):
            self.devices = {each.name: each for each in devices.devices}
        if not isinstance(tags, Refused):
            self.tags = tags
        if not isinstance(chain, Refused):
            self.chain = chain


def selftest(file: Path) -> Iterator[Finding]:
    """Of the gateway whose configuration is ``file``, whether its agent runs or not; bounded."""
    try:
        config = read_config(file)
    except BadInput as bad:
        yield wrong("files", str(bad), "correct it, then try again")
        return
    state = Path(config.state)
    yield disk(state)
    station = None
    try:
        station = _station(config) if config.station else None
        Trust.load(Path(config.trust))
        if os.path.exists(config.key) and not os.access(config.key, os.R_OK):
            yield unseen(
                "files", "all but the key can be read; that is for the gateway's own user", "try as root"
            )
        else:
            Identity.load(Path(config.key))
            yield ok("files", f"all files of {station.id if station else config.id} can be read")
    except BadInput as bad:
        for problem in bad.problems:
            yield wrong("files", str(problem), "correct the file; the gateway does not start with it")
    agent = None
    if config.station:
        agent = Agent(state)
        yield from _agent(agent)
        facts = agent.chain.facts if config.chain and agent.why is None else {}
    else:
        witness = _Witness(state)
        yield witness.finding
        facts = witness.chain
    own = config.id or (station.id if station else "")
    heard = listen(config.line, own, config.brokers, config.tls_files)
    yield from _brokers(config, heard)
    yield clock(time.time_ns(), _newest(state), heard.voices, f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC")
    if config.tls_files is not None:
        yield from certificate.of_brokers(config.tls_files, config.brokers, datetime.now(UTC))
    if facts:
        yield ledger(facts)
    yield from certificate.own(datetime.now(UTC), config.opcua)
    if station is not None and agent is not None:
        for each in _real(config, station).values():
            yield from _device(each, station, agent, config.opcua)
    if agent is not None and agent.status is not None:
        yield _scans(agent.status)  # last: what is wrong above makes the machine busy, or is more than late


def _station(config: AgentConfig) -> Station:
    station = load_station(Path(config.station))
    station = station.placed(config.id or station.id, config.addresses).moved(config.ports)
    check(config, station)
    return station


def _real(config: AgentConfig, station: Station) -> dict[str, Device]:
    """The devices that are reached over a network in this mode."""
    if config.mode == "virtual":
        return {}
    if config.mode == "ril":
        return {} if station.plant is None else {station.plant.name: station.plant}
    return station.devices


def _newest(state: Path) -> int:
    """UTC ns of the newest file that the gateway wrote, 0: none; not of what the self-test touches."""
    return max((path.stat().st_mtime_ns for path in state.glob("*.sqlite*")), default=0)


def _agent(agent: Agent) -> Iterator[Finding]:
    if agent.why is not None or agent.status is None:
        why = agent.why or Unanswered("it refuses to say how it is")
        yield wrong("gateway", why.why, why.do)
        return
    status = agent.status
    if status.barred:
        yield wrong("gateway", status.barred, "enrol it anew, if it may take part: docs/pki.md")
        return
    if status.state.problem and not status.lost:
        yield wrong("gateway", status.state.problem, "see logs")
        return
    yield ok("gateway", f"version {status.version} runs as process {status.pid}")


def _scans(status: Status) -> Finding:
    scans, late = max(1, status.uptime // status.scan), status.state.overruns
    said = f"{late} of some {scans} came late ({late / scans:.1%})"
    if late <= max(10, LATE * scans):
        return ok("scans", said)
    harm = "a step that one of them falls into is tried again, and is an ERROR if that does not help"
    return wrong(
        "scans", f"{said}: {harm}", "end what else runs here ('top' shows it), or give a longer scan"
    )


class _Witness:
    """What one that has no station says of itself."""

    def __init__(self, state: Path) -> None:
        self.chain: dict[str, str] = {}
        try:
            with Client(state) as client:
                status = client.ask(AskStatus(), Witnessed)
        except Unanswered as unanswered:
            self.finding = wrong("gateway", unanswered.why, unanswered.do)
            return
        if isinstance(status, Refused):
            self.finding = wrong("gateway", status.why, "see logs")
            return
        self.chain = status.chain
        self.finding = ok("gateway", f"version {status.version} runs as process {status.pid}, a witness")


def _brokers(config: AgentConfig, heard: Heard) -> Iterator[Finding]:
    if not config.brokers:
        yield unseen("broker", "gateway.json names none: nobody on the line hears this gateway")
    for url, (why, took) in heard.brokers.items():
        host, port, _ = broker_address(url)
        name = "broker" if len(config.brokers) == 1 else f"broker {host}"
        if not why:
            yield ok(name, f"{url} answers in {took / 1e6:.1f} ms")
            continue
        way = cable(name, host)
        if way.standing == "WRONG":
            yield way
            continue
        do = f"start the broker at {host}, let port {port} through, or correct brokers in gateway.json"
        yield wrong(name, f"{url}: {why}", "" if took else do)  # the port answers: why says what to do


def _device(each: Device, station: Station, agent: Agent, folder: str) -> Iterator[Finding]:
    """Of a device; what cannot be so while its cable is unplugged is not asked."""
    shown = agent.devices.get(each.name)
    connected = shown is not None and shown.ready
    if each.role != "served":
        way = cable(each.name, urlsplit(each.address).hostname or "")
        yield way
        if way.standing == "WRONG" and not connected:
            yield unseen(f"device {each.name}", "not looked at: there is no way to it")
            return
    found = device.connection(each, folder, shown)
    yield found
    if (protected := certificate.protection(each)) is not None:
        yield protected
    if each.protocol == "opcua" and each.role != "served" and found.standing == "ok":
        now = datetime.now(UTC)
        yield asyncio.run(certificate.server(each.name, each.address, TIMEOUT_NS, now))
    if shown is None or not connected:
        return
    yield from device.refusals(shown)
    values = {tag.name: tag.value for tag in agent.tags.tags if tag.quality == "good"}
    words = device.order(each.name, station.tags, values)
    if words is not None:
        yield words

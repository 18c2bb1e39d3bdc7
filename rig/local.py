"""A whole line on this machine: broker, controllers, plants, gateways, witnesses as processes of their own.

Every child watches its standard input, which only this process holds open: however the rig ends, they end.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import msgspec

from gateway.agentfile import AgentConfig
from gateway.genesisfile import genesis_bytes
from gateway.net.identity import Identity, Trust
from gateway.net.roles import ALL
from gateway.pki.credentials import OPCUA, TLS, TlsFiles
from gateway.station import Station
from gateway.units import format_duration
from rig import brokerfiles
from rig.acl import Admitted
from rig.backend import RigFault
from rig.broker import HOST, Broker, BrokerFailed
from rig.chain import RigChain
from rig.child import END, Child
from rig.genesis import begin, inspector, witnesses
from rig.line import Line, LineStation
from rig.open import Options, broker_of
from rig.pki.admission import admit
from rig.pki.authority import Authority
from rig.ports import free_ports, taken
from rig.remote import BusBackend
from rig.scratch import Scratch
from rig.secured import is_secured, kept_certificate, serve_options, served_hosts
from rig.serving import called, served

READY = 60.0
BROKER = "broker"
EPOCH = 1  # blocks: the chain lives as long as the session, and its shares follow at once


class LocalLine:
    """Starts what the line needs on this machine and ends it again. Logs go to ``folder``."""

    def __init__(self, line: Line, options: Options, folder: Path) -> None:
        self.line, self.options = line, options
        self.logs = folder / "logs"
        self._kept = Scratch()  # keys and journals: never evidence
        self._scratch = self._kept.path
        there = broker_of(line, options)
        self._broker = None if there else Broker(self._scratch / BROKER, kind=options.broker, secured=True)
        self.broker = there if self._broker is None else self._broker.kind
        self._brokers = [self._broker.url if self._broker is not None else there]
        # Stations that are virtual among others share one process, and are no nodes of the chain.
        self._virtual = {n for n, each in line.stations.items() if each.mode == "virtual"}
        self._real = {n: each for n, each in line.stations.items() if n not in self._virtual}
        self._children: list[Child] = []
        self._ports: dict[str, dict[str, int]] = {}  # by station and device
        self._made: Authority | None = None
        operator = Identity.create(options.operator)
        inspecting = Identity.create(inspector(line.stations, operator.node))
        self._persons = (operator, inspecting)
        self._witnesses = witnesses(self._real, operator.node, line.stations)
        self._identities = {name: Identity.create(name) for name in (*line.stations, *self._witnesses)}
        self._trust = Trust()
        self._trust.add(operator.node, operator.public_bytes, ALL)
        for identity in self._identities.values():
            self._trust.add(identity.node, identity.public_bytes)
        self.backend = BusBackend(
            line.id, list(line.stations), self._brokers, operator, self._trust, line.in_shadow,
            self._tls(operator.node),
        )  # fmt: skip
        nodes = [self._identities[name] for name in (*self._real, *self._witnesses)]
        everybody = {each.node: each.public_bytes for each in (operator, inspecting, *nodes)}
        genesis = begin(line.id, time.time_ns(), everybody, operator.node, inspecting.node, EPOCH)
        self.chain = RigChain(
            line.id, genesis, operator, inspecting, tuple(self._brokers), self._scratch / "rig", tls=self._tls
        )

    def start(self) -> None:
        """Everything up and answering; RigFault says what is not."""
        self.logs.mkdir(exist_ok=True)
        if self.options.ports == "auto":
            self._choose_ports()
        self._check_ports()
        self._make_keys()
        deadline = time.monotonic() + READY
        started = [child for n, each in self._real.items() if each.serve for child in self._serve(n, each)]
        if self._broker is not None:
            self._admit(self._broker)
            try:
                self._broker.start()
            except BrokerFailed as failed:
                raise RigFault(str(failed)) from None
        self.backend.start()
        for child in started:
            child.wait_ready(deadline)
        configs = {name: self._configure(name, each) for name, each in self.line.stations.items()}
        agents = [self._start_agents(f"gateway {name}", [configs[name]]) for name in self._real]
        if self._virtual:
            agents.append(self._start_agents("gateway host", [configs[name] for name in self._virtual]))
        if self._witnesses:
            voting = [self._write(name, station="") for name in self._witnesses]
            agents.append(self._start_agents("gateway witnesses", voting))
        self.chain.start()
        for child in agents:
            child.wait_ready(deadline)

    def seal(self) -> None:
        """Close the logs: they are evidence from here on, while everything runs on."""
        for child in self._children:
            child.seal()

    def stop(self) -> None:
        """Gateways first (they drive the safe state), then controllers and plants, then the broker."""
        self.chain.stop()
        for kind in ("gateway", "controller", "plant"):
            some = [child for child in self._children if child.name.startswith(kind)]
            for child in some:
                child.ask_to_end()
            deadline = time.monotonic() + END
            for child in some:
                child.wait_end(deadline)
        if self._broker is not None:
            self._broker.stop()
        self._kept.remove()

    # --- parts ---------------------------------------------------------------------------------------

    def _choose_ports(self) -> None:
        """Free ports for all that listens on this machine."""
        some = {name: served(each, each.station) for name, each in self._real.items() if each.serve}
        free = iter(free_ports(sum(map(len, some.values()))))
        self._ports = {name: {device: next(free) for device in devices} for name, devices in some.items()}

    def _check_ports(self) -> None:
        wrong = [
            f"{called(name, device)} cannot be served at {device.address}: {why}"
            for name, each in self._real.items()
            for device in served(each, self._station(name, each)).values()
            if (why := taken(*device.endpoint))
        ]
        if wrong:
            raise RigFault(
                "; ".join(wrong) + "; end what uses it, give it another address, or choose --ports auto"
            )

    def _make_keys(self) -> None:
        for name, identity in self._identities.items():
            identity.save(self._scratch / f"{name}.pem")
        self._trust.save(self._scratch / "trust.yaml")
        (self._scratch / "genesis.json").write_bytes(genesis_bytes(self.chain.genesis))

    def _authority(self) -> Authority:
        """That of this run, once there is a need for one."""
        if self._made is None:
            self._made = Authority.create(self._scratch / "authority", self.line.id, None, now=time.time_ns())
        return self._made

    def _admit(self, broker: Broker) -> None:
        """Credentials for all that connect to the broker of this run, and for that itself."""
        authority, now = self._authority(), time.time_ns()
        operator, inspecting = self._persons
        admitted = [Admitted(operator.node, "operator", ALL), Admitted(inspecting.node, "party")]
        admitted += [Admitted(name, "gateway") for name in self.line.stations]
        admitted += [Admitted(name, "witness") for name in self._witnesses]
        known = {each.node: each for each in (*self._persons, *self._identities.values())}
        for each in admitted:
            folder = self._scratch / TLS / each.node
            admit(authority, folder, known[each.node], each.kind, now=now, roles=each.roles)
        brokerfiles.write(broker.folder, authority, BROKER, (HOST, "localhost"), (HOST, broker.port), now)

    def _tls(self, node: str) -> TlsFiles | None:
        """What it shows the broker of this run; None: one that runs already is reached in the clear."""
        return None if self._broker is None else TlsFiles.of(self._scratch / TLS / node / TLS)

    def _certificates(self, name: str, each: LineStation) -> str:
        """The folder for OPC UA of its gateway; "": it needs none."""
        if name in self._virtual or each.mode == "ril" or not is_secured(each.station):
            return ""
        if not each.serve:
            return str(kept_certificate())
        folder, hosts = self._scratch / TLS / name, served_hosts(each.station)
        node, now = self._identities[name], time.time_ns()
        admit(self._authority(), folder, node, "gateway", now=now, hosts=hosts, opcua=True)
        return str(folder / OPCUA)

    def _station(self, name: str, each: LineStation) -> Station:
        return each.station.moved(self._ports.get(name, {}))

    def _child(self, name: str, command: list[str]) -> Child:
        child = Child(name, command, self.logs / f"{name.replace(' ', '-')}.log", self._kept.inherited)
        self._children.append(child)
        return child

    def _serve(self, name: str, each: LineStation) -> list[Child]:
        """What is real in its mode, as processes."""
        if each.mode == "ril":
            return [self._serve_plant(name, each)]
        if each.mode == "shadow":
            return [self._serve_plant(name, each), self._serve_controller(name, each)]
        return [self._serve_controller(name, each)]

    def _serve_plant(self, name: str, each: LineStation) -> Child:
        plant = self._station(name, each).plant
        assert plant is not None, f"{name} has no plant"
        command = ["gateway.plant", str(Path(each.station.file).resolve()), "--at", plant.address]
        command += ["--feed", format_duration(each.feed), "--length", f"{self.line.product.length:g} mm"]
        return self._child(f"plant {name}", command)

    def _serve_controller(self, name: str, each: LineStation) -> Child:
        station = self._station(name, each)
        command = [
            "gateway.controller.serve",
            str(self._program(name, each)),
            "--address",
            station.controller.address,
        ]
        for option, role in (("--coupler", "coupler"), ("--poll", "served")):
            for device in station.having(role):
                command += [option, f"{device.address}?at={device.at}"]
        if each.mode == "shadow":
            command += _wired(station)
        if is_secured(station):
            folder = self._scratch / "opcua" / f"{name}-plc"
            command += serve_options(self._authority(), folder, station)
        command += ["--scan", format_duration(station.scan), "--end-with-stdin"]
        return self._child(f"controller {name}", command)

    def _program(self, name: str, each: LineStation) -> Path:
        """The file of the program that a virtual controller runs here."""
        if each.program is not None:
            return each.program.resolve()
        program = self._scratch / f"{name}.st"
        program.write_text(each.station.composed, encoding="utf-8", newline="")
        return program

    def _beside(self, name: str, each: LineStation) -> str:
        """The file of the station's own program, to be run beside the real controller."""
        own = each.station.program_path()
        if own is None:
            own = self._scratch / f"{name}-beside.st"
            own.write_text(each.station.composed, encoding="utf-8", newline="")
        return str(own)

    def _configure(self, name: str, each: LineStation) -> Path:
        """Write what its gateway is told."""
        return self._write(
            name,
            str(Path(each.station.file).resolve()),
            neighbours=each.neighbours,
            ports=self._ports.get(name, {}),
            addresses={device.name: device.address for device in each.station.reached.values()},
            program=str(self._program(name, each)) if each.played else "",
            beside=self._beside(name, each) if each.accompanied else "",
            within=each.within,
            mode=each.mode,
            seed=self.line.seed,
            opcua=self._certificates(name, each),
        )

    def _write(self, name: str, station: str, **more: Any) -> Path:
        """The configuration of a node."""
        state = self._scratch / name
        state.mkdir()
        config = AgentConfig(
            line=self.line.id,
            station=station,
            brokers=tuple(self._brokers),
            key=str(self._scratch / f"{name}.pem"),
            trust=str(self._scratch / "trust.yaml"),
            state=str(state),
            id=name,
            chain="" if name in self._virtual else str(self._scratch / "genesis.json"),
            tls=str(self._scratch / TLS / name / TLS) if self._broker is not None else "",
            **more,
        )
        path = state / "agent.json"
        path.write_bytes(msgspec.json.encode(config))
        return path

    def _start_agents(self, name: str, configs: list[Path]) -> Child:
        """One process with a gateway for each of ``configs``."""
        return self._child(name, ["gateway.agent", *map(str, configs), "--end-with-stdin"])


def _wired(station: Station) -> list[str]:
    """What a virtual controller is told so that it drives the plant by itself; it has no next machine."""
    assert station.plant is not None, f"{station.id} has no plant"
    shown = {tag for spec in station.twin.values() for tag in spec.ports.values()} | station.commands
    options = ["--plant", station.plant.address, "--station", str(Path(station.file).resolve())]
    for tag in station.plant_inputs:  # those of neighbours: no component shows them, and no person gives them
        if tag.name not in shown and tag.type.kind == "bool":
            options += ["--next", tag.name]
    return options

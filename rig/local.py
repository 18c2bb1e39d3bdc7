"""A whole line on this machine: broker, virtual controllers and gateways as processes of their own.

Every child watches its standard input, which only this process holds open: however the rig ends, they end.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import msgspec

from gateway.agentfile import AgentConfig
from gateway.net.identity import Identity, Trust
from gateway.station import Device, Station
from gateway.units import format_duration
from rig.backend import RigFault
from rig.broker import Broker, BrokerFailed
from rig.line import Line, LineStation
from rig.open import Options, broker_of
from rig.remote import BusBackend
from rig.scratch import Scratch

READY = 60.0
END = 5.0


class Child:
    """A process of ours: it says ``{"ready": …}`` on its standard output, and ends with its input."""

    def __init__(self, name: str, command: list[str], log: Path, inherited: tuple[int, ...] = ()) -> None:
        self.name, self.log = name, log
        with log.open("ab") as errors:
            self.process = subprocess.Popen(
                [sys.executable, "-m", *command],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                pass_fds=inherited,
                # Ctrl-C is for the rig: it ends its children in order.
                start_new_session=os.name == "posix",
                creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
            )
        self._line: bytes | None = None
        self._said = threading.Event()
        threading.Thread(target=self._listen, name=f"ready-{name}", daemon=True).start()

    def _listen(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as words:
            self._line = words.readline()
            self._said.set()
            while words.read(4096):
                pass

    def wait_ready(self, deadline: float) -> None:
        """RigFault, with the child's own words, if it is not ready by ``deadline`` (monotonic s)."""
        self._said.wait(max(0.0, deadline - time.monotonic()))
        with contextlib.suppress(ValueError):
            if self._line and json.loads(self._line).get("ready"):
                return
        self.kill()
        words = self.log.read_text(errors="replace").strip().splitlines()[-5:]
        raise RigFault(f"{self.name} did not start: " + ("; ".join(words) or f"no word in {READY:g} s"))

    def ask_to_end(self) -> None:
        """Close its input."""
        assert self.process.stdin is not None
        with contextlib.suppress(OSError):
            self.process.stdin.close()

    def wait_end(self, deadline: float) -> None:
        """Gone when this returns: by force after ``deadline``."""
        try:
            self.process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """End it as a crash would."""
        self.process.kill()
        self.ask_to_end()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(END)


class LocalLine:
    """Starts what the line needs on this machine and ends it again. Logs go to ``folder``."""

    def __init__(self, line: Line, options: Options, folder: Path) -> None:
        self.line, self.options = line, options
        self.logs = folder / "logs"
        self._kept = Scratch()  # keys and journals: never evidence
        self._scratch = self._kept.path
        there = broker_of(line, options)
        self._broker = None if there else Broker(self._scratch / "broker", kind=options.broker)
        self._brokers = [self._broker.url if self._broker is not None else there]
        # Stations that are virtual among others share one process.
        self._virtual = {n for n, each in line.stations.items() if each.mode == "virtual"}
        self._real = {n: each for n, each in line.stations.items() if n not in self._virtual}
        self._children: list[Child] = []
        self._ports: dict[str, dict[str, int]] = {}  # by station and device
        self._operator, self._trust = Identity.create(options.operator), Trust()
        self._trust.add(self._operator.node, self._operator.public_bytes)
        self.backend = BusBackend(line.id, list(line.stations), self._brokers, self._operator, self._trust)

    def start(self) -> None:
        """Everything up and answering; RigFault says what is not."""
        self.logs.mkdir(exist_ok=True)
        if self.options.ports == "auto":
            self._choose_ports()
        self._check_ports()
        self._make_keys()
        if self._broker is not None:
            try:
                self._broker.start()
            except BrokerFailed as failed:
                raise RigFault(str(failed)) from None
        deadline = time.monotonic() + READY
        served = [child for n, each in self._real.items() if each.serve for child in self._serve(n, each)]
        self.backend.start()
        for child in served:
            child.wait_ready(deadline)
        configs = {name: self._configure(name, each) for name, each in self.line.stations.items()}
        agents = [self._start_agents(f"gateway {name}", [configs[name]]) for name in self._real]
        if self._virtual:
            agents.append(self._start_agents("gateway host", [configs[name] for name in self._virtual]))
        for child in agents:
            child.wait_ready(deadline)

    def stop(self) -> None:
        """Gateways first (they drive the safe state), then controllers and plants, then the broker."""
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
        served = {name: _served(each, each.station) for name, each in self._real.items() if each.serve}
        free = iter(free_ports(sum(map(len, served.values()))))
        self._ports = {name: {device: next(free) for device in devices} for name, devices in served.items()}

    def _check_ports(self) -> None:
        wrong = []
        listening: dict[tuple[str, int], str] = {}
        for name, each in self._real.items():
            for device in _served(each, self._station(name, each)).values():
                what = f"{name}'s {'controller' if device.role == 'controller' else f'device {device.name}'}"
                other = listening.setdefault(device.endpoint, what)
                why = f"{other} is served there" if other != what else _taken(*device.endpoint)
                if why:
                    wrong.append(f"{what} cannot be served at {device.address}: {why}")
        if wrong:
            raise RigFault(
                "; ".join(wrong) + "; end what uses it, give it another address, or choose --ports auto"
            )

    def _make_keys(self) -> None:
        for name in self.line.stations:
            identity = Identity.create(name)
            self._trust.add(name, identity.public_bytes)
            identity.save(self._scratch / f"{name}.pem")
        self._trust.save(self._scratch / "trust.yaml")

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
        return [self._serve_controller(name, each)]

    def _serve_plant(self, name: str, each: LineStation) -> Child:
        plant = self._station(name, each).plant
        assert plant is not None, f"{name} has no plant"
        command = ["gateway.plant", str(Path(each.station.file).resolve()), "--at", plant.address]
        return self._child(f"plant {name}", [*command, "--feed", format_duration(each.feed)])

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
        command += ["--scan", format_duration(station.scan), "--end-with-stdin"]
        return self._child(f"controller {name}", command)

    def _program(self, name: str, each: LineStation) -> Path:
        """The file of the program that a virtual controller runs here."""
        if each.program is not None:
            return each.program.resolve()
        program = self._scratch / f"{name}.st"
        program.write_text(each.station.composed, encoding="utf-8", newline="")
        return program

    def _configure(self, name: str, each: LineStation) -> Path:
        """Write what its gateway is told."""
        state = self._scratch / name
        state.mkdir()
        config = AgentConfig(
            line=self.line.id,
            station=str(Path(each.station.file).resolve()),
            brokers=tuple(self._brokers),
            key=str(self._scratch / f"{name}.pem"),
            trust=str(self._scratch / "trust.yaml"),
            state=str(state),
            neighbours=each.neighbours,
            ports=self._ports.get(name, {}),
            id=name,
            addresses={device.name: device.address for device in each.station.reached.values()},
            program=str(self._program(name, each)) if each.played else "",
            mode=each.mode,
        )
        path = state / "agent.json"
        path.write_bytes(msgspec.json.encode(config))
        return path

    def _start_agents(self, name: str, configs: list[Path]) -> Child:
        """One process with a gateway for each of ``configs``."""
        return self._child(name, ["gateway.agent", *map(str, configs), "--end-with-stdin"])


def _served(each: LineStation, station: Station) -> dict[str, Device]:
    """The devices of ``station``, as ``each`` has it, that are served on this machine: those of the gateway
    itself, and with ``serve`` what is real."""
    devices = station.reached if each.mode == "shadow" else station.devices
    if each.mode == "ril":
        devices = {name: device for name, device in station.reached.items() if device is station.plant}
    return {name: device for name, device in devices.items() if each.serve or device.role == "served"}


def free_ports(count: int) -> list[int]:
    """Ports on loopback that nobody uses now."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [each.getsockname()[1] for each in sockets]


def _taken(host: str, port: int) -> str:
    """Why nothing can be served there; empty if it can."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.create_server((host, port), family=family).close()
    except OSError as error:
        in_use = error.errno == errno.EADDRINUSE
        return f"port {port} is in use" if in_use else error.strerror or str(error)
    return ""

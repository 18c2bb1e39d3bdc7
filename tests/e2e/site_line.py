"""A row of belts whose gateways run each by itself on kept state, for tests that kill them in mid-flow."""

from __future__ import annotations

import contextlib
import itertools
import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec
from running import CONTROLLER, GATEWAY, Belt, Run, Starter, belt, until

from gateway.agentfile import AgentConfig
from gateway.field.tags import TagRef
from gateway.net.identity import Identity, Trust
from gateway.net.link import broker_address
from gateway.net.messages import Action, Feed, Force, Free, Isolate, Pause
from gateway.store.journal import Journal
from gateway.twin.workpiece import Workpiece
from rig.backend import RigFault, Script
from rig.broker import Broker
from rig.line import load_line
from rig.ports import free_ports
from rig.prepare import CONFIG, TRUST, key_of, prepare, tls_of
from rig.remote import BusBackend

MANUAL, ACKNOWLEDGE, JOG = (TagRef("command", bit) for bit in (0, 1, 4))
# Whatever stands on a belt comes to its end; then automatic, without a fault.
BRING_UP: tuple[Action, ...] = (
    Isolate(False),
    Force(MANUAL, True),
    Force(ACKNOWLEDGE, True),
    Force(JOG, True),
    Pause(1_000_000_000),
    Free(JOG),
    Free(ACKNOWLEDGE),
    Free(MANUAL),
)


def belts(folder: Path, names: Iterable[str]) -> Belt:
    """The small line's belt several times, one after the other."""
    made = belt(folder)
    ports = dict(zip(names, free_ports(len(list(names))), strict=True))
    stations = "".join(
        f"  - {{station: ../stations/belt.yaml, as: {name}, "
        f'addresses: {{plc: "modbus://127.0.0.1:{port}/1"}}}}\n'
        for name, port in ports.items()
    )
    row = list(ports)
    ways = "".join(f"  - {{from: {a}, to: {b}}}\n" for a, b in itertools.pairwise(row))
    made.line.write_text(
        "twinline: line 1\nid: row\nproduct: {type: box, length: 100 mm}\n"
        f"stations:\n{stations}couplings:\n{ways}"
        f"flow: {{workpieces: 5, source: {row[0]}, sink: {row[-1]}, within: 60 s}}\n"
    )
    return made


class LineSite:
    """Controllers, and a gateway for each of ``names``; ``brokers`` are of each gateway, by its name, as
    ``operator`` is the operator's. Inside ``wraps``, by name, run a station's controller and gateway."""

    def __init__(
        self,
        folder: Path,
        names: tuple[str, ...],
        start: Starter,
        brokers: Mapping[str, str],
        broker: Broker,
        wraps: Mapping[str, tuple[str, ...]] | None = None,
    ) -> None:
        self.folder, self.names, self.start = folder, names, start
        self._wraps = wraps or {}
        made = belts(folder, names)
        self.file = made.line
        self.line = load_line(made.line)
        self.keys = folder / "gateways"
        reached = {broker_address(url).host for url in brokers.values()}
        list(prepare(self.line, self.keys, (broker.url,), "anna", hosts=tuple(sorted(reached))))
        if not broker.alive:
            broker.start()
        for name in names:
            path = self.keys / name / CONFIG
            config = msgspec.json.decode(path.read_bytes(), type=AgentConfig)
            path.write_bytes(msgspec.json.encode(msgspec.structs.replace(config, brokers=(brokers[name],))))
        identity = Identity.load(key_of(self.keys, "anna"))
        trust, tls = Trust.load(self.keys / TRUST), tls_of(self.keys, "anna")
        self.backend = BusBackend("row", list(names), [broker.url], identity, trust, tls=tls)
        self.runs: dict[str, list[Run]] = {name: [] for name in names}
        program = str(made.folder / "programs/belt.st")
        controllers = [
            start(
                folder,
                *self._wraps.get(name, ()),
                *(sys.executable, "-m", CONTROLLER, program, "--address", each.station.controller.address),
            )
            for name, each in self.line.stations.items()
        ]
        for run in controllers:
            run.wait_ready()

    def gateway(self, name: str) -> Run:
        """Start the gateway ``name`` on its state."""
        command = (*self._wraps.get(name, ()), sys.executable, "-m", GATEWAY, str(self.keys / name / CONFIG))
        self.runs[name].append(self.start(self.folder / name, *command))
        return self.runs[name][-1]

    def ready(self, name: str) -> None:
        """Until it hears commands."""
        self.runs[name][-1].wait_ready()

    def kill(self, *names: str) -> None:
        """SIGKILL, all before any is waited for."""
        for name in names:
            self.runs[name][-1].process.kill()
        for name in names:
            self.runs[name][-1].wait()

    def lead(self, *names: str) -> None:
        """Hold the leases, and bring the stations up."""
        for name in names:
            until(f"lease on {name}", lambda name=name: self._holds(name))
        self.bring_up(*names)

    def bring_up(self, *names: str) -> None:
        """To automatic, with all that stands there."""
        self.backend.run({name: Script(BRING_UP) for name in names})

    def _holds(self, name: str) -> bool:
        """Whether the lease is granted: what is asked before the gateway is back on the broker is lost."""
        with contextlib.suppress(RigFault):
            self.backend.hold(name)
            return True
        return False

    def feed(self, *workpieces: str) -> None:
        """Put them onto the first belt, as there is room."""
        first = self.names[0]
        boxes = tuple(Workpiece(each, "box", 100.0) for each in workpieces)
        self.backend.run({first: Script((Feed("conveyor", boxes),))})

    def told(self, name: str, what: str) -> list[str]:
        """The workpieces of which the gateway's logs tell ``what``, also those of its earlier lives."""
        form = re.compile(rf"workpiece: (\S+) {what}\b")
        return [found for run in self.runs[name] for found in form.findall(run.shown)]

    def journalled(self, name: str) -> set[str]:
        """The workpieces on the disk of a gateway that does not run."""
        with Journal(self.keys / name / "state" / "journal.sqlite") as journal:
            return {key for key, _ in journal.items("workpiece")}

    def close(self) -> None:
        """Give the leases back, and end the gateways in order."""
        self.backend.close()
        for runs in self.runs.values():
            if runs and runs[-1].process.poll() is None:
                runs[-1].process.terminate()
                runs[-1].wait()

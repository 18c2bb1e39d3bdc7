"""A whole line in several modes on this machine, whose gateways can be killed and started again."""

from __future__ import annotations

import contextlib
import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
from pymodbus.client import ModbusTcpClient
from running import ROOT, until

from gateway.field.tags import TagRef
from gateway.net.messages import Action, Feed, Force, Free, Isolate, Pause
from gateway.store.journal import Journal
from gateway.terminals import terminals
from rig.backend import RigFault, Script
from rig.child import Child
from rig.line import load_line
from rig.local import READY, LocalLine
from rig.open import Options

MANUAL, ACKNOWLEDGE = (TagRef("command", bit) for bit in (0, 1))
# Through manual mode to automatic from its beginning, without a fault, and all that stands there stays.
PATIENCE = 15.0  # s, for a line to go on by itself
BRING_UP: tuple[Action, ...] = (
    Isolate(False),
    Force(MANUAL, True),
    Pause(300_000_000),  # for air and drives that were off
    Force(ACKNOWLEDGE, True),
    Pause(100_000_000),
    Free(ACKNOWLEDGE),
    Pause(100_000_000),
    Free(MANUAL),
)


def line_file(folder: Path, stations: str, couplings: str = "") -> Path:
    """A line of the starter's stations, in ``folder`` with what it needs of the configuration."""
    shutil.copytree(ROOT / "config" / "stations", folder / "stations")
    shutil.copytree(ROOT / "config" / "programs", folder / "programs")
    file = folder / "lines" / "some.yaml"
    file.parent.mkdir()
    file.write_text(
        "twinline: line 1\nid: some\nproduct: {type: phone, length: 150 mm}\n"
        f"stations:\n{stations}" + (f"couplings:\n{couplings}" if couplings else "")
    )
    return file


class ModesSite(LocalLine):
    """The line of ``file``, with everything that it serves; ``stop`` ends it all."""

    def __init__(self, file: Path, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        super().__init__(load_line(file), Options(file, ports="auto", broker="embedded"), folder)
        self._tended = time.monotonic()  # when all were brought up

    def log(self, station: str) -> str:
        """What its gateway has said, in all of its lives."""
        return (self.logs / f"gateway-{station}.log").read_text(errors="replace")

    def kill(self, station: str) -> None:
        """SIGKILL to its gateway."""
        self._take(f"gateway {station}").kill()

    def end(self, station: str) -> int:
        """Let its gateway end in order; its exit status."""
        child = self._take(f"gateway {station}")
        child.ask_to_end()
        child.wait_end(time.monotonic() + READY)
        return child.process.wait()

    def kill_broker(self) -> None:
        """SIGKILL to the broker."""
        assert self._broker is not None
        self._broker.kill()

    def revive(self, station: str) -> None:
        """Start its gateway again, on what it kept."""
        config = self._scratch / station / "agent.json"
        child = self._start_agents(f"gateway {station}", [config])
        child.wait_ready(time.monotonic() + READY)

    def kill_plant(self, station: str) -> None:
        """SIGKILL to the plant."""
        self._take(f"plant {station}").kill()

    def revive_plant(self, station: str) -> None:
        """Start it anew where it was."""
        child = self._serve_plant(station, self.line.stations[station])
        child.wait_ready(time.monotonic() + READY)

    def _take(self, name: str) -> Child:
        child = next(each for each in self._children if each.name == name)
        self._children.remove(child)
        return child

    def lead(self, *stations: str) -> None:
        """Hold the leases, and bring the stations up."""
        for name in stations:
            until(f"lease on {name}", lambda name=name: self._holds(name))
        until("all links", lambda: all(map(self.linked, stations)))
        self.backend.run({name: Script(BRING_UP) for name in stations})
        self._tended = time.monotonic()

    def linked(self, station: str) -> bool:
        """Whether its gateway says that it has all its devices."""
        found = self.backend.seen().get(station)
        return found is not None and found.state is not None and found.state.link == "ready"

    def tend(self, *stations: str) -> None:
        """As an operator does: bring those up again whose program has stopped with a fault, and all of them
        when that has not helped for a while. After a restart the position of a workpiece is unknown, and two
        may stand so close that a program waits for one which it cannot see.
        """
        looks = {name: Script((Pause(10_000_000),), ("lamp-fault",)) for name in stations}
        traces = self.backend.run(looks)
        ill = [name for name, trace in traces.items() if trace.initial.get("lamp-fault")]
        if time.monotonic() - self._tended > PATIENCE:
            ill, self._tended = list(stations), time.monotonic()
        if ill:
            self.backend.run({name: Script(BRING_UP) for name in ill})

    def _holds(self, station: str) -> bool:
        """Whether the lease is granted: what is asked before the gateway is back on the broker is lost."""
        with contextlib.suppress(RigFault):
            self.backend.hold(station)
            return True
        return False

    def feed(self, station: str, *ids: str) -> None:
        """Bring workpieces to its inlet, as there is room."""
        inlet = self.line.stations[station].station.inlet
        assert inlet is not None
        coming = tuple(msgspec.structs.replace(self.line.workpiece(1), id=each) for each in ids)
        self.backend.run({station: Script((Feed(inlet, coming),))})

    def told(self, station: str, what: str) -> list[str]:
        """The workpieces of which its gateway's log tells ``what``."""
        return re.findall(rf"workpiece: (\S+) {what}\b", self.log(station))

    def journalled(self, station: str) -> set[str]:
        """The workpieces on the disk of a gateway that does not run."""
        with Journal(self._scratch / station / "journal.sqlite") as journal:
            return {key for key, _ in journal.items("workpiece")}


class Watcher:
    """Reads the plant of a station past its gateway; who only reads does not drive it."""

    def __init__(self, site: ModesSite, station: str) -> None:
        spec = site._station(station, site.line.stations[station])
        assert spec.plant is not None
        host, port = spec.plant.endpoint
        self._master = ModbusTcpClient(host, port=port, timeout=5)
        assert self._master.connect()
        self._tags = terminals(spec)

    def on(self, tag: str) -> bool:
        """What is put out at a BOOL terminal, or what the sensor there shows."""
        table, _, index = self._tags[tag].text.partition(":")
        read = self._master.read_coils if table == "coil" else self._master.read_discrete_inputs
        answer = read(int(index), count=1)
        assert not answer.isError()
        return bool(answer.bits[0])

    def wait(self, tag: str, value: bool) -> None:
        """Until it is so."""
        until(f"{tag} {value}", lambda: self.on(tag) is value)

    def close(self) -> None:
        self._master.close()


@contextlib.contextmanager
def running(site: ModesSite) -> Iterator[ModesSite]:
    """From start to stop."""
    try:
        site.start()
        yield site
    finally:
        site.backend.close()
        site.stop()

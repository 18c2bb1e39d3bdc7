"""A station under test of kills: its memory watched, a rig that forces, and whatever else can be struck."""

from __future__ import annotations

import contextlib
import shutil
import struct
import subprocess
import sys
import time
from pathlib import Path
from random import Random

import psutil
from rigs import Rig
from running import GATEWAY, Belt, Memory, Starter, belt, until
from site_alone import Site
from site_shim import REAL, Seen, shimmed
from wan import Link
from watching import Client, Inputs, Watch

from gateway.field.tags import TagRef
from gateway.net.messages import Force
from rig.backend import RigFault, Script
from rig.broker import Broker

ANNA, BERTA = 32, 64  # what each forces ``command`` to
PHASE = 0.3  # s; a kill comes anywhere between two heartbeats
SEED = 20


class NotHere(Exception):
    """Something cannot be struck on this machine, and why."""


class Disk:
    """A small disk of its own for the folder ``at``, seen by what runs under ``wrap``."""

    SIZE = 16  # MB

    def __init__(self, at: Path) -> None:
        """NotHere where no such thing may be made."""
        at.mkdir(parents=True, exist_ok=True)
        mount = f"mount -t tmpfs -o size={self.SIZE}m none '{at}' && echo mounted && exec sleep 86400"
        command = ("unshare", "--mount", "--propagation", "private", "sh", "-c", mount)
        if sys.platform != "linux" or shutil.which("unshare") is None:
            raise NotHere("no disk can be mounted here (Linux and util-linux are needed)")
        self._keeper = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert self._keeper.stdout is not None
        assert self._keeper.stderr is not None
        if not self._keeper.stdout.readline():
            why = self._keeper.stderr.read().decode().strip()
            self.remove()
            raise NotHere(f"no disk can be mounted here (root and util-linux are needed): {why}")
        self.wrap = ("nsenter", f"--mount=/proc/{self._keeper.pid}/ns/mnt", "--")
        self._filler = Path(f"/proc/{self._keeper.pid}/root{at}/filler")

    def fill(self) -> None:
        """To the last byte."""
        with self._filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(4096))

    def free(self) -> None:
        """As it was before."""
        self._filler.unlink(missing_ok=True)

    def remove(self) -> None:
        """With what is on it."""
        self._keeper.kill()
        self._keeper.communicate()


class Machine:
    """The UTC clock and the disk of processes that run with ``env``: one may be stepped, one may hang."""

    def __init__(self, folder: Path) -> None:
        """NotHere where it cannot be made."""
        if sys.platform != "linux" or shutil.which("gcc") is None:
            raise NotHere("no clock can be stepped and no disk can hang here (Linux and gcc are needed)")
        source, library = Path(__file__).parent / "data/machine.c", folder / "machine.so"
        subprocess.run(("gcc", "-shared", "-fPIC", "-O1", "-o", str(library), str(source)), check=True)
        self._file = folder / "machine"
        self._file.write_bytes(struct.pack("=qq", 0, 0))
        self.env = {"LD_PRELOAD": str(library), "MACHINE": str(self._file)}

    def step(self, seconds: int) -> None:
        """The clock is off by so much from now on."""
        self._put(0, seconds * 1_000_000_000)

    def hang(self, on: bool) -> None:
        """Nothing gets onto the disk until it is ``on`` no more."""
        self._put(8, int(on))

    def _put(self, at: int, value: int) -> None:
        with self._file.open("r+b") as file:
            file.seek(at)
            file.write(struct.pack("=q", value))


def machine_in(folder: Path) -> Machine | NotHere:
    """One, or why there is none."""
    try:
        return Machine(folder)
    except NotHere as why:
        return why


def disk_at(folder: Path) -> Disk | NotHere:
    """One, or why there is none."""
    try:
        return Disk(folder)
    except NotHere as why:
        return why


class Bench:
    """One belt with its controller, a mosquitto, and a gateway; each strike finds all of them there."""

    safe: Inputs = (256, False, False, False)  # not what a controller begins with
    own = 0  # which of the inputs is ``command``

    def __init__(self, folder: Path, start: Starter, seed: int = SEED) -> None:
        self._start = start
        self.random = Random(seed)
        self.made = self.station(folder)
        self._machine, self._disk = machine_in(folder), disk_at(folder / "gateways/belt/state")
        self.controller = start.controller(folder, self.made)
        self.broker = Broker(folder / "gateways/broker", kind="mosquitto", secured=True)
        self.link = Link(self.broker.port)
        self.link.start()
        self.folder = folder
        self.site = Site(folder, self.made, start, self.broker, ("anna", "berta"))
        self.watch = Watch(self.eye())
        self.rigs: list[Rig] = []
        self.start_gateway()
        self.gateway.wait_ready()

    def station(self, folder: Path) -> Belt:
        """Its line, whose controller is started by itself."""
        made = belt(folder, serve=False)
        made.change("stations/belt.yaml", ("safe: 0, ", f"safe: {self.safe[0]}, "))
        return made

    def eye(self) -> Client:
        """What sees its inputs."""
        return Memory(self.made.port)

    def held(self, command: int) -> Inputs:
        """The inputs while a rig forces ``command``."""
        return command, False, True, True

    @property
    def machine(self) -> Machine:
        """The gateway's; NotHere where it cannot be struck."""
        if isinstance(self._machine, NotHere):
            raise self._machine
        return self._machine

    @property
    def disk(self) -> Disk:
        """Of the gateway; NotHere where it has none of its own."""
        if isinstance(self._disk, NotHere):
            raise self._disk
        return self._disk

    def start_gateway(self) -> None:
        """On the one state folder; it need not hear commands yet."""
        wrap = self._disk.wrap if isinstance(self._disk, Disk) else ()
        env = self._machine.env if isinstance(self._machine, Machine) else {}
        command = (*wrap, sys.executable, "-m", GATEWAY, str(self.site.config))
        self.gateway = self._start(self.folder, *command, env=env)

    def start_controller(self) -> None:
        """At its port again, with nothing in its memory."""
        self.controller = self._start.controller(self.folder, self.made)

    def rig(self, name: str, command: int, through: int = 0) -> Rig:
        """One that forces as soon as it may; it reaches the broker at the port ``through``."""
        url = self.broker.url
        if through:
            url = url.replace(f":{self.broker.port}", f":{through}")
        self.rigs.append(Rig(self.site.keys, url, name, command))
        return self.rigs[-1]

    def forcing(self, through: int = 0) -> Rig:
        """Anna's rig, in the middle of it."""
        rig = self.rig("anna", ANNA, through)
        self.watch.wait(self.held(ANNA))
        time.sleep(self.random.random() * PHASE)
        return rig

    def mosquitto(self) -> psutil.Process:
        """The broker's process itself."""
        folder = str((self.folder / "gateways/broker").resolve())
        (found,) = (
            each
            for each in psutil.Process().children(recursive=True)
            if each.name() == "mosquitto" and each.cwd() == folder
        )
        return found

    def next_operator(self, since: int) -> None:
        """Berta gets the station, and nothing of anna's was seen ``since``; then it is safe again."""
        with self.site.operator("berta") as berta:
            until("berta is granted the lease", lambda: _granted(berta.hold))
            force = (Force(TagRef("command"), BERTA), Force(TagRef("part-leaves"), True))
            script = {"belt": Script(force, keep=True)}
            # A controller that answers late on a busy machine is lost for a moment, and ends a script.
            until("berta's forces", lambda: berta.run(script)["belt"].ended == "done")
            self.watch.wait(self.held(BERTA))
        safe = self.watch.wait(self.safe)
        later = [each for each in self.watch.since(since) if each.inputs and each.inputs[self.own] == ANNA]
        assert not later, f"forced again after the safe state: {later}"
        assert self.watch.since(safe)[-1].inputs == self.safe

    def close(self) -> None:
        """End what is left, as far as the starter does not."""
        for rig in self.rigs:
            rig.end()
        self.watch.close()
        self.link.close()
        self.broker.stop()
        if isinstance(self._disk, Disk):
            self.gateway.end()
            self._disk.remove()


class ShimBench(Bench):
    """The same with a shim in the program: seen is what the program sees, and safe are its terminals."""

    safe: Inputs = REAL
    own = 3

    def station(self, folder: Path) -> Belt:
        """With its shim."""
        return shimmed(folder, serve=False)

    def eye(self) -> Client:
        """The program's."""
        return Seen(self.made.port)

    def held(self, command: int) -> Inputs:
        """As the program sees them."""
        return False, True, True, command


def _granted(hold: object) -> bool:
    assert callable(hold)
    with contextlib.suppress(RigFault):
        hold("belt")
        return True
    return False

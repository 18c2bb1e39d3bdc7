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
from pymodbus.exceptions import ModbusException
from rigs import Rig
from running import GATEWAY, Belt, Memory, Starter, belt, until
from site_alone import Site
from site_shim import REAL, Seen, shimmed
from site_spoken import STATION, Blocks, Protocol, Variables, serving, speak
from wan import Link
from watching import Inputs, Watch

from gateway.field.tags import TagRef
from gateway.net.messages import Force
from rig.backend import RigFault, Script
from rig.broker import Broker
from rig.pki.authority import Authority
from rig.prepare import AUTHORITY

COMMANDS = {"anna": 32, "berta": 64}  # what each operator forces ``command`` to
MODBUS_LOST = (ModbusException, OSError)
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
        folder.mkdir(exist_ok=True)
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
    """One belt with its controller, a mosquitto, and a gateway; each strike finds all of them there.

    Rigs of two operators take turns: who forces next was granted what the one before has lost.
    """

    safe: Inputs = (256, False, False, False)  # not what a controller begins with
    own = 0  # which of the inputs is ``command``

    def __init__(self, folder: Path, start: Starter, seed: int = SEED, protocol: Protocol = "modbus") -> None:
        self._start, self.protocol = start, protocol
        self.random = Random(seed)
        self.made = self.station(folder)
        self._machine, self._disk = machine_in(folder), disk_at(folder / "gateways/belt/state")
        self.broker = Broker(folder / "gateways/broker", kind="mosquitto", secured=True)
        self.link = Link(self.broker.port)
        self.link.start()
        self.folder = folder
        self.site = Site(folder, self.made, start, self.broker, tuple(COMMANDS))
        self.authority = Authority.open(self.site.keys / AUTHORITY)
        self._serving = serving(self.made, folder / "plc", self.authority)
        self.start_controller()
        self.start_gateway()
        self.controller.wait_ready()
        self.watch = self.watched()
        self.rigs: list[Rig] = []
        self.operator, self.lost = "berta", 0  # who forced last, and when that was over
        self.gateway.wait_ready()

    def station(self, folder: Path) -> Belt:
        """Its line, whose controller is started by itself."""
        made = belt(folder, serve=False)
        made.change(STATION, ("safe: 0, ", f"safe: {self.safe[0]}, "))
        speak(made, self.protocol)
        return made

    def watched(self) -> Watch:
        """Its inputs."""
        match self.protocol:
            case "modbus":
                return Watch(Memory(self.made.port), MODBUS_LOST)
            case "s7":
                return Watch(Blocks(self.made.port, 1, 0, _memory), Blocks.lost)
            case "opcua":
                names = ("Command", "PartEnters", "PartLeaves", "DriveOk")
                eye = Variables(self.made.port, names, self.authority, self.folder)
                return Watch(eye, eye.lost, eye.every)

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
        """At its port, with nothing in its memory."""
        self.controller = self._start(self.folder, *self._serving)

    def rig(self, name: str, through: int = 0) -> Rig:
        """That operator's, which forces as soon as it may; it reaches the broker at the port ``through``."""
        url = self.broker.url
        if through:
            url = url.replace(f":{self.broker.port}", f":{through}")
        self.rigs.append(Rig(self.site.keys, url, name, COMMANDS[name]))
        return self.rigs[-1]

    @property
    def other(self) -> str:
        """The operator who did not force last."""
        (name,) = COMMANDS.keys() - {self.operator}
        return name

    def forcing(self, through: int = 0) -> Rig:
        """The next operator's rig, in the middle of it; of the last one nothing was seen again."""
        rig = self.rig(self.other, through)
        self.watch.wait(self.held(rig.command))
        self.passed_on()
        time.sleep(self.random.random() * PHASE)
        return rig

    def until_safe(self, since: int | None = None) -> int:
        """When it was, ``since`` or after (left out: from now on): who forced has lost it."""
        self.lost = self.watch.wait(self.safe, since)
        return self.lost

    def passed_on(self, since: int | None = None) -> None:
        """The next operator has it; of the last one nothing was seen ``since`` (left out: they lost it)."""
        last, self.operator = COMMANDS[self.operator], self.other
        later = self.watch.since(self.lost if since is None else since)
        again = [each for each in later if each.inputs and each.inputs[self.own] == last]
        assert not again, f"forced again after the safe state: {again}"

    def mosquitto(self) -> psutil.Process:
        """The broker's process itself."""
        folder = str((self.folder / "gateways/broker").resolve())
        (found,) = (
            each
            for each in psutil.Process().children(recursive=True)
            if each.name() == "mosquitto" and each.cwd() == folder
        )
        return found

    def next_operator(self) -> None:
        """The next operator gets the station, and gives it back; then it is safe."""
        name = self.other
        with self.site.operator(name) as backend:
            until(f"{name} is granted the lease", lambda: _granted(backend.hold))
            force = (Force(TagRef("command"), COMMANDS[name]), Force(TagRef("part-leaves"), True))
            script = {"belt": Script(force, keep=True)}
            # A controller that answers late on a busy machine is lost for a moment, and ends a script.
            until(f"{name}'s forces", lambda: backend.run(script)["belt"].ended == "done")
            self.watch.wait(self.held(COMMANDS[name]))
            self.passed_on()
        self.until_safe()
        assert self.watch.since(self.lost)[-1].inputs == self.safe

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
        return shimmed(folder, serve=False, protocol=self.protocol)

    def watched(self) -> Watch:
        """The program's."""
        if self.protocol == "s7":
            return Watch(Blocks(self.made.port, 2, 2, _program), Blocks.lost)
        assert self.protocol == "modbus"
        return Watch(Seen(self.made.port), MODBUS_LOST)

    def held(self, command: int) -> Inputs:
        """As the program sees them."""
        return False, True, True, command


def _memory(command: int, bits: int) -> Inputs:
    return command, bool(bits & 256), bool(bits & 512), bool(bits & 1024)


def _program(bits: int, command: int) -> Inputs:
    return bool(bits & 1), bool(bits & 2), bool(bits & 4), command


def _granted(hold: object) -> bool:
    assert callable(hold)
    with contextlib.suppress(RigFault):
        hold("belt")
        return True
    return False

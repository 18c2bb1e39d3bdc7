"""The plant as a process: a Modbus master that knows nothing of twins drives it, and its silence stops it."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pymodbus.client import ModbusTcpClient

from gateway.field.tags import Tag
from gateway.station import load_station
from gateway.terminals import mirrored, terminals

STATION = Path(__file__).resolve().parents[2] / "config" / "stations" / "infeed.yaml"
WITHIN_S = 60.0


class Running:
    """The process, its console, and a master."""

    def __init__(self, *options: str) -> None:
        command = [
            sys.executable,
            "-m",
            "rig",
            "plant",
            "serve",
            str(STATION),
            "--at",
            "modbus://127.0.0.1:0/1",
        ]
        self.process = subprocess.Popen(
            [*command, *options], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )
        assert self.process.stdout is not None
        self.shown: list[str] = []
        for line in self.process.stdout:
            self.shown.append(line.rstrip())
            if "modbus://" in line:
                break
        self.port = int(self.shown[-1].rsplit(":", 1)[1].split("/")[0])
        self.master = self.connect()
        self.tags = terminals(load_station(STATION))

    def connect(self) -> ModbusTcpClient:
        master = ModbusTcpClient("127.0.0.1", port=self.port, timeout=5)
        assert master.connect()
        return master

    def say(self, command: str) -> str:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().rstrip()

    def write(self, tag: str, value: bool) -> None:
        assert not self.master.write_coil(self.index(self.tags[tag]), value).isError()

    def read(self, tag: str) -> bool:
        return bool(self.master.read_discrete_inputs(self.index(self.tags[tag]), count=1).bits[0])

    def speed(self) -> float:
        found = self.master.read_input_registers(self.index(self.tags["belt-speed"]), count=2)
        return float(self.master.convert_from_registers(found.registers, self.master.DATATYPE.FLOAT32))

    def until(self, wanted: Callable[[], bool]) -> None:
        """Poll, as a controller does, until ``wanted``."""
        end = time.monotonic() + WITHIN_S
        while not wanted():
            assert time.monotonic() < end, "it does not come"

    @staticmethod
    def index(tag: Tag) -> int:
        return int(tag.text.partition(":")[2])


@pytest.fixture
def plant() -> Iterator[Running]:
    running = Running("--watchdog", "1 s")  # a busy machine may keep a master from polling for a while
    try:
        yield running
    finally:
        running.master.close()
        running.process.kill()
        running.process.wait()
        for pipe in (running.process.stdin, running.process.stdout):
            if pipe is not None:
                pipe.close()


def test_a_part_runs_up_to_the_stopper_when_a_master_runs_the_belt(plant: Running) -> None:
    plant.write("belt-run", True)
    assert plant.say("place").startswith("a workpiece comes in")
    plant.until(lambda: plant.read("part-at-stop"))
    assert plant.speed() > 400


def test_who_hangs_up_stops_the_plant(plant: Running) -> None:
    plant.write("belt-run", True)
    plant.until(lambda: plant.speed() > 400)
    plant.master.close()
    plant.master = plant.connect()  # it polls, and does not write
    plant.until(lambda: plant.speed() < 1)
    plant.write("belt-run", True)
    plant.until(lambda: plant.speed() > 400)


def test_who_only_reads_neither_drives_it_nor_keeps_it_going(plant: Running) -> None:
    driver = plant.connect()
    belt = plant.index(plant.tags["belt-run"])
    plant.until(lambda: not driver.write_coil(belt, True).isError() and plant.speed() > 400)
    driver.close()
    plant.until(lambda: plant.speed() < 1)


def test_who_falls_silent_stops_the_plant(plant: Running) -> None:
    plant.write("belt-run", True)
    plant.until(lambda: plant.speed() > 400)
    other = plant.say("show")
    while "stands" not in other:  # connected, and silent
        other = plant.say("show") if other.startswith("infeed:") else _next(plant)
    plant.until(lambda: plant.speed() < 1)


def _next(plant: Running) -> str:
    assert plant.process.stdout is not None
    return plant.process.stdout.readline().rstrip()


def test_faults_of_the_machine_are_typed_in(plant: Running) -> None:
    assert "names no fault" in plant.say("inject belt")
    assert plant.say("inject belt.trip") == "belt.trip begins"
    plant.until(lambda: not plant.read("drive-ok"))
    plant.say("clear belt.trip")
    plant.until(lambda: plant.read("drive-ok"))


def test_both_sides_agree_on_every_terminal() -> None:
    station = load_station(STATION)
    theirs, ours = terminals(station), mirrored(station)
    assert {name: (tag.text, tag.type) for name, tag in theirs.items()} == {
        name: (tag.text, tag.type) for name, tag in ours.items()
    }
    assert all(theirs[name].direction != ours[name].direction for name in theirs)


def test_an_address_that_is_none_is_said(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "rig", "plant", "serve", str(STATION), "--at", "s7://127.0.0.1"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "write modbus://host:port/unit" in done.stderr

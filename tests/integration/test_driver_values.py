"""Every driver against a virtual controller: types, refusals by name, identity, connection life."""

from __future__ import annotations

import asyncio
import contextlib
import random
import signal
import struct
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest
from drivers_support import PATIENT_NS, listening, mute, read_until, rude, run, tags_for
from serve_support import ready, start

from gateway.errors import ConnectionLost
from gateway.field.addresses import Protocol
from gateway.field.drivers.base import Driver, TagsRefused, open_driver
from gateway.field.scan import Backoff, DeviceLink, LinkState
from gateway.field.tags import Tag
from gateway.field.types import TYPES, Value

# name: (where in the memory, byte offset). An input m_… in %M is copied to the output q_… in %Q.
VARIABLES = {
    "bool": ("X0.3", 0), "other": ("X0.4", 0), "byte": ("B2", 2), "sint": ("B3", 3), "usint": ("B4", 4),
    "word": ("W3", 6), "int": ("W4", 8), "uint": ("W5", 10), "dword": ("D3", 12), "dint": ("D4", 16),
    "udint": ("D5", 20), "real": ("D6", 24), "time": ("D7", 28), "lreal": ("L4", 32),
    "lword": ("L5", 40), "lint": ("L6", 48), "ulint": ("L7", 56),
}  # fmt: skip
KINDS = {name: "BOOL" if name == "other" else name.upper() for name in VARIABLES}
PROGRAM = (
    "PROGRAM Mirror\nVAR\n"
    + "".join(
        f"{area.lower()}_{name} AT %{area}{where} : {KINDS[name]};\n"
        for name, (where, _) in VARIABLES.items()
        for area in "MQ"
    )
    + "END_VAR\n"
    + "".join(f"q_{name} := m_{name};\n" for name in VARIABLES)
    + "END_PROGRAM\n"
)
SIZE = {8: "B", 16: "W", 32: "D", 64: "D"}
BITS = {"bool": 3, "other": 4}


class Rig(NamedTuple):
    """One protocol: how a controller is served, and where the same variables are."""

    protocol: Protocol
    scheme: str
    path: str
    beyond: str  # an address of an INT that is not served

    def address(self, area: str, name: str) -> str:
        offset, bits = VARIABLES[name][1], TYPES[KINDS[name]].bits
        if self.protocol == "opcua":
            return f"ns=2;s=Mirror.{area}_{name}"
        if self.protocol == "modbus":
            if name in BITS:
                return f"coil:{BITS[name] + 2048 * (area == 'm')}"
            return f"hr:{offset // 2 + 1024 * (area == 'm')}"
        block = "DB1.DB" if area == "m" else "DB2.DB"
        return f"{block}X{offset}.{BITS[name]}" if name in BITS else f"{block}{SIZE[bits]}{offset}"

    def tags(self, **more: tuple[str, str, str]) -> dict[str, Tag]:
        """The variables as tags m_… and q_…, and ``more`` as name: (direction, type, address)."""
        names = [n for n in VARIABLES if self.protocol != "modbus" or n in BITS or TYPES[KINDS[n]].bits >= 16]
        groups: dict[str, dict[str, tuple[str, str]]] = {"input": {}, "output": {}}
        for name in names:
            groups["input"][f"m_{name}"] = KINDS[name], self.address("m", name)
            groups["output"][f"q_{name}"] = KINDS[name], self.address("q", name)
        for name, (direction, kind, address) in more.items():
            groups[direction][name] = kind, address
        return tags_for(self.protocol, groups["input"], groups["output"])

    def url(self, port: int) -> str:
        return f"{self.scheme}://127.0.0.1:{port}{self.path}"


RIGS = [
    Rig("modbus", "modbus", "/1", "hr:128"),
    Rig("s7", "s7", "/0/1", "DB2.DBW256"),
    Rig("opcua", "opc.tcp", "", "ns=2;s=Mirror.nothing"),
]


@contextlib.contextmanager
def controller(rig: Rig, port: int = 0) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A virtual controller in a process of its own, and its port."""
    with (
        tempfile.TemporaryDirectory() as folder,
        start(Path(folder), PROGRAM, rig.scheme, rig.path, "--scan", "2 ms", port=port) as process,
    ):
        try:
            address = ready(process)["address"]
            yield process, int(address.rpartition("127.0.0.1:")[2].split("/")[0])
        finally:
            process.kill()


@pytest.fixture(scope="module", params=RIGS, ids=lambda rig: rig.protocol)
def served(request: pytest.FixtureRequest) -> Iterator[tuple[Rig, int]]:
    with controller(request.param) as (_, port):
        yield request.param, port


@contextlib.asynccontextmanager
async def connected(driver: Driver):  # type: ignore[no-untyped-def]  # an async generator, of no interest
    identity = await driver.connect()
    try:
        yield identity
    finally:
        await driver.close()


def extremes(tag: Tag) -> list[Value]:
    if tag.type.kind == "bool":
        return [True, False, True]
    if tag.type.name == "REAL":
        return [-0.15625, struct.unpack(">f", struct.pack(">f", 3.3e38))[0], float("inf")][:2]
    return [tag.type.low, tag.type.high, 1] if tag.type.kind != "real" else [-1e300, 2.5e-300]


def test_every_type_both_ways(served: tuple[Rig, int]) -> None:
    rig, port = served
    tags = rig.tags()
    chance = random.Random(7)
    inputs = {name: tag for name, tag in tags.items() if name.startswith("m_")}

    async def work() -> None:
        driver = open_driver(rig.url(port), tags, PATIENT_NS)
        async with connected(driver):
            image = dict(await driver.read())
            assert image.keys() == {name for name in tags if name.startswith("q_")}
            for turn in range(12):
                names = list(inputs) if turn < 3 else chance.sample(list(inputs), 4)
                values = {name: chance.choice(extremes(inputs[name])) for name in names}
                await driver.write(values)
                assert await driver.read_back(names) == values
                await read_until(driver, image, {"q_" + name[2:]: v for name, v in values.items()})
                # What did not change is not told again.
                assert await driver.read() == {}
            assert driver.refused == {}
            assert driver.statistics.errors == 0

    run(work(), uv=True)


def test_a_bit_is_written_without_its_neighbour(served: tuple[Rig, int]) -> None:
    rig, port = served
    tags = rig.tags()
    alone = {name: tag for name, tag in tags.items() if name in ("m_bool", "q_bool", "q_other")}

    async def work() -> None:
        both = open_driver(rig.url(port), tags, PATIENT_NS)
        async with connected(both):
            await both.write({"m_bool": False, "m_other": True})
            await read_until(both, {}, {"q_bool": False, "q_other": True})
        # A station that knows nothing of the other bit leaves it as it found it.
        one = open_driver(rig.url(port), alone, PATIENT_NS)
        async with connected(one):
            image: dict[str, Value] = {}
            for value in (True, False, True):
                await one.write({"m_bool": value})
                await read_until(one, image, {"q_bool": value})
                assert await both_bits(one) == (value, True)

    async def both_bits(driver: Driver) -> tuple[Value, Value]:
        found = await driver.read_back(["q_bool", "q_other"])
        return found["q_bool"], found["q_other"]

    run(work(), uv=True)


def test_identity_names_the_program_and_its_hash(served: tuple[Rig, int]) -> None:
    rig, port = served

    async def work() -> None:
        async with connected(open_driver(rig.url(port), rig.tags(), PATIENT_NS)) as identity:
            assert (identity.protocol, identity.vendor, identity.program) == (
                rig.protocol,
                "Twinline",
                "Mirror",
            )
            assert len(identity.program_sha256) == 64
            assert identity.product
            assert identity.version

    run(work(), uv=True)


def test_a_refused_output_is_named_once_and_hides_no_other(served: tuple[Rig, int]) -> None:
    rig, port = served
    tags = rig.tags(ghost=("output", "INT", rig.beyond))

    async def work() -> None:
        driver = open_driver(rig.url(port), tags, PATIENT_NS)
        async with connected(driver):
            with pytest.raises(
                TagsRefused, match=f"ghost at {rig.beyond}: refused with .*check the "
            ) as caught:
                await driver.read()
            assert caught.value.tags == ("ghost",)
            assert caught.value.values.keys() == {name for name in tags if name.startswith("q_")}
            assert driver.refused.keys() == {"ghost"}
            before = driver.statistics.requests
            assert await driver.read() == {}
            assert driver.statistics.requests - before <= 3  # nobody probes anew at every scan
            with pytest.raises(TagsRefused) as again:
                await driver.read_back(["ghost", "q_int"])
            assert again.value.tags == ("ghost",)

    run(work(), uv=True)


def test_a_refused_input_is_named_and_the_others_are_written(served: tuple[Rig, int]) -> None:
    rig, port = served
    read_only = {"modbus": "hr:5", "s7": "DB2.DBW300", "opcua": "ns=2;s=Mirror.q_uint"}[rig.protocol]
    pairs = {name: tag for name, tag in rig.tags().items() if name in ("m_int", "m_bool", "q_int", "q_bool")}
    ghost = tags_for(rig.protocol, {"ghost": ("UINT", read_only)}, {})

    async def work() -> None:
        driver = open_driver(rig.url(port), pairs | ghost, PATIENT_NS)
        async with connected(driver):
            image: dict[str, Value] = {}
            for value in (11, 12):
                wanted = {"m_int": value, "ghost": 3, "m_bool": value == 11}
                with pytest.raises(TagsRefused, match="ghost at ") as caught:
                    await driver.write(wanted)
                assert caught.value.tags == ("ghost",)
                await read_until(driver, image, {"q_int": value, "q_bool": value == 11})
                assert driver.refused.keys() == {"ghost"}

    run(work(), uv=True)


# --- connection life -----------------------------------------------------------------------------------


class Seen:
    """The states that a link went through, to be waited for."""

    def __init__(self) -> None:
        self.states: list[LinkState] = []
        self._more = asyncio.Event()

    def __call__(self, state: LinkState) -> None:
        self.states.append(state)
        self._more.set()

    async def next(self, wanted: LinkState) -> None:
        """Until the link is in ``wanted`` since the last call."""
        while wanted not in self.states:
            self._more.clear()
            await self._more.wait()
        del self.states[: self.states.index(wanted) + 1]


@contextlib.asynccontextmanager
async def living(rig: Rig, port: int, seen: Seen, tags: dict[str, Tag] | None = None):  # type: ignore[no-untyped-def]
    link = DeviceLink(rig.url(port), tags or rig.tags(), PATIENT_NS, Backoff(1_000_000, 50_000_000), seen)
    life = asyncio.create_task(link.run())
    try:
        yield link
    finally:
        await link.close()
        assert life.done()
        assert link.state == "closed"


@pytest.mark.parametrize("rig", RIGS, ids=lambda rig: rig.protocol)
@pytest.mark.parametrize("in_flight", [False, True], ids=["idle", "in flight"])
def test_a_killed_controller_is_noticed_and_found_again(rig: Rig, in_flight: bool) -> None:
    """The time-out is an hour: only noticing that the peer has gone ends the wait."""

    async def work() -> None:
        seen = Seen()
        loop = asyncio.get_running_loop()
        with controller(rig) as (process, port):
            async with living(rig, port, seen) as link:
                await seen.next("ready")
                assert (await link.read()).keys() == {name for name in rig.tags() if name[0] == "q"}
                if in_flight:
                    process.send_signal(signal.SIGSTOP)
                    asked = link.driver.statistics.requests
                    reading = asyncio.create_task(link.read())
                    while link.driver.statistics.requests == asked:
                        await asyncio.sleep(0)
                    process.kill()
                    assert await reading == {}
                else:
                    process.kill()
                await seen.next("backing off")
                assert not link.ready
                assert link.problem
                assert await link.read() == {}
                assert await link.write({"m_int": 1}) is None
                with pytest.raises(ConnectionLost):
                    await link.read_back(["m_int"])
                await loop.run_in_executor(None, process.wait)
                again = controller(rig, port)
                await loop.run_in_executor(None, again.__enter__)
                try:
                    seen.states.clear()
                    if not link.ready:
                        await seen.next("ready")
                    assert (await link.read()).keys() == {name for name in rig.tags() if name[0] == "q"}
                    assert await link.write({"m_int": 77}) == {}
                    assert await link.read_back(["m_int"]) == {"m_int": 77}
                    assert link.losses == 1
                    assert link.problem == ""
                finally:
                    await loop.run_in_executor(None, again.__exit__, None, None, None)

    run(work(), uv=True)


@pytest.mark.parametrize("rig", RIGS, ids=lambda rig: rig.protocol)
@pytest.mark.parametrize("manner", [mute, rude], ids=["mute", "rude"])
def test_who_does_not_answer_is_no_device_and_is_tried_again(rig: Rig, manner: object) -> None:
    async def work() -> None:
        async with listening(manner) as port:  # type: ignore[arg-type]
            driver = open_driver(rig.url(port), rig.tags(), 20_000_000)
            for _ in range(2):
                with pytest.raises(ConnectionLost):
                    await driver.connect()
                assert driver.lost.is_set()
            seen = Seen()
            async with living(rig, port, seen) as link:
                await seen.next("connecting")
                assert not link.ready

    run(work(), uv=True)


@pytest.mark.parametrize("rig", RIGS, ids=lambda rig: rig.protocol)
def test_nobody_there(rig: Rig) -> None:
    async def work() -> None:
        async with listening(mute) as port:
            pass  # the port was free a moment ago and is again
        driver = open_driver(rig.url(port), rig.tags(), PATIENT_NS)
        with pytest.raises(ConnectionLost, match=r"127\.0\.0\.1"):
            await driver.connect()
        with pytest.raises(ConnectionLost):
            await driver.read()
        await driver.close()
        await driver.close()

    run(work(), uv=True)


def test_a_cancelled_request_ends_its_connection(served: tuple[Rig, int]) -> None:
    """Its answer would be taken for that of the next one."""
    rig, port = served

    async def work() -> None:
        driver = open_driver(rig.url(port), rig.tags(), PATIENT_NS)
        async with connected(driver):
            reading = asyncio.ensure_future(driver.read())
            asked = driver.statistics.requests
            while driver.statistics.requests == asked:
                await asyncio.sleep(0)
            reading.cancel()
            with pytest.raises(asyncio.CancelledError):
                await reading
            assert driver.lost.is_set()
            with pytest.raises(ConnectionLost):
                await driver.read()

    run(work(), uv=True)


def test_what_a_device_takes_and_does_not_hold_is_told_where_it_is_read_back() -> None:
    """Data block 2 is the program's own: a write there is acknowledged and comes to nothing."""
    rig = RIGS[1]
    tags = rig.tags(kept=("input", "INT", "DB1.DBW200"), lost=("input", "INT", "DB2.DBW200"))
    tags |= {name: msgspec.structs.replace(tags[name], verify=True) for name in ("kept", "lost")}

    async def work(port: int) -> None:
        seen = Seen()
        async with living(rig, port, seen, tags) as link:
            await seen.next("ready")
            refused = await link.write({"kept": 5, "lost": 7, "m_int": 3})
            assert refused is not None
            assert refused.keys() == {"lost"}
            assert refused["lost"].startswith("lost at DB2.DBW200: written was 7, held is 0; find out who")

    with controller(rig) as (_, port):
        run(work(port), uv=True)

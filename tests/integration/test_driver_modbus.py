"""Modbus TCP against libmodbus and pymodbus' simulator, and against devices that break the protocol."""

from __future__ import annotations

import asyncio
import contextlib
import struct
from collections.abc import Callable, Iterator

import pytest
from drivers_support import (
    BRISK_NS,
    PATIENT_NS,
    Handler,
    babbling,
    libmodbus_server,
    listening,
    mute,
    process,
    run,
    tags_for,
)
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from gateway.errors import ConnectionLost, GatewayError, ProtocolViolation
from gateway.field.drivers.base import TagsRefused, open_driver
from gateway.field.drivers.memory import RETRY_EVERY
from gateway.field.tags import Tag
from gateway.field.types import Value

# --- devices that we did not write -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def libmodbus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with process(libmodbus_server(tmp_path_factory.mktemp("libmodbus"))) as (_, port):
        yield port


def test_libmodbus_every_table_and_type(libmodbus: int) -> None:
    """Outputs that look at the same registers see what was written, high word first."""
    inputs = {
        "lamp": ("BOOL", "coil:1999"), "left": ("BOOL", "coil:8"), "right": ("BOOL", "coil:9"),
        "bit": ("BOOL", "hr:5.3"), "word": ("WORD", "hr:0"), "int": ("INT", "hr:1"), "dint": ("DINT", "hr:2"),
        "real": ("REAL", "hr:6"), "lreal": ("LREAL", "hr:8"), "far": ("UDINT", "hr:298"),
    }  # fmt: skip
    outputs = {
        "di": ("BOOL", "di:3"), "no": ("BOOL", "di:1999"), "ir": ("UINT", "ir:2"), "end": ("UDINT", "ir:298"),
    }  # fmt: skip
    values = {
        "lamp": True, "left": True, "right": False, "bit": True, "word": 0xA55A, "int": -32768,
        "dint": -70000, "real": 0.5, "lreal": -1e-300, "far": 0xFFFFFFFE,
    }  # fmt: skip

    async def work() -> None:
        driver = open_driver(
            f"modbus://127.0.0.1:{libmodbus}", tags_for("modbus", inputs, outputs), PATIENT_NS
        )
        identity = await driver.connect()  # libmodbus does not know function 43 and says so
        assert (identity.vendor, identity.details["unit"]) == ("", "1")
        assert await driver.read() == {
            "di": True, "no": False, "ir": 514, "end": (298 * 257 % 65536 << 16) + 299 * 257 % 65536,
        }  # fmt: skip
        before = driver.statistics.requests
        await driver.write(values)
        assert driver.statistics.requests - before == 5  # coils 8-9, 1999; registers 0-3, 5-11, 298
        assert await driver.read_back(list(values)) == values
        raw = tags_for(
            "modbus", {}, {"high": ("INT", "hr:2"), "low": ("UINT", "hr:3"), "five": ("WORD", "hr:5")}
        )
        await driver.close()
        other = open_driver(f"modbus://127.0.0.1:{libmodbus}", raw, PATIENT_NS)
        await other.connect()
        assert await other.read() == {"high": -70000 >> 16, "low": -70000 & 0xFFFF, "five": 1 << 3}
        await other.close()

    run(work())


def test_libmodbus_blocks_of_the_largest_size(libmodbus: int) -> None:
    inputs = {f"c{n}": ("BOOL", f"coil:{n}") for n in range(1990)} | {
        f"r{n}": ("UINT", f"hr:{n}") for n in range(20, 280)
    }
    values = {name: n % 5 == 0 if name[0] == "c" else n for n, name in enumerate(inputs)}

    async def work() -> None:
        driver = open_driver(f"modbus://127.0.0.1:{libmodbus}", tags_for("modbus", inputs, {}), PATIENT_NS)
        await driver.connect()
        before = driver.statistics.requests
        await driver.write(values)
        assert driver.statistics.requests - before == 2 + 3  # 1968 + 22 coils, 123 + 123 + 14 registers
        assert await driver.read_back(list(values)) == values
        await driver.close()

    run(work())


def test_libmodbus_thinks_long_about_who_it_is(libmodbus: int) -> None:
    """It takes half a second to say that it does not know the function: longer than the time-out."""
    tags = tags_for("modbus", {}, {"ir": ("UINT", "ir:2")})

    async def work() -> None:
        driver = open_driver(f"modbus://127.0.0.1:{libmodbus}", tags, BRISK_NS)
        for _ in range(100):
            with contextlib.suppress(ConnectionLost):
                await driver.connect()
                assert await driver.read() == {"ir": 514}
                await driver.close()
                return
        pytest.fail("never connected")

    run(work())


def test_a_hole_among_the_registers_is_read_around() -> None:
    """pymodbus' simulator serves registers 0 to 4 and 6 to 9; nobody asked for 5."""

    async def work() -> None:
        blocks = [
            SimData(0, values=[10, 11, 12, 13, 14], datatype=DataType.REGISTERS),
            SimData(6, values=[16, 17, 18, 19], datatype=DataType.REGISTERS),
        ]
        server = ModbusTcpServer(SimDevice(id=1, simdata=blocks), address=("127.0.0.1", 0))
        await server.serve_forever(background=True)
        port = server.transport.sockets[0].getsockname()[1]
        try:
            near = {f"r{n}": ("UINT", f"hr:{n}") for n in (0, 3, 4, 6, 9)}
            driver = open_driver(f"modbus://127.0.0.1:{port}/1", tags_for("modbus", {}, near), PATIENT_NS)
            await driver.connect()
            assert await driver.read() == {name: 10 + int(name[1:]) for name in near}
            assert driver.refused == {}
            before = driver.statistics.requests
            assert await driver.read() == {}
            assert driver.statistics.requests - before == 3  # 0 to 3, 4, 6 to 9
            await driver.close()

            wrong = near | {"r5": ("UINT", "hr:5"), "r8": ("UINT", "hr:8")}
            driver = open_driver(f"modbus://127.0.0.1:{port}/1", tags_for("modbus", {}, wrong), PATIENT_NS)
            await driver.connect()
            with pytest.raises(TagsRefused, match="r5 at hr:5: refused with illegal data address") as caught:
                await driver.read()
            assert caught.value.tags == ("r5",)
            assert caught.value.values == {name: 10 + int(name[1:]) for name in wrong if name != "r5"}
            await driver.close()

            inputs = tags_for("modbus", {f"w{n}": ("UINT", f"hr:{n}") for n in range(3, 8)}, {})
            driver = open_driver(f"modbus://127.0.0.1:{port}/1", inputs, PATIENT_NS)
            await driver.connect()
            with pytest.raises(TagsRefused) as caught:
                await driver.write({name: 50 + n for n, name in enumerate(inputs)})
            assert caught.value.tags == ("w5",)
            held = {"w3": 50, "w4": 51, "w6": 53, "w7": 54}
            assert await driver.read_back(held) == held
            await driver.close()
        finally:
            await server.shutdown()

    run(work())


# --- devices that break the protocol ---------------------------------------------------------------------

HEAD = struct.Struct(">HHHBB")


def device(answer: Callable[[int, bytes], bytes | None], value: int = 7) -> Handler:
    """A device of which every register holds ``value``; what ``answer(transaction, pdu)`` says goes first."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            transaction, _, length, unit, function = HEAD.unpack(await reader.readexactly(8))
            pdu = bytes((function,)) + await reader.readexactly(length - 2)
            frame = answer(transaction, pdu)
            if frame == b"":
                return
            if frame is None:
                good = bytes((function | 0x80, 1))
                if function == 3:
                    count = int.from_bytes(pdu[3:5], "big")
                    good = bytes((3, 2 * count)) + value.to_bytes(2, "big") * count
                frame = struct.pack(">HHHB", transaction, 0, len(good) + 1, unit) + good
            writer.write(frame)

    return serve


def well_behaved(transaction: int, pdu: bytes) -> bytes | None:
    return None


def on_read(frame: Callable[[int], bytes]) -> Callable[[int, bytes], bytes | None]:
    """Answer a read of registers with ``frame(transaction)``, the rest properly."""
    return lambda transaction, pdu: frame(transaction) if pdu[0] == 3 else None


def reply(transaction: int, pdu: bytes, unit: int = 1, protocol: int = 0) -> bytes:
    return struct.pack(">HHHB", transaction & 0xFFFF, protocol, len(pdu) + 1, unit) + pdu


GOOD = b"\x03\x02\x00\x09"
BROKEN: dict[str, tuple[type[GatewayError], Callable[[int], bytes]]] = {
    "another transaction": (ProtocolViolation, lambda n: reply(n + 1, GOOD)),
    "the transaction before": (ProtocolViolation, lambda n: reply(n - 1, GOOD)),
    "another unit": (ProtocolViolation, lambda n: reply(n, GOOD, unit=2)),
    "another function": (ProtocolViolation, lambda n: reply(n, b"\x04\x02\x00\x09")),
    "another function's exception": (ProtocolViolation, lambda n: reply(n, b"\x84\x02")),
    "fewer registers": (ProtocolViolation, lambda n: reply(n, b"\x03\x00")),
    "more registers": (ProtocolViolation, lambda n: reply(n, b"\x03\x04\x00\x09\x00\x09")),
    "a byte count that lies": (ProtocolViolation, lambda n: reply(n, b"\x03\x04\x00\x09")),
    "another protocol": (ProtocolViolation, lambda n: reply(n, GOOD, protocol=1)),
    "an impossible length": (ProtocolViolation, lambda n: struct.pack(">HHHB", n, 0, 9000, 1) + GOOD),
    "an empty body": (ProtocolViolation, lambda n: struct.pack(">HHHB", n, 0, 1, 1)),
    "two answers": (ProtocolViolation, lambda n: reply(n, GOOD) * 2),
    "an end without answer": (ConnectionLost, lambda n: b""),
}


@pytest.mark.parametrize("manner", BROKEN)
def test_a_broken_answer_is_an_error_and_never_a_value(manner: str) -> None:
    """Under a time-out of an hour, so it is the answer that is refused; the next connection serves."""
    kind, frame = BROKEN[manner]
    tags = some_tags()

    async def work() -> None:
        async with listening(device(on_read(frame)), device(well_behaved)) as port:
            driver = open_driver(f"modbus://127.0.0.1:{port}/1", tags, PATIENT_NS)
            await driver.connect()
            with pytest.raises(kind):
                await driver.read()
            assert driver.lost.is_set()
            assert driver.statistics.errors == 1
            with pytest.raises(ConnectionLost):
                await driver.read()
            await driver.connect()
            assert await driver.read() == {"level": 7}
            await driver.close()

    run(work())


def test_a_frame_in_pieces_is_one_frame() -> None:
    async def dripping(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            transaction, _, length, _, function = HEAD.unpack(await reader.readexactly(8))
            await reader.readexactly(length - 2)
            for byte in reply(transaction, GOOD if function == 3 else bytes((function | 0x80, 1))):
                writer.write(bytes((byte,)))
                await writer.drain()
                await asyncio.sleep(0)

    async def work() -> None:
        async with listening(dripping) as port:
            tags = some_tags()
            driver = open_driver(f"modbus://127.0.0.1:{port}/1", tags, PATIENT_NS)
            await driver.connect()
            assert await driver.read() == {"level": 9}
            await driver.close()

    run(work())


def test_half_a_frame_and_then_silence_is_a_lost_connection() -> None:
    async def work() -> None:
        async with listening(device(on_read(lambda n: reply(n, GOOD)[:7]))) as port:
            tags = some_tags()
            driver = open_driver(f"modbus://127.0.0.1:{port}/1", tags, BRISK_NS)
            await driver.connect()
            with pytest.raises(ConnectionLost, match="silent for 200 ms"):
                await driver.read()
            assert driver.lost.is_set()

    run(work())


def test_a_late_answer_meets_a_closed_connection() -> None:
    """The first connection answers 1 once the driver has given up; the second answers 2."""
    given_up = asyncio.Event()

    async def late(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        transaction = await introduced(reader, writer)
        await given_up.wait()
        writer.write(reply(transaction, b"\x03\x02\x00\x01"))
        await mute(reader, writer)

    async def introduced(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> int:
        """Refuse to say who is there; the transaction of the first read."""
        while True:
            transaction, _, length, _, function = HEAD.unpack(await reader.readexactly(8))
            await reader.readexactly(length - 2)
            if function == 3:
                return int(transaction)
            writer.write(reply(transaction, bytes((function | 0x80, 1))))

    async def work() -> None:
        async with listening(late, device(well_behaved, value=2)) as port:
            tags = some_tags()
            driver = open_driver(f"modbus://127.0.0.1:{port}/1", tags, BRISK_NS)
            await driver.connect()
            with pytest.raises(ConnectionLost):
                await driver.read()
            given_up.set()
            await driver.connect()
            assert await driver.read() == {"level": 2}
            await driver.close()

    run(work())


def test_bytes_that_nobody_asked_for_end_the_connection() -> None:
    chatty = device(on_read(lambda n: reply(n, GOOD)))

    async def pushing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving = asyncio.ensure_future(chatty(reader, writer))
        await asked.wait()
        writer.write(reply(77, GOOD))
        await serving

    asked = asyncio.Event()

    async def work() -> None:
        async with listening(pushing) as port:
            tags = some_tags()
            driver = open_driver(f"modbus://127.0.0.1:{port}/1", tags, PATIENT_NS)
            await driver.connect()
            assert await driver.read() == {"level": 9}
            asked.set()
            await driver.lost.wait()
            with pytest.raises(ConnectionLost, match="nobody asked for"):
                await driver.read()

    run(work())


def test_what_is_no_modbus_at_all() -> None:
    async def work() -> None:
        async with listening(babbling) as port:
            driver = open_driver(f"modbus://127.0.0.1:{port}/1", some_tags(), PATIENT_NS)
            with pytest.raises(ProtocolViolation, match="no Modbus frame"):
                await driver.connect()

    run(work())


def test_a_device_that_falls_silent_at_the_question_who_it_is_is_asked_once() -> None:
    asked: list[int] = []

    async def shy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        def answer(transaction: int, pdu: bytes) -> bytes | None:
            asked.append(pdu[0])
            return b"" if pdu[0] == 43 else None

        await device(answer)(reader, writer)

    async def work() -> None:
        async with listening(shy) as port:
            driver = open_driver(f"modbus://127.0.0.1:{port}/1", some_tags(), PATIENT_NS)
            for _ in range(2):
                assert (await driver.connect()).vendor == ""
                assert await driver.read() == {"level": 7}
            assert asked.count(43) == 1
            await driver.close()

    run(work())


def test_a_refused_output_is_tried_again_now_and_then_and_comes_back() -> None:
    """A program loaded meanwhile may serve it; until then nobody is told twice."""
    tags = tags_for("modbus", {}, {"level": ("UINT", "hr:0"), "late": ("UINT", "hr:1")})
    loaded = False

    def answer(transaction: int, pdu: bytes) -> bytes | None:
        first, count = struct.unpack(">HH", pdu[1:5]) if pdu[0] == 3 else (0, 0)
        refused = not loaded and first <= 1 < first + count
        return reply(transaction, b"\x83\x02") if refused else None

    async def work() -> None:
        nonlocal loaded
        async with listening(device(answer)) as port:
            driver = open_driver(f"modbus://127.0.0.1:{port}/1", tags, PATIENT_NS)
            await driver.connect()
            with pytest.raises(TagsRefused):
                await driver.read()
            before = driver.statistics.requests
            for _ in range(2 * RETRY_EVERY):
                assert await driver.read() == {}
            assert driver.statistics.requests - before == 2 * RETRY_EVERY + 2
            loaded = True
            seen: dict[str, Value] = {}
            for _ in range(RETRY_EVERY):
                seen |= await driver.read()
            assert seen == {"late": 7}
            assert driver.refused == {}
            await driver.close()

    run(work())


def some_tags() -> dict[str, Tag]:
    return tags_for("modbus", {}, {"level": ("UINT", "hr:0")})

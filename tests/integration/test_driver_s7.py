"""S7 against python-snap7's own server, and against CPUs that break the protocol."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable, Iterator

import pytest
from drivers_support import (
    BRISK_NS,
    PATIENT_NS,
    Handler,
    babbling,
    listening,
    mute,
    run,
    snap7_server,
    tags_for,
)

from gateway.errors import ConnectionLost, DeviceRefused, GatewayError, ProtocolViolation
from gateway.field.drivers.base import TagsRefused, open_driver

LEVEL = {"level": ("UINT", "DB1.DBW0")}

# --- a server that we did not write ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def snap7() -> Iterator[int]:
    with snap7_server() as (_, port):
        yield port


def test_every_area_and_type(snap7: int) -> None:
    inputs = {
        "bit": ("BOOL", "DB1.DBX210.2"), "beside": ("BOOL", "DB1.DBX210.7"), "byte": ("BYTE", "DB1.DBB211"),
        "sint": ("SINT", "DB1.DBB212"), "word": ("WORD", "DB1.DBW214"), "int": ("INT", "DB1.DBW216"),
        "dint": ("DINT", "DB1.DBD220"), "real": ("REAL", "DB1.DBD224"), "lreal": ("LREAL", "DB1.DBD228"),
        "flag": ("BOOL", "M3.5"), "time": ("TIME", "MD8"),
    }  # fmt: skip
    outputs = {
        "ramp": ("DWORD", "DB1.DBD16"), "end": ("BYTE", "DB1.DBB199"), "valve": ("BOOL", "%Q5.2"),
        "speed": ("INT", "%QW6"),
    }  # fmt: skip
    values = {
        "bit": True, "beside": True, "byte": 0xFE, "sint": -128, "word": 0xA55A, "int": -2,
        "dint": -(2**31), "real": -0.5, "lreal": 1e300, "flag": True, "time": -86_400_000,
    }  # fmt: skip

    async def work() -> None:
        driver = open_driver(f"s7://127.0.0.1:{snap7}/0/1", tags_for("s7", inputs, outputs), PATIENT_NS)
        identity = await driver.connect()
        assert identity.details["pdu"] == "480"
        assert identity.product.startswith("6ES7")
        assert await driver.read() == {"ramp": 0x10111213, "end": 199, "valve": True, "speed": 0x0607}
        await driver.write(values)
        assert await driver.read_back(values) == values
        await driver.write({"beside": False})
        assert await driver.read_back(["bit", "beside"]) == {"bit": True, "beside": False}
        assert await driver.read() == {}
        await driver.close()

    run(work())


def test_a_block_is_split_at_what_the_cpu_grants(snap7: int) -> None:
    """More bytes than one message carries: 300 in DB1 and as many again elsewhere, none lost."""
    outputs = {f"b{n}": ("BYTE", f"DB1.DBB{n}") for n in range(200)} | {
        f"q{n}": ("BYTE", f"%QB{n}") for n in range(64)
    }

    async def work() -> None:
        driver = open_driver(f"s7://127.0.0.1:{snap7}/0/1", tags_for("s7", {}, outputs), PATIENT_NS)
        await driver.connect()
        assert await driver.read() == {name: int(name[1:]) for name in outputs}
        await driver.close()

    run(work())


def test_what_the_cpu_has_not_is_named_with_what_to_change(snap7: int) -> None:
    inputs = {"none": ("INT", "DB9.DBW0"), "good": ("INT", "DB1.DBW240"), "past": ("INT", "DB1.DBW400")}

    async def work() -> None:
        driver = open_driver(f"s7://127.0.0.1:{snap7}/0/1", tags_for("s7", inputs, {}), PATIENT_NS)
        await driver.connect()
        with pytest.raises(TagsRefused, match="must exist and be long enough") as caught:  # it is a 315
            await driver.write({"none": 1, "good": 2, "past": 3})
        assert set(caught.value.tags) == {"none", "past"}
        assert await driver.read_back(["good"]) == {"good": 2}
        with pytest.raises(TagsRefused, match=r"none at DB9\.DBW0"):
            await driver.read_back(["none"])
        await driver.close()

    run(work())


# --- CPUs that break the protocol ------------------------------------------------------------------------


def tpkt(payload: bytes) -> bytes:
    return struct.pack(">BBH", 3, 0, len(payload) + 4) + payload


def reply(sequence: int, parameters: bytes, data: bytes = b"", error: int = 0, kind: int = 3) -> bytes:
    head = struct.pack(">BBHHHHH", 0x32, kind, 0, sequence & 0xFFFF, len(parameters), len(data), error)
    return tpkt(b"\x02\xf0\x80" + head + parameters + data)


def item(data: bytes, code: int = 0xFF) -> bytes:
    return struct.pack(">BBH", code, 4, len(data) * 8) + data


def cpu(
    answer: Callable[[int], bytes | None], value: int = 7, granted: int = 240, confirm: int = 0xD0
) -> Handler:
    """A CPU that knows nothing of itself and holds ``value`` in DB1.DBW0; ``answer(sequence)`` goes first."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async def frame() -> bytes:
            _, _, length = struct.unpack(">BBH", await reader.readexactly(4))
            return await reader.readexactly(length - 4)

        await frame()
        writer.write(tpkt(struct.pack(">BBHHB", 6, confirm, 1, 2, 0)))
        while True:
            request = (await frame())[3:]
            sequence, function = struct.unpack(">H", request[4:6])[0], request[10]
            if request[1] == 7:  # about itself: this function is not available
                said = reply(sequence, b"", error=0x8104)
            elif function == 0xF0:
                said = reply(sequence, struct.pack(">BBHHH", 0xF0, 0, 1, 1, granted))
            elif request[18:20] != b"\x00\x01":  # another data block
                said = reply(sequence, b"\x04\x01", item(b"", 0x0A))
            elif (own := answer(sequence)) is not None:
                said = own
            else:
                said = reply(sequence, b"\x04\x01", item(value.to_bytes(2, "big")))
            if said == b"":
                return
            writer.write(said)

    return serve


def silent(sequence: int) -> None:
    """Leave the answer to the CPU."""


GOOD = item(b"\x00\x09")
READ = b"\x04\x01"
BROKEN: dict[str, tuple[type[GatewayError], Callable[[int], bytes]]] = {
    "another request": (ProtocolViolation, lambda n: reply(n + 1, READ, GOOD)),
    "the request before": (ProtocolViolation, lambda n: reply(n - 1, READ, GOOD)),
    "another function": (ProtocolViolation, lambda n: reply(n, b"\x05\x01", b"\xff")),
    "another number of items": (ProtocolViolation, lambda n: reply(n, b"\x04\x02", GOOD)),
    "fewer bytes": (ProtocolViolation, lambda n: reply(n, READ, item(b"\x09"))),
    "more bytes": (ProtocolViolation, lambda n: reply(n, READ, item(b"\x00\x09\x00"))),
    "a length that lies": (ProtocolViolation, lambda n: reply(n, READ, b"\xff\x04\x00\x20\x00\x09")),
    "a request for an answer": (ProtocolViolation, lambda n: reply(n, READ, GOOD, kind=1)),
    "an answer without data": (ProtocolViolation, lambda n: reply(n, READ)),
    "no S7 in the frame": (ProtocolViolation, lambda n: tpkt(b"\x02\xf0\x80\x99" + bytes(20))),
    "two answers": (ProtocolViolation, lambda n: reply(n, READ, GOOD) * 2),
    "a short frame": (ProtocolViolation, lambda n: tpkt(b"\x02\xf0\x80")),
    "an impossible length": (ProtocolViolation, lambda n: b"\x03\x00\x00\x05\x02"),
    "a fragment": (ProtocolViolation, lambda n: tpkt(b"\x02\xf0\x00" + reply(n, READ, GOOD)[7:])),
    "an end without answer": (ConnectionLost, lambda n: b""),
}


@pytest.mark.parametrize("manner", BROKEN)
def test_a_broken_answer_is_an_error_and_never_a_value(manner: str) -> None:
    kind, frame = BROKEN[manner]

    async def work() -> None:
        async with listening(cpu(frame), cpu(silent)) as port:
            driver = open_driver(f"s7://127.0.0.1:{port}/0/1", tags_for("s7", {}, LEVEL), PATIENT_NS)
            await driver.connect()
            with pytest.raises(kind):
                await driver.read()
            assert driver.lost.is_set()
            assert driver.statistics.errors == 1
            await driver.connect()
            assert await driver.read() == {"level": 7}
            await driver.close()

    run(work())


def test_half_a_frame_and_then_silence_is_a_lost_connection() -> None:
    async def work() -> None:
        async with listening(cpu(lambda n: reply(n, READ, GOOD)[:9]), cpu(silent)) as port:
            driver = open_driver(f"s7://127.0.0.1:{port}/0/1", tags_for("s7", {}, LEVEL), BRISK_NS)
            await driver.connect()
            with pytest.raises(ConnectionLost, match="silent for 200 ms"):
                await driver.read()
            await driver.connect()
            assert await driver.read() == {"level": 7}
            await driver.close()

    run(work())


def test_the_granted_message_size_bounds_a_block() -> None:
    """A CPU that grants 240 bytes is never asked for more than 222 at once."""
    outputs = {f"b{n}": ("UINT", f"DB1.DBW{n}") for n in range(0, 2, 2)} | {"far": ("UINT", "DB1.DBW230")}
    asked: list[int] = []

    async def counting(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await cpu(lambda n: asked.append(n))(reader, writer)  # type: ignore[arg-type, func-returns-value]

    async def work() -> None:
        async with listening(counting) as port:
            driver = open_driver(f"s7://127.0.0.1:{port}/0/1", tags_for("s7", {}, outputs), PATIENT_NS)
            await driver.connect()
            assert await driver.read() == {"b0": 7, "far": 7}
            assert len(asked) == 2
            await driver.close()

    run(work())


@pytest.mark.parametrize(
    ("code", "advice"),
    [(0x03, "permit PUT/GET"), (0x05, "check the address of level"), (0x0A, "the data block must exist")],
)
def test_a_refusal_says_what_to_change(code: int, advice: str) -> None:
    async def work() -> None:
        async with listening(cpu(lambda n: reply(n, READ, item(b"", code)))) as port:
            driver = open_driver(f"s7://127.0.0.1:{port}/0/1", tags_for("s7", {}, LEVEL), PATIENT_NS)
            await driver.connect()
            with pytest.raises(TagsRefused, match=advice):
                await driver.read()
            assert not driver.lost.is_set()
            await driver.close()

    run(work())


def test_a_cpu_without_put_get_is_named_by_its_header_error() -> None:
    async def work() -> None:
        async with listening(cpu(lambda n: reply(n, b"", error=0x8104))) as port:
            driver = open_driver(f"s7://127.0.0.1:{port}/0/1", tags_for("s7", {}, LEVEL), PATIENT_NS)
            await driver.connect()
            with pytest.raises(TagsRefused, match="function not available; permit PUT/GET"):
                await driver.read()
            await driver.close()

    run(work())


@pytest.mark.parametrize(
    "manner",
    [
        babbling,
        cpu(lambda n: None, confirm=0x80),
        cpu(lambda n: None, granted=16),
        cpu(lambda n: None, granted=960),
    ],
    ids=["no S7 at all", "no such slot", "too small a message", "more than asked"],
)
def test_a_handshake_that_fails_says_so(manner: Handler) -> None:
    async def work() -> None:
        async with listening(manner) as port:
            driver = open_driver(f"s7://127.0.0.1:{port}/0/1", tags_for("s7", {}, LEVEL), PATIENT_NS)
            with pytest.raises(
                (ProtocolViolation, DeviceRefused), match=r"no S7 frame|rack and slot|bytes a message"
            ):
                await driver.connect()
            assert driver.lost.is_set()

    run(work())


def test_the_connection_is_ended_in_the_protocol_s_own_words() -> None:
    """A CPU frees the slot at once when it is told; the farewell reaches it before the end."""
    heard = asyncio.Event()

    async def listening_to_the_end(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tail = bytearray()

        class Tee:
            async def readexactly(self, count: int) -> bytes:
                data = await reader.readexactly(count)
                tail.extend(data)
                return data

        try:
            await cpu(silent)(Tee(), writer)  # type: ignore[arg-type]
        finally:
            if tail[-11:] == bytes.fromhex("0300000b06800000000100"):
                heard.set()
            await mute(reader, writer)

    async def work() -> None:
        async with listening(listening_to_the_end) as port:
            driver = open_driver(f"s7://127.0.0.1:{port}/0/1", tags_for("s7", {}, LEVEL), PATIENT_NS)
            await driver.connect()
            await driver.close()
            await heard.wait()

    run(work())

"""The mapping table, case by case, and the sessions of the servers without their sockets."""

from __future__ import annotations

import struct

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.controller.compile import compile_program
from gateway.controller.mapping import Loopback, ModbusView, OpcUaView, S7View
from gateway.controller.memory import Memory
from gateway.controller.runtime import VirtualController
from gateway.controller.serve import Statistics
from gateway.controller.servers.addresses import ServeAddress, read_address
from gateway.controller.servers.s7 import S7Session, component_lists
from gateway.errors import DeviceRefused
from gateway.field.addresses import Address, Protocol, parse_address
from gateway.field.serving.modbus import ModbusSession, identification
from gateway.field.serving.tcp import Hangup
from gateway.field.types import TYPES, Value

PROGRAM = compile_program(
    """
PROGRAM Cell1
VAR
    out AT %QX2.1 : BOOL;  code AT %QW4 : WORD;  wide AT %QD3 : UDINT;
    sensor AT %IX0.7 : BOOL;  analog AT %IW3 : INT;
    flag AT %MX20.3 : BOOL;  level AT %MW0 : INT;  limit AT %MD6 : REAL;  pause AT %MD7 : TIME;
    own AT %MW30 : INT;  big AT %ML10 : LINT;  far AT %MW200 : INT;
    plain : INT;
END_VAR
out := flag; code := 16#1234; wide := 16#01020304; own := level + analog; plain := far;
IF sensor OR (limit > 0.0) OR (pause > T#0s) OR (big > 0) THEN plain := 0; END_IF;
END_PROGRAM
"""
)


@pytest.fixture
def controller() -> VirtualController:
    return VirtualController(PROGRAM)


def loopback(protocol: Protocol, controller: VirtualController) -> Loopback:
    return Loopback(protocol, PROGRAM, controller.memory)


def at(protocol: Protocol, text: str) -> Address:
    return parse_address(protocol, text)


# The same place of memory, by each protocol's name. (area, byte, bit or -1, type, value, names)
PLACES: list[tuple[str, int, int, str, Value, dict[Protocol, str]]] = [
    ("Q", 2, 1, "BOOL", True, {"modbus": "coil:17", "s7": "DB2.DBX2.1", "opcua": "ns=2;s=Cell1.out"}),
    ("Q", 2, 1, "BOOL", True, {"modbus": "hr:1.9", "s7": "%Q2.1"}),
    ("Q", 8, -1, "WORD", 0xBEEF, {"modbus": "hr:4", "s7": "DB2.DBW8", "opcua": "ns=2;s=Cell1.code"}),
    ("Q", 12, -1, "UDINT", 0x01020304, {"modbus": "hr:6", "s7": "QD12", "opcua": "ns=2;s=Cell1.wide"}),
    ("I", 0, 7, "BOOL", True, {"modbus": "di:7", "s7": "%I0.7", "opcua": "ns=2;s=Cell1.sensor"}),
    ("I", 6, -1, "INT", -2, {"modbus": "ir:3", "s7": "IW6", "opcua": "ns=2;s=Cell1.analog"}),
    ("M", 20, 3, "BOOL", True, {"modbus": "coil:2211", "s7": "M20.3", "opcua": "ns=2;s=Cell1.flag"}),
    ("M", 0, -1, "INT", -300, {"modbus": "hr:1024", "s7": "DB1.DBW0", "opcua": "ns=2;s=Cell1.level"}),
    ("M", 24, -1, "REAL", 2.5, {"modbus": "hr:1036", "s7": "MD24", "opcua": "ns=2;s=Cell1.limit"}),
    ("M", 28, -1, "TIME", -1500, {"modbus": "hr:1038", "s7": "MD28", "opcua": "ns=2;s=Cell1.pause"}),
    ("M", 248, -1, "LREAL", 0.1, {"modbus": "hr:1148", "s7": "DB1.DBD248"}),
    ("M", 255, 7, "BOOL", True, {"modbus": "coil:4095", "s7": "M255.7"}),
]


@pytest.mark.parametrize("place", PLACES, ids=lambda place: next(iter(place[5].values())))
def test_every_protocol_reads_the_same_place(
    controller: VirtualController, place: tuple[str, int, int, str, Value, dict[Protocol, str]]
) -> None:
    area, byte, bit, kind, value, names = place
    if bit >= 0:
        controller.memory.write_bit(area, byte, bit, bool(value))
    else:
        controller.memory.areas[area][byte : byte + TYPES[kind].bits // 8] = TYPES[kind].pack(value)
    for protocol, name in names.items():
        assert loopback(protocol, controller).read(at(protocol, name), TYPES[kind]) == value


@pytest.mark.parametrize(
    "place", [place for place in PLACES if place[0] == "M"], ids=lambda place: next(iter(place[5].values()))
)
def test_every_protocol_writes_the_same_place_and_nothing_beside_it(
    place: tuple[str, int, int, str, Value, dict[Protocol, str]],
) -> None:
    _, byte, bit, kind, value, names = place
    for protocol, name in names.items():
        for background in (0x00, 0xFF):
            memory = Memory()
            memory.areas["M"][:] = bytes([background]) * 4096
            wanted = bytearray(memory.areas["M"])
            if bit >= 0:
                wanted[byte] |= 1 << bit
            else:
                wanted[byte : byte + TYPES[kind].bits // 8] = TYPES[kind].pack(value)
            Loopback(protocol, PROGRAM, memory).write(at(protocol, name), TYPES[kind], value)
            assert memory.areas["M"] == wanted


def test_the_program_reads_what_was_written(controller: VirtualController) -> None:
    modbus, s7, opcua = (loopback(p, controller) for p in ("modbus", "s7", "opcua"))  # type: ignore[arg-type]
    modbus.write(at("modbus", "hr:1024"), TYPES["INT"], 41)
    s7.write(at("s7", "DB1.DBX20.3"), TYPES["BOOL"], True)
    controller.scan(0)
    assert opcua.read(at("opcua", "ns=2;s=Cell1.own"), TYPES["INT"]) == 41
    assert opcua.read(at("opcua", "ns=2;s=Cell1.out"), TYPES["BOOL"]) is True
    assert modbus.read(at("modbus", "hr:4"), TYPES["WORD"]) == 0x1234


@pytest.mark.parametrize(
    ("protocol", "address", "kind", "code"),
    [
        ("modbus", "coil:2047", "BOOL", "illegal data address"),
        ("modbus", "coil:4096", "BOOL", "illegal data address"),
        ("modbus", "hr:0", "INT", "illegal data address"),
        ("modbus", "hr:4.2", "BOOL", "illegal data address"),
        ("modbus", "hr:1023", "INT", "illegal data address"),
        ("modbus", "hr:1151", "DINT", "illegal data address"),
        ("modbus", "hr:1152", "INT", "illegal data address"),
        ("modbus", "di:0", "BOOL", "illegal data address"),
        ("s7", "DB1.DBW255", "INT", "address out of range"),
        ("s7", "DB2.DBB256", "BYTE", "address out of range"),
        ("s7", "M256.0", "BOOL", "address out of range"),
        ("s7", "DB4.DBB0", "BYTE", "object does not exist"),
        ("opcua", "ns=2;s=Cell1.nothing", "INT", "BadNodeIdUnknown"),
        ("opcua", "ns=2;s=Cell1.plain", "INT", "BadNodeIdUnknown"),
        ("opcua", "ns=2;s=cell1.level", "INT", "BadNodeIdUnknown"),
        ("opcua", "ns=2;s=Cell1.big", "INT", "BadTypeMismatch"),
        ("opcua", "ns=2;s=Cell1.out", "BOOL", "BadNotWritable"),
        ("opcua", "ns=2;s=Cell1.sensor", "BOOL", "BadNotWritable"),
        ("opcua", "ns=2;s=Cell1.own", "INT", "BadNotWritable"),
        ("opcua", "ns=2;s=Cell1.level", "DINT", "BadTypeMismatch"),
        ("opcua", "ns=2;s=Cell1.limit", "LREAL", "BadTypeMismatch"),
    ],
)
def test_refused_writes_change_nothing(
    controller: VirtualController, protocol: Protocol, address: str, kind: str, code: str
) -> None:
    before = {area: bytes(data) for area, data in controller.memory.areas.items()}
    with pytest.raises(DeviceRefused) as refused:
        loopback(protocol, controller).write(at(protocol, address), TYPES[kind], 1)
    assert refused.value.code == code
    assert refused.value.change  # says what would be right
    assert controller.memory.areas == before


@pytest.mark.parametrize(
    ("protocol", "address", "kind", "code"),
    [
        ("modbus", "di:2048", "BOOL", "illegal data address"),
        ("modbus", "ir:128", "INT", "illegal data address"),
        ("modbus", "hr:127", "REAL", "illegal data address"),
        ("modbus", "hr:128", "INT", "illegal data address"),
        ("s7", "ID254", "DINT", "address out of range"),
        ("opcua", "ns=2;s=Cell1.nothing", "INT", "BadNodeIdUnknown"),
        ("opcua", "ns=2;s=Cell1.level", "WORD", "BadTypeMismatch"),
    ],
)
def test_refused_reads(
    controller: VirtualController, protocol: Protocol, address: str, kind: str, code: str
) -> None:
    with pytest.raises(DeviceRefused) as refused:
        loopback(protocol, controller).read(at(protocol, address), TYPES[kind])
    assert refused.value.code == code


def test_opcua_serves_every_located_type(controller: VirtualController) -> None:
    located = {variable.name for variable in PROGRAM.variables if variable.location is not None}
    assert {node.name for node in OpcUaView(PROGRAM, controller.memory).nodes.values()} == located
    opcua = loopback("opcua", controller)
    opcua.write(at("opcua", "ns=2;s=Cell1.big"), TYPES["LINT"], -(2**63))
    assert opcua.read(at("opcua", "ns=2;s=Cell1.big"), TYPES["LINT"]) == -(2**63)
    assert opcua.read(at("opcua", "/Objects/2:Cell1/2:big"), TYPES["LINT"]) == -(2**63)


def test_opcua_serves_beyond_what_the_others_do(controller: VirtualController) -> None:
    opcua = loopback("opcua", controller)
    opcua.write(at("opcua", "ns=2;s=Cell1.far"), TYPES["INT"], 5)
    assert controller.memory.read("M", 400, "INT") == 5


def test_reading_coils_runs_on_from_outputs_to_memory(controller: VirtualController) -> None:
    controller.memory.write_bit("Q", 255, 7, True)
    controller.memory.write_bit("M", 0, 1, True)
    assert ModbusView(controller.memory).read_bits("coil", 2045, 8) == bytes([0b0001_0100])


@given(
    st.integers(0, 2047), st.integers(1, 64), st.integers(0, 2**64 - 1), st.binary(min_size=256, max_size=256)
)
def test_coils_as_a_list_of_bits(first: int, count: int, bits: int, filled: bytes) -> None:
    memory = Memory()
    memory.areas["M"][:256] = filled
    view = ModbusView(memory)
    wanted = [filled[n // 8] >> n % 8 & 1 for n in range(2048)]
    if first + count > 2048:
        with pytest.raises(DeviceRefused):
            view.write_bits(2048 + first, count, bits)
    else:
        view.write_bits(2048 + first, count, bits)
        wanted[first : first + count] = [bits >> n & 1 for n in range(count)]
        packed = int.from_bytes(view.read_bits("coil", 2048 + first, count), "little")
        assert [packed >> n & 1 for n in range(count)] == wanted[first : first + count]
        assert packed >> count == 0
    assert [memory.areas["M"][n // 8] >> n % 8 & 1 for n in range(2048)] == wanted
    assert not any(memory.areas["M"][256:])


# Whatever a peer sends, a session answers or hangs up; it never raises anything else.


def modbus_session(memory: Memory) -> ModbusSession:
    return ModbusSession(
        ModbusView(memory), 1, identification("virtual controller", "1.2.3", "Cell1", PROGRAM.sha256)
    )


@given(st.binary(min_size=1, max_size=253))
@example(b"\x01")
@example(b"\x2b\x0e\x03\x00")
@example(b"\x10\x04\x00\x00\x02\x04abcd")
def test_any_modbus_pdu_gets_one_bounded_answer(pdu: bytes) -> None:
    session = modbus_session(Memory())
    frame = struct.pack(">HHHB", 7, 0, len(pdu) + 1, 1) + pdu
    assert session.frame_size(bytearray(frame)) == len(frame)
    answer = session.answer(frame)
    assert answer[:2] == b"\0\7"
    assert len(answer) == 6 + struct.unpack(">H", answer[4:6])[0] <= 260
    assert answer[7] & 0x7F == pdu[0] & 0x7F


@given(st.binary(max_size=32))
def test_any_start_of_a_modbus_stream_is_measured_or_hung_up_on(data: bytes) -> None:
    try:
        size = modbus_session(Memory()).frame_size(bytearray(data))
    except Hangup:
        return
    assert size == 0 if len(data) < 7 else 8 <= size <= 260


@pytest.mark.parametrize(
    ("pdu", "answer"),
    [
        ("08 0000 0000", "88 01"),  # diagnostics: no such function here
        ("03 0000 0000", "83 03"),  # no register
        ("03 0000 007e", "83 03"),  # more than fit an answer
        ("03 0000", "83 03"),
        ("01 0000 07d1", "81 03"),
        ("05 0800 0001", "85 03"),  # neither on nor off
        ("0f 0800 0009 01 ff", "8f 03"),  # fewer bytes than coils
        ("10 0400 0002 04 0001", "90 03"),
        ("17 0400 0001 0000 0001 02 0001", "97 02"),  # writes an output
        ("17 2000 0001 0400 0001 02 0001", "97 02"),  # reads what is not there, and so writes nothing
        ("2b 0d 00 00", "ab 01"),
        ("2b 0e 05 00", "ab 03"),
        ("2b 0e 04 07", "ab 02"),
        ("2b 0e 01 00", "2b 0e 01 83 00 00 03 00 08 5477696e6c696e65"
         " 01 12 7669727475616c20636f6e74726f6c6c6572 02 05 312e322e33"),
    ],
)  # fmt: skip
def test_modbus_answers(pdu: str, answer: str) -> None:
    memory = Memory()
    data = bytes.fromhex(pdu)
    got = modbus_session(memory).answer(struct.pack(">HHHB", 0, 0, len(data) + 1, 1) + data)
    assert got[7:] == bytes.fromhex(answer)
    assert memory.areas == Memory().areas


def test_long_identification_comes_in_parts() -> None:
    objects = identification("virtual controller", "1", "P" * 200, "f" * 64)
    session = ModbusSession(ModbusView(Memory()), 1, objects)
    found, following, rounds = {}, 0, 0
    while rounds == 0 or following:
        answer = session.answer(struct.pack(">HHHB", 0, 0, 5, 1) + bytes((43, 14, 3, following)))[7:]
        following, count, at = answer[5], answer[6], 7
        for _ in range(count):
            found[answer[at]] = answer[at + 2 : at + 2 + answer[at + 1]]
            at += 2 + answer[at + 1]
        assert at == len(answer)
        rounds += 1
    assert found == objects
    assert rounds == 2


def s7_session() -> S7Session:
    session = S7Session(
        S7View(PROGRAM, Memory()), 0, 1, component_lists("virtual controller", "Cell1", "1.2.3")
    )
    session.answer(bytes.fromhex("0300001611e00000000100c0010ac1020100c2020101"))
    return session


@given(
    st.binary(max_size=233), st.sampled_from([b"", b"\x32\1\0\0\0\1", b"\x32\7\0\0\0\1"]), st.integers(0, 40)
)
def test_any_s7_pdu_is_answered_or_hung_up_on(data: bytes, start: bytes, split: int) -> None:
    split = min(split, len(data))
    pdu = start and start + struct.pack(">HH", split, len(data) - split)
    pdu += data
    frame = struct.pack(">BBH", 3, 0, len(pdu) + 7) + b"\x02\xf0\x80" + pdu
    session = s7_session()
    assert session.frame_size(bytearray(frame)) == len(frame)
    try:
        answer = session.answer(frame)
    except Hangup:
        return
    assert len(answer) == struct.unpack(">H", answer[2:4])[0] <= 240 + 7


@given(st.binary(min_size=3, max_size=60))
def test_any_s7_connection_request_is_answered_or_hung_up_on(data: bytes) -> None:
    session = S7Session(S7View(PROGRAM, Memory()), 0, 1, {})
    try:
        answer = session.answer(struct.pack(">BBH", 3, 0, len(data) + 4) + data)
    except Hangup:
        return
    assert answer[5] == 0xD0


# The command's own words.


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("modbus://127.0.0.1:15021/7", ServeAddress("modbus", "127.0.0.1", 15021, (7,))),
        ("modbus://plc-a", ServeAddress("modbus", "plc-a", 502, (1,))),
        ("opc.tcp://0.0.0.0:0", ServeAddress("opc.tcp", "0.0.0.0", 0, ())),
        ("s7://[::1]:1102/0/2", ServeAddress("s7", "::1", 1102, (0, 2))),
    ],
)
def test_addresses_are_read_and_written(text: str, address: ServeAddress) -> None:
    assert read_address(text) == address
    assert read_address(str(address)) == address


def test_statistics_of_scans() -> None:
    statistics = Statistics().after(100, 0).after(500, 2).after(0, 0)
    assert statistics == Statistics(scans=3, overruns=2, late_total_ns=600, late_max_ns=500)

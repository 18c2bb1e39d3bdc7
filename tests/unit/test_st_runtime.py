"""The virtual controller: latch, run, publish, faults; its memory; and whole programs on it."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from st_running import MS, START, program

from gateway.controller.compile import Location, Program, ProgramErrors, compile_program
from gateway.controller.datatypes import TYPES
from gateway.controller.memory import Memory
from gateway.controller.operations import LOOP_LIMIT
from gateway.controller.runtime import VirtualController

DATA = Path(__file__).parent / "data" / "st"


def controller(body: str, variables: str, memory: Memory | None = None) -> VirtualController:
    return VirtualController(compile_program(program(body, variables)), memory)


def test_what_a_program_says_of_itself() -> None:
    text = program(
        "q := i;\nt(IN := q);",
        "i AT %I0.1 : BOOL; q AT %qx2.7 : BOOL := 1; t : TON; w AT %MD3 : TIME := T#2s;",
    )
    compiled = compile_program(text, "a.st")
    assert (compiled.name, compiled.file) == ("p", "a.st")
    shown = [(v.name, v.type, v.location, v.initial, v.assigned, v.line) for v in compiled.variables]
    assert shown == [
        ("i", "BOOL", Location("I", "X", 0, 1, "%IX0.1"), False, False, 2),
        ("q", "BOOL", Location("Q", "X", 2, 7, "%QX2.7"), True, True, 2),
        ("t", "TON", None, False, True, 2),
        ("w", "TIME", Location("M", "D", 12, 0, "%MD3"), 2000 * MS, False, 2),
    ]


def test_the_hash_is_of_the_text() -> None:
    text = "(* Größe *) PROGRAM p END_PROGRAM"
    assert compile_program(text).sha256 == hashlib.sha256(text.encode("utf-8")).hexdigest()
    assert compile_program(text + "\n").sha256 != compile_program(text).sha256


def test_initial_values_are_published_when_the_controller_starts() -> None:
    made = controller(
        "q := TRUE; w := 3;",
        "q AT %QX0.3 : BOOL := TRUE; w AT %QW1 : INT := -2; m AT %MD2 : REAL := 1.5; "
        "n AT %MD3 : TIME := T#-3ms; i AT %IX1.0 : BOOL := TRUE; x : INT;",
    )
    areas = made.memory.areas
    assert areas["Q"][:4].hex() == "0800fffe"
    assert areas["M"][8:16].hex() == "3fc00000fffffffd"
    assert areas["I"][1] == 1


def test_inputs_are_latched_before_and_outputs_published_after() -> None:
    made = controller(
        "q := i; n := m + 1; k := k + 1;",
        "i AT %IX0.0 : BOOL; q AT %QX0.0 : BOOL; m AT %MW1 : INT; n AT %MW2 : INT; k AT %MW3 : INT;",
    )
    memory = made.memory
    memory.write_bit("I", 0, 0, True)
    memory.write("M", 2, "INT", 41)
    memory.write("M", 6, "INT", 1000)  # assigned by the program, so what others write is overwritten
    assert memory.read_bit("Q", 0, 0) is False
    made.scan(START)
    assert (memory.read_bit("Q", 0, 0), memory.read("M", 4, "INT"), memory.read("M", 6, "INT")) == (
        True,
        42,
        1,
    )
    assert made.scans == 1


def test_neighbouring_bits_of_others_are_kept() -> None:
    made = controller("a := TRUE; b := FALSE;", "a AT %QX0.1 : BOOL; b AT %QX0.6 : BOOL := TRUE;")
    made.memory.areas["Q"][0] = 0b1100_1000
    made.scan(START)
    assert made.memory.areas["Q"][0] == 0b1000_1010


ALL_TYPES = [(name, kind) for name, kind in TYPES.items() if name != "BOOL"]
SIZES = {8: "B", 16: "W", 32: "D", 64: "L"}


@pytest.mark.parametrize("name", [name for name, _ in ALL_TYPES])
def test_each_type_passes_through_memory(name: str) -> None:
    bits = 32 if name == "TIME" else TYPES[name].bits
    made = controller("o := i;", f"i AT %M{SIZES[bits]}1 : {name}; o AT %Q{SIZES[bits]}1 : {name};")
    kind = TYPES[name]
    values = [0.0, -1.5, 2.5e30] if kind.real else [0, 1, kind.high, kind.low]
    if name == "TIME":
        values = [0, -1 * MS, (2**31 - 1) * MS, -(2**31) * MS]
    for value in values:
        made.memory.write("M", bits // 8, name, value)
        expected = made.memory.read("M", bits // 8, name)
        made.scan(START)
        assert made.memory.read("Q", bits // 8, name) == expected == made.instance.get("i")


def test_words_are_big_endian_and_bits_count_from_the_low_end() -> None:
    memory = Memory()
    memory.write("M", 2, "DWORD", 0x01020304)
    memory.write_bit("M", 0, 3, True)
    assert memory.areas["M"][:6].hex() == "080001020304"
    assert memory.read("M", 4, "INT") == 0x0304
    memory.write_bit("M", 0, 3, False)
    assert memory.areas["M"][0] == 0


def test_memory_refuses_what_does_not_fit() -> None:
    memory = Memory({"Q": 4})
    assert len(memory.areas["I"]) == 4096
    with pytest.raises(IndexError, match="outside the memory of 4 bytes"):
        memory.write("Q", 1, "DINT", 1)
    with pytest.raises(IndexError, match="outside"):
        memory.read_bit("Q", -1, 0)
    with pytest.raises(ValueError, match="no INT"):
        memory.write("Q", 0, "INT", 40_000)
    with pytest.raises(ValueError, match="unknown memory area D"):
        Memory({"D": 1})


@given(st.integers(-(2**31), 2**31 - 1), st.integers(0, MS - 1))
def test_time_on_the_wire_is_truncated_milliseconds(milliseconds: int, rest: int) -> None:
    memory = Memory()
    sign = -1 if milliseconds < 0 else 1
    memory.write("M", 0, "TIME", milliseconds * MS + sign * rest)
    assert memory.read("M", 0, "TIME") == milliseconds * MS
    assert memory.read("M", 0, "DINT") == milliseconds


def test_addresses_outside_the_memory_are_the_programs_problem() -> None:
    compiled = compile_program(program("b := a > 0;", "a AT %IW2 : INT;\nb AT %QX1.0 : BOOL;"))
    with pytest.raises(ProgramErrors) as caught:
        VirtualController(compiled, Memory({"I": 5, "Q": 1}))
    assert [problem.line for problem in caught.value.problems] == [2, 3]
    VirtualController(compiled, Memory({"I": 6, "Q": 2}))


def test_a_fault_stops_the_controller_with_its_outputs_off() -> None:
    made = controller(
        "q := TRUE;\nn := n + 1;\nx := 10 / d;",
        "q AT %QX0.0 : BOOL; n AT %MW0 : INT; d AT %MW1 : INT := 5; x : INT;",
    )
    made.scan(START)
    assert made.memory.read_bit("Q", 0, 0) is True
    made.memory.write("M", 2, "INT", 0)
    made.scan(START + MS)
    assert made.fault is not None
    assert (made.fault.line, made.fault.what) == (5, "division by zero")
    assert made.memory.read_bit("Q", 0, 0) is False
    made.memory.write("M", 2, "INT", 5)
    made.scan(START + 2 * MS)
    assert (made.scans, made.memory.read("M", 0, "INT"), made.memory.read_bit("Q", 0, 0)) == (1, 1, False)


@pytest.mark.parametrize(
    "body",
    [
        "WHILE TRUE DO x := 1; END_WHILE",
        "REPEAT x := 1; UNTIL FALSE END_REPEAT",
        "FOR s := 0 TO 127 DO x := 1; END_FOR",
        "FOR x := 1 TO 10000 DO FOR y := 1 TO 10000 DO CONTINUE; END_FOR; END_FOR",
    ],
)
def test_an_endless_loop_is_a_fault(body: str) -> None:
    made = controller(f"x := 0;\n{body}", "x, y : INT; s : SINT;")
    made.scan(START)
    assert made.fault is not None
    assert made.fault.line == 4
    assert str(LOOP_LIMIT) in made.fault.what


def test_loops_may_take_their_rounds_in_every_scan() -> None:
    made = controller(
        "FOR x := 1 TO 30000 DO FOR y := 1 TO 30 DO n := n + 1; END_FOR; END_FOR", "x, y : INT; n : DINT;"
    )
    for scan in range(2):
        made.scan(START + scan)
    assert made.fault is None
    assert made.instance.get("n") == 1_800_000


def test_a_fault_inside_a_block_names_the_blocks_line() -> None:
    text = """FUNCTION Half : INT
VAR_INPUT a, b : INT; END_VAR
Half := a
  / b;
END_FUNCTION
FUNCTION_BLOCK Twice
VAR_INPUT d : INT; END_VAR VAR_OUTPUT r : INT; END_VAR
r := 2 * Half(1, d);
END_FUNCTION_BLOCK
PROGRAM p VAR t : Twice; END_VAR
t(d := 0);
END_PROGRAM"""
    made = VirtualController(compile_program(text))
    made.scan(START)
    assert made.fault is not None
    assert (made.fault.line, made.fault.what) == (3, "division by zero")


# --- whole programs


class Plant:
    """A program on a controller, with its variables by name and a clock in milliseconds."""

    def __init__(self, file: str) -> None:
        self.program: Program = compile_program((DATA / file).read_text(encoding="utf-8"), file)
        self.controller = VirtualController(self.program)
        self.now = START
        self.places = {v.name: v for v in self.program.variables if v.location}

    def scan(self, milliseconds: int = 20, **inputs: bool | int | float) -> None:
        memory = self.controller.memory
        for name, value in inputs.items():
            where = self.places[name].location
            assert where is not None
            if where.size == "X":
                memory.write_bit(where.area, where.byte, where.bit, bool(value))
            else:
                memory.write(where.area, where.byte, self.places[name].type, value)
        self.now += milliseconds * MS
        self.controller.scan(self.now)
        assert self.controller.fault is None

    def __getitem__(self, name: str) -> bool | int | float:
        where = self.places[name].location
        assert where is not None
        memory = self.controller.memory
        if where.size == "X":
            return memory.read_bit(where.area, where.byte, where.bit)
        return memory.read(where.area, where.byte, self.places[name].type)


@pytest.mark.parametrize("file", [file.name for file in sorted(DATA.glob("*.st"))])
def test_the_programs_have_no_warnings(file: str) -> None:
    assert Plant(file).program.warnings == ()


def test_conveyor() -> None:
    plant = Plant("conveyor.st")
    plant.scan(Stop=True, DownstreamOk=True)
    assert plant["Drive"] is False
    plant.scan(Start=True)
    plant.scan(Start=False)
    assert (plant["Drive"], plant["SpeedOut"]) == (True, 250)
    plant.scan(ExitSensor=True)
    plant.scan(ExitSensor=False)
    assert plant["Parts"] == 1
    plant.scan(ExitSensor=True, DownstreamOk=False)
    assert not plant["Drive"]
    plant.scan(DownstreamOk=True)
    plant.scan()  # the timer sees the drive of the scan before
    plant.scan(2_900)
    assert plant["JamLamp"] is False
    plant.scan(120)
    plant.scan()
    assert (plant["JamLamp"], plant["Drive"]) == (True, False)
    plant.scan(ManualMode=True, JogDrive=True, SpeedSet=900)
    assert (plant["Drive"], plant["SpeedOut"]) == (True, 400)
    plant.scan(ManualMode=False, Start=True, ExitSensor=False, Stop=False)
    assert (plant["JamLamp"], plant["Drive"]) == (False, False)


def test_cylinders() -> None:
    plant = Plant("cylinder.st")
    plant.scan(ClampBack=True, RamBack=True)
    plant.scan(Cycle=True)
    plant.scan()
    assert (plant["ClampOut"], plant["RamOut"]) == (True, False)
    plant.scan(ClampBack=False)
    plant.scan(ClampFront=True)
    plant.scan()
    assert plant["RamOut"] is True
    plant.scan(RamBack=False)
    plant.scan(1_400)
    assert plant["Alarm"] is False
    plant.scan(200)  # the ram never arrives
    plant.scan()
    assert (plant["Alarm"], plant["AlarmCode"], plant["RamOut"]) == (True, 0x0100, False)
    plant.scan(Ack=True, RamBack=True, Cycle=False)
    plant.scan(Ack=False)
    plant.scan()
    plant.scan()
    assert (plant["Alarm"], plant["AlarmCode"], plant["ClampIn"]) == (False, 0, True)
    plant.scan(ClampBack=True)
    assert plant["AlarmCode"] == 0x0004


def test_filling() -> None:
    plant = Plant("filling.st")
    assert plant["Stopper"] is True
    for level in (18_300, 18_400, 18_500):
        plant.scan(BottleIn=True, LevelRaw=0)
        plant.scan(1_000, LevelRaw=9_000)
        assert (plant["Valve"], plant["StepOut"]) == (True, 20)
        plant.scan(1_000, LevelRaw=level)
        assert (plant["Valve"], plant["StepOut"]) == (False, 30)
        plant.scan(100)
        assert plant["Stopper"] is True
        plant.scan(500)
        assert (plant["Stopper"], plant["StepOut"]) == (False, 40)
        plant.scan(BottleIn=False)
        assert plant["StepOut"] == 10
    assert plant["BatchDone"] is True
    assert plant.controller.instance.get("Filled") == 3
    assert plant.controller.instance.get("Mean") == pytest.approx(18_400 * 500 / 27_648, rel=1e-6)
    plant.scan(BottleIn=True, LevelRaw=0)
    plant.scan()
    plant.scan(7_900)
    assert plant["StepOut"] == 20
    plant.scan(200)
    assert (plant["StepOut"], plant["Elapsed"]) == (90, 8_000 * MS)

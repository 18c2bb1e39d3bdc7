"""Which statement wrote an output last: line and scan, through function blocks, bits and functions."""

from __future__ import annotations

import re

import pytest
from st_running import MS, START, program

from gateway.config import shipped
from gateway.controller.compile import Instance, Part, compile_program
from gateway.controller.idle import Idle
from gateway.controller.runtime import VirtualController

BLOCK = """FUNCTION_BLOCK Drive
VAR_INPUT On : BOOL; Hand : BOOL; END_VAR
VAR_OUTPUT Run : BOOL; END_VAR
VAR T : TON; END_VAR
T(IN := On, PT := T#20ms);
IF Hand THEN
    Run := TRUE;
ELSE
    Run := T.Q;
END_IF;
END_FUNCTION_BLOCK
FUNCTION_BLOCK Pair
VAR_INPUT On : BOOL; Hand : BOOL; END_VAR
VAR_OUTPUT Both : BOOL; END_VAR
VAR D : Drive; END_VAR
D(On := On, Hand := Hand);
Both := D.Run;
END_FUNCTION_BLOCK
FUNCTION Split : INT
VAR_INPUT X : INT; END_VAR
VAR_OUTPUT Half : INT; END_VAR
Split := X;
Half := X / 2;
END_FUNCTION
"""
LINES = BLOCK.count("\n")


def noting(body: str, variables: str, before: str = "") -> Instance:
    return compile_program(program(body, variables, before), writers=True).new()


def wrote(running: Instance, name: str, bit: int | None = None) -> tuple[int, int] | None:
    found = running.writer(name, bit)
    return None if found is None else (found.line, found.scan)


def test_the_last_of_several_statements_is_named_with_its_scan() -> None:
    running = noting("IF a THEN\nq := TRUE;\nEND_IF;\nIF b THEN\nq := FALSE;\nEND_IF;",
                     "q AT %QX0.0 : BOOL; a, b : BOOL;")  # fmt: skip
    assert wrote(running, "q") is None
    running.scan(START)
    assert wrote(running, "q") is None  # nobody has
    running.set("a", True)
    running.scan(START + MS)
    assert wrote(running, "q") == (4, 2)
    running.set("b", True)
    running.scan(START + 2 * MS)
    assert wrote(running, "q") == (7, 3)
    running.set("a", False)
    running.set("b", False)
    running.scan(START + 3 * MS)
    assert wrote(running, "q") == (7, 3)  # it still holds what was written then


def test_what_a_block_puts_out_and_is_passed_on_names_the_statement_in_the_block() -> None:
    running = noting("d(On := a, Hand := h);\nq := d.Run;\nr := NOT d.Run;",
                     "q AT %QX0.0 : BOOL; r AT %QX0.1 : BOOL; a, h : BOOL; d : Drive;", BLOCK)  # fmt: skip
    running.scan(START)
    assert wrote(running, "q") == (9, 1)  # Run := T.Q, as a standard block has no lines
    assert wrote(running, "r") == (LINES + 5, 1)  # this one does more than pass it on
    running.set("h", True)
    running.scan(START + MS)
    assert wrote(running, "q") == (7, 2)


def test_it_is_passed_on_through_blocks_in_blocks() -> None:
    running = noting("d(On := a, Hand := h);\nq := d.Both;",
                     "q AT %QX0.0 : BOOL; a : BOOL; h : BOOL := TRUE; d : Pair;", BLOCK)  # fmt: skip
    running.scan(START)
    assert wrote(running, "q") == (7, 1)


def test_each_instance_of_a_block_notes_its_own() -> None:
    running = noting("d(Hand := TRUE);\ne(Hand := FALSE);\nq := d.Run;\nr := e.Run;",
                     "q AT %QX0.0 : BOOL; r AT %QX0.1 : BOOL; d, e : Drive;", BLOCK)  # fmt: skip
    running.scan(START)
    assert (wrote(running, "q"), wrote(running, "r")) == ((7, 1), (9, 1))


def test_bits_of_a_word_are_noted_one_by_one_and_the_whole_word_counts_for_each() -> None:
    body = "IF whole THEN\nw := 16#FF;\nEND_IF;\nw.0 := a;\nIF a THEN\nw.3 := a;\nEND_IF;"
    running = noting(body, "w AT %QW0 : WORD; a : BOOL; whole : BOOL := TRUE;")
    running.scan(START)
    assert [wrote(running, "w", bit) for bit in (0, 3, 5)] == [(6, 1), (4, 1), (4, 1)]
    running.set("whole", False)
    running.set("a", True)
    running.scan(START + MS)
    assert [wrote(running, "w", bit) for bit in (0, 3, 5)] == [(6, 2), (8, 2), (4, 1)]


def test_a_bit_taken_from_another_word_is_noted_as_the_whole_word() -> None:
    running = noting("w := SEL(a, w, v OR 16#8);", "w AT %QW0 : WORD; v : WORD; a : BOOL;")
    running.scan(START)
    assert wrote(running, "w", 3) == (3, 1)


def test_what_functions_loops_and_numbers_store_is_noted() -> None:
    body = "x := Split(X := 8, Half => y);\nFOR k := 1 TO 3 DO\ns := s + 0.5;\nEND_FOR;"
    running = noting(body, "x AT %QW0 : INT; y AT %QW1 : INT; s AT %QD4 : REAL; k AT %QW4 : INT;", BLOCK)
    running.scan(START)
    first = LINES + 3
    assert [wrote(running, name) for name in "xyks"] == [
        (first, 1),
        (first, 1),
        (first + 1, 1),
        (first + 2, 1),
    ]
    assert (running.get("x"), running.get("y"), running.get("s")) == (8, 4, 1.5)


def test_without_the_option_the_code_is_as_it_was_and_nobody_is_named() -> None:
    text = program("d(On := a);\nq := d.Run;", "q AT %QX0.0 : BOOL; a : BOOL; d : Drive;", BLOCK)
    plain, noted = compile_program(text), compile_program(text, writers=True)
    assert re.findall(r"\bw\d*_[A-Z]|\bn\b", plain.python) == []
    assert f"s.w_Q = s.D.w_RUN or ({LINES + 4}, n)" in noted.python
    running = plain.new()
    running.scan(START)
    assert running.writer("q") is None
    with pytest.raises(KeyError):
        running.writer("nothing")


def test_a_fault_still_names_the_line_of_the_program() -> None:
    text = program("q := TRUE;\nn := n / z;", "q AT %QX0.0 : BOOL; n, z : INT;")
    controller = VirtualController(compile_program(text, writers=True))
    controller.scan(START)
    assert controller.fault is not None
    assert controller.fault.line == 4


def test_lines_of_a_composed_text_are_those_of_the_files_they_came_from() -> None:
    text = BLOCK + program("d(Hand := TRUE);\nq := d.Run;\nr := TRUE;",
                           "q AT %QX0.0 : BOOL; r AT %QX0.1 : BOOL; d : Drive;")  # fmt: skip
    parts = (Part(1, 11, "patterns/Drive.st", 3),)
    made = compile_program(text, "cell.st", writers=True, parts=parts)
    running = made.new()
    running.scan(START)
    found = {name: running.writer(name) for name in "qr"}
    assert [made.place(each.line) for each in found.values() if each] == [
        ("patterns/Drive.st", 9),
        ("cell.st", LINES + 5),
    ]


@pytest.mark.parametrize("name", ["infeed", "glue", "screw", "mixed"])
def test_programs_do_the_same_with_writers(name: str) -> None:
    text = (shipped() / "programs" / f"{name}.st").read_text(encoding="utf-8")
    both = [VirtualController(compile_program(text, writers=option)) for option in (False, True)]
    for scan in range(400):
        for each in both:
            each.memory.areas["M"][0:8] = (scan * 2654435761 % 2**64).to_bytes(8, "big")
            each.scan(START + scan * 10 * MS)
        assert both[0].memory.areas == both[1].memory.areas
        assert both[0].instance.memory() == both[1].instance.memory()
    assert both[0].scans == 400 or both[0].fault is not None


def test_a_controller_with_writers_rests_like_any() -> None:
    text = program("q := a;", "a AT %MX0.0 : BOOL; q AT %QX0.0 : BOOL;")
    idle = Idle(VirtualController(compile_program(text, writers=True)))
    idle.scan(START)
    assert not idle.scan(START + MS)
    assert idle.due() is None

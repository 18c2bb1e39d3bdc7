"""What compiles and is still said: unused, never written, unreachable, endless."""

from __future__ import annotations

import pytest
from st_running import program

from gateway.controller.compile import compile_program


@pytest.mark.parametrize(
    ("variables", "body", "expected"),
    [
        ("a, b : INT;", "a := b;", ["2:5: a is written and never read"]),
        ("a : INT;", ";", ["2:5: a is never used"]),
        ("q AT %QX0.0 : BOOL;", ";", ["2:5: q is an output and is never written"]),
        ("i AT %IX0.0 : BOOL;", ";", ["2:5: i is never used"]),
        ("END_VAR VAR_OUTPUT o : INT;", ";", ["2:24: o is an output and is never written"]),
        ("q AT %QX0.0 : BOOL; t : TON;", "t(IN := TRUE, PT := T#1s, Q => q);", []),
        ("a : INT;", "RETURN; a := 1; a := a + 1;", ["3: this is never reached"]),
        ("a : INT;", "IF TRUE THEN a := a + 1;\nELSE\na := 2; END_IF", ["5: this is never reached"]),
        ("a : INT;", "IF FALSE THEN\n a := a + 1; END_IF", ["4: this is never reached"]),
        ("a : INT;", "WHILE FALSE DO\n a := a + 1; END_WHILE", ["4: this is never reached"]),
        ("a : INT;", "FOR a := 1 TO 3 DO EXIT;\nCONTINUE; END_FOR", ["4: this is never reached"]),
        ("a : SINT;", "FOR a := 1 TO 127 DO ; END_FOR",
         ["3:1: this FOR does not end: SINT wraps round past 127; count in a wider type"]),
        ("a : INT; END_VAR VAR_INPUT i : INT;", "i := 3; a := a + i;",
         ["3:1: i is a VAR_INPUT and is assigned inside p; copy it to a VAR"]),
        ("m AT %MW0 : INT; n AT %MW1 : INT;", "n := m;", []),
    ],
)  # fmt: skip
def test_warnings(variables: str, body: str, expected: list[str]) -> None:
    found = compile_program(program(body, variables), "f").warnings
    assert [str(one).removeprefix("f:") for one in found] == expected

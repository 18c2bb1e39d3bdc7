"""The standard function blocks, in Structured Text: they run and are checked as the engineer's own code.

Where implementations disagree these follow MATIEC:

- TON, TOF and TP see one timestamp per scan. TON and TOF switch at elapsed time >= PT.
- The edge that starts a timer only starts it, so with PT = T#0s the output still needs a second scan.
- PT may change while a timer runs and counts at once.
- TP cannot be started again before it has run out and, then, IN has been FALSE.
- CTU counts no further at PV, CTD no further at 0 or below; counting needs an edge, reset and load
  need none and win over counting. CTUD counts neither way when both edges come in one scan.
- R_TRIG fires in the first scan if CLK is TRUE then; F_TRIG does not fire in the first scan if CLK is
  FALSE then.
- SR is dominated by S1, RS by R1.
"""

from __future__ import annotations

from functools import cache

from gateway.controller import ir
from gateway.controller.lexer import Source
from gateway.controller.parser import parse
from gateway.controller.semantics import Analysis
from gateway.errors import Problem

SOURCE = """
FUNCTION_BLOCK TON
VAR_INPUT IN : BOOL; PT : TIME; END_VAR
VAR_OUTPUT Q : BOOL; ET : TIME; END_VAR
VAR running : BOOL; start : TIME; END_VAR
    IF NOT IN THEN
        Q := FALSE;
        ET := T#0s;
        running := FALSE;
    ELSIF NOT running THEN
        running := TRUE;
        start := __NOW;
    ELSIF NOT Q THEN
        ET := __NOW - start;
        IF ET >= PT THEN
            ET := PT;
            Q := TRUE;
        END_IF;
    END_IF;
END_FUNCTION_BLOCK

FUNCTION_BLOCK TOF
VAR_INPUT IN : BOOL; PT : TIME; END_VAR
VAR_OUTPUT Q : BOOL; ET : TIME; END_VAR
VAR running : BOOL; start : TIME; END_VAR
    IF IN THEN
        Q := TRUE;
        ET := T#0s;
        running := FALSE;
    ELSIF Q AND NOT running THEN
        running := TRUE;
        start := __NOW;
    ELSIF Q THEN
        ET := __NOW - start;
        IF ET >= PT THEN
            ET := PT;
            Q := FALSE;
        END_IF;
    END_IF;
END_FUNCTION_BLOCK

FUNCTION_BLOCK TP
VAR_INPUT IN : BOOL; PT : TIME; END_VAR
VAR_OUTPUT Q : BOOL; ET : TIME; END_VAR
VAR last, done : BOOL; start : TIME; END_VAR
    IF Q THEN
        ET := __NOW - start;
        IF ET >= PT THEN
            ET := PT;
            Q := FALSE;
            done := TRUE;
        END_IF;
    ELSIF IN AND NOT last AND NOT done THEN
        Q := TRUE;
        start := __NOW;
    END_IF;
    IF done AND NOT IN THEN
        ET := T#0s;
        done := FALSE;
    END_IF;
    last := IN;
END_FUNCTION_BLOCK

FUNCTION_BLOCK CTU
VAR_INPUT CU : BOOL; R : BOOL; PV : INT; END_VAR
VAR_OUTPUT Q : BOOL; CV : INT; END_VAR
VAR last : BOOL; END_VAR
    IF R THEN
        CV := 0;
    ELSIF CU AND NOT last AND CV < PV THEN
        CV := CV + 1;
    END_IF;
    last := CU;
    Q := CV >= PV;
END_FUNCTION_BLOCK

FUNCTION_BLOCK CTD
VAR_INPUT CD : BOOL; LD : BOOL; PV : INT; END_VAR
VAR_OUTPUT Q : BOOL; CV : INT; END_VAR
VAR last : BOOL; END_VAR
    IF LD THEN
        CV := PV;
    ELSIF CD AND NOT last AND CV > 0 THEN
        CV := CV - 1;
    END_IF;
    last := CD;
    Q := CV <= 0;
END_FUNCTION_BLOCK

FUNCTION_BLOCK CTUD
VAR_INPUT CU, CD : BOOL; R : BOOL; LD : BOOL; PV : INT; END_VAR
VAR_OUTPUT QU, QD : BOOL; CV : INT; END_VAR
VAR last_up, last_down, up, down : BOOL; END_VAR
    up := CU AND NOT last_up;
    down := CD AND NOT last_down;
    IF R THEN
        CV := 0;
    ELSIF LD THEN
        CV := PV;
    ELSIF up AND NOT down AND CV < PV THEN
        CV := CV + 1;
    ELSIF down AND NOT up AND CV > 0 THEN
        CV := CV - 1;
    END_IF;
    last_up := CU;
    last_down := CD;
    QU := CV >= PV;
    QD := CV <= 0;
END_FUNCTION_BLOCK

FUNCTION_BLOCK R_TRIG
VAR_INPUT CLK : BOOL; END_VAR
VAR_OUTPUT Q : BOOL; END_VAR
VAR last : BOOL; END_VAR
    Q := CLK AND NOT last;
    last := CLK;
END_FUNCTION_BLOCK

FUNCTION_BLOCK F_TRIG
VAR_INPUT CLK : BOOL; END_VAR
VAR_OUTPUT Q : BOOL; END_VAR
VAR last : BOOL; END_VAR
    Q := NOT CLK AND last;
    last := CLK;
END_FUNCTION_BLOCK

FUNCTION_BLOCK SR
VAR_INPUT S1, R : BOOL; END_VAR
VAR_OUTPUT Q1 : BOOL; END_VAR
    Q1 := S1 OR NOT R AND Q1;
END_FUNCTION_BLOCK

FUNCTION_BLOCK RS
VAR_INPUT S, R1 : BOOL; END_VAR
VAR_OUTPUT Q1 : BOOL; END_VAR
    Q1 := NOT R1 AND (S OR Q1);
END_FUNCTION_BLOCK
"""


@cache
def blocks() -> dict[str, ir.Unit]:
    """The standard function blocks by upper-case name."""
    problems = list[Problem]()
    source = Source(SOURCE, "<standard>")
    units = Analysis(parse(source, problems), source, problems, {}, trusted=True).units
    assert not problems, problems
    return units

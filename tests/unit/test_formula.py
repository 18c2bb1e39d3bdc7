"""Formulas: what they mean, what is no formula, and values that follow from other tags through a cell."""

from __future__ import annotations

import ast
import math
from pathlib import Path

import msgspec
import pytest
from cell_support import BELT, MS, Bench
from hypothesis import given
from hypothesis import strategies as st

from gateway.field.entries import TagEntry, compile_tags
from gateway.field.formula import read_formula
from gateway.field.tags import Range, Tag, TagRef
from gateway.net.messages import Force, Pause
from gateway.station import load_station

# --- the language ----------------------------------------------------------------------------------------

NAMES = {"raw": 3.0, "a": 2.5, "b-2": -4.0}


SHAPES = (
    "{0} + {1}", "{0} - {1}", "{0}*{1}", "{0} / {1}", "-{0}", "({0})", "- ( {0} )",
    "min({0}, {1}, {2})", "max({0},{1})", "abs({0})",
)  # fmt: skip


@st.composite
def expressions(draw: st.DrawFn, depth: int = 0) -> str:
    """A formula that Python reads alike, once hyphens in names are gone."""
    if depth > 3 or draw(st.booleans()):
        number = st.floats(0, 1e6).map(lambda x: f"{x:.3f}")
        return draw(st.one_of(number, st.sampled_from([*NAMES, "1e3", "7"])))
    parts = [draw(expressions(depth + 1)) for _ in range(3)]
    return draw(st.sampled_from(SHAPES)).format(*parts)


@given(expressions())
def test_a_formula_means_what_it_means_in_python(text: str) -> None:
    known = {name.replace("-", "_"): value for name, value in NAMES.items()}
    code = compile(ast.parse(text.replace("b-2", "b_2"), mode="eval"), "<formula>", "eval")
    try:
        wanted = float(eval(code, {"min": min, "max": max, "abs": abs}, known))  # our own text
    except (ZeroDivisionError, OverflowError):
        wanted = math.nan
    found = read_formula(text).of(NAMES)
    assert found == wanted or (math.isnan(found) and math.isnan(wanted))


@given(st.text("raw +-*/().,0123456789abmin-", max_size=60))
def test_whatever_is_written_is_a_formula_or_told(text: str) -> None:
    try:
        formula = read_formula(text)
    except ValueError as error:
        hint = str(error).partition("; ")[2]
        assert hint.startswith(("write", "use"))  # most texts raise nothing
    else:
        assert isinstance(formula.of(dict.fromkeys(formula.names, 1.0)), float)


def test_clamp_and_booleans() -> None:
    assert read_formula("clamp(raw, 0, 10)").of({"raw": 12}) == 10
    assert read_formula("raw * on").of({"raw": 12, "on": True}) == 12


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "the end came where a number or a name should be"),
        ("raw +", "the end came where a number or a name should be"),
        ("raw raw", "'raw' at character 5 was not expected"),
        ("(raw", "the end came where ')' should be"),
        ("raw ^ 2", "'^' at character 4 has no place"),
        ("sin(raw)", "sin is no function; use min, max, abs, clamp"),
        ("clamp(raw, 1)", "clamp takes 3 numbers, not 2; write clamp(a, low, high)"),
        ("min(raw)", "min takes 2 or more numbers, not 1"),
        ("(" * 60 + "raw" + ")" * 60, "is nested too deeply"),
        ("raw" + " + 1" * 200, "has 803 characters; write at most 500"),
    ],
)
def test_what_is_no_formula(text: str, what: str) -> None:
    with pytest.raises(ValueError) as caught:
        read_formula(text)
    assert what in str(caught.value)


# --- checked when the file is read -------------------------------------------------------------------------


def check(*entries: TagEntry) -> tuple[dict[str, Tag], list[str]]:
    said: list[str] = []
    placed = []
    for n, entry in enumerate(entries):
        address = f"hr:{10 * n}" if entry.type != "BOOL" else f"coil:{n}"
        placed.append(msgspec.structs.replace(entry, address=address, line=n))

    def complain(line: int, what: str, hint: str) -> None:
        said.append(f"{line}: {what}; {hint}")

    tags = compile_tags(placed, {"plc": "modbus"}, complain)
    return tags, said


def level(formula: str, inverse: str | None = None, name: str = "level", **more: object) -> TagEntry:
    keys: dict[str, object] = {"direction": "output", "type": "INT", "address": "", "range": Range(0, 100)}
    if inverse is not None:
        keys |= {"direction": "input", "safe": "0", "inverse": read_formula(inverse)}
    return TagEntry(**(keys | {"formula": read_formula(formula), "name": name} | more))  # type: ignore[arg-type]


ZERO = TagEntry("output", "REAL", "", range=Range(-5, 5), name="zero")
WORDS = TagEntry("output", "STRING[4]", "", name="words")


def test_a_formula_and_its_inverse_that_fit() -> None:
    tags, said = check(ZERO, level("(raw + zero) * 0.05", "value / 0.05 - zero"))
    assert said == []
    assert tags["level"].resolution == pytest.approx(0.05)
    assert not tags["level"].is_whole


@pytest.mark.parametrize(
    ("entries", "what"),
    [
        ([level("raw + zreo")], "0: level: formula: 'zreo' is not a tag of this station; use raw or a tag"),
        (
            [ZERO, level("raw-zero")],
            "'raw-zero' is not a tag of this station; a difference has spaces: raw - zero",
        ),
        ([WORDS, level("raw + words")], "words is a STRING[4]; name a number or a BOOL"),
        ([level("raw + other"), level("raw + level", name="other")], "its formula leads back to itself"),
        ([level("raw + level")], "its formula leads back to itself; break the circle"),
        (
            [level("raw * 0.05", "value * 0.05")],
            "inverse is none: 3.125 is held as raw 0.15625, which means 0",
        ),
        ([level("raw * 0.05", "value / 0.05", range=Range(0, 1e6))], "inverse is none"),
        ([ZERO, level("raw * zero", "value / zero")], "inverse is none"),
        ([level("raw", range=None)], "a formula needs the range of its values; add range: low..high"),
        ([level("raw", direction="input", safe="0")], "a formula of an input needs its inverse"),
        ([level("raw", "value", direction="output", safe=None)], "an output has no inverse"),
        ([msgspec.structs.replace(level("raw", "value"), formula=None)], "inverse without formula"),
        ([level("raw", scale=2.0)], "scale and formula both say how it is converted"),
        ([level("raw", type="BOOL", range=None)], "a BOOL has no formula"),
        ([level("raw", type="INT[3]")], "an array has no formula; declare its elements as tags"),
    ],
)
def test_what_cannot_be(entries: list[TagEntry], what: str) -> None:
    _, said = check(*entries)
    assert any(what in each for each in said), said


@given(st.floats(-20, 20), st.floats(0.01, 3), st.sampled_from(["INT", "REAL", "UDINT"]))
def test_a_straight_line_is_turned_round(offset: float, factor: float, kind: str) -> None:
    offset = -abs(offset) if kind == "UDINT" else offset
    text = f"raw * {factor:.6f} + {offset:.6f}".replace("+ -", "- ")
    back = f"(value - {offset:.6f}) / {factor:.6f}".replace("- -", "+ ")
    _, said = check(level(text, back, type=kind, safe="50", range=Range(max(offset, 0), 90)))
    assert said == []


# --- through a cell ----------------------------------------------------------------------------------------


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """The belt with a speed that is read by a formula, and one that is written by its inverse."""
    text = Path(BELT.file).read_text()
    text = text.replace(
        'address: "hr:2", range: 0..500,', 'address: "hr:2", range: 0..500, formula: raw * seen / 10,'
    ).replace(
        "range: 0..500, raw: 0..27648,",
        "range: 0..500, formula: raw * 0.02 - ready * 10, inverse: (value + ready * 10) / 0.02,",
    )
    path = tmp_path / "belt.yaml"
    path.write_text(text)
    return Bench(station=load_station(path))


def test_what_is_read_follows_from_all_its_operands(bench: Bench) -> None:
    bench.step({"rate": 100.0})
    assert "rate" not in bench.cell.values  # what it follows from is not known yet
    assert bench.step({"seen": 20}).changed["rate"] == 200
    assert bench.step({"seen": 5}).changed["rate"] == 50
    assert bench.step({"rate": 10.0}).changed == {"rate": 5}
    assert bench.step().changed == {}


def test_what_is_written_is_turned_round_and_follows_its_operands(bench: Bench) -> None:
    token = bench.lease()
    bench.step({"ready": False})
    trace = bench.run(token, Force(TagRef("speed"), 200.0), Pause(30 * MS), keep=True)
    assert bench.device["speed"] == pytest.approx(10_000)
    assert bench.cell.values["speed"] == 200.0
    assert trace.ended == "done"
    bench.step({"ready": True})
    bench.step()
    assert bench.device["speed"] == pytest.approx(10_500)
    assert bench.cell.values["speed"] == 200.0

"""From raw to engineering units and back, and what is said about a conversion that cannot be."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.field.conversion import Range, Scale, Table, read_table
from gateway.field.entries import Dialect, TagEntry, compile_tags
from gateway.field.tags import Tag


def check(dialect: Dialect = Dialect(), **more: object) -> tuple[Tag, list[str]]:  # noqa: B008  # immutable
    keys: dict[str, object] = {
        "direction": "input",
        "type": "INT",
        "address": "hr:0",
        "safe": "0",
        "name": "t",
    }
    said: list[str] = []
    tags = compile_tags(
        [TagEntry(**(keys | more))],  # type: ignore[arg-type]
        {"plc": "modbus"},
        lambda line, what, hint: said.append(f"{what}; {hint}"),
        {"plc": dialect},
    )
    return tags["t"], said


@given(st.integers(-32768, 32767), st.sampled_from([0.1, -0.1, 2.5, 1e-3]), st.floats(-1e4, 1e4))
def test_scale_and_offset_there_and_back(raw: int, factor: float, offset: float) -> None:
    tag, said = check(scale=factor, offset=offset, safe=str(offset))
    assert said == []
    assert tag.from_device(raw) == pytest.approx(raw * factor + offset)
    assert tag.to_device(tag.from_device(raw)) == raw
    assert tag.in_range(tag.from_device(raw))
    assert tag.resolution == abs(factor)


POINTS = st.lists(st.integers(-30_000, 30_000), min_size=2, max_size=8, unique=True).map(sorted)


@given(st.data(), POINTS, st.booleans())
def test_a_table_is_met_at_its_points_and_turned_round_between(
    data: st.DataObject, raws: list[int], falls: bool
) -> None:
    steps = data.draw(st.lists(st.floats(1, 100), min_size=len(raws), max_size=len(raws)))
    values = [sum(steps[: at + 1]) * (-1 if falls else 1) for at in range(len(raws))]
    points = tuple((float(raw), value) for raw, value in zip(raws, values, strict=True))
    tag, said = check(table=points, safe=str(values[0]))
    assert said == []
    for raw, value in points:
        assert tag.from_device(raw) == value
    raw = data.draw(st.integers(raws[0], raws[-1]))
    value = tag.from_device(raw)
    assert min(values) <= value <= max(values)
    assert tag.to_device(value) == raw
    slopes = [abs((to - at) / (b - a)) for (a, at), (b, to) in pairwise(points)]
    assert tag.resolution == pytest.approx(max(slopes))


def test_a_table_goes_on_past_its_ends() -> None:
    table = read_table([(0, 0), (10, 100), (20, 120)])
    assert (table.value(-1), table.value(25)) == (-10, 130)
    assert (table.held(-10), table.held(130)) == (-1, 25)


@given(st.floats(-1e6, 1e6), st.floats(0.001, 1e3))
def test_a_scale_turns_round(value: float, factor: float) -> None:
    scale = Scale(factor, 3.0)
    assert scale.value(scale.held(value)) == pytest.approx(value, abs=1e-6)


@pytest.mark.parametrize(
    ("more", "what"),
    [
        ({"scale": 0.0}, "scale is 0"),
        ({"scale": 0.1, "raw": Range(0, 9), "range": Range(0, 1)}, "raw and scale both say how"),
        ({"scale": 0.1, "table": ((0.0, 0.0), (1.0, 1.0))}, "scale and table both say how"),
        ({"table": ((0.0, 0.0),)}, "table needs two or more points"),
        ({"table": ((0.0, 0.0), (1.0, 1.0, 2.0))}, "table needs two or more points"),
        ({"table": ((1.0, 0.0), (0.0, 1.0))}, "raw 0 comes after 1; order the points"),
        ({"table": ((0.0, 0.0), (1.0, 1.0), (2.0, 0.5))}, "belongs to more than one raw number; let"),
        ({"type": "BOOL", "address": "coil:0", "scale": 2.0}, "a BOOL has no scale"),
        ({"type": "STRING[4]", "safe": "", "offset": 1.0}, "a STRING[4] has no offset"),
        ({"type": "STRING[4]", "safe": "", "range": Range(0, 1)}, "a STRING[4] has no range"),
        (
            {"scale": 0.1, "range": Range(0, 5000)},
            "range 0..5000 cannot be reached by its conversion; it gives",
        ),
        ({"table": ((0.0, 0.0), (9.0, 5.0)), "range": Range(0, 6)}, "cannot be reached by its conversion"),
        ({"type": "INT[200]"}, "is more than one request holds (123); declare several"),
        ({"type": "BYTE[4]"}, "type ARRAY[0..3] OF BYTE does not fit address hr:0"),
        ({"type": "INT[4]", "safe": "1, 2"}, "safe: 2 values for ARRAY[0..3] OF INT; write 4"),
        ({"type": "INT[4]", "range": Range(0, 5), "safe": "1,2,3,9"}, "safe: 1,2,3,9 is outside 0..5"),
    ],
)
def test_what_cannot_be(more: dict[str, object], what: str) -> None:
    _, said = check(**more)
    assert len(said) == 1, said
    assert what in said[0]


def test_what_is_only_read_may_have_a_table_with_a_bend() -> None:
    points = ((0.0, 0.0), (1.0, 1.0), (2.0, 0.5))
    tag, said = check(direction="output", safe=None, table=points)
    assert said == []
    assert isinstance(tag.conversion, Table)
    assert tag.from_device(1.5) == 0.75


def test_an_array_is_converted_element_by_element() -> None:
    tag, said = check(type="INT[3]", scale=0.5, safe="1.5")
    assert said == []
    assert tag.safe == (1.5, 1.5, 1.5)
    assert tag.to_device((0.5, 1.0, -2.0)) == (1, 2, -4)
    assert tag.from_device((1, 2, -4)) == (0.5, 1.0, -2.0)


def test_a_device_says_base_and_order_once_and_a_tag_may_differ() -> None:
    little = Dialect(1, "CDAB")
    tag, said = check(little, type="DINT", address="hr:1")
    assert said == []
    assert tag.address.index == 0  # type: ignore[union-attr]
    assert tag.type.pack(0x01020304).hex() == "03040102"
    tag, _ = check(little, type="DINT", address="40001", order="DCBA")
    assert tag.address.index == 0  # type: ignore[union-attr]
    assert tag.type.pack(0x01020304).hex() == "04030201"


def test_a_bit_follows_its_registers_order() -> None:
    """hr:0.3 is bit 3 of what the register holds as a WORD of the same order."""
    for order in ("ABCD", "CDAB", "BADC", "DCBA"):
        word, _ = check(Dialect(0, order), type="WORD")  # type: ignore[arg-type]
        bit, _ = check(Dialect(0, order), type="BOOL", address="hr:0.3", safe="false")  # type: ignore[arg-type]
        raw = int.from_bytes(word.type.pack(1 << 3), "big")
        assert raw >> bit.address.bit & 1  # type: ignore[union-attr]


def test_an_order_needs_registers() -> None:
    for protocol, address, what in (
        ("s7", "DB1.DBW0", "S7 has the high byte first"), ("opcua", "i=1", "OPC UA has no order"),
    ):  # fmt: skip
        entry = TagEntry("output", "INT", address, order="DCBA", name="t")
        said: list[tuple[int, str, str]] = []
        compile_tags([entry], {"plc": protocol}, lambda *problem, to=said: to.append(problem))  # type: ignore[dict-item]
        assert [what in problem[1] for problem in said] == [True]

"""Tags: references and their bits, scaling, and every complaint about a table of tags with its line."""

from __future__ import annotations

import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.field.addresses import Protocol, parse_address
from gateway.field.conversion import Span
from gateway.field.entries import TagEntry, compile_tags
from gateway.field.referring import check_ref
from gateway.field.tags import Range, Tag, TagRef, read_range, read_ref
from gateway.field.types import TYPES, Value

UNSIGNED = ["BYTE", "WORD", "DWORD", "USINT", "UINT", "UDINT"]


def entry(name: str, line: int, direction: str, kind: str, address: str, **more: object) -> TagEntry:
    if direction == "input" and "safe" not in more:
        more["safe"] = "false" if kind == "BOOL" else "0"
    return TagEntry(direction, kind, address, name=name, line=line, **more)  # type: ignore[arg-type]


def check(
    *entries: TagEntry, protocols: dict[str, Protocol] | None = None
) -> tuple[dict[str, Tag], list[str]]:
    said: list[str] = []
    tags = compile_tags(
        entries,
        protocols or {"plc": "modbus"},
        lambda line, what, hint: said.append(f"{line}: {what}; {hint}" if hint else f"{line}: {what}"),
    )
    return tags, said


# --- references ----------------------------------------------------------------------------------------


@given(st.sampled_from(UNSIGNED), st.data())
def test_a_bit_put_in_is_the_bit_taken_out_and_no_other_moves(kind: str, data: st.DataObject) -> None:
    bits = TYPES[kind].bits
    word = data.draw(st.integers(0, 2**bits - 1))
    bit = data.draw(st.integers(0, bits - 1))
    part = data.draw(st.booleans())
    ref = TagRef("word", bit)
    changed = ref.into(word, part)
    assert ref.of(changed) is part
    assert 0 <= changed < 2**bits
    for other in range(bits):
        if other != bit:
            assert TagRef("word", other).of(changed) == TagRef("word", other).of(word)


@given(st.one_of(st.booleans(), st.integers(), st.floats(allow_nan=False)))
def test_a_whole_tag_is_replaced_as_a_whole(value: float) -> None:
    assert TagRef("tag").into(0, value) is value
    assert TagRef("tag").of(value) is value


@pytest.mark.parametrize("text", ["seen", "seen.0", "seen.63"])
def test_references_read_back(text: str) -> None:
    assert str(read_ref(text)) == text


@pytest.mark.parametrize("text", ["seen.", "seen.x", "seen.64", "seen.-1", "seen.1.2", ".3", "", "seen.٣"])
def test_what_is_no_reference(text: str) -> None:
    with pytest.raises(ValueError, match=r"does not name a tag or its bit; write seen\.3 or row\[2\]"):
        read_ref(text)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("0..400", None),
        ("-1.5..2e3", None),
        ("400..0", "the first number must be the smaller"),
        ("5..5", "the first number must be the smaller"),
        ("0-400", "is not a range"),
        ("0..", "is not a range"),
        ("400", "is not a range"),
        ("0..inf", "has no end"),
        ("nan..1", "has no end"),
        ("-1e400..1", "has no end"),
    ],
)
def test_ranges(text: str, what: str | None) -> None:
    if what is None:
        low, _, high = text.partition("..")
        assert read_range(text) == (float(low), float(high))
        return
    with pytest.raises(ValueError, match=what) as caught:
        read_range(text)
    assert "; " in str(caught.value)


# --- scaling -------------------------------------------------------------------------------------------


def scaled(kind: str, within: Range, raw: Range | None) -> Tag:
    return Tag(
        "level", "plc", "input", TYPES[kind], parse_address("modbus", "hr:0"), "hr:0", within,
        None if raw is None else Span(raw, within), "mm", 0, None, None, "", 1,
    )  # fmt: skip


@given(
    st.sampled_from(["INT", "UINT", "DINT", "WORD"]),
    st.floats(-1e4, 1e4),
    st.floats(0.1, 1e5),
    st.integers(0, 20_000),
    st.integers(1, 12_767),
    st.floats(0, 1),
)
def test_there_and_back_within_the_resolution(
    kind: str, low: float, span: float, raw_low: int, raw_span: int, share: float
) -> None:
    tag = scaled(kind, Range(low, low + span), Range(raw_low, raw_low + raw_span))
    value = min(low + share * span, low + span)
    held = tag.to_device(value)
    assert isinstance(held, int)
    assert raw_low <= held <= raw_low + raw_span
    assert abs(tag.from_device(held) - value) <= tag.resolution / 2 + 1e-9 * max(abs(low), span)


@given(st.floats(-1e4, 1e4), st.floats(1, 1e5), st.floats(0, 1))
def test_a_real_is_held_within_its_resolution(low: float, span: float, share: float) -> None:
    tag = scaled("REAL", Range(low, low + span), None)
    value = low + share * span
    held = tag.type.unpack(tag.type.pack(tag.to_device(value)))
    assert abs(tag.from_device(held) - value) <= max(tag.resolution, 2e-7 * abs(value))


@given(st.sampled_from([each for each in TYPES if each != "BOOL"]), st.floats(-1e300, 1e300))
def test_a_device_never_gets_more_than_its_type_holds(kind: str, value: float) -> None:
    tag = scaled(kind, Range(TYPES[kind].low, TYPES[kind].high), None)
    held = tag.to_device(value)
    assert tag.type.low <= held <= tag.type.high
    tag.type.pack(held)


def test_the_ends_of_a_scale_are_met_exactly() -> None:
    tag = scaled("INT", Range(0, 500), Range(0, 27648))
    assert [tag.to_device(value) for value in (0, 500, 250, 600)] == [0, 27648, 13824, 32767]
    assert [tag.from_device(raw) for raw in (0, 27648)] == [0, 500]
    assert tag.resolution == pytest.approx(500 / 27648)


def test_a_bool_is_a_bool_on_both_sides() -> None:
    tag = msgspec.structs.replace(scaled("INT", Range(0, 1), None), type=TYPES["BOOL"])
    assert [tag.to_device(value) for value in (1, 0, True)] == [True, False, True]


# --- what is said about a table of tags ------------------------------------------------------------------


def test_a_good_table() -> None:
    tags, said = check(
        entry("run", 3, "output", "BOOL", "coil:0", jog=TagRef("command", 4)),
        entry("seen", 4, "output", "WORD", "hr:0"),
        entry("command", 5, "input", "WORD", "hr:100", safe="16#3", observer=TagRef("seen")),
        entry("speed", 6, "input", "INT", "hr:101", range=Range(0, 500), raw=Range(0, 27648), safe="2.5"),
    )
    assert said == []
    assert tags["command"].safe == 3
    assert tags["speed"].safe == 2.5
    assert tags["seen"].range == (0, 65535)


@pytest.mark.parametrize(
    ("wrong", "what"),
    [
        (entry("a", 7, "output", "BOOL", "coil"), "a: 'coil' is not a Modbus address; write coil:12"),
        (
            entry("a", 7, "output", "BOOL", "coil:0", device="x"),
            "a: device 'x' is not declared; declared are plc",
        ),
        (entry("a", 7, "output", "WORD", "coil:0"), "a: type WORD does not fit address coil:0; a BOOL goes"),
        (entry("a", 7, "output", "BOOL", "hr:0"), "a: type BOOL does not fit address hr:0; a BOOL goes to"),
        (entry("a", 7, "output", "BYTE", "hr:0"), "a: type BYTE does not fit address hr:0; a BOOL goes to"),
        (entry("a", 7, "output", "INT", "hr:0.3"), "a: type INT does not fit address hr:0.3; a BOOL goes"),
        (entry("a", 7, "output", "DINT", "hr:65535"), "a: DINT at hr:65535 runs past the last address; use"),
        (
            entry("a", 7, "output", "INT", "hr:0", range=Range(0, 40000)),
            "a: range 0..40000 does not fit INT; INT holds -32768..32767",
        ),
        (
            entry("a", 7, "output", "INT", "hr:0", range=Range(0, 5), raw=Range(0, 65535)),
            "a: raw 0..65535 does not fit INT; INT holds",
        ),
        (entry("a", 7, "output", "INT", "hr:0", raw=Range(0, 5)), "a: raw needs a range to map onto"),
        (
            entry("a", 7, "output", "INT", "hr:0", unit="furlong"),
            "a: unit 'furlong' is not known; use a UCUM",
        ),
        (entry("a", 7, "output", "BOOL", "coil:0", safe="true"), "a: an output has no safe; leave safe out"),
        (
            entry("a", 7, "output", "BOOL", "coil:0", observer=TagRef("other")),
            "a: an output has no observer; leave observer out",
        ),
        (entry("a", 7, "input", "BOOL", "coil:0", jog=TagRef("a")), "a: an input has no jog; leave jog"),
        (entry("a", 7, "input", "BOOL", "coil:0", safe=None), "a: an input needs a safe value; add safe:"),
        (entry("a", 7, "input", "BOOL", "coil:0", safe="maybe"), "a: safe: 'maybe' is not a BOOL; write"),
        (
            entry("a", 7, "input", "INT", "hr:0", range=Range(1, 5)),
            "a: safe: 0 is outside 1..5; give a value within the range",
        ),
        (
            entry("a", 7, "input", "INT", "hr:0", range=Range(0, 5), raw=Range(0, 9), safe="low"),
            "a: safe: 'low' is not a number; write for example 2.5",
        ),
        (entry("a", 7, "input", "BOOL", "di:0"), "a: di:0 cannot be written, and an input is written; use a"),
        (entry("a", 7, "input", "INT", "ir:0"), "a: ir:0 cannot be written, and an input is written; use a"),
        (
            entry("a", 7, "input", "BOOL", "coil:0", observer=TagRef("othr")),
            "a: observer othr is not a tag of this station; did you mean 'other'?",
        ),
        (
            entry("a", 7, "input", "WORD", "hr:0", observer=TagRef("other")),
            "a: observer other is a BOOL, the tag a WORD; match them",
        ),
        (
            entry("a", 7, "output", "BOOL", "coil:0", jog=TagRef("other")),
            "a: jog other is an output; name an input",
        ),
        (
            entry("a", 7, "input", "BOOL", "coil:0", observer=TagRef("other", 1)),
            "a: observer other.1: BOOL has no bit 1; name a bit of a WORD",
        ),
    ],
)
def test_one_wrong_tag_is_said_once_with_its_line(wrong: TagEntry, what: str) -> None:
    other = entry("other", 3, "output", "BOOL", "coil:9")
    _, said = check(other, wrong)
    assert len(said) == 1, said
    assert said[0].startswith(f"7: {what}")


@pytest.mark.parametrize(
    ("wrong", "what"),
    [
        (
            entry("a", 7, "output", "WORD", "DB1.DBX0.0"),
            "type WORD does not fit address DB1.DBX0.0; WORD",
        ),
        (entry("a", 7, "output", "BOOL", "DB1.DBW0"), "type BOOL does not fit address DB1.DBW0; BOOL has 1"),
        (entry("a", 7, "output", "LREAL", "DB1.DBW0"), "type LREAL does not fit address DB1.DBW0; LREAL has"),
        (entry("a", 7, "input", "BOOL", "%I0.0"), "%I0.0 is overwritten by the controller at each scan"),
        (entry("a", 7, "input", "WORD", "%QW0"), "%QW0 is overwritten by the controller at each scan"),
    ],
)
def test_one_wrong_tag_of_an_s7(wrong: TagEntry, what: str) -> None:
    _, said = check(wrong, protocols={"plc": "s7"})
    assert len(said) == 1, said
    assert said[0].startswith(f"7: a: {what}")


def test_a_tag_names_its_device_where_there_are_several() -> None:
    two: dict[str, Protocol] = {"plc": "modbus", "io": "s7"}
    tags, said = check(
        entry("a", 1, "output", "BOOL", "coil:0"),
        entry("b", 2, "output", "BOOL", "%Q0.0", device="io"),
        protocols=two,
    )
    assert said == ["1: a: names no device; declared are plc, io"]
    assert list(tags) == ["b"]


@pytest.mark.parametrize(
    ("protocol", "one", "other", "overlap"),
    [
        ("modbus", ("BOOL", "coil:1"), ("BOOL", "coil:1"), True),
        ("modbus", ("BOOL", "coil:1"), ("BOOL", "di:1"), False),
        ("modbus", ("DINT", "hr:1"), ("INT", "hr:2"), True),
        ("modbus", ("DINT", "hr:1"), ("INT", "hr:3"), False),
        ("modbus", ("WORD", "hr:1"), ("BOOL", "hr:1.15"), True),
        ("modbus", ("BOOL", "hr:1.0"), ("BOOL", "hr:1.1"), False),
        ("modbus", ("LREAL", "hr:0"), ("BOOL", "hr:3.15"), True),
        ("s7", ("WORD", "DB1.DBW0"), ("BOOL", "DB1.DBX1.7"), True),
        ("s7", ("WORD", "DB1.DBW0"), ("BOOL", "DB1.DBX2.0"), False),
        ("s7", ("WORD", "DB1.DBW0"), ("WORD", "DB2.DBW0"), False),
        ("s7", ("LREAL", "DB1.DBD0"), ("BOOL", "DB1.DBX7.0"), True),
        ("opcua", ("BOOL", "ns=2;s=a"), ("BOOL", "ns=2;s=a"), True),
        ("opcua", ("BOOL", "ns=2;s=a"), ("BOOL", "ns=2;s=b"), False),
    ],
)
def test_two_tags_at_one_place(
    protocol: Protocol, one: tuple[str, str], other: tuple[str, str], overlap: bool
) -> None:
    for first, second in ((one, other), (other, one)):
        _, said = check(
            entry("a", 4, "output", *first), entry("b", 9, "output", *second), protocols={"plc": protocol}
        )
        if not overlap:
            assert said == []
            continue
        assert said == [f"9: b at {second[1]} overlaps a at {first[1]} (line 4); give each its own address"]


def test_every_overlap_is_said_not_only_neighbours_in_order() -> None:
    _, said = check(
        entry("wide", 1, "output", "LREAL", "hr:0"),
        entry("bit", 2, "output", "BOOL", "hr:0.1"),
        entry("late", 3, "output", "INT", "hr:3"),
    )
    assert [each[:10] for each in said] == ["2: bit at ", "3: late at"]


@pytest.mark.parametrize(
    ("protocol", "addresses", "lines"),
    [
        ("s7", ["DB1.DBX0.0", "DB1.DBX0.1", "DB1.DBX1.0", "DB1.DBX1.1"], [2, 4]),
        ("modbus", ["hr:0.0", "hr:0.1", "hr:1.0", "hr:1.1"], [2, 4]),
        ("modbus", ["coil:0", "coil:1", "coil:2", "coil:3"], []),
    ],
)
def test_an_input_beside_an_output_in_one_byte_or_register(
    protocol: Protocol, addresses: list[str], lines: list[int]
) -> None:
    _, said = check(
        *(
            entry(f"t{line}", line, "output" if line % 2 else "input", "BOOL", address)
            for line, address in enumerate(addresses, 1)
        ),
        protocols={"plc": protocol},
    )
    assert [int(each.partition(":")[0]) for each in said] == lines
    assert all("writing one would overwrite the other" in each for each in said)


@given(st.integers(0, 40))
def test_a_bit_is_of_an_unsigned_word_and_within_it(bit: int) -> None:
    tags, _ = check(
        entry("word", 1, "output", "WORD", "hr:0"),
        entry("int", 2, "output", "INT", "hr:8"),
        entry("real", 3, "output", "REAL", "hr:16"),
    )
    said: list[str] = []
    found = [
        check_ref(TagRef(name, bit), tags, 5, "x:", lambda line, what, hint: said.append(what)) is not None
        for name in ("word", "int", "real")
    ]
    assert found == [bit < 16, False, False]
    assert len(said) == found.count(False)


def test_where_a_bool_is_wanted() -> None:
    tags, _ = check(entry("word", 1, "output", "WORD", "hr:0"), entry("bit", 2, "output", "BOOL", "coil:0"))
    said: list[str] = []

    def find(ref: TagRef) -> Tag | None:
        return check_ref(ref, tags, 5, "manual:", lambda line, what, hint: said.append(what), boolean=True)

    assert find(TagRef("bit")) is tags["bit"]
    assert find(TagRef("word", 3)) is tags["word"]
    assert find(TagRef("word")) is None
    assert said == ["manual: word is a WORD"]


def test_infinity_and_nan_are_no_safe_value() -> None:
    for text in ("nan", "inf"):
        _, said = check(entry("a", 7, "input", "REAL", "hr:0", safe=text))
        assert len(said) == 1
        assert f"safe: {text} does not fit REAL" in said[0]
    assert math.isfinite(check(entry("a", 7, "input", "REAL", "hr:0"))[0]["a"].safe)


@pytest.mark.parametrize(
    ("value", "inside"), [(2.4, True), (2.4000000953674316, True), (2.4001, False), (-1e-9, False)]
)
def test_the_ends_of_a_range_count_as_a_real_holds_them(value: float, inside: bool) -> None:
    tags, said = check(entry("torque", 1, "input", "REAL", "hr:0", range=Range(0, 2.4), unit="N.m"))
    assert not said
    assert tags["torque"].in_range(value) is inside


@pytest.mark.parametrize(
    ("kind", "taken", "not_taken"),
    [
        ("BOOL", (True, False), (1, 0.0, "true", (True,))),
        ("INT", (0, 2.5, -7), (True, "7", math.nan, math.inf, (1,))),
        ("REAL", (0, 1.5), (False, "", -math.inf, (1.5, 2.5))),
        ("STRING[4]", ("", "five5"), (0, True, ("a",))),
        ("ARRAY[0..1] OF INT", ((1, 2),), (1, (), (1,), (1, 2, 3), ("1", "2"), (1, math.nan), (True, 1))),
        ("ARRAY[0..1] OF BOOL", ((True, False),), ((1, 0), True)),
    ],
)
def test_what_is_of_a_tags_kind(kind: str, taken: tuple[Value, ...], not_taken: tuple[Value, ...]) -> None:
    tag = check(entry("a", 7, "output", kind, "hr:0"))[0]["a"]
    for value in taken:
        assert tag.takes(value), value
        assert tag.in_range(value), value
        tag.to_device(value)
    for value in not_taken:
        assert not tag.takes(value), value


@pytest.mark.parametrize(
    ("kind", "value"),
    [("BOOL", "boom"), ("INT", "7"), ("INT", (1,)), ("STRING[4]", 7), ("ARRAY[0..1] OF INT", (1, 2, 3)),
     ("ARRAY[0..1] OF INT", 1), ("ARRAY[0..1] OF INT", ("1", "2"))],
)  # fmt: skip
def test_what_no_device_can_hold_there_is_in_no_range(kind: str, value: Value) -> None:
    assert not check(entry("a", 7, "output", kind, "hr:0"))[0]["a"].in_range(value)

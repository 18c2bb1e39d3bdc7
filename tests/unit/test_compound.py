"""STRING and ARRAY, and the order of bytes: what is written is read back, in the bytes that devices use."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.field.compound import ArrayType, StringType, laid_out, read_type
from gateway.field.types import ORDERS, TYPES, DataType, Order, Value, arrange, read_order

FOUR: tuple[Order, ...] = ("ABCD", "CDAB", "BADC", "DCBA")
WIDE = [each for each in TYPES.values() if each.bits >= 16]


@pytest.mark.parametrize(
    ("order", "word", "double", "long"),
    [
        ("ABCD", "0102", "01020304", "0102030405060708"),
        ("CDAB", "0102", "03040102", "0708050603040102"),
        ("BADC", "0201", "02010403", "0201040306050807"),
        ("DCBA", "0201", "04030201", "0807060504030201"),
    ],
)
def test_the_four_orders(order: Order, word: str, double: str, long: str) -> None:
    for kind, value, data in (
        ("UINT", 0x0102, word), ("UDINT", 0x01020304, double), ("ULINT", 0x0102030405060708, long),
    ):  # fmt: skip
        ordered = laid_out(TYPES[kind], "modbus", order)
        assert ordered.pack(value).hex() == data
        assert ordered.unpack(bytes.fromhex(data)) == value


@given(st.sampled_from(FOUR), st.lists(st.binary(min_size=2, max_size=2), max_size=8).map(b"".join))
def test_an_order_is_its_own_inverse(order: Order, data: bytes) -> None:
    assert arrange(arrange(data, order), order) == data


@pytest.mark.parametrize(("text", "order"), ORDERS.items())
def test_orders_as_people_name_them(text: str, order: Order) -> None:
    assert read_order(text.lower()) == order
    assert read_order(f" {text.replace('-', ' ')} ") == order


def test_what_is_no_order() -> None:
    with pytest.raises(ValueError, match="'ACBD' is no order of bytes; write ABCD, CDAB, BADC or DCBA"):
        read_order("ACBD")


def numbers(kind: DataType) -> st.SearchStrategy[Value]:
    if kind.kind == "bool":
        return st.booleans()
    if kind.kind == "real":
        return st.floats(width=32, allow_nan=False, allow_infinity=False)
    return st.integers(int(kind.low), int(kind.high))


@given(st.data(), st.sampled_from(list(TYPES.values())), st.integers(1, 20), st.sampled_from(FOUR))
def test_an_array_lies_element_after_element(
    data: st.DataObject, element: DataType, count: int, order: Order
) -> None:
    protocol = data.draw(st.sampled_from(["modbus", "s7"])) if element in WIDE else "s7"
    kind = laid_out(
        read_type(f"{element.name}[{count}]"), protocol, order if protocol == "modbus" else "ABCD"
    )
    value = tuple(data.draw(st.lists(numbers(element), min_size=count, max_size=count)))
    raw = kind.pack(value)
    assert len(raw) * 8 == kind.bits or element.kind == "bool"
    assert kind.unpack(raw) == value
    if element.kind != "bool":
        single = laid_out(element, protocol, kind.order)
        size = element.bits // 8
        assert [single.unpack(raw[at : at + size]) for at in range(0, len(raw), size)] == list(value)


def test_bits_are_packed_from_the_lowest() -> None:
    kind = laid_out(read_type("ARRAY[0..9] OF BOOL"), "s7")
    assert kind.bits == 16
    assert kind.pack((True, *[False] * 7, False, True)) == b"\x01\x02"
    assert laid_out(read_type("BOOL[10]"), "modbus").bits == 10


LETTERS = st.text(st.characters(min_codepoint=1, max_codepoint=255), max_size=40)


@given(LETTERS, st.integers(1, 40), st.sampled_from(["modbus", "s7"]), st.sampled_from(FOUR))
def test_a_text_comes_back_as_far_as_it_fits(text: str, length: int, protocol: str, order: Order) -> None:
    kind = laid_out(read_type(f"STRING[{length}]"), protocol, order if protocol == "modbus" else "ABCD")  # type: ignore[arg-type]
    raw = kind.pack(kind.hold(text))
    assert len(raw) * 8 == kind.bits
    assert kind.unpack(raw) == text[:length]


def test_a_text_on_s7_says_how_long_it_is() -> None:
    assert laid_out(read_type("STRING[5]"), "s7").pack("ab").hex() == "05026162000000"


def test_a_text_on_modbus_fills_registers_high_byte_first() -> None:
    assert laid_out(read_type("STRING[5]"), "modbus").pack("abc").hex() == "616263000000"
    assert laid_out(read_type("STRING[5]"), "modbus", "BADC").pack("abc").hex() == "626100630000"


@given(st.binary(min_size=22, max_size=22), st.sampled_from(["modbus", "s7"]))
def test_whatever_a_device_holds_is_a_text(data: bytes, protocol: str) -> None:
    kind = laid_out(read_type("STRING[20]"), protocol)  # type: ignore[arg-type]
    found = kind.unpack(data[: kind.bits // 8])
    assert isinstance(found, str)
    assert len(found) <= 20


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("int", "INT"),
        ("STRING", "STRING[254]"),
        ("String[20]", "STRING[20]"),
        ("STRING(20)", "STRING[20]"),
        ("ARRAY[1..10] OF REAL", "ARRAY[1..10] OF REAL"),
        ("array [0 .. 9] of Int", "ARRAY[0..9] OF INT"),
        ("INT[10]", "ARRAY[0..9] OF INT"),
        ("ARRAY[0..2] OF STRING[8]", "ARRAY[0..2] OF STRING[8]"),
    ],
)
def test_types_as_people_write_them(text: str, name: str) -> None:
    assert read_type(text).name == name
    assert read_type(name) == read_type(text)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("CHAR", "'CHAR' is no type; write BOOL"),
        ("STRING[0]", "a text has 1 to 254 characters"),
        ("STRING[255]", "a text has 1 to 254 characters"),
        ("INT[0]", "an array has 1 to 10000"),
        ("ARRAY[5..1] OF INT", "an array has 1 to 10000"),
        ("ARRAY[0..1] OF INT[3]", "an array has 1 to 10000"),
        ("ARRAY[0..1] OF THING", "'THING' is no type"),
    ],
)
def test_what_is_no_type(text: str, what: str) -> None:
    with pytest.raises(ValueError) as caught:
        read_type(text)
    assert what in str(caught.value)
    assert "; " in str(caught.value)


def test_values_of_rows_as_people_write_them() -> None:
    numbers_, text = read_type("INT[3]"), read_type("STRING[3]")
    assert numbers_.parse("1, 2; 16#FF") == (1, 2, 255)
    assert numbers_.parse("7") == (7, 7, 7)
    assert text.parse("äb") == "äb"
    for kind, wrong, what in (
        (numbers_, "1, 2", "2 values for"), (numbers_, "1, x, 2", "not a INT"),
        (text, "abcd", "longer than"), (text, "日", "letters that no device keeps"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=what):
            kind.parse(wrong)


def test_a_word_is_swapped_as_struct_would() -> None:
    assert laid_out(TYPES["REAL"], "modbus", "DCBA").pack(1.5) == struct.pack("<f", 1.5)
    assert isinstance(read_type("STRING[3]"), StringType)
    assert isinstance(read_type("REAL[3]"), ArrayType)

"""Numbers, ranges, units, addresses and names as people write them, in our words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.field.addresses import parse_address
from gateway.field.tags import Range
from rig.tags import values
from rig.tags.addresses import Unreachable, s7_address, to_ours
from rig.tags.naming import candidates, is_id, slug, unique
from rig.tags.words import headings


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("2.5", 2.5), ("2,5", 2.5), ("1.234,5", 1234.5), ("1,234.5", 1234.5), ("27'648", 27648),
        ("1 000", 1000), ("−5", -5), ("1.000.000", 1e6), ("0,000", 0), ("1e3", 1000),
    ],
)  # fmt: skip
def test_numbers_have_commas_and_points(text: str, number: float) -> None:
    assert values.number(text) == number


@pytest.mark.parametrize("text", ["1.000", "27,000", "abc", "", "1e999", "1,2,x", "9" * 400])
def test_what_is_no_number_or_could_be_two_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="; write "):
        values.number(text)


@pytest.mark.parametrize(
    ("text", "low", "high", "unit"),
    [
        ("0-10", 0, 10, ""), ("0..100", 0, 100, ""), ("4…20 mA", 4, 20, "mA"), ("-5..5", -5, 5, ""),
        ("-10 - -5", -10, -5, ""), ("0,5 bis 2,5 bar", 0.5, 2.5, "bar"), ("0 mm - 400 mm", 0, 400, "mm"),
        ("-50…+150 °C", -50, 150, "°C"), ("0/10", 0, 10, ""), ("[0 ... 27648]", 0, 27648, ""),
        ("von 0 bis 6 bar", 0, 6, "bar"), ("0–10V", 0, 10, "V"), ("0.0..10.0", 0, 10, ""),
    ],
)  # fmt: skip
def test_ranges_in_every_spelling(text: str, low: float, high: float, unit: str) -> None:
    assert values.span(text) == (Range(low, high), unit)


@pytest.mark.parametrize("text", ["10-0", "5", "0..", "a..b", "", "0..1..2", "1" * 100 + ".." + "2" * 100])
def test_what_is_no_range_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="; write "):
        values.span(text)


@pytest.mark.parametrize(
    ("text", "unit"),
    [("°C", "Cel"), ("Nm", "N.m"), ("U/min", "/min"), ("m/s²", "m/s2"), ("", "1"), ("-", "1"),
     ("l/min", "L/min"), ("BAR", "bar"), ("mm", "mm"), ("Stück", "1"), ("µs", "us")],
)  # fmt: skip
def test_units_in_our_spelling(text: str, unit: str) -> None:
    assert values.unit(text) == unit


def test_letters_that_mean_two_units_are_not_mixed_up() -> None:
    with pytest.raises(ValueError, match="'MM'"):
        values.unit("MM")
    assert (values.unit("mA"), values.unit("N"), values.unit("m")) == ("mA", "N", "m")


@pytest.mark.parametrize(
    ("text", "kind", "ours"),
    [
        ("E 0.0", "BOOL", "%I0.0"), ("%I0.0", "BOOL", "%I0.0"), ("A 4.1", "BOOL", "%Q4.1"),
        ("EW 64", "INT", "%IW64"), ("PEW 64", "INT", "%IW64"), ("%IW64:P", "INT", "%IW64"),
        ("AD 8", "REAL", "%QD8"), ("M10.2", "BOOL", "M10.2"), ("%MD8", "REAL", "MD8"),
        ("%M100.0", "LREAL", "MD100"), ("DB1.DBX0.0", "BOOL", "DB1.DBX0.0"),
        ("db10.dbw 2", "INT", "DB10.DBW2"),
        ("DB1,R4", "", "DB1.DBD4"), ("DB1,X0.3", "", "DB1.DBX0.3"), ("DB1:10:REAL", "", "DB1.DBD10"),
        ("DB1.DBX0.0:BOOL", "", "DB1.DBX0.0"), ("%IX0.0", "BOOL", "%I0.0"),
    ],
)  # fmt: skip
def test_s7_addresses_of_tia_step_7_and_snap7(text: str, kind: str, ours: str) -> None:
    found, _ = s7_address(text, kind)
    assert found == ours
    parse_address("s7", found)


def test_an_address_that_carries_its_type_gives_it() -> None:
    assert s7_address("DB1,R4", "") == ("DB1.DBD4", "REAL")


@pytest.mark.parametrize("text", ["T5", "Z 3", "%C1", "DB2,S0.20", "DB1:0:INT[5]"])
def test_what_no_tag_can_stand_for(text: str) -> None:
    with pytest.raises(Unreachable):
        s7_address(text, "")


@pytest.mark.parametrize("text", ["%I0.9", "I4", "xyz", "", "DB0.DBX0.0", "DB1.DBX0.8", ",", ":"])
def test_wrong_s7_addresses_say_what_is_right(text: str) -> None:
    with pytest.raises(ValueError, match="; "):
        s7_address(text, "")


@pytest.mark.parametrize(
    ("text", "table", "base", "index"),
    [
        ("40001", "", None, ("hr", 0)), ("400013", "", None, ("hr", 12)), ("4x0001", "", None, ("hr", 0)),
        ("00001", "", None, ("coil", 0)), ("30001", "Input Register", None, ("ir", 0)),
        ("40005", "holding", 0, ("hr", 4)), ("12", "Holding Register", 0, ("hr", 12)),
        ("12", "3", 1, ("hr", 11)), ("HR 100", "", 0, ("hr", 100)),
        ("Coil 7", "", 1, ("coil", 6)), ("hr:3", "", None, ("hr", 3)),
    ],
)  # fmt: skip
def test_modbus_addresses_in_each_counting(
    text: str, table: str, base: int | None, index: tuple[str, int]
) -> None:
    ours, _ = to_ours("modbus", text, "", table, base)
    found = parse_address("modbus", ours)
    assert (found.table, found.index) == index  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("text", "table", "says"),
    [("12", "", "no Modbus table"), ("12", "Holding Register", "--modbus-base"), ("%MW4", "", "not a Modbus"),
     ("12", "Relais", "not a Modbus table"), ("hr:70000", "", "past the last")],
)  # fmt: skip
def test_modbus_numbers_that_could_be_two_are_not_guessed(text: str, table: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        to_ours("modbus", text, "", table)


@pytest.mark.parametrize(
    ("name", "id"),
    [
        ("Tür_Zu", "tuer-zu"), ("PartAtStop", "part-at-stop"),
        ("Öffner links/rechts", "oeffner-links-rechts"),
        ("=A1+S1-B3", "a1-s1-b3"), ("1M1", "t1-m1"), ("日本", "tag"), ("a--b", "a--b"), ("Größe", "groesse"),
        ("Ventil_ÄUF", "ventil-aeuf"), ("u\u0308ber", "ueber"),
    ],
)  # fmt: skip
def test_names_become_ids(name: str, id: str) -> None:
    assert candidates([(name,)]) == [id]


def test_parents_that_all_share_are_left_out_and_long_names_lose_their_beginning() -> None:
    assert candidates([("App", "GVL", "bStart"), ("App", "PRG", "bStart")]) == ["gvl-b-start", "prg-b-start"]
    long = ("App", "ConveyorSectionNorth", "PhotoEyeAtTheStopper", "Occupied")
    assert candidates([long, ("App", "x")])[0] == "eye-at-the-stopper-occupied"


@given(st.lists(st.lists(st.text(max_size=50), min_size=1, max_size=4).map(tuple), max_size=30))
def test_ids_are_ids_and_unique_and_the_same_each_time(paths: list[tuple[str, ...]]) -> None:
    wanted = candidates(paths)
    ids = unique(wanted, {"tag", "a"})
    assert all(is_id(each) for each in ids)
    assert len({*ids, "tag", "a"}) == len(ids) + 2
    assert unique(candidates(paths), {"tag", "a"}) == ids


@given(st.text(max_size=60))
def test_a_slug_is_an_id_or_nothing_but_for_its_length_and_first_letter(text: str) -> None:
    assert all(char.isascii() and (char.islower() or char.isdigit() or char == "-") for char in slug(text))


def test_headings_go_to_the_field_they_are_surest_of() -> None:
    fields, units = headings({1: "Bezeichnung", 2: "Symbol", 3: "Adresse", 4: "Messbereich [bar]"})
    assert fields == {"name": 2, "comment": 1, "address": 3, "range": 4}
    assert units == {4: "bar"}
    assert headings({1: "Bezeichnung", 2: "Adresse"})[0] == {"name": 1, "address": 2}
    assert headings({1: "x", 2: "Hmi Visible"})[0] == {}
    assert headings({1: "Nr.", 2: "Signal neu", 3: "Adresse SPS"})[0] == {"name": 2, "address": 3}
    assert headings({1: "Typeobject ID", 2: "Name"})[0] == {"name": 2}

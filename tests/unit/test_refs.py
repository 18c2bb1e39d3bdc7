"""References to elements of arrays: read, resolved, checked, and used by a whole checkout in virtual mode."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.controller.compile import compile_program
from gateway.errors import BadInput
from gateway.field.refs import TagRef, read_ref
from gateway.net.messages import Await, Force
from gateway.station import load_station
from rig.line import load_line
from rig.procedures.checkout import test_input as check_input
from rig.procedures.checkout import test_output as check_output
from rig.session import Session
from rig.step import StepContext
from rig.verdicts import Failed
from rig.virtual import VirtualBackend

PROGRAM = """
PROGRAM Cell
VAR
    Go AT %MX0.0 : BOOL;  Want0 AT %MW4 : INT;  Want1 AT %MW5 : INT;  Words0 AT %MW8 : WORD;
    Torque0 AT %QW4 : INT;  Torque1 AT %QW5 : INT;  Torque2 AT %QW6 : INT;
    Seen0 AT %QW10 : INT;  Seen1 AT %QW11 : INT;  SeenWord AT %QW12 : WORD;  Lamp AT %QX40.0 : BOOL;
    Jogs AT %MW9 : WORD;
END_VAR
Seen0 := Want0; Seen1 := Want1; SeenWord := Words0;
Torque1 := WORD_TO_INT(Jogs);
Lamp := Words0.3;
{extra}
END_PROGRAM
"""
STATION = """
twinline: station 1
id: cell
devices:
  plc: {address: "s7://127.0.0.1:15030/0/1", program: cell.st}
manual: go
tags:
  go:      {direction: input, type: BOOL, address: DB1.DBX0.0, safe: false}
  wanted:  {direction: input, type: "INT[2]", address: DB1.DBW8, range: 0..100, safe: 0, observer: shown}
  single:  {direction: input, type: INT, address: DB1.DBW18, range: 0..100, safe: 0, observer: "torques[1]"}
  words:   {direction: input, type: "WORD[1]", address: DB1.DBW16, safe: 0, observer: echoed}
  shown:   {direction: output, type: "INT[2]", address: DB2.DBW20, range: 0..100}
  torques: {direction: output, type: "ARRAY[0..2] OF INT", address: DB2.DBW8, range: 0..100}
  lamp:    {direction: output, type: BOOL, address: DB2.DBX40.0, jog: "words[0].3"}
  echoed:  {direction: output, type: "WORD[1]", address: DB2.DBW24}
sequences:
  one:
    title: one element follows
    set: {"wanted[1]": 7}
    steps: [{tag: "shown[1]", becomes: 7, within: 100 ms}]
twin: {}
"""
LINE = """
twinline: line 1
id: cell
product: {type: part, length: 10 mm}
stations: [{station: cell.yaml, mode: virtual}]
"""


def session(folder: Path, extra: str = "") -> Session:
    program = PROGRAM.replace("{extra}", extra)
    for name, text in (("cell.st", program), ("cell.yaml", STATION), ("line.yaml", LINE)):
        (folder / name).write_text(text)
    line, programs = load_line(folder / "line.yaml"), {"cell": compile_program(program)}
    backend = VirtualBackend(line, programs)
    backend.hold("cell")
    return Session(line, backend, programs)


def checked(made: Session, name: str) -> str:
    """What a checkout of the input or output finds wrong."""
    station = made.stations["cell"]
    tag, step = station.spec.tags[name], StepContext(made, "step", "test", "step", "")
    try:
        (check_input if tag.direction == "input" else check_output)((station, tag), step)
        step.close()
    except Failed as failed:
        return str(failed)
    return ""


@pytest.mark.parametrize("text", ["seen", "seen.3", "torques[2]", "words[0].3", "words[10000].63"])
def test_a_reference_is_written_as_it_is_read(text: str) -> None:
    assert str(read_ref(text)) == text


@pytest.mark.parametrize("text", ["", "a.", "a[]", "a[-1]", "a[1", "a[1]2", "a.64", "a[1].64", "a.1[2]"])
def test_what_is_no_reference_says_what_one_is(text: str) -> None:
    with pytest.raises(ValueError, match=r"; write seen.3 or row\[2\]"):
        read_ref(text)


@given(st.lists(st.integers(0, 0xFFFF), min_size=1, max_size=8).map(tuple), st.data())
def test_what_goes_into_an_element_comes_out_of_it_and_nothing_else_changes(
    row: tuple[int, ...], draw: st.DataObject
) -> None:
    at, bit = draw.draw(st.integers(0, len(row) - 1)), draw.draw(st.integers(-1, 15))
    ref = TagRef("words", bit, at)
    part = draw.draw(st.booleans() if bit >= 0 else st.integers(0, 0xFFFF))
    new = ref.into(row, part)
    assert isinstance(new, tuple)
    assert ref.of(new) == part
    others = [n for n in range(len(row)) if n != at]
    assert [new[n] for n in others] == [row[n] for n in others]
    if bit >= 0:
        assert int(new[at]) & ~(1 << bit) == row[at] & ~(1 << bit)


def test_elements_are_forced_awaited_observed_and_jogged_by_themselves(tmp_path: Path) -> None:
    made = session(tmp_path)
    assert [checked(made, name) for name in ("wanted", "single", "lamp")] == ["", "", ""]
    reading = made.stations["cell"].run(
        Force(TagRef("wanted", -1, 1), 9), Await(TagRef("shown", -1, 1), 9, 0.0, 100_000_000)
    )
    assert reading.value(TagRef("shown")) == (0, 9)


def test_another_element_that_moves_is_named(tmp_path: Path) -> None:
    made = session(tmp_path, "Torque2 := WORD_TO_INT(Jogs);")
    assert "torques[2] moved too, and nothing should have moved it" in checked(made, "single")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            '"torques[1]"',
            '"torques[3]"',
            "torques[3]: ARRAY[0..2] OF INT has no element 3; use torques[0]",
        ),
        ('"torques[1]"', '"torques"', "observer torques is a ARRAY[0..2] OF INT, the tag a INT; match them"),
        ('"torques[1]"', '"lamp[1]"', "observer lamp[1]: BOOL has no elements; write lamp"),
        (
            '"ARRAY[0..2] OF INT"',
            '"ARRAY[1..3] OF INT"',
            "counts from 1, and elements are named from 0",
        ),
        ('"words[0].3"', '"words[0].16"', "jog words[0].16: WORD has no bit 16; name a bit of a WORD"),
        ('"wanted[1]": 7', '"wanted[1]": 700', "set wanted[1]: 700 is outside its range; give 0..100"),
        ('"wanted[1]": 7', '"wanted[1]": often', "set: wanted[1]: 'often' is not a INT"),
    ],
)
def test_an_element_that_is_not_there_is_said(tmp_path: Path, old: str, new: str, said: str) -> None:
    path = tmp_path / "cell.yaml"
    assert old in STATION
    path.write_text(STATION.replace(old, new))
    (tmp_path / "cell.st").write_text(PROGRAM)
    with pytest.raises(BadInput) as raised:
        load_station(path)
    assert any(said in str(problem) for problem in raised.value.problems), raised.value.problems


def test_a_force_on_an_element_is_held_to_its_type_and_range(tmp_path: Path) -> None:
    made = session(tmp_path)
    for value, said in (
        (101, "outside the range of wanted[1], 0..100"),
        ((1, 2), "is none"),
        (True, "is none"),
    ):
        with pytest.raises(Exception, match="wanted") as refused:
            made.stations["cell"].run(Force(TagRef("wanted", -1, 1), value))
        assert said in str(refused.value)

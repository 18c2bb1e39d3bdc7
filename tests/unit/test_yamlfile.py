"""The YAML loader: marks, conversion field by field, all problems at once, and files that mean no good."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import BadInput, Problem
from gateway.scalar import Text
from gateway.units import duration
from gateway.yamlfile import MAX_BYTES, MAX_VALUES, Id, load, parse, read_text


class Part(msgspec.Struct, frozen=True, rename="kebab"):
    size: int
    weight: float = 1.0
    wait_time: Annotated[int, duration] = 0
    colour: Literal["red", "green"] = "red"
    on: bool = False
    note: str | None = None
    extra: dict[str, Text] = {}
    line: int = 0
    name: str = ""


class Shelf(msgspec.Struct, frozen=True, rename="kebab"):
    title: str
    parts: dict[Id, Part] = {}
    loose: list[Part] = []
    marks: tuple[str, ...] = ()


def read(text: str) -> tuple[Shelf | None, list[Problem]]:
    problems: list[Problem] = []
    return parse(text, "shelf.yaml", Shelf, problems), problems


def good(text: str) -> Shelf:
    shelf, problems = read(text)
    assert shelf is not None, problems
    assert problems == []
    return shelf


def said(text: str) -> list[str]:
    return [str(problem) for problem in sorted(read(text)[1])]


def test_what_was_written_is_what_is_meant() -> None:
    shelf = good(
        "title: 00010\n"
        "marks: [1:30, on, no, ~x, 0x1F, 1e3, 2024-01-02, !!int 7]\n"
        "parts:\n"
        "  yes: {size: 7, note: on, extra: {code: 00010, time: 1:30}}\n"
    )
    assert shelf.title == "00010"
    assert shelf.marks == ("1:30", "on", "no", "~x", "0x1F", "1e3", "2024-01-02", "7")
    part = shelf.parts["yes"]
    assert (part.note, part.extra["code"].text, part.extra["time"].text) == ("on", "00010", "1:30")


def test_values_take_the_type_of_their_field() -> None:
    part = good(
        "title: x\nparts:\n  bolt:\n    size: -3\n    weight: 2.5\n    wait-time: 1.5 s\n"
        "    colour: green\n    on: TRUE\n    note: ~\n"
    ).parts["bolt"]
    assert part == Part(-3, 2.5, 1_500_000_000, "green", True, None, {}, 3, "bolt")


def test_place_fills_line_and_name() -> None:
    shelf = good("title: x\nloose:\n- size: 1\n-\n  size: 2\nparts:\n\n  nut:\n    size: 3\n")
    assert [part.line for part in shelf.loose] == [3, 5]
    assert (shelf.parts["nut"].line, shelf.parts["nut"].name) == (8, "nut")


def test_the_lines_of_late_values() -> None:
    shelf = good("title: x\nparts:\n  nut:\n    size: 3\n    extra:\n      a: 1\n      b: 2\n")
    assert shelf.parts["nut"].extra == {"a": Text("1", 6, 10), "b": Text("2", 7, 10)}


def test_line_and_name_are_no_keys() -> None:
    problems = said("title: x\nparts:\n  nut: {size: 3, line: 9}\n")
    assert len(problems) == 1
    assert problems[0].startswith("shelf.yaml:3:18: nut: key 'line' is not known; ")


def test_every_problem_at_once_each_at_its_place() -> None:
    assert said(
        "titel: x\n"
        "parts:\n"
        "  Nut: {size: 3}\n"
        "  bolt: {size: many, weight: .inf, colour: rde}\n"
        "  screw: {wait-time: 10, on: yes}\n"
        "  bolt: {size: 1}\n"
        "loose: {size: 1}\n"
    ) == [
        "shelf.yaml:1:1: the file: key 'titel' is not known; did you mean 'title'?",
        "shelf.yaml:1:1: the file: key 'title' is missing",
        "shelf.yaml:3:3: parts: 'Nut' is not an id; "
        "use a small letter, then small letters, digits or -, at most 32",
        "shelf.yaml:4:16: bolt.size: 'many' is not a whole number; write for example 10",
        "shelf.yaml:4:30: bolt.weight: '.inf' is not a number; write for example 2.5",
        "shelf.yaml:4:44: bolt.colour: 'rde' is not known; did you mean 'red'?",
        "shelf.yaml:5:3: screw: key 'size' is missing",
        "shelf.yaml:5:22: screw.wait-time: '10' has no unit; write for example '10 ms'",
        "shelf.yaml:5:30: screw.on: 'yes' is not a truth value; write true or false",
        "shelf.yaml:6:3: 'bolt' stands twice here; the first is in line 4",
        "shelf.yaml:7:8: loose: a list is wanted here, not a mapping",
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("title: [x]", "1:8: title: one value is wanted here, not a list"),
        ("title: {a: b}", "1:8: title: one value is wanted here, not a mapping"),
        ("title: x\nparts: [a]", "2:8: parts: keys with values are wanted here, not a list"),
        ("title: x\nparts: {a: 1}", "2:12: a: keys with values are wanted here, not a value"),
        ("title: x\nloose: [1]", "2:9: loose[0]: keys with values are wanted here, not a value"),
        ("title: x\n[1]: y", "2:1: the file: a key must be plain text"),
        ("title: x\nmarks: 3", "2:8: marks: a list is wanted here, not a value"),
        ("title: x\nloose: [{size: 1, weight: nan}]", "loose[0].weight: 'nan' is not a finite number"),
        ("- title", "1:1: the file: keys with values are wanted here, not a list"),
        ("", "1: is empty"),
        ("# nothing\n", "1: is empty"),
        ("title: x\n\tparts: {}", "2:1: is not YAML:"),
        ("title: 'x", "is not YAML:"),
        ("title: x\n---\ntitle: y", "is not YAML:"),
        ("title: *nobody", "1:8: is not YAML: found undefined alias"),
        ("title: x\nparts: {", "is not YAML:"),
        ("title: x\nnote: a\0b", "2: is not YAML: character 0x0 has no place here"),
        ("a: &a 1\n<<: *a\ntitle: x", "key '<<' is not known"),
        ("a: [" * 3000 + "]" * 3000, "is nested too deeply"),
    ],
)
def test_wrong_shapes_and_no_yaml(text: str, problem: str) -> None:
    problems = said(text)
    assert any(problem in each for each in problems), problems


def test_tags_of_yaml_make_nothing() -> None:
    assert good("title: !!python/object/apply:os.getcwd x\n").title == "x"


def test_an_alias_stands_for_what_it_names() -> None:
    shelf = good("title: x\nparts:\n  a: &a {size: 4}\n  b: *a\n")
    assert shelf.parts["a"].size == shelf.parts["b"].size == 4
    assert shelf.parts["b"].name == "b"


@pytest.mark.parametrize("text", ["title: x\nparts: &p {a: *p}", "title: &t [*t]", "&f {loose: *f}"])
def test_an_alias_of_what_it_stands_in_ends(text: str) -> None:
    shelf, problems = read(text)
    assert shelf is None or problems


def test_aliases_that_multiply_are_stopped() -> None:
    lines = [
        "title: x",
        "loose:",
        "- &part {size: 1, extra: &e {" + ", ".join(f"k{n}: 1" for n in range(999)),
    ]
    lines[-1] += "}}"
    lines += ["- *part"] * (MAX_VALUES // 1000)
    assert said("\n".join(lines)) == [f"shelf.yaml: has more than {MAX_VALUES} values; use fewer aliases"]


def test_load_raises_all_of_it(tmp_path: Path) -> None:
    path = tmp_path / "shelf.yaml"
    path.write_text("title: x\n")
    assert load(path, Shelf)[0].title == "x"
    path.write_text("a: 1\nb: 2\n")
    with pytest.raises(BadInput) as caught:
        load(path, Shelf)
    assert [problem.what.split(": ")[1] for problem in caught.value.problems] == [
        "key 'a' is not known",
        "key 'title' is missing",
        "key 'b' is not known",
    ]


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    def problem(path: Path) -> str:
        with pytest.raises(BadInput) as caught:
            read_text(path)
        (found,) = caught.value.problems
        return str(found)

    (tmp_path / "shelf.yaml").write_text("title: x")
    assert "did you mean" in problem(tmp_path / "shelv.yaml")
    assert "shelf.yaml" in problem(tmp_path / "shelv.yaml")
    assert "is not there either" in problem(tmp_path / "nowhere" / "shelf.yaml")
    assert "cannot be read" in problem(tmp_path)
    (tmp_path / "latin").write_bytes(b"title: x\nnote: gr\xfc\xdfe\n")
    assert problem(tmp_path / "latin") == f"{tmp_path}/latin:2: is not UTF-8; save the file as UTF-8"
    with (tmp_path / "huge").open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    assert f"is larger than {MAX_BYTES} bytes" in problem(tmp_path / "huge")


def test_a_byte_order_mark_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / "shelf.yaml"
    path.write_bytes("title: grün\n".encode("utf-8-sig"))
    assert load(path, Shelf)[0].title == "grün"


@given(st.text(alphabet="title:parsloeszc{}[]&*!,-#'\" \n\t01x", max_size=60))
def test_no_text_makes_it_raise(text: str) -> None:
    shelf, problems = read(text)
    assert shelf is not None or problems

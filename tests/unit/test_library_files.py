"""Library files: what they extend, what shadows what, and what is said of a wrong one."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.errors import BadInput, Problem
from gateway.library.library import Group, Library
from gateway.library.nodes import merge
from gateway.yamlfile import compose, dump

PATTERN = """\
FUNCTION_BLOCK Grip
VAR_INPUT
    Auto, Manual, Work, Lock : BOOL;
    JogClose : BOOL;
    Closed, Opened : BOOL;
    MoveTime : TIME := T#600ms;
END_VAR
VAR_OUTPUT
    Close, Done, Home, Fault : BOOL;
END_VAR
Close := Auto AND Work OR Manual AND JogClose;
END_FUNCTION_BLOCK
"""
GROUP = """\
twinline: library 1
groups:
  grip:
    title: Grip
    family: gripping
    function: [clamp]
    params:
      travel: {unit: ms, default: 100}
    links: {air: air-supply}
    parts:
      rod: {kind: cylinder, params: {extend: $travel, retract: $travel}, links: {air: $air}}
    ports: {close: rod.extend, closed: rod.extended, opened: rod.retracted}
    pattern: Grip
    program: {MoveTime: $travel * 2 + 300 ms}
    duty: {work: $travel * 3}
    shows:
      work: {close: true, closed: true}
    monitors:
      - {fault: rod.stuck, while: work, within: $travel * 3}
"""


TWO = "FUNCTION_BLOCK Two\nEND_FUNCTION_BLOCK\n"


def library(*texts: str, pattern: str = PATTERN) -> Library:
    """Of files a.yaml, b.yaml, ... in this order."""
    made = Library(lambda name: (pattern, f"{name}.st") if name == "Grip" else None)
    problems: list[Problem] = []
    for letter, text in zip("abc", texts, strict=False):
        node = compose(text, f"{letter}.yaml", problems)
        if node is not None:
            made.add(node, f"{letter}.yaml", problems)
    if problems:
        raise BadInput(problems)
    return made


def group(name: str, *texts: str, pattern: str = PATTERN) -> Group:
    found = library(*texts, pattern=pattern).group(name, problems := [])
    assert not problems, "\n".join(map(str, problems))
    assert found is not None
    return found


def wrong(name: str, *texts: str, pattern: str = PATTERN) -> list[str]:
    try:
        assert library(*texts, pattern=pattern).group(name, problems := []) is None
    except BadInput as bad:
        problems = list(bad.problems)
    return [str(each) for each in problems]


def test_a_group_has_its_parts_ports_and_pattern() -> None:
    found = group("grip", GROUP)
    assert [port.name for port in found.actuators] == ["close"]
    assert [port.name for port in found.sensors] == ["closed", "opened"]
    assert found.main == "rod"
    assert found.pattern is not None
    assert found.pattern.inputs["MoveTime"] == "TIME"
    assert found.component("left", "rod") == "left"


def test_extending_goes_key_by_key_and_null_removes() -> None:
    other = """\
twinline: library 1
groups:
  base: {extends: grip, abstract: true, params: {travel: {default: 250}}}
  quick:
    extends: base
    title: Quick
    function: [clamp, hold]
    program: null
    monitors: null
    params: {force: {unit: N, default: 90}}
"""
    made = library(GROUP, other)
    assert made.names == ["grip", "quick"]  # base is abstract, and what extends it is not
    found = group("quick", GROUP, other)
    assert found.entry.title == "Quick"
    assert list(found.entry.function) == ["clamp", "hold"]
    assert {n: p.default.text for n, p in found.entry.params.items() if p.default} == {
        "travel": "250", "force": "90"
    }  # fmt: skip
    assert found.entry.program == {}
    assert found.entry.monitors == []
    assert found.entry.pattern == "Grip"
    assert (found.file, found.entry.line) == ("b.yaml", 4)


def test_a_later_file_shadows_by_name() -> None:
    shadow = GROUP.replace("title: Grip", "title: Ours")
    assert group("grip", GROUP, shadow).entry.title == "Ours"
    assert group("grip", shadow, GROUP).entry.title == "Grip"


def test_the_text_is_the_same_for_the_same_content() -> None:
    laid_out = GROUP.replace(
        "{unit: ms, default: 100}", "\n        unit: ms\n        default: 100  # of course"
    )
    assert group("grip", GROUP).text == group("grip", laid_out).text
    assert group("grip", GROUP).text != group("grip", GROUP.replace("100", "101")).text


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("library 1", "library 2", "a.yaml:1:11: this is no library; write twinline: library 1"),
        ("groups:", "group:", "a.yaml:1:1: there are no groups"),
        ("  grip:", "  Grip:", "a.yaml:3:3: 'Grip' is not an id"),
        ("    family: gripping\n", "", "a.yaml:3:3: grip: key 'family' is missing"),
        (
            "family: gripping",
            "family: gripper",
            "a.yaml:5:13: grip.family: 'gripper' is not known",
        ),
        (
            "[clamp]",
            "[clamps]",
            "a.yaml:6:16: grip.function[0]: 'clamps' is not known; did",
        ),
        (
            "    title:",
            "    tilte: x\n    title:",
            "a.yaml:4:5: grip: key 'tilte' is not known",
        ),
        ("unit: ms, default", "unit: s2, default", "a.yaml:8: grip: param travel: unit 's2' is not known"),
        ("default: 100", "default: 3 V", "a.yaml:8: grip: param travel: '3 V' is a voltage"),
        ("air: air-supply}", "air: air}", "link air: 'air' is no kind of component"),
        ("kind: cylinder", "kind: cylindre", "a.yaml:11: grip: part rod: kind 'cylindre' is not known"),
        ("retract: $travel", "retrac: $travel", "part rod: a cylinder has no parameter 'retrac'"),
        ("retract: $travel", "retract: $trvel", "part rod: retract: $trvel is no parameter of the group"),
        ("links: {air: $air}", "links: {air: $ari}", "part rod: link air: $ari is no link of the group"),
        ("links: {air: $air}", "links: {air: ari}", "part rod: link air: 'ari' is no part of the group"),
        ("links: {air: $air}", "links: {era: $air}", "part rod: link era: a cylinder has no such link"),
        ("closed: rod.extended", "closed: rod.extend", "rod.extend is called close already"),
        ("closed: rod.extended", "closed: rd.extended", "port closed: 'rd.extended' is no port of a part"),
        ("opened: rod.retracted", "x: rod.retracted, y: rod.retracted", "port y: rod.retracted is called x"),
        ("close: rod.extend", "home: rod.extend", "port home: Home means something else in a pattern"),
        ("closed: rod.extended", "work: rod.extended", "port work: Work means something else in a pattern"),
        ("closed: rod.extended", "for: rod.extended", "port for: For means something else in a pattern"),
        (
            "pattern: Grip",
            "pattern: Grab",
            "Grab is not there; write config/programs/patterns/Grab.st",
        ),
        ("    pattern: Grip\n", "", "has actuators and no pattern"),
        ("{MoveTime:", "{MovTime:", "program: MovTime is no input of Grip to be given"),
        ("{MoveTime: $travel * 2 + 300 ms", "{MoveTime: 3 V", "program: MoveTime: '3 V' is a voltage"),
        ("{MoveTime: $travel * 2 + 300 ms", "{Work: true", "program: Work is no input of Grip to be given"),
        ("{work: $travel * 3}", "{work: soon}", "duty: work: 'soon' is not a number with a unit"),
        ("{work: $travel", "{rest: $travel", "grip.duty: key 'rest' is not known"),
        ("{close: true, closed", "{cloze: true, closed", "shows: work: cloze is no port of the group"),
        ("{close: true, closed", "{close: 3, closed", "shows: work: close is a BOOL, '3' is none"),
        ("{close: true, closed: true}", "{closed: true}", "shows: work: closed comes first and is a sensor"),
        ("rod.stuck", "rot.stuck", "monitor rot.stuck: 'rot' is no part of the group"),
        ("rod.stuck", "rod.stack", "monitor rod.stack: rod has no fault 'stack'"),
        ("rod.stuck", "rod.extend.broken-wire", None),
        ("rod.stuck", "rod.out.broken-wire", "monitor rod.out.broken-wire: rod.out is no port of the group"),
        ("while: work", "while: working", "'working' is not known"),
        ("within: $travel * 3", "within: 3", "monitor rod.stuck: within: '3' has no unit"),
    ],
)
def test_what_is_said_of_a_wrong_group(old: str, new: str, said: str | None) -> None:
    assert old in GROUP
    if said is None:
        group("grip", GROUP.replace(old, new, 1))
        return
    found = wrong("grip", GROUP.replace(old, new, 1))
    assert any(said in each for each in found), found


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            "Closed, Opened : BOOL",
            "Closed : BOOL",
            "Opened (port opened) is not there; declare Opened",
        ),
        ("    JogClose : BOOL;\n", "", "JogClose (port close) is not there"),
        ("Closed, Opened : BOOL", "Closed : BOOL; Opened : INT", "Opened (port opened) is a INT"),
        (
            "    Close, Done,",
            "    Done,",
            "Close (port close) is not there; declare Close : BOOL in",
        ),
        ("Work, Lock : BOOL", "Lock : BOOL; Work : INT", "Grip.st:3:0: Work is a INT; write Work : BOOL"),
        ("Auto, Manual, Work", "Auto, Work", "pattern Grip has no Manual"),
        ("FUNCTION_BLOCK Grip", "FUNCTION_BLOCK Grab", "Grip.st:1: holds no FUNCTION_BLOCK Grip"),
        (
            "END_FUNCTION_BLOCK\n",
            "END_FUNCTION_BLOCK\nFUNCTION_BLOCK Two\nEND_FUNCTION_BLOCK\n",
            "Two stands beside",
        ),
        ("Close := ", "Close = ", "Grip.st:11:"),
    ],
)
def test_what_is_said_of_a_pattern_that_does_not_fit(old: str, new: str, said: str) -> None:
    assert old in PATTERN
    found = wrong("grip", GROUP, pattern=PATTERN.replace(old, new, 1))
    assert any(said.replace(":3:0:", ":3:") in each for each in found), found


def test_extending_in_a_circle_or_nothing() -> None:
    circle = "twinline: library 1\ngroups:\n  one: {extends: two}\n  two: {extends: one}\n"
    assert wrong("one", circle) == ["a.yaml:4:18: two: extends goes in a circle: one -> two -> one; break it"]
    nothing = "twinline: library 1\ngroups:\n  one: {extends: gripp}\n"
    assert wrong("one", GROUP, nothing) == [
        "b.yaml:3:18: one: extends 'gripp', which is no group; did you mean 'grip'?"
    ]


def test_what_is_inherited_wrong_is_told_at_the_heir() -> None:
    heir = "twinline: library 1\ngroups:\n  one:\n    extends: grip\n    params: {travel: null}\n"
    found = wrong("one", GROUP, heir)
    assert found
    assert all(each.startswith("b.yaml:3: one:") for each in found), found


def test_two_of_one_name_in_a_file() -> None:
    twice = "twinline: library 1\ngroups:\n  one: {extends: grip}\n  one: {extends: grip}\n"
    assert wrong("one", GROUP, twice) == ["b.yaml:4:3: 'one' stands twice here; the first is in line 3"]


def test_merging_leaves_both_sides_as_they_were() -> None:
    base, over = (
        compose("a: {x: 1, y: 2}\nb: [1]\n", "a", []),
        compose("a: {y: null, z: 3}\nb: [2]\n", "b", []),
    )
    assert base is not None
    assert over is not None
    before = dump(base), dump(over)
    assert dump(merge(base, over)) == "a: {x: 1, z: 3}\nb: [2]\n"
    assert (dump(base), dump(over)) == before


def test_the_shipped_library_is_right() -> None:
    """Every group at once, as a person would see what is wrong with it."""
    from gateway.library.files import load_library

    shipped, problems = load_library(), list[Problem]()
    assert len(shipped.names) >= 100
    for name in shipped.names:
        shipped.group(name, problems)
    assert not problems, "\n".join(map(str, problems))


def test_a_person_s_own_library_is_read_anew_when_it_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from gateway.library.files import load_library

    monkeypatch.chdir(tmp_path)
    assert "ours" not in load_library().names
    own = tmp_path / "config" / "library" / "own.yaml"
    own.parent.mkdir(parents=True)
    own.write_text("twinline: library 1\ngroups:\n  ours: {extends: clamp}\n", "utf-8")
    assert "ours" in load_library().names
    assert "belt" in load_library().names
    own.write_text("twinline: library 1\ngroups: [", "utf-8")
    with pytest.raises(BadInput, match=r"own\.yaml:2:10: is not YAML"):
        load_library()

"""The line file: neighbours made of couplings, and every problem of it and its stations at its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.errors import BadInput
from rig.coupling import read_end
from rig.line import Line, load_line

BELT = (Path(__file__).parent / "data" / "cell" / "belt.yaml").read_text()
LINE = """\
twinline: line 1
id: pair
product: {type: phone, length: 15 cm}
stations:
  - {station: first.yaml}
  - {station: second.yaml, mode: virtual}
couplings:
  - from: first
    to: second
    signals: {second.ready: first.next}
flow:
  source: first
  sink: second
  within: 60 s
  workpieces: 10
"""


class Folder:
    """A line of two belts in files, which a test spoils."""

    def __init__(self, path: Path) -> None:
        self.path = path
        for name in ("first", "second"):
            self.write(f"{name}.yaml", BELT.replace("id: belt\n", f"id: {name}\n"))
        self.edit("second.yaml", '502/1"}', '503/1", program: second.st}')
        self.write("second.st", "PROGRAM second END_PROGRAM")
        self.write("line.yaml", LINE)

    def write(self, name: str, text: str) -> None:
        (self.path / name).write_text(text)

    def edit(self, name: str, old: str, new: str) -> None:
        text = (self.path / name).read_text()
        assert text.count(old) == 1, old
        self.write(name, text.replace(old, new))

    def load(self, programs: dict[str, Path] | None = None) -> Line:
        return load_line(self.path / "line.yaml", programs)

    def said(self, programs: dict[str, Path] | None = None) -> list[str]:
        """``file:line: what; hint`` of each problem."""
        with pytest.raises(BadInput) as caught:
            self.load(programs)
        return [str(problem).replace(f"{self.path}/", "") for problem in caught.value.problems]


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def test_who_stands_beside_whom(folder: Folder) -> None:
    line = folder.load()
    first, second = (line.stations[name].neighbours for name in ("first", "second"))
    assert (first.upstream, first.downstream) == ({}, {"main": "second"})
    assert (second.upstream, second.downstream) == ({"first": {"main": "main"}}, {})
    assert first.listen == {"second": {"next": "ready"}}
    assert second.tell == {"first": ("ready",)}
    assert first.tell == {"second": ()}  # told nothing, but that it is there
    assert second.listen == {}


def test_what_else_a_good_file_says(folder: Folder) -> None:
    line = folder.load()
    assert (line.id, line.title, line.product.length) == ("pair", "pair", 150)
    assert [(each.mode, each.serve) for each in line.stations.values()] == [
        ("hil", False),
        ("virtual", False),
    ]
    assert line.stations["second"].program == folder.path / "second.st"
    assert line.flow is not None
    assert (line.flow.workpieces, line.flow.within) == (10, 60_000_000_000)
    workpiece = line.workpiece(7, "run")
    assert (workpiece.id, workpiece.type, workpiece.length) == ("run-0007", "phone", 150)


def test_a_program_is_replaced(folder: Folder) -> None:
    folder.write("other.st", "")
    line = folder.load({"second": folder.path / "other.st"})
    assert line.stations["second"].program == folder.path / "other.st"


@pytest.mark.parametrize(
    ("old", "new", "number", "what"),
    [
        ("line 1", "line 9", 1, "twinline: 'line 9' is no line format; write twinline: line 1"),
        ("id: pair", "id: a pair", 2, "id: 'a pair' is not an id; use a small letter"),
        ("15 cm", "0 mm", 3, "product.length: '0 mm' is no length of a workpiece; write more than 0"),
        ("15 cm", "2 bar", 3, "product.length: '2 bar' is a pressure; a quantity in mm is wanted"),
        (
            "second.yaml, mode: virtual",
            "first.yaml",
            6,
            "station first stands twice in the line; give it once",
        ),
        (
            "mode: virtual",
            "mode: virtuel",
            6,
            "stations[1].mode: 'virtuel' is not known; did you mean 'virtual'",
        ),
        ("from: first", "from: frist", 8, "coupling: 'frist' is no station of this line; use first, second"),
        ("to: second", "to: first", 8, "coupling: first leads to itself; name its neighbour"),
        ("second.ready:", "second.redy:", 8, "coupling: second.redy is no output of second; a signal leads"),
        ("second.ready:", "second.next:", 8, "coupling: second.next is no output of second; a signal leads"),
        ("first.next}", "first.run}", 8, "coupling: first.run is no input of first; a signal leads from one"),
        ("first.next}", "first.eye}", 8, "coupling: first.eye is driven by eye of its own twin; a signal"),
        (
            "first.next}",
            "first.command}",
            8,
            "second.ready is BOOL in 1, first.command is WORD in 1; a signal",
        ),
        (
            "first.next}",
            "second.next}",
            8,
            "second.ready to second.next is not between first and second; put",
        ),
        (
            "first.next}",
            "first.next, second.run: first.next}",
            8,
            "coupling: first.next is driven by second.ready already; a signal leads",
        ),
        (
            "{second.ready:",
            "{ready:",
            10,
            "'ready' does not name a station's tag; write for example glue.take",
        ),
        ("source: first", "source: third", 12, "flow: source 'third' is no station of this line; use first"),
        (
            "sink: second",
            "sink: third",
            12,
            "flow: sink 'third' is no station of this line; use first, second",
        ),
        ("workpieces: 10", "workpieces: 0", 12, "flow: 0 workpieces; give 1 to 1000"),
        ("workpieces: 10", "takt: {after: 2 s, within: 1 s}", 12, "flow: takt: after is later than within"),
        (
            "source: first\n  sink: second",
            "source: second\n  sink: first",
            12,
            "flow: no workpiece comes from second to first; the couplings lead to second",
        ),
    ],
)
def test_one_problem_is_said_at_its_line(folder: Folder, old: str, new: str, number: int, what: str) -> None:
    folder.edit("line.yaml", old, new)
    said = [each for each in folder.said() if what in each]
    assert len(said) == 1, folder.said()
    assert said[0].startswith(f"line.yaml:{number}:")


def test_a_line_needs_stations(folder: Folder) -> None:
    folder.write("line.yaml", "twinline: line 1\nid: none\nproduct: {type: phone}\nstations: []\n")
    assert folder.said() == ["line.yaml:1: stations: a line has at least one; add - {station: path.yaml}"]


def test_an_outlet_leads_to_one_inlet(folder: Folder) -> None:
    folder.write("third.yaml", BELT.replace("id: belt\n", "id: third\n"))
    folder.edit(
        "line.yaml", "couplings:", "  - {station: third.yaml}\ncouplings:\n  - {from: first, to: third}"
    )
    assert folder.said() == [
        "line.yaml:10: coupling: first already leads to third; an outlet leads to one inlet"
    ]


def test_two_stations_may_lead_to_one(folder: Folder) -> None:
    folder.write("third.yaml", BELT.replace("id: belt\n", "id: third\n"))
    folder.edit(
        "line.yaml", "couplings:", "  - {station: third.yaml}\ncouplings:\n  - {from: third, to: second}"
    )
    assert folder.load().stations["second"].neighbours.upstream == {
        "first": {"main": "main"},
        "third": {"main": "main"},
    }


def test_a_loop_of_stations_ends(folder: Folder) -> None:
    folder.edit("line.yaml", "couplings:", "couplings:\n  - {from: second, to: first}")
    folder.edit("line.yaml", LINE[LINE.index("flow:") :], "")
    assert folder.load().stations["second"].neighbours.downstream == {"main": "first"}


@pytest.mark.parametrize("side", ["inlet", "outlet"])
def test_a_coupling_needs_an_outlet_and_an_inlet(folder: Folder, side: str) -> None:
    name = "first" if side == "outlet" else "second"
    folder.edit(f"{name}.yaml", f"{side}: belt\n", "")
    assert f"line.yaml:8: coupling: {name} has no {side}; name it in {name}.yaml" in folder.said()


def test_problems_of_stations_and_line_appear_together(folder: Folder) -> None:
    folder.edit("first.yaml", "scan: 10 ms", "scan: 10")
    folder.edit("second.yaml", '"coil:1"', '"coil:0"')
    folder.edit("line.yaml", "line 1", "line 9")
    assert [each.partition(": ")[0] for each in folder.said()] == [
        "first.yaml:5:7",
        "line.yaml:1",
        "second.yaml:15",
    ]


WRONG = {
    "an address": ("first.yaml", "modbus://127", "modbuss://127"),
    "what is no YAML": ("first.yaml", "manual: command.0", "manual: [command.0"),
    "no such file": ("line.yaml", "first.yaml", "frist.yaml"),
    "a mode": ("line.yaml", "mode: virtual", "mode: virtuel"),
    "no id": ("line.yaml", "id: pair\n", ""),
    "a length": ("line.yaml", "15 cm", "0 mm"),
}
HIDDEN = {
    "the other station": ("second.yaml", '"coil:1"', '"coil:0"'),
    "a coupling's end": ("line.yaml", "to: second", "to: secnd"),
    "a sink": ("line.yaml", "sink: second", "sink: secnd"),
    "how many": ("line.yaml", "workpieces: 10", "workpieces: 0"),
    "a bill": ("line.yaml", "couplings:", "bom: {a: {parts: {b: 1}}}\ncouplings:"),
}
"""Edits with errors; of those that are WRONG each once hid all of these."""


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (first, second)
        for first in WRONG
        for second in HIDDEN  # the file that is not there may be of the station that is not known
        if first != "no such file" or not HIDDEN[second][2].endswith("secnd")
    ],
)
def test_no_error_of_line_or_station_hides_another(folder: Folder, first: str, second: str) -> None:
    clean = {name: (folder.path / name).read_text() for name in ("first.yaml", "second.yaml", "line.yaml")}

    def said(*edits: tuple[str, str, str]) -> set[str]:
        for name, text in clean.items():
            folder.write(name, text)
        for edit in edits:
            folder.edit(*edit)
        return {each.partition(" ")[2].partition(";")[0] for each in folder.said()}

    one, other = said(WRONG[first]), said(HIDDEN[second])
    ways = {each for each in one | other if "no workpiece comes" in each}  # which of them follow from others
    assert said(WRONG[first], HIDDEN[second]) - ways == (one | other) - ways


def test_a_station_that_is_not_there(folder: Folder) -> None:
    folder.edit("line.yaml", "station: first.yaml", "station: frist.yaml")
    assert folder.said() == ["line.yaml:5: station: frist.yaml: no such file; did you mean first.yaml?"]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("{station: first.yaml}", "{station: first.yaml, serve: true}"),
        ("first.yaml}", "first.yaml, mode: virtual}"),
    ],
)
def test_a_virtual_controller_needs_a_program(folder: Folder, old: str, new: str) -> None:
    folder.edit("line.yaml", old, new)
    assert folder.said() == [
        "first.yaml:11: first: the controller names no program, and line.yaml serves it; add program: path.st"
    ]


def test_a_program_that_is_not_there(folder: Folder) -> None:
    folder.edit("second.yaml", "second.st", "secnd.st")
    assert folder.said() == [
        "second.yaml:11: second: program secnd.st is not there; give the path of a Structured Text file"
    ]
    assert folder.said({"second": folder.path / "no.st"}) == [
        "--program: second: program no.st is not there; give the path of a Structured Text file"
    ]
    assert folder.said({"third": folder.path / "no.st"})[0] == (
        "--program: 'third' is no station of line.yaml; use first, second"
    )


@pytest.mark.parametrize("text", ["glue", "glue.", ".take", ""])
def test_what_is_no_end_of_a_signal(text: str) -> None:
    with pytest.raises(ValueError, match="does not name a station's tag"):
        read_end(text)

"""A line's graph: named ways, a station file used twice, hand-over signals, source and sinks."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from gateway.errors import BadInput
from gateway.library.entries import Interface
from gateway.library.expand import Handshake
from gateway.station import load_station
from rig.coupling import CouplingLine, SignalEnd, WayEnd, couple
from rig.line import Line, load_line

BELT = (Path(__file__).parent / "data" / "cell" / "belt.yaml").read_text()
SECOND = "  back: {kind: belt-conveyor, params: {length: 200 mm, speed: 500 mm/s}, ports: {run: run}}\n"
TWO = BELT.replace("outlet: belt\n", "outlets: {good: belt, back: back}\n").replace(
    "inlet: belt\n", "inlet: belt\ninlets: {back: back}\n"
)
TWO = TWO.replace("twin:\n", "twin:\n" + SECOND)
LINE = """\
twinline: line 1
id: loop
product: {type: phone}
stations:
  - {station: two.yaml, as: feed}
  - {station: two.yaml, as: test, addresses: {plc: "modbus://127.0.0.1:1502/7"}}
  - {station: belt.yaml, as: pack}
couplings:
  - {from: feed.good, to: test}
  - {from: test.good, to: pack}
  - {from: test.back, to: feed.back}
  - {from: feed.back, to: test.back}
flow: {source: feed, sink: pack, within: 60 s}
"""


class Folder:
    """A line in files, which a test changes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.write("two.yaml", TWO)
        self.write("belt.yaml", BELT)

    def write(self, name: str, text: str) -> None:
        (self.path / name).write_text(text)

    def load(self, *changes: tuple[str, str]) -> Line:
        text = LINE
        for old, new in changes:
            assert text.count(old) == 1, old
            text = text.replace(old, new)
        self.write("line.yaml", text)
        return load_line(self.path / "line.yaml")

    def said(self, *changes: tuple[str, str]) -> list[str]:
        """``file:line: what; hint`` of each problem."""
        with pytest.raises(BadInput) as caught:
            self.load(*changes)
        return [str(problem).replace(f"{self.path}/", "") for problem in caught.value.problems]


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def test_named_ways_lead_both_ways_between_two_stations(folder: Folder) -> None:
    line = folder.load()
    feed, test, pack = (line.stations[name].neighbours for name in ("feed", "test", "pack"))
    assert feed.upstream == {"test": {"back": "back"}}
    assert feed.downstream == {"good": "test", "back": "test"}
    assert test.upstream == {"feed": {"good": "main", "back": "back"}}
    assert test.downstream == {"good": "pack", "back": "feed"}
    assert pack.upstream == {"test": {"good": "main"}}
    assert feed.tell == {"test": ()}


def test_a_station_file_used_twice_has_an_id_and_addresses_of_its_own(folder: Folder) -> None:
    line = folder.load()
    feed, test = line.stations["feed"].station, line.stations["test"].station
    assert (feed.id, test.id) == ("feed", "test")
    assert feed.controller.address == "modbus://127.0.0.1:502/1"
    assert test.controller.address == "modbus://127.0.0.1:1502/7"
    assert feed.sha256 == test.sha256


def test_the_inlet_and_outlets_of_the_flow_are_named(folder: Folder) -> None:
    flow = folder.load().flow
    assert flow is not None
    assert flow.sent_back is None
    assert (flow.source, flow.sinks) == (("feed", "main"), [("pack", "main")])


def test_rework_names_a_station_and_a_fault(folder: Folder) -> None:
    flow = folder.load(("within: 60 s", "within: 60 s, rework: test.belt.jam")).flow
    assert flow is not None
    assert flow.sent_back == ("test", "belt.jam")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            "to: test}",
            "to: test.side}",
            "line.yaml:9: coupling: 'side' is no inlet of test; it has main, back",
        ),
        (
            "from: feed.good",
            "from: feed",
            "line.yaml:9: coupling: feed has several outlets; write feed.good or",
        ),
        (
            "feed.good",
            "feed.",
            "line.yaml:9:12: couplings[0].from: 'feed.' names no station's inlet or outlet",
        ),
        (
            "to: pack}",
            "to: test.back}",
            "line.yaml:10: coupling: test.good leads to itself; name its neighbour",
        ),
        (", as: pack", ", as: test", "line.yaml:7: station test stands twice in the line; give it once"),
        (", as: pack", "", "line.yaml:10: coupling: 'pack' is no station of this line; use feed, test, belt"),
        ("{plc:", "{plk:", "line.yaml:6: addresses: 'plk' is no device of belt; use plc"),
        (
            "modbus://127.0.0.1:1502/7",
            "127.0.0.1",
            "line.yaml:6: addresses: plc: '127.0.0.1' is not a device",
        ),
        (
            "modbus://127.0.0.1:1502/7",
            "s7://h:102/0/1",
            "line.yaml:6: addresses: plc speaks modbus, and s7://h",
        ),
        (
            "sink: pack",
            "sink: feed.good",
            "line.yaml:13: flow: sink feed.good leads to test; name where they",
        ),
        ("sink: pack, ", "", "line.yaml:13: flow: no sink; name the station where workpieces come out"),
        (
            "source: feed",
            "source: feed.side",
            "line.yaml:13: flow: source: 'side' is no inlet of feed; it has",
        ),
        (
            "sink: pack",
            "sinks: [pack, test]",
            "line.yaml:13: flow: sink: test has several outlets; write test",
        ),
        ("within: 60 s", "within: 60 s, rejects: 11", "line.yaml:13: flow: 11 rejects; give 0 to 10"),
        (
            "within: 60 s",
            "within: 60 s, rework: mend.belt.jam",
            "line.yaml:13: flow: rework: 'mend.belt.jam' begins with no station of this line; write station",
        ),
        (
            "within: 60 s",
            "within: 60 s, rework: test.belt.melts",
            "line.yaml:13: flow: rework: 'belt.melts': a belt-conveyor has the faults ",
        ),
        (
            "within: 60 s",
            "within: 60 s, rework: pack.belt.jam",
            "line.yaml:13: flow: rework: what leaves pack never comes there again; couple an outlet",
        ),
    ],
)
def test_a_mistake_is_said_at_its_line(folder: Folder, old: str, new: str, said: str) -> None:
    found = folder.said((old, new))
    assert [each for each in found if each.startswith(said)], found


def test_workpieces_that_cannot_come_out_are_told(folder: Folder) -> None:
    trap = ("  - {from: feed.back, to: test.back}\n", "  - {from: feed.back, to: trap}\n")
    station = ("couplings:", "  - {station: belt.yaml, as: trap}\ncouplings:")
    assert folder.said(trap, station) == [
        "line.yaml:14: flow: a workpiece that comes to trap does not come out; "
        "couple its outlet, or name it as a sink"
    ]


# --- the signals of a hand-over ------------------------------------------------------------------------

SIGNALS = """\
  take: {direction: output, type: BOOL, address: "coil:8"}
  take-back: {direction: output, type: BOOL, address: "coil:9"}
  next-ready: {direction: input, type: BOOL, address: "coil:108", safe: false}
  ready-good: {direction: input, type: BOOL, address: "coil:109", safe: false}
  ready-back: {direction: input, type: BOOL, address: "coil:110", safe: false}
"""


def test_hand_over_signals_are_connected_by_their_names(folder: Folder) -> None:
    for name, text in (("two.yaml", TWO), ("belt.yaml", BELT)):
        folder.write(name, text.replace("tags:\n", "tags:\n" + SIGNALS))
    line = folder.load()
    assert line.stations["feed"].neighbours.listen == {
        "test": {"ready-good": "take", "ready-back": "take-back"}
    }
    assert line.stations["test"].neighbours.listen == {
        "pack": {"ready-good": "take"},
        "feed": {"ready-back": "take-back"},
    }
    assert line.stations["test"].neighbours.tell["feed"] == ("take", "take-back")


def test_signals_that_are_written_are_all_there_are(folder: Folder) -> None:
    for name, text in (("two.yaml", TWO), ("belt.yaml", BELT)):
        folder.write(name, text.replace("tags:\n", "tags:\n" + SIGNALS))
    line = folder.load(("{from: test.good, to: pack}", "{from: test.good, to: pack, signals: {}}"))
    assert "pack" not in line.stations["test"].neighbours.listen


# --- what a station file says of its places ------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            "good: belt",
            "good: eye",
            "two.yaml:9: outlets: good: 'eye' is no carrier; name one, such as a belt",
        ),
        (
            "good: belt",
            "good: back",
            "two.yaml:9: outlets: back: back is the outlet good already; what waits",
        ),
        (
            "inlets: {back",
            "inlets: {main",
            "two.yaml:8: inlets: main stands here and under inlet; give it once",
        ),
    ],
)
def test_wrong_places(folder: Folder, old: str, new: str, said: str) -> None:
    assert TWO.count(old) == 1
    folder.write("two.yaml", TWO.replace(old, new))
    found = folder.said()
    assert [each for each in found if each.startswith(said)], found


# --- joints of composed stations -----------------------------------------------------------------------


def joined(out: Handshake, into: Handshake, signals: dict[SignalEnd, SignalEnd] | None = None) -> list[str]:
    """What is said of a coupling between two stations that agree by these."""
    station = load_station(Path(__file__).parent / "data" / "cell" / "belt.yaml")
    stations = {
        "a": msgspec.structs.replace(station, id="a", handshake=out),
        "b": msgspec.structs.replace(station, id="b", handshake=into),
    }
    said: list[str] = []
    lines = [CouplingLine(WayEnd("a"), WayEnd("b"), signals, line=9)]
    couple(lines, stations, lambda line, what, hint: said.append(f"{line}: {what}"))
    return said


def test_ends_of_two_interfaces_are_not_joined() -> None:
    dock, tray = Interface(mechanical="dock-150"), Interface(mechanical="tray-40")
    assert joined(Handshake(outlets={"main": dock}), Handshake(inlets={"main": tray})) == [
        "9: coupling: a cannot lead to b: dock-150 does not fit tray-40"
    ]
    ready, none = Interface("dock-150", "ready-take"), Interface("dock-150", "none")
    assert joined(Handshake(outlets={"main": ready}), Handshake(inlets={"main": none})) == [
        "9: coupling: a cannot lead to b: handshake ready-take does not fit handshake none"
    ]
    assert joined(Handshake(outlets={"main": ready}), Handshake(inlets={"main": dock})) == []
    assert joined(Handshake(outlets={"main": dock}), Handshake(inlets={"main": dock})) == []
    assert joined(Handshake(outlets={"main": dock}), Handshake(inlets={"main": Interface()})) == []
    assert joined(Handshake(outlets={"main": dock}), Handshake()) == []


def test_an_outlet_that_waits_for_a_signal_needs_one() -> None:
    waits = Handshake(readies={"main": "next"})
    assert joined(waits, Handshake()) == ["9: coupling: nothing tells a.next that b takes a workpiece"]
    assert joined(waits, Handshake(takes={"main": "ready"})) == []
    assert joined(waits, Handshake(), {SignalEnd("b", "ready"): SignalEnd("a", "next")}) == []

"""How a line is expected to flow: where workpieces come in and out, checked over the graph of couplings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from gateway.cell.check import MAX_FEEDING
from gateway.checked import unsaid
from gateway.field.tags import Complain
from gateway.scalar import Text
from gateway.scenario import Duration
from gateway.station import Station
from gateway.twin.faults import check_fault
from rig.coupling import Way, WayEnd, place_of, reached, use


class Window(msgspec.Struct, frozen=True, rename="kebab"):
    """Not before ``after``, not after ``within``; ns."""

    within: Duration
    after: Duration = 0


class FlowLine(msgspec.Struct, frozen=True, rename="kebab"):
    """What is expected of the flow of workpieces through the whole line.

    They come in at the inlet ``source`` and out, good, at the outlets ``sink`` and ``sinks``; at most
    ``rejects`` of them come out elsewhere. ``rework`` is ``station.component.fault``: a fault that makes the
    first workpiece to come to that station go back, so that it passes part of the line twice.
    """

    source: Way
    within: Duration
    sink: Way | None = None
    sinks: list[Way] = []
    workpieces: int = 10
    rejects: int = 0
    rework: Text | None = None
    takt: Window | None = None
    coupling: Window | None = None
    line: int = 0

    @property
    def sent_back(self) -> tuple[str, str] | None:
        """The station that sends a workpiece back, and the fault that makes it."""
        if self.rework is None:
            return None
        station, _, fault = self.rework.text.partition(".")
        return station, fault

    @property
    def ends(self) -> list[WayEnd]:
        """Where good workpieces come out."""
        return [*filter(None, (self.sink,)), *self.sinks]


def check_flow(
    flow: FlowLine,
    stations: Mapping[str, Station],
    ways: Sequence[tuple[WayEnd, WayEnd]] | None,
    complain: Complain,
) -> FlowLine:
    """``flow`` with its inlet and outlets named, after every problem of it is said.

    Where not all ``ways`` are known (None), nothing is said of where they lead.
    """
    if not 1 <= flow.workpieces <= MAX_FEEDING:
        complain(flow.line, f"flow: {flow.workpieces} workpieces", f"give 1 to {MAX_FEEDING}")
    if not 0 <= flow.rejects <= flow.workpieces:
        complain(flow.line, f"flow: {flow.rejects} rejects", f"give 0 to {flow.workpieces}")
    for key, window in (("takt", flow.takt), ("coupling", flow.coupling)):
        if window is not None and window.after > window.within:
            complain(flow.line, f"flow: {key}: after is later than within", "swap them")
    source = _placed("source", flow.source, "inlet", flow, stations, complain)
    if not flow.ends:
        complain(flow.line, "flow: no sink", "name the station where workpieces come out")
    found = [_placed("sink", end, "outlet", flow, stations, complain) for end in flow.ends]
    sinks = [end for end in found if end is not None]
    for end in sinks:
        onward = next((into for out, into in ways or () if out == end), None)
        if onward is not None:
            complain(flow.line, f"flow: sink {end} leads to {onward}", "name where they leave the line")
    if flow.rework is not None:
        _check_rework(flow.rework, flow, stations, ways, complain)
    if source is not None and sinks and ways is not None:
        _check_ways(source, sinks, flow, ways, complain)
    return msgspec.structs.replace(flow, source=source or flow.source, sink=None, sinks=sinks)


def _placed(
    key: str, end: WayEnd, side: str, flow: FlowLine, stations: Mapping[str, Station], complain: Complain
) -> WayEnd | None:
    if unsaid(end.station, stations):
        what = f"flow: {key} {end.station!r} is no station of this line"
        complain(flow.line, what, use(stations))
    if end.station not in stations:
        return None
    return place_of(end, stations, side, f"flow: {key}", flow.line, complain)


def _check_rework(
    rework: Text,
    flow: FlowLine,
    stations: Mapping[str, Station],
    ways: Sequence[tuple[WayEnd, WayEnd]] | None,
    complain: Complain,
) -> None:
    """Its station has such a fault, and what leaves there can come there again."""
    name, fault = flow.sent_back or ("", "")
    station = stations.get(name)
    if unsaid(name, stations):
        what = f"flow: rework: {rework.text!r} begins with no station of this line"
        complain(rework.line, what, "write station.component.fault, as in sort.test.misjudges")
    if station is None:
        return
    wrong = check_fault(fault, station.twin, station.tags)
    if wrong:
        what, _, hint = wrong.partition("; ")
        complain(rework.line, f"flow: rework: {what}", hint)
    if ways is None:
        return
    onward: dict[str, set[str]] = {}
    for out, into in ways:
        onward.setdefault(out.station, set()).add(into.station)
    if name not in reached(sorted(onward.get(name, set())), onward):
        what = f"flow: rework: what leaves {name} never comes there again"
        complain(rework.line, what, "couple an outlet of it back into the line")


def _check_ways(
    source: WayEnd,
    sinks: Sequence[WayEnd],
    flow: FlowLine,
    ways: Sequence[tuple[WayEnd, WayEnd]],
    complain: Complain,
) -> None:
    """Workpieces come to every sink, and from wherever they come to one of them."""
    onward: dict[str, set[str]] = {}
    back: dict[str, set[str]] = {}
    for out, into in ways:
        onward.setdefault(out.station, set()).add(into.station)
        back.setdefault(into.station, set()).add(out.station)
    coming = reached([source.station], onward)
    for sink in sinks:
        if sink.station not in coming:
            what = f"flow: no workpiece comes from {source} to {sink}"
            complain(flow.line, what, f"the couplings lead to {', '.join(coming)}")
    leading = reached([sink.station for sink in sinks], back)
    for name in coming:
        if name not in leading:
            what = f"flow: a workpiece that comes to {name} does not come out"
            complain(flow.line, what, "couple its outlet, or name it as a sink")

"""The couplings of a line file, checked against its stations and made into each station's neighbours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, NamedTuple

import msgspec

from gateway.cell.couplings import Neighbours
from gateway.checked import unsaid, wrong_of
from gateway.field.tags import Complain
from gateway.net.messages import MAIN
from gateway.station import Station
from rig.bills import Bills


class SignalEnd(NamedTuple):
    """A station's tag: ``glue.take``."""

    station: str
    tag: str

    def __str__(self) -> str:
        return f"{self.station}.{self.tag}"


class WayEnd(NamedTuple):
    """A station's outlet or inlet: ``test.good``, or ``test`` for the one that has no other name."""

    station: str
    place: str = ""

    def __str__(self) -> str:
        return self.station if self.place in ("", MAIN) else f"{self.station}.{self.place}"


def read_end(text: str) -> SignalEnd:
    """Read ``station.tag``."""
    station, dot, tag = text.partition(".")
    if not dot or not station or not tag:
        raise ValueError(f"{text!r} does not name a station's tag; write for example glue.take")
    return SignalEnd(station, tag)


def read_way(text: str) -> WayEnd:
    """Read ``station`` or ``station.outlet``."""
    station, dot, place = text.partition(".")
    if not station or bool(dot) != bool(place):
        raise ValueError(f"{text!r} names no station's inlet or outlet; write for example test or test.good")
    return WayEnd(station, place)


End = Annotated[SignalEnd, read_end]
Way = Annotated[WayEnd, read_way]


class CouplingLine(msgspec.Struct, frozen=True, rename="kebab"):
    """Workpieces pass from an outlet of one station to an inlet of the other; signals go either way.

    Without ``signals`` the two stations' hand-over signals are connected, where they have them: see
    ``handshake``.
    """

    from_: Way = msgspec.field(name="from")
    to: Way = WayEnd("")
    signals: dict[End, End] | None = None
    line: int = 0


class Couplings(NamedTuple):
    """``ways`` are (outlet, inlet) with both named; ``signals`` map who is driven to what drives it."""

    ways: list[tuple[WayEnd, WayEnd]]
    signals: dict[SignalEnd, SignalEnd]

    def neighbours(self, stations: Mapping[str, Station]) -> dict[str, Neighbours]:
        """Who stands beside each of ``stations``."""
        made = {name: Neighbours({}, {}, {}, {}) for name in stations}
        told: dict[tuple[str, str], list[str]] = {}
        for out, into in self.ways:
            made[out.station].downstream[out.place] = into.station
            made[into.station].upstream.setdefault(out.station, {})[out.place] = into.place
            # A neighbour that is told no signal still hears that we are there.
            told.setdefault((out.station, into.station), [])
            told.setdefault((into.station, out.station), [])
        for target, source in self.signals.items():
            made[target.station].listen.setdefault(source.station, {})[target.tag] = source.tag
            told[source.station, target.station].append(source.tag)
        for (name, to), tags in told.items():
            made[name].tell[to] = tuple(dict.fromkeys(tags))
        return made


def couple(lines: Sequence[CouplingLine], stations: Mapping[str, Station], complain: Complain) -> Couplings:
    """Check ``lines``, each at its line; what is wrong in one is left out, as is what leads to a station that
    is wrong itself."""
    made = Couplings([], {})
    for each in lines:
        ends = [end.station for end in (each.from_, each.to)]
        unknown = [name for name in ends if unsaid(name, stations)]
        if unknown:
            what = f"coupling: {unknown[0]!r} is no station of this line"
            complain(each.line, what, use(stations))
        if not stations.keys() >= set(ends):
            continue
        if each.from_.station == each.to.station:
            complain(each.line, f"coupling: {each.from_} leads to itself", "name its neighbour")
            continue
        out = place_of(each.from_, stations, "outlet", "coupling", each.line, complain)
        into = place_of(each.to, stations, "inlet", "coupling", each.line, complain)
        if out is not None and into is not None:
            leads = next((to for one, to in made.ways if one == out), None)
            if leads is not None:
                what = f"coupling: {out} already leads to {leads}"
                complain(each.line, what, "an outlet leads to one inlet")
                continue
            made.ways.append((out, into))
            signals = handshake(out, into, stations) if each.signals is None else each.signals
            _check_joint(each.line, out, into, stations, signals, complain)
            _connect(each.line, (out, into), signals, stations, made, complain)
    return made


def use(stations: Mapping[str, Station]) -> str:
    """Which there are, as a hint."""
    return "use " + ", ".join([*stations, *sorted(wrong_of(stations) - {""})])


def place_of(
    end: WayEnd, stations: Mapping[str, Station], side: str, what: str, line: int, complain: Complain
) -> WayEnd | None:
    """``end`` with its outlet or inlet named; None, and said why, where that station has none such."""
    station = stations[end.station]
    places = station.outlets if side == "outlet" else station.inlets
    place = end.place or (MAIN if MAIN in places or len(places) != 1 else next(iter(places)))
    if place in places:
        return WayEnd(end.station, place)
    if not places:
        complain(line, f"{what}: {end.station} has no {side}", f"name it in {station.file}")
    elif end.place:
        named = ", ".join(places)
        complain(line, f"{what}: {place!r} is no {side} of {end.station}", f"it has {named}")
    else:
        several = " or ".join(f"{end.station}.{name}" for name in places)
        complain(line, f"{what}: {end.station} has several {side}s", f"write {several}")
    return None


def follow(bills: Bills) -> list[CouplingLine]:
    """The couplings that follow from who does what after what."""
    return [CouplingLine(WayEnd(one), WayEnd(other), line=line) for one, other, line in bills.ways()]


def check_order(bills: Bills, ways: Sequence[tuple[WayEnd, WayEnd]], complain: Complain) -> None:
    """Workpieces can come from every station that does an operation to one that does what follows."""
    onward: dict[str, set[str]] = {}
    for out, into in ways:
        onward.setdefault(out.station, set()).add(into.station)
    for before, after in bills.steps():
        for station in bills.stations_for(before):
            if not set(reached([station], onward)) & set(bills.stations_for(after)):
                what = f"bop: no way leads from {station}, which does {before}, to one that does {after}"
                complain(bills.operations[after].line, what, "couple them")


def reached(start: Sequence[str], ways: Mapping[str, set[str]]) -> list[str]:
    """The stations to which ``ways`` lead from ``start``, which are among them."""
    found = list(start)
    for name in found:
        found += sorted(ways.get(name, set()) - set(found))
    return found


def handshake(out: WayEnd, into: WayEnd, stations: Mapping[str, Station]) -> dict[SignalEnd, SignalEnd]:
    """What the inlet's station tells the outlet's, where both have it: that a workpiece may come.

    A composed station knows its signals; another one has them by convention, ``take`` and ``next-ready``, and
    for others than the main places ``take-<inlet>`` and ``ready-<outlet>``.
    """
    giver, taker = stations[out.station], stations[into.station]
    take = "take" if into.place == MAIN else f"take-{into.place}"
    ready = "next-ready" if out.place == MAIN else f"ready-{out.place}"
    source = SignalEnd(into.station, taker.handshake.takes.get(into.place, take))
    target = SignalEnd(out.station, giver.handshake.readies.get(out.place, ready))
    there = all(end.tag in stations[end.station].tags for end in (source, target))
    return {source: target} if there else {}


def _check_joint(
    line: int,
    out: WayEnd,
    into: WayEnd,
    stations: Mapping[str, Station],
    signals: Mapping[SignalEnd, SignalEnd],
    complain: Complain,
) -> None:
    """The two ends fit, and the outlet is told when a workpiece may go, as far as their groups say."""
    giver, taker = stations[out.station].handshake, stations[into.station].handshake
    if out.place in giver.outlets and into.place in taker.inlets:
        why = giver.outlets[out.place].misfit(taker.inlets[into.place])
        if why:
            ends = _with_group(out, stations, "outlet"), _with_group(into, stations, "inlet")
            what = f"coupling: {ends[0]} cannot lead to {ends[1]}: {why}"
            complain(line, what, "join groups of one interface")
    ready = giver.readies.get(out.place)
    if ready is not None and SignalEnd(out.station, ready) not in signals.values():
        what = f"coupling: nothing tells {out.station}.{ready} that {into} takes a workpiece"
        complain(line, what, f"write signals: {{{into.station}.tag: {out.station}.{ready}}}")


def _with_group(end: WayEnd, stations: Mapping[str, Station], side: str) -> str:
    """``end``, and which group of the library is there."""
    station = stations[end.station]
    carrier = (station.outlets if side == "outlet" else station.inlets).get(end.place, "")
    owners = [name for name in station.groups if carrier == name or carrier.startswith(f"{name}-")]
    return f"{end} ({station.groups[max(owners, key=len)]})" if owners else str(end)


def _connect(
    line: int,
    way: tuple[WayEnd, WayEnd],
    signals: Mapping[SignalEnd, SignalEnd],
    stations: Mapping[str, Station],
    made: Couplings,
    complain: Complain,
) -> None:
    ends = (way[0].station, way[1].station)
    for source, target in signals.items():
        if {source.station, target.station} != set(ends):
            what = f"coupling: {source} to {target} is not between {ends[0]} and {ends[1]}"
            complain(line, what, "put it under its own coupling")
            continue
        wrong = _wrong_signal(source, target, stations)
        if not wrong and target in made.signals:
            wrong = [f"{target} is driven by {made.signals[target]} already"]
        for what in wrong:
            hint = "a signal leads from one output to one free input of its kind"
            complain(line, f"coupling: {what}", hint)
        if not wrong:
            made.signals[target] = source


def _wrong_signal(source: SignalEnd, target: SignalEnd, stations: Mapping[str, Station]) -> list[str]:
    """Why ``source`` cannot drive ``target``; empty if it can."""
    one, other = (stations[end.station].tags.get(end.tag) for end in (source, target))
    if one is None or one.direction != "output" or other is None or other.direction != "input":
        return [
            f"{end} is no {direction} of {end.station}"
            for end, tag, direction in ((source, one, "output"), (target, other, "input"))
            if tag is None or tag.direction != direction
        ]
    if (one.type.kind == "bool") != (other.type.kind == "bool") or one.unit != other.unit:
        return [f"{source} is {one.type.name} in {one.unit}, {target} is {other.type.name} in {other.unit}"]
    return [
        f"{target} is driven by {spec.name} of its own twin"
        for spec in stations[target.station].twin.values()
        for port in spec.family.PORTS
        if port.direction == "sensor" and spec.ports.get(port.name) == target.tag
    ]

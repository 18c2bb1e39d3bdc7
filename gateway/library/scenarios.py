"""What a composed station is expected to do: its cycle, and what each of its groups notices; pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from gateway.library.composition import MOST_ID, Composition, Unit
from gateway.library.entries import Edge, MonitorEntry
from gateway.library.nodes import Plain
from gateway.library.pattern import camel
from gateway.units import duration

ANSWER = 100_000_000  # ns: what a controller, a gateway and the way between them may add, besides scans
PEOPLE = ("safety", "panel")  # families of groups with which people act on the station
TAKING = 10_000_000_000  # ns: from the beginning of automatic until the station takes a workpiece
SCANS = 4  # of the station: in and out, once for the controller and once for the gateway


class Shown(NamedTuple):
    """A tag becomes a value; ``within`` ns of the one before, and ``after`` ns not before."""

    tag: str
    becomes: Plain
    within: int
    tolerance: str = ""
    after: int = 0

    def plain(self) -> dict[str, Plain]:
        """As the station file has it."""
        entry: dict[str, Plain] = {"tag": self.tag, "becomes": self.becomes}
        if self.tolerance:
            entry["tolerance"] = float(self.tolerance.split()[0])
        if self.after:
            entry["after"] = milliseconds(self.after)
        return entry | {"within": milliseconds(self.within)}


def milliseconds(ns: int) -> str:
    """A time in whole milliseconds, as the station file has it."""
    return f"{-(-ns // 1_000_000)} ms"


class Scenarios:
    """The sequences and interlocks of ``composition``; ``jogs`` are what moves its switches by hand, by tag,
    and ``scan`` is the station's, ns."""

    def __init__(self, composition: Composition, jogs: Mapping[str, str], scan: int) -> None:
        self.composition, self.jogs = composition, jogs
        self.slack = ANSWER + SCANS * scan
        self.readies = list(composition.readies().values())
        # Where a pattern tells of its inlet, the station may take more while it works.
        takes = composition.takes().items()
        self.takes = [tag for inlet, tag in takes if composition.teller(inlet) is None]

    def sequences(self) -> dict[str, Plain]:
        """The whole cycle, and that a finished workpiece waits for the next station."""
        if not self.composition.placed or not self.composition.inlets:
            return {}
        before, leaving = self.until_done(), list(self.leaving())
        never: list[Plain] = [{"tag": "lamp-fault", "becomes": True}]
        found: dict[str, Plain] = {
            "cycle": {
                "title": "a workpiece comes, is worked on and leaves",
                **self.begin(ready=True),
                "steps": [each.plain() for each in (*before, *leaving)],
                "never": never,
            }
        }
        if self.readies and leaving:
            stays: list[Plain] = [{"tag": self.gone().tag, "becomes": False}]
            found["waits-for-next"] = {
                "title": "a finished workpiece stays while the next station takes none",
                **self.begin(ready=False),
                "steps": [each.plain() for each in before],
                "never": [*never, *stays],
            }
        return found

    def begin(self, ready: bool) -> dict[str, Plain]:
        """How a scenario starts."""
        entry: dict[str, Plain] = {"place": next(iter(self.composition.inlets.values()))}
        if self.readies:
            entry = {"set": dict.fromkeys(self.readies, ready)} | entry
        return entry

    # --- what is seen, in order ------------------------------------------------------------------------

    def until_done(self, stop: int | None = None) -> list[Shown]:
        """From the workpiece at the inlet to the end of the cycle, or to before step ``stop`` (from 0)."""
        found = list(self.placed())
        after = self.from_placed()
        for index in range(len(self.composition.steps) if stop is None else stop):
            edges, after = self.step(index, after)
            found += edges
        return found

    def placed(self) -> Iterator[Shown]:
        for name in self.composition.placed:
            unit = self.composition.units[name]
            yield from self.edges(unit, "placed", unit.duty("take") + self.slack)
        if len(self.takes) == 1:
            yield Shown(self.takes[0], False, self.slack + self.settle())

    def from_placed(self) -> int:
        """How long the first thing after ``placed`` may take; a closed only inlet has settled before."""
        return self.slack + (0 if len(self.takes) == 1 else self.settle())

    def settle(self) -> int:
        """How long a workpiece has to be seen until it counts as in place."""
        return 200_000_000

    def step(self, index: int, after: int) -> tuple[list[Shown], int]:
        """What is seen of one step, the first of it within ``after``; and what the next may take."""
        step = self.composition.steps[index]
        phase = "work" if step.work else "home"
        units = [self.composition.units[name] for name in (*step.work, *step.home)]
        found: list[Shown] = []
        longest = max(unit.duty(phase) for unit in units)
        if len(units) == 1:
            found = self.seen(units[0], phase, longest + self.slack)
        else:
            # Together: their first edges come at once, the others in no order that is known.
            for unit in units:
                found += self.seen(unit, phase, after)[:1]
        if found:
            found[0] = found[0]._replace(within=after)
            return found, longest + self.slack
        return found, after + longest

    def returning(self, unit: Unit) -> list[Shown]:
        """What is seen of its going home already while it works: its Done asks for the last of that."""
        pattern, shown = unit.group.pattern, list(self.edges(unit, "home", 0))
        asked = pattern.done if pattern is not None else {}
        ports = [camel(port) for port in unit.group.entry.shows.home]
        last = [n for n, port in enumerate(ports) if asked.get(port) is shown[n].becomes]
        return shown[: last[-1] + 1] if last else []

    def seen(self, unit: Unit, phase: str, within: int) -> list[Shown]:
        """What is seen of one phase in a step of the cycle."""
        returning = [each._replace(within=within) for each in self.returning(unit)]
        shown = list(self.edges(unit, phase, within))
        return [*shown, *returning] if phase == "work" else shown[len(returning) :]

    def edges(self, unit: Unit, phase: str, within: int) -> Iterator[Shown]:
        for port, edge in getattr(unit.group.entry.shows, phase).items():
            written = edge.to if isinstance(edge, Edge) else edge
            value = unit.value(written.text)
            tolerance = edge.tolerance.text if isinstance(edge, Edge) and edge.tolerance else ""
            yield Shown(unit.tag(port), *_typed(value), within, unit.value(tolerance) if tolerance else "")

    def leaving(self) -> Iterator[Shown]:
        """What is seen of handing out: the groups' own edges, the workpiece gone, the station empty."""
        steps = self.composition.steps
        within = self.slack if steps else self.from_placed()
        if steps:
            units = [self.composition.units[name] for name in (*steps[-1].work, *steps[-1].home)]
            within += max(unit.duty("home" if steps[-1].home else "work") for unit in units)
        giving = [unit for unit in self.composition.units.values() if self.sets_out(unit)]
        first = [edge for unit in giving for edge in list(self.edges(unit, "give", within))[:1]]
        yield from (edge for edge in first if edge.tag != self.gone().tag)
        longest = max([unit.duty("give") for unit in giving], default=0)
        yield self.gone()._replace(within=longest + self.slack)
        if len(self.takes) == 1:
            returning = [unit.duty("home") for unit in self.composition.units.values() if unit.hears("Give")]
            yield Shown(self.takes[0], True, max(returning, default=0) + self.slack + self.settle())

    def sets_out(self, unit: Unit) -> bool:
        """Whether ``unit`` begins something as a workpiece leaves. A conveyor does where it stood before."""
        if not unit.group.entry.shows.give:
            return False
        placed = [self.composition.units[name] for name in self.composition.placed]
        stood = bool(self.composition.steps) and not all(each.tells("Holds") for each in placed)
        return unit.hears("Give") or stood

    def gone(self) -> Shown:
        """The sensor that shows a workpiece in place does not any more."""
        unit = self.composition.units[self.composition.placed[0]]
        seen = next(self.edges(unit, "placed", unit.duty("give")))
        return seen._replace(becomes=seen.becomes is False)

    # --- what is noticed -------------------------------------------------------------------------------

    def interlocks(self) -> dict[str, Plain]:
        """One for each monitor of each group, and one for each lock in manual mode."""
        found: dict[str, Plain] = {}
        for unit in self.composition.units.values():
            for monitor in unit.group.entry.monitors:
                entry = self.interlock(unit, monitor)
                if entry is not None:
                    name = f"{unit.name}-{monitor.fault.split(' ')[0].replace('.', '-')}"[:29].rstrip("-")
                    number = sum(each == name or each.startswith(f"{name}-") for each in found)
                    found[name if number == 0 else f"{name}-{number + 1}"] = entry
        for unit in self.composition.units.values():
            for lock in unit.entry.lock:
                entry = self.locked(unit, self.composition.units[lock])
                if entry is not None:
                    found[f"{unit.name}-by-{lock}"[:MOST_ID]] = entry
        return found

    def locked(self, unit: Unit, lock: Unit) -> dict[str, Plain] | None:
        """By hand too, ``unit`` goes off when ``lock`` is not ok; None where that cannot be shown."""
        faults = [each for each in lock.group.entry.monitors if each.while_ == "any"]
        driven = {unit.tag(port.name) for port in unit.group.actuators}
        on = [each for each in self.edges(unit, "work", 0) if each.becomes is True and each.tag in driven]
        if not (faults and on and lock.tells("Ok")):
            return None
        return {
            "title": f"{unit.name}: by hand too it is off while {lock.name} is not ok",
            "mode": "manual",
            "set": {self.jogs[on[0].tag]: True},
            "steps": [on[0]._replace(within=self.slack).plain()],
            "inject": [self.fault(lock, faults[0])],
            "expect": [Shown(on[0].tag, False, duration(lock.value(faults[0].within)) + self.slack).plain()],
        }

    def fault(self, unit: Unit, monitor: MonitorEntry) -> str:
        """The monitor's fault as the twin of the station has it."""
        part, _, fault = monitor.fault.partition(".")
        return f"{unit.group.component(unit.name, part)}.{fault}"

    def interlock(self, unit: Unit, monitor: MonitorEntry) -> dict[str, Plain] | None:
        """The way to where the group works, the fault, what is expected; None where it never does that."""
        way = self.way(unit, monitor.while_)
        if way is None:
            return None
        start, steps, on = way
        part, _, fault = monitor.fault.partition(".")
        within = duration(unit.value(monitor.within)) + self.slack
        if monitor.while_ == "give":  # the station waits for the slowest of those that hand out
            units = self.composition.units.values()
            within += max(each.duty("give") for each in units) - unit.duty("give")
        after = duration(unit.value(monitor.after))
        expect = [Shown(tag, False, within, after=after) for tag in on]
        expect.append(Shown("lamp-fault", True, within, after=after))
        entry: dict[str, Plain] = {
            "title": monitor.title or f"{unit.name}: {part} {fault} is noticed",
            **start,
            "steps": [each.plain() for each in steps],
            "inject": [self.fault(unit, monitor)],
            "expect": [each.plain() for each in expect],
        }
        if unit.group.entry.family in PEOPLE and monitor.while_ == "any":
            # What people did is put right at once, and the station begins anew when they say so.
            entry["recover"] = [Shown("lamp-fault", False, self.slack).plain()]
        return entry

    def way(self, unit: Unit, phase: str) -> tuple[dict[str, Plain], list[Shown], list[str]] | None:
        """How to get there: what is set and placed, what is awaited, and the actuators that are then on."""
        if phase == "take" or (phase == "any" and not (self.composition.steps and self.composition.placed)):
            units = [unit] if phase == "take" else list(self.composition.units.values())
            running = [edge for each in units for edge in self.edges(each, "take", TAKING)]
            driven = {each.tag(port.name) for each in units for port in each.group.actuators}
            return {}, running, [e.tag for e in running if e.tag in driven and e.becomes is True]
        if not self.composition.placed or not self.composition.inlets:
            return None
        if phase == "any":
            return self.at_step(0)
        if phase == "give":
            edges = [edge for edge in self.edges(unit, "give", 0) if self.is_actuator(unit, edge.tag)][:1]
            steps = [*self.until_done(), *self.leaving()]
            last = next((n for n, each in enumerate(steps) if edges and each[:2] == edges[0][:2]), None)
            if last is None:
                return None
            return self.begin(ready=True), steps[: last + 1], [edges[0].tag]
        returning = self.returning(unit) if phase == "home" else []
        for index, step in enumerate(self.composition.steps):
            if returning and unit.name in step.work:
                start, steps, _ = self.at_step(index, unit)
                back = returning[0]._replace(within=unit.duty("work") + self.slack)
                return start, [*steps, *list(self.edges(unit, "work", back.within))[1:], back], []
            if unit.name in (step.work if phase == "work" else step.home):
                return self.at_step(index, unit)
        return None

    def at_step(
        self, index: int, unit: Unit | None = None
    ) -> tuple[dict[str, Plain], list[Shown], list[str]]:
        """To the instant at which step ``index`` begins, as ``unit`` (else any group of it) shows it."""
        step = self.composition.steps[index]
        before = self.until_done(index)
        after = self.slack
        for earlier in range(index):
            _, after = self.step(earlier, after)
        edges, _ = self.step(index, after)
        names = (unit.name,) if unit is not None else (*step.work, *step.home)
        first: list[Shown] = []
        for name in names:
            each = self.composition.units[name]
            first += [e for e in edges if e.tag.startswith(f"{name}-") and self.is_actuator(each, e.tag)][:1]
        on = [each.tag for each in first if each.becomes is True]
        return self.begin(ready=False), [*before, *first[:1]], on

    def is_actuator(self, unit: Unit, tag: str) -> bool:
        """Whether the controller drives ``tag``."""
        return any(unit.tag(port.name) == tag for port in unit.group.actuators)


def _typed(value: str) -> tuple[Plain]:
    if value.lower() in ("true", "false"):
        return (value.lower() == "true",)
    number, _, _ = value.partition(" ")
    return (float(number),)

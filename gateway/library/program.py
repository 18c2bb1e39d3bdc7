"""The program of a composed station: its groups' patterns, and the sequencer that runs them; pure.

The sequencer is the same for every station. EMPTY takes a workpiece, one state follows for each step of the
cycle, DONE waits for the next station, LEAVING hands out, RETURNING sends home what was still at work. A
fault of any group leads to FAULT, which lasts until it is acknowledged; in manual mode jogs act directly.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from gateway.controller.compile import Part
from gateway.library.composition import Composition, Step, Unit
from gateway.library.pattern import RELEASES, camel, literal
from gateway.library.signals import Bit, Signal
from gateway.library.wiring import Wiring

FIRST, EACH = 20, 10  # the state of the first step, and from one to the next
DONE, LEAVING, RETURNING, FAULT = 9000, 9010, 9020, 9090
MOST_STEPS = (DONE - FIRST) // EACH
MARGIN = 500_000_000  # beyond its groups' times a step gets this, ns: the groups notice first


class Written(NamedTuple):
    """The Structured Text of a whole file, and which of its lines are those of patterns."""

    text: str
    parts: tuple[Part, ...]


def write_program(
    name: str, title: str, composition: Composition, signals: Mapping[str, Signal], wiring: Wiring
) -> Written:
    """The patterns that it uses, each once, and the program itself."""
    patterns = [unit.group.pattern for unit in composition.units.values()]
    text, parts, first = "", list[Part](), 1
    for each in {each.name: each for each in patterns if each is not None}.values():
        body = each.text.strip()
        lines, above = body.count("\n") + 1, each.text[: each.text.index(body)].count("\n")
        parts.append(Part(first, lines, each.file, 1 + above))
        text, first = f"{text}{body}\n\n", first + lines + 1
    text += "\n".join(_Writer(name, title, composition, signals, wiring).lines()) + "\n"
    return Written(text, tuple(parts))


def _run(composition: Composition) -> list[Unit]:
    """The units that have a pattern."""
    return [unit for unit in composition.units.values() if unit.group.pattern is not None]


class _Writer:
    def __init__(
        self,
        name: str,
        title: str,
        composition: Composition,
        signals: Mapping[str, Signal],
        wiring: Wiring,
    ) -> None:
        self.name, self.title, self.composition = name, title, composition
        self.signals, self.wiring = signals, wiring
        self.units = _run(composition)
        self.takes, self.readies = composition.takes(), composition.readies()

    def lines(self) -> Iterator[str]:
        yield f"(* {self.title}: composed from its groups."
        yield "   Command bits: 0 manual, 1 acknowledge, then the jogs. *)"
        yield f"PROGRAM {self.name}"
        yield from self.declarations()
        yield ""
        yield from self.echoes()
        yield ""
        yield from self.sequencer()
        yield ""
        yield from self.calls()
        yield ""
        yield from self.outputs()
        yield "END_PROGRAM"

    # --- declarations ----------------------------------------------------------------------------------

    def declarations(self) -> Iterator[str]:
        yield "VAR CONSTANT"
        yield "    MANUAL    : INT := -1;"
        yield "    HOMING    : INT := 0;       // everything goes home"
        yield "    EMPTY     : INT := 10;      // a workpiece may come"
        for index, step in enumerate(self.composition.steps):
            yield f"    STEP_{index + 1:<4} : INT := {FIRST + EACH * index};      // {_said(step)}"
        yield f"    DONE      : INT := {DONE};    // waits for the next station"
        yield f"    LEAVING   : INT := {LEAVING};"
        yield f"    RETURNING : INT := {RETURNING};    // what handed out goes home"
        yield f"    FAULT     : INT := {FAULT};"
        yield "END_VAR"
        yield "VAR"
        for direction, heading in (("input", "Inputs"), ("output", "Outputs and echoes")):
            yield f"    (* {heading} *)"
            for each in self.signals.values():
                if each.direction == direction:
                    yield f"    {each.variable} AT {each.located} : {each.type};"
        yield "    (* Groups *)"
        for unit in self.units:
            assert unit.group.pattern is not None
            yield f"    {_instance(unit)} : {unit.group.pattern.name};"
        yield "    (* Sequencer *)"
        yield "    State       : INT := HOMING;"
        yield "    Released    : BOOL;         // automatic, and no fault"
        yield "    Present     : BOOL;         // a workpiece is in place"
        if self.judges():
            yield "    Good        : BOOL := TRUE; // what was found of it"
        if self.sorts():
            yield "    Outlet      : INT;          // where it goes, from 1; 0 not known"
        yield "    Acknowledge : R_TRIG;"
        for name in self.readies:
            yield f"    {_sent(name)} : BOOL;     // one is on its way there, and not noticed yet"
        for timer, _, _ in self.timers():
            yield f"    {timer} : TON;"
        yield "END_VAR"

    def timers(self) -> Iterator[tuple[str, str, int]]:
        """Each state's timer with the state and the longest time, ns."""
        homing = max([unit.duty("home") for unit in self.units], default=0) + MARGIN
        yield "HomingTime", "HOMING", homing
        for index, step in enumerate(self.composition.steps):
            times = [self.composition.units[name].duty("work") for name in step.work]
            times += [self.composition.units[name].duty("home") for name in step.home]
            yield f"Step{index + 1}Time", f"STEP_{index + 1}", max(times, default=0) + MARGIN
        giving = [unit.duty("give") for unit in self.units if unit.hears("Give") or unit.tells("Placed")]
        yield "LeavingTime", "LEAVING", max(giving, default=0) + MARGIN
        yield "ReturningTime", "RETURNING", homing

    def judges(self) -> bool:
        """Whether anything depends on what is found of a workpiece."""
        return self.composition.quality is not None or any(unit.hears("Good") for unit in self.units)

    def sorts(self) -> bool:
        """Whether it matters by which outlet a workpiece leaves."""
        return bool(self.readies) or any(unit.hears("Outlet") for unit in self.units)

    # --- what is shown -----------------------------------------------------------------------------------

    def echoes(self) -> Iterator[str]:
        yield "(* Echoes for commissioning *)"
        for tag, shown in self.wiring.seen.items():
            target = shown.variable if isinstance(shown, Bit) else camel(shown)
            yield f"{target} := {camel(tag)};"

    # --- the sequencer -----------------------------------------------------------------------------------

    def sequencer(self) -> Iterator[str]:
        manual, resets = self.wiring.manual.variable, [self.wiring.acknowledge.variable]
        resets += [f"{_instance(unit)}.Reset" for unit in self.units if unit.tells("Reset")]
        yield f"Acknowledge(CLK := {' OR '.join(resets)});"
        for timer, state, longest in self.timers():
            yield f"{timer}(IN := State = {state}, PT := T#{longest // 1_000_000}ms);"
        placed = [f"{_instance(self.composition.units[name])}.Placed" for name in self.composition.placed]
        yield f"Present := {' OR '.join(placed) or 'FALSE'};"
        for outlet, tag in self.readies.items():
            # Noticed, or taken off by hand on its way, or everything was put right by hand.
            yield f"IF NOT {camel(tag)} OR Acknowledge.Q OR {manual} THEN"
            yield f"    {_sent(outlet)} := FALSE;"
            yield "END_IF;"
        yield ""
        yield f"IF {manual} THEN"
        yield "    (* Automatic starts clean afterwards. *)"
        yield "    IF State <> FAULT OR Acknowledge.Q THEN"
        yield "        State := MANUAL;"
        yield "    END_IF;"
        yield "ELSE"
        for line in self.states():
            yield f"    {line}" if line else ""
        faults = [f"{_instance(unit)}.Fault" for unit in self.units if unit.tells("Fault")]
        if faults:
            yield ""
            yield "    (* These stop the station in every state. *)"
            yield "    IF " + "\n        OR ".join(faults) + " THEN"
            yield "        State := FAULT;"
            yield "    END_IF;"
        yield "END_IF;"
        yield f"Released := NOT {manual} AND State <> FAULT;"

    def states(self) -> Iterator[str]:
        steps = self.composition.steps
        after = [f"STEP_{n + 2}" for n in range(len(steps) - 1)] + ["DONE"]
        yield "CASE State OF"
        yield "    MANUAL:"
        yield "        State := HOMING;"
        yield ""
        yield from self.state("HOMING", self.all_home(), "EMPTY", "HomingTime")
        yield "    EMPTY:"
        if self.judges():
            yield "        Good := TRUE;"
        if self.sorts():
            yield "        Outlet := 0;"
        yield "        IF Present THEN"
        yield f"            State := {'STEP_1' if steps else 'DONE'};"
        yield "        END_IF;"
        yield ""
        for index, step in enumerate(steps):
            yield from self.step(index, step, after[index])
        yield from self.done()
        yield "    LEAVING:"
        yield "        IF NOT Present THEN"
        for number, outlet in enumerate(self.readies, 1):
            yield f"            IF Outlet = {number} THEN"
            yield f"                {_sent(outlet)} := TRUE;"
            yield "            END_IF;"
        yield "            State := RETURNING;"
        yield "        ELSIF LeavingTime.Q THEN"
        yield "            State := FAULT;"
        yield "        END_IF;"
        yield ""
        yield from self.state("RETURNING", self.all_home(), "EMPTY", "ReturningTime")
        yield "    FAULT:"
        yield "        IF Acknowledge.Q THEN"
        yield "            State := HOMING;"
        yield "        END_IF;"
        yield "ELSE"
        yield "    State := FAULT;"
        yield "END_CASE;"

    def state(self, name: str, condition: str, then: str, timer: str) -> Iterator[str]:
        yield f"    {name}:"
        yield f"        IF {condition} THEN"
        yield f"            State := {then};"
        yield f"        ELSIF {timer}.Q THEN"
        yield "            State := FAULT;"
        yield "        END_IF;"
        yield ""

    def step(self, index: int, step: Step, then: str) -> Iterator[str]:
        units = self.composition.units
        wanted = [f"{_instance(units[name])}.Done" for name in step.work]
        wanted += [f"{_instance(units[name])}.Home" for name in step.home]
        lines = list(self.state(f"STEP_{index + 1}", " AND ".join(wanted), then, f"Step{index + 1}Time"))
        if self.composition.quality is not None and self.composition.quality[0] in step.work:
            lines.insert(2, f"            Good := {self.quality()};")
        yield from lines

    def quality(self) -> str:
        """Where the result is read."""
        assert self.composition.quality is not None
        name, what = self.composition.quality
        unit = self.composition.units[name]
        if what in unit.group.ports:
            return camel(unit.tag(what))
        assert unit.group.pattern is not None
        wanted = what.replace("-", "").lower()
        return f"{_instance(unit)}." + next(n for n in unit.group.pattern.outputs if n.lower() == wanted)

    def done(self) -> Iterator[str]:
        """Which outlet it leaves by: the good or bad one where there is a quality, else any that is ready."""
        yield "    DONE:"
        yield "        IF NOT Present THEN     // taken off by hand"
        yield "            State := RETURNING;"
        good, bad = self.outlets()
        for number, (outlet, tag) in enumerate(self.readies.items(), 1):
            ready = f"{camel(tag)} AND NOT {_sent(outlet)}"
            if self.composition.quality is not None:
                ready = f"Good AND {ready}" if outlet in good else f"NOT Good AND {ready}"
            yield f"        ELSIF {ready} THEN"
            yield f"            Outlet := {number};"
            yield "            State := LEAVING;"
        if not self.readies or (self.composition.quality is not None and not bad):
            yield "        ELSIF NOT Good THEN     // taken out here" if self.readies else "        ELSE"
            yield "            State := LEAVING;"
        yield "        END_IF;"
        yield ""

    def outlets(self) -> tuple[list[str], list[str]]:
        """The outlets for what is good, and for what is not."""
        bad = [name for name in self.readies if name in ("bad", "reject", "back", "rework")]
        return [name for name in self.readies if name not in bad], bad

    def all_home(self) -> str:
        return (
            "\n            AND ".join(f"{_instance(u)}.Home" for u in self.units if u.tells("Home")) or "TRUE"
        )

    # --- the groups --------------------------------------------------------------------------------------

    def calls(self) -> Iterator[str]:
        for unit in self.units:
            yield f"{_instance(unit)}("
            arguments = [f"    {name} := {value}" for name, value in self.arguments(unit)]
            yield ",\n".join(arguments) + ");"

    def arguments(self, unit: Unit) -> Iterator[tuple[str, str]]:
        pattern = unit.group.pattern
        assert pattern is not None
        common = {
            "Auto": "Released",
            "Manual": self.wiring.manual.variable,
            "Work": self.works(unit.name),
            "Ack": "Acknowledge.Q",
            "Take": "State = EMPTY",
            "Give": "State = LEAVING",
            "Move": self.moving(),
            "Good": "Good",
            "Lock": self.locked(unit),
            "StationFault": "State = FAULT",
            "StationBusy": "State > EMPTY AND State < FAULT",
        }
        for name in RELEASES:
            if name in pattern.inputs:
                yield name, common[name]
        if "Outlet" in pattern.inputs:
            yield "Outlet", "Outlet"
        for port in unit.group.actuators:
            jog = self.wiring.jogs[unit.tag(port.name)]
            value = jog.variable if isinstance(jog, Bit) else self.limited(jog)
            yield f"Jog{camel(port.name)}", value
        for port in unit.group.sensors:
            yield camel(port.name), camel(unit.tag(port.name))
        for name, text in unit.group.entry.program.items():
            own = unit.entry.program.get(name)
            yield name, literal(pattern.inputs[name], own.text if own else unit.value(text.text))

    def moving(self) -> str:
        """When workpieces may move: also to clear it, once all that works on them is out of the way."""
        away = [f"{_instance(u)}.Home" for u in self.units if u.hears("Work") and u.tells("Home")]
        states = ["State = EMPTY", "State = LEAVING", "State = RETURNING"]
        states.append(" AND ".join(["State = HOMING", *away]))
        placed = [self.composition.units[name] for name in self.composition.placed]
        if placed and all(unit.tells("Holds") for unit in placed):
            states.append("State = DONE")
        return " OR ".join(states)

    def limited(self, jog: str) -> str:
        """A number to go to by hand, held within its range."""
        signal = self.signals[jog]
        low, _, high = str(signal.about["range"]).partition("..")
        low, high = literal(signal.type, low), literal(signal.type, high)
        return f"LIMIT({low}, {signal.variable}, {high})"

    def works(self, name: str) -> str:
        """In which states the group is at work."""
        spans: list[str] = []
        begun = 0
        for index, step in enumerate(self.composition.steps, 1):
            if name in step.work:
                begun = index
            elif name in step.home and begun:
                spans.append(f"State >= STEP_{begun} AND State < STEP_{index}")
                begun = 0
        if begun:
            spans.append(f"State >= STEP_{begun} AND State < RETURNING")
        return " OR ".join(spans) or "FALSE"

    def locked(self, unit: Unit) -> str:
        units = self.composition.units
        locks = [units[name] for name in unit.entry.lock if name in units]
        shut = [f"NOT {_instance(each)}.{'Ok' if each.tells('Ok') else 'Home'}" for each in locks]
        return " OR ".join(shut) or "FALSE"

    # --- outputs -----------------------------------------------------------------------------------------

    def outputs(self) -> Iterator[str]:
        for unit in self.units:
            for port in unit.group.actuators:
                yield f"{camel(unit.tag(port.name))} := {_instance(unit)}.{camel(port.name)};"
        manual = self.wiring.manual.variable
        for tag in self.takes.values():
            jog = self.wiring.jogs[tag]
            assert isinstance(jog, Bit)
            yield f"{camel(tag)} := NOT {manual} AND {self.taking(tag)} OR {manual} AND {jog.variable};"
        lamp = self.wiring.jogs["lamp-fault"]
        assert isinstance(lamp, Bit)
        yield f"LampFault := State = FAULT OR {manual} AND {lamp.variable};"

    def taking(self, tag: str) -> str:
        """When a workpiece may come: as a pattern says (``TakeMain``), also while the station has one; else
        while the station is empty."""
        inlet = next(name for name, each in self.takes.items() if each == tag)
        own = self.composition.teller(inlet)
        return f"Released AND {_instance(own[0])}.{own[1]}" if own is not None else "State = EMPTY"


def _instance(unit: Unit) -> str:
    return f"{camel(unit.name)}Group"


def _sent(outlet: str) -> str:
    return f"Sent{camel(outlet)}"


def _said(step: Step) -> str:
    return ", ".join([*step.work, *(f"{name} home" for name in step.home)])

"""What is done with each workpiece, and which groups tell of it and judge it; pure."""

from __future__ import annotations

from collections.abc import Mapping

from gateway.field.tags import Complain
from gateway.library.composition import CompositionEntry, Step, Unit, known
from gateway.library.entries import HomeStep


def steps_of(
    entry: CompositionEntry, units: Mapping[str, Unit], complain: Complain, partial: bool
) -> tuple[Step, ...]:
    """The cycle, with what is at work at its end going home."""
    steps: list[Step] = []
    working: list[str] = []
    line = next((step.line for step in entry.cycle if isinstance(step, HomeStep)), 1)
    for index, step in enumerate(entry.cycle, 1):
        names = step.home if isinstance(step, HomeStep) else step
        for name in names:
            where = f"cycle, step {index}: {name}"
            if name not in units:
                if name not in entry.groups and not partial:
                    complain(line, f"{where} is no group of the station", known(name, units))
                continue
            if not (units[name].hears("Work") and units[name].tells("Done") and units[name].tells("Home")):
                use = units[name].entry
                complain(
                    use.line, f"{where} has no Work, Done and Home", "choose a group that does something"
                )
        there = tuple(name for name in names if name in units)
        if isinstance(step, HomeStep):
            for name in there:
                if name not in working:
                    complain(step.line, f"cycle, step {index}: {name} is not at work", "leave it out")
            steps.append(Step((), there))
            working = [name for name in working if name not in there]
        else:
            for name in there:
                if name in working:
                    complain(
                        units[name].entry.line, f"cycle, step {index}: {name} is at work already",
                        f"let it go home before: - home: [{name}]",
                    )  # fmt: skip
            steps.append(Step(there, ()))
            working += [name for name in there if name not in working]
    last = tuple(name for name in working if units[name].rests)
    return (*steps, Step((), last)) if last else tuple(steps)


def placed_by(
    entry: CompositionEntry, units: Mapping[str, Unit], line: int, complain: Complain
) -> tuple[str, ...]:
    found = tuple(name for name, unit in units.items() if unit.tells("Placed"))
    if entry.present is not None:
        if entry.present.text not in found:
            complain(
                entry.present.line, f"present: {entry.present.text!r} tells of no workpiece",
                known(entry.present.text, found),
            )  # fmt: skip
        return (entry.present.text,)
    if len(found) > 1:
        complain(
            line, f"groups: {', '.join(found)} all tell of a workpiece in place", f"write present: {found[0]}"
        )
    if entry.cycle and not found and len(units) == len(entry.groups):
        complain(line, "groups: none tells of a workpiece in place", "add one with Placed, such as a stopper")
    return found


def quality_of(
    entry: CompositionEntry, units: Mapping[str, Unit], complain: Complain
) -> tuple[str, str] | None:
    if entry.quality is None:
        return None
    name, _, what = entry.quality.text.partition(".")
    unit = units.get(name)
    if unit is None:
        complain(entry.quality.line, f"quality: {name!r} is no group", known(entry.quality.text, units))
        return None
    sensors = [port.name for port in unit.group.sensors if port.port.kind == "bool"]
    pattern = unit.group.pattern
    results = [n for n, kind in pattern.outputs.items() if kind == "BOOL"] if pattern is not None else []
    spelled = {each.lower(): each for each in results}
    if what not in sensors and what.replace("-", "") not in spelled:
        complain(entry.quality.line, f"quality: {name} has no {what!r}", known(what, [*sensors, *spelled]))
        return None
    return name, what

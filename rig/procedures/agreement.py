"""Twin and machine: what is real does what its model does, throughout the session."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence, Set

import pytest

from gateway.field.tags import read_ref
from gateway.net.messages import Pause
from gateway.scenario import show
from gateway.twin.discrepancy import Discrepancy
from rig.backend import RigFault, Script
from rig.differences import tag_of
from rig.report.wording import duration
from rig.session import Session, StationHandle
from rig.step import StepContext

pytestmark = pytest.mark.phase("agreement")
SHOWN = 5  # discrepancies in words; the report's table has all


def watch_script(station: StationHandle, _: object) -> Script | None:
    """A station that nobody drives is watched for a while; another was driven by the steps before."""
    return Script((Pause(station.lined.watch),)) if station.lined.mode == "shadow" else None


@pytest.mark.ahead.with_args(watch_script)
def test_agreement(session: Session, machine: StationHandle, step: StepContext) -> None:
    """Its sensors show what the twin's show."""
    script = watch_script(machine, None)
    if script is not None:
        reading = machine.perform(script)
        step.measure("watched", round(reading.trace.duration / 1e9, 1), "s")
    judge(session, machine, step, {tag.name for tag in machine.spec.inputs}, "twin's")


def test_controller(session: Session, beside: StationHandle, step: StepContext) -> None:
    """Its outputs are those of its own program, which runs beside it."""
    judge(session, beside, step, {tag.name for tag in beside.spec.outputs}, "virtual controller's")
    if why := session.backend.uncompared(beside.id):
        raise RigFault(f"{beside.id}: the virtual controller is not compared with the real one: {why}")


def judge(session: Session, station: StationHandle, step: StepContext, tags: Set[str], model: str) -> None:
    """Fail by the discrepancies at ``tags``, against whose ``model``; they are all that there were. Those of
    which it is in doubt whether they are any are the rig's."""
    there = [
        each
        for each in session.differences(station.id)
        if (tag := tag_of(each, station.spec.tags)) is None or tag.name in tags
    ]
    found = [each for each in there if not each.doubt]
    if found:
        step.fail(told(found, model), *dict.fromkeys(read_ref(each.tag).tag for each in found))
    step.measure("discrepancies", len(found), high=0)
    if doubtful := [each for each in there if each.doubt]:
        step.measure("in doubt", len(doubtful))
        if not found:
            raise RigFault(f"{station.id}: {told(doubtful, model)}; but {doubtful[0].doubt}")
    if why := session.backend.unheard(station.id):
        raise RigFault(f"{station.id} was not heard throughout, so there may have been others: {why}")


def told(found: Sequence[Discrepancy], model: str) -> str:
    """What they are, the longest of each signal, and who is suspected most often first."""
    suspects = Counter(each.suspect for each in found)
    longest: dict[str, Discrepancy] = {}
    for each in sorted(found, key=_length):
        longest[each.tag] = each
    ordered = sorted(longest.values(), key=lambda each: (-suspects[each.suspect], each.begin))
    texts = [
        f"{each.tag} was {show(each.machine)}, the {model} {show(each.twin)}, {_lasted(each)}: "
        f"look at {each.suspect}"
        for each in ordered[:SHOWN]
    ]
    more = f"; and {len(ordered) - SHOWN} more signals" if len(ordered) > SHOWN else ""
    return "; ".join(texts) + more


def _length(each: Discrepancy) -> float:
    return float("inf") if each.end is None else each.end - each.begin


def _lasted(each: Discrepancy) -> str:
    return "and still is" if each.end is None else f"for {duration(each.end - each.begin)}"

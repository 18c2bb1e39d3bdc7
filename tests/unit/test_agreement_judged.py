"""The step at a session's end: what parted is the station's fault; what is in doubt is the rig's."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from starter_harness import compiled, line, source

from gateway.twin.discrepancy import Discrepancy
from rig.backend import RigFault
from rig.procedures.agreement import judge
from rig.session import Session
from rig.step import StepContext
from rig.verdicts import Failed
from rig.virtual import VirtualBackend

SURE = Discrepancy("lift-raise", 10, 400_000_010, True, False, "glue.st:182 in scan 7")
DOUBTFUL = msgspec.structs.replace(SURE, tag="take", doubt="the gateway was late: for 50 ms it did not see")


class Told(VirtualBackend):
    """The starter line, of whose glue station this was told."""

    def __init__(self, *found: Discrepancy) -> None:
        super().__init__(line(), {name: compiled(source(name)) for name in line().stations})
        self.found = list(found)

    def differences(self, station: str) -> list[Discrepancy]:
        return self.found


def judged(*found: Discrepancy) -> StepContext:
    """The step, ended."""
    session = Session(line(), Told(*found), {})
    step = StepContext(session, "agreement/controller[glue]", "agreement", "", "glue")
    judge(session, session.stations["glue"], step, {"lift-raise", "take"}, "virtual controller's")
    step.close()
    return step


def measured(step: StepContext) -> dict[str, Any]:
    return {each.name: each.value for each in step.measurements}


def test_nothing_parted() -> None:
    assert measured(judged()) == {"discrepancies": 0}


def test_what_parted_for_certain_fails_whatever_else_is_in_doubt() -> None:
    for found in ([SURE], [SURE, DOUBTFUL], [DOUBTFUL, SURE]):
        with pytest.raises(Failed, match=r"lift-raise was false.*look at glue\.st:182 in scan 7") as failed:
            judged(*found)
        assert "take" not in str(failed.value)


def test_what_is_in_doubt_is_no_fault_of_the_station_and_passes_nothing() -> None:
    with pytest.raises(RigFault, match=r"glue: take was false.*but the gateway was late: for 50 ms"):
        judged(DOUBTFUL)

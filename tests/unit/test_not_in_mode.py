"""What is not done in a station's mode is skipped with why; what only waits is done in every mode."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from gateway.field.tags import TagRef
from gateway.net.messages import (
    Action,
    Await,
    Clear,
    Feed,
    Force,
    Free,
    Inject,
    Isolate,
    Pause,
    Place,
    Reset,
)
from gateway.station import Mode
from rig.backend import Script
from rig.items import judge
from rig.session import unfit
from rig.verdicts import NotHere

WRITING: tuple[Action, ...] = (
    Force(TagRef("command"), 1),
    Free(TagRef("command")),
    Inject("belt.jam"),
    Clear("belt.jam"),
    Place("belt", (), 1),
    Feed("belt", ()),
    Reset(),
    Isolate(True),
)
WAITS = (Await(TagRef("ok"), True, 0, 1), Pause(1))


@pytest.mark.parametrize("action", WRITING, ids=lambda action: type(action).__name__)
def test_in_shadow_nothing_is_written(action: Action) -> None:
    assert "nothing is written" in unfit("shadow", Script((*WAITS, action)))
    assert not unfit("hil", Script((*WAITS, action)))


@pytest.mark.parametrize("mode", get_args(Mode))
def test_what_only_waits_is_done_in_every_mode(mode: Mode) -> None:
    assert not unfit(mode, Script(WAITS))


def test_no_fault_is_injected_into_a_real_plant() -> None:
    for action in WRITING:
        assert bool(unfit("ril", Script((action,)))) == isinstance(action, Inject)


def test_the_step_is_skipped_and_says_why() -> None:
    raised = NotHere("both are real: nothing is written")
    assert judge(raised, Path(__file__)) == ("SKIPPED", "both are real: nothing is written", ())

"""A session in which a force does not hold: the step fails, and says where to look."""

from __future__ import annotations

import pytest
from starter_harness import checkout, open_session, source

from gateway.field.tags import TagRef
from gateway.net.messages import Force, Pause
from rig.step import StepContext
from rig.verdicts import Failed


def test_a_program_that_overwrites_its_own_input_fails_the_checkout_of_it() -> None:
    text = source("glue")
    assert text.count("\nEND_PROGRAM") == 1
    stubborn = text.replace("\nEND_PROGRAM", "\nAirOk := FALSE;\nEND_PROGRAM")
    results = dict(checkout(open_session(glue=stubborn).stations["glue"]))
    assert "glue: air-ok was forced and did not hold: overwritten with false; find out who writes it" in (
        results["air-ok"].problems
    )
    assert "air-ok" in results["air-ok"].step.tags
    assert "did not hold" not in results["door-closed"].problems


def test_an_attempt_answers_for_its_own_forces_alone() -> None:
    session = open_session(glue=source("glue").replace("\nEND_PROGRAM", "\nAirOk := FALSE;\nEND_PROGRAM"))
    step = StepContext(session, "step", "test", "step", "glue")
    session.stations["glue"].run(Force(TagRef("air-ok"), True), Pause(300_000_000))
    step.measure("something", 1)
    with pytest.raises(Failed, match="did not hold"):
        step.close()
    step.again()
    step.measure("something", 1)
    step.close()

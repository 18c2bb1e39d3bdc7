"""Rigs killed, stopped and cut off while they force, clocks stepped: safe in time, the next is granted."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import rigs
from running import MOSQUITTO
from safe_causes import HOUR, RIG, Cause, strike
from site_safe import ANNA, Bench, Machine, NotHere

pytestmark = pytest.mark.skipif(MOSQUITTO is None, reason="mosquitto is not installed")


@pytest.mark.parametrize("cause", RIG.values(), ids=RIG.keys())
def test_the_station_is_safe_and_the_next_operator_gets_it(bench: Bench, cause: Cause) -> None:
    strike(bench, cause)


# Further back, a certificate that was issued just now is not valid yet.
@pytest.mark.parametrize("seconds", [HOUR, -240])
def test_a_rig_whose_clock_is_wrong_and_the_next_of_its_operator_are_heard(
    bench: Bench, tmp_path: Path, seconds: int
) -> None:
    try:
        machine = Machine(tmp_path)
    except NotHere as why:
        pytest.skip(str(why))
    machine.step(seconds)
    words = (sys.executable, rigs.__file__, str(bench.site.keys), bench.broker.url, "anna", str(ANNA))
    wrong = bench.site.start(tmp_path, *words, env=machine.env)
    held = bench.watch.wait(bench.held(ANNA))
    wrong.process.kill()
    bench.watch.wait(bench.safe, held)
    right = bench.forcing()  # by the same operator, whose words are now an hour older, or younger
    right.end()
    bench.next_operator(bench.watch.wait(bench.safe))

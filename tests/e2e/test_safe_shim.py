"""Gateways killed and stopped whose controller has a shim: the program is on its terminals in time."""

from __future__ import annotations

import pytest
from running import MOSQUITTO
from safe_causes import SHIMMED, Cause, strike
from site_safe import Bench, ShimBench

BENCH = ShimBench
pytestmark = pytest.mark.skipif(MOSQUITTO is None, reason="mosquitto is not installed")


@pytest.mark.parametrize("cause", SHIMMED.values(), ids=SHIMMED.keys())
def test_the_station_is_safe_and_the_next_operator_gets_it(bench: Bench, cause: Cause) -> None:
    strike(bench, cause)

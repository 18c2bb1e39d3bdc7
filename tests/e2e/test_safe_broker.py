"""Brokers and controllers fail while a rig forces, and two rigs at once: safe in time, the next granted."""

from __future__ import annotations

import pytest
from running import MOSQUITTO
from safe_causes import BROKER, CONTROLLER, Cause, strike
from site_safe import Bench

STRUCK = {**BROKER, **CONTROLLER}
pytestmark = pytest.mark.skipif(MOSQUITTO is None, reason="mosquitto is not installed")


@pytest.mark.parametrize("cause", STRUCK.values(), ids=STRUCK.keys())
def test_the_station_is_safe_and_the_next_operator_gets_it(bench: Bench, cause: Cause) -> None:
    strike(bench, cause)

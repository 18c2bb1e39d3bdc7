"""Gateways and their disks fail while a rig forces: safe once they are back, and the next one is granted."""

from __future__ import annotations

import pytest
from running import MOSQUITTO
from safe_causes import GATEWAY, Cause, strike
from site_safe import Bench

pytestmark = pytest.mark.skipif(MOSQUITTO is None, reason="mosquitto is not installed")


@pytest.mark.parametrize("cause", GATEWAY.values(), ids=GATEWAY.keys())
def test_the_station_is_safe_and_the_next_operator_gets_it(bench: Bench, cause: Cause) -> None:
    strike(bench, cause)

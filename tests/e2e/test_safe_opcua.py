"""What a station depends on fails, whose controller speaks OPC UA, signed and encrypted."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from running import MOSQUITTO
from safe_causes import OPCUA, Cause, Struck

JOBS = 2
pytestmark = pytest.mark.skipif(MOSQUITTO is None, reason="mosquitto is not installed")


@pytest.mark.parametrize("cause", OPCUA.values(), ids=OPCUA.keys())
def test_the_station_is_safe_and_the_next_operator_gets_it(
    struck: Callable[[Cause], list[Struck]], cause: Cause
) -> None:
    assert all(since < safe for since, safe in struck(cause))

"""What a station depends on fails, whose controller speaks S7."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from running import MOSQUITTO
from safe_causes import S7, Cause, Struck

JOBS = 2
pytestmark = pytest.mark.skipif(MOSQUITTO is None, reason="mosquitto is not installed")


@pytest.mark.parametrize("cause", S7.values(), ids=S7.keys())
def test_the_station_is_safe_and_the_next_operator_gets_it(
    struck: Callable[[Cause], list[Struck]], cause: Cause
) -> None:
    assert all(since < safe for since, safe in struck(cause))

"""Gateways fail whose controller has a shim: the program is on its terminals in time."""

from __future__ import annotations

import pytest
from safe_causes import SHIMMED, Cause, Strike

JOBS = 2


@pytest.mark.parametrize("cause", SHIMMED.values(), ids=SHIMMED.keys())
def test_the_station_is_safe_and_the_next_operator_gets_it(struck: Strike, cause: Cause) -> None:
    assert all(since < safe for since, safe in struck(cause))

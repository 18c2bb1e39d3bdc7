"""Rigs, brokers, gateways, disks and the controller fail: safe in time, and the next is granted."""

from __future__ import annotations

from functools import partial

import pytest
from safe_causes import HOUR, LEASE, MODBUS, Cause, Strike, rig_whose_clock_is_wrong
from side_by_side import Range
from site_safe import NotHere

JOBS = 4


@pytest.mark.parametrize("cause", MODBUS.values(), ids=MODBUS.keys())
def test_the_station_is_safe_and_the_next_operator_gets_it(struck: Strike, cause: Cause) -> None:
    assert all(since < safe for since, safe in struck(cause))


# Further back, a certificate that was issued just now is not valid yet.
@pytest.mark.parametrize("seconds", [HOUR, -240])
def test_a_rig_whose_clock_is_wrong_and_the_next_of_its_operator_are_heard(
    benches: Range, seconds: int
) -> None:
    cause = Cause("rig's clock is wrong, rig killed", LEASE, partial(rig_whose_clock_is_wrong, seconds))
    try:
        benches.strike(cause, 1).result()
    except NotHere as why:
        pytest.skip(str(why))

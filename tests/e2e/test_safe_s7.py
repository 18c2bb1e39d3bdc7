"""What a station depends on fails, whose controller speaks S7."""

from __future__ import annotations

import pytest
from safe_causes import S7, Cause, Strike

JOBS = 2


@pytest.mark.parametrize("cause", S7.values(), ids=S7.keys())
def test_the_station_is_safe_and_the_next_operator_gets_it(struck: Strike, cause: Cause) -> None:
    assert all(since < safe for since, safe in struck(cause))

"""Brokers and controllers fail while a rig forces, and two rigs at once: safe in time, the next granted."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from running import MOSQUITTO, starter
from safe_causes import BROKER, CONTROLLER, Cause
from site_safe import Bench, NotHere

STRUCK = {**BROKER, **CONTROLLER}
pytestmark = pytest.mark.skipif(MOSQUITTO is None, reason="mosquitto is not installed")


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with starter() as start:
        made = Bench(tmp_path_factory.mktemp("bench"), start)
        try:
            yield made
        finally:
            made.close()


@pytest.mark.parametrize("cause", STRUCK.values(), ids=STRUCK.keys())
def test_the_station_is_safe_and_the_next_operator_gets_it(bench: Bench, cause: Cause) -> None:
    try:
        for _ in range(cause.often):
            bench.next_operator(cause.strike(bench).safe)
    except NotHere as why:
        pytest.skip(str(why))

"""Scripts begun before their steps: each is waited for once, whoever waits for it."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from gateway.net.messages import Pause, Trace
from rig.ahead import Ahead
from rig.backend import Backend, Begun, GatewayGone, Script

ONE, OTHER = Script((Pause(1),), (), 0, False), Script((Pause(2),), (), 0, False)
TRACE = Trace(0, 0, 1, 1, "done", {})


class Stations(Backend):
    """Counts what is waited for; ``gone`` answer no more."""

    def __init__(self, *gone: str) -> None:
        self.gone = gone
        self.waited: list[str] = []

    def begin(self, scripts: Mapping[str, Script]) -> Begun:
        return Begun(scripts, dict.fromkeys(scripts, 1))

    def finish(self, begun: Begun, out: int = 0) -> dict[str, Trace]:
        (name,) = begun.scripts
        self.waited.append(name)
        if name in self.gone:
            raise GatewayGone(name, "it is gone")
        return {name: TRACE}


@pytest.fixture
def stations(request: pytest.FixtureRequest) -> Stations:
    Stations.__abstractmethods__ = frozenset()  # the rest of a back end is not asked
    return Stations(*getattr(request, "param", ()))


def test_what_was_begun_is_taken_once(stations: Stations) -> None:
    ahead = Ahead(stations)
    ahead.begin("glue", ONE)
    taken = ahead.take("glue", ONE)
    assert taken is not None
    assert taken.traces is None  # its step waits
    assert ahead.take("glue", ONE) is None
    assert stations.waited == []


def test_another_script_is_waited_for(stations: Stations) -> None:
    ahead = Ahead(stations)
    ahead.begin("glue", ONE)
    assert ahead.take("glue", OTHER) is None
    assert stations.waited == ["glue"]


def test_once_settled_nothing_runs_and_what_came_of_it_is_kept(stations: Stations) -> None:
    ahead = Ahead(stations)
    for name in ("glue", "screw"):
        ahead.begin(name, ONE)
    ahead.settle()
    ahead.settle()
    assert stations.waited == ["glue", "screw"]
    taken = ahead.take("glue", ONE)
    assert taken is not None
    assert taken.traces == {"glue": TRACE}
    assert ahead.take("screw", OTHER) is None
    assert stations.waited == ["glue", "screw"]


@pytest.mark.parametrize("stations", [("glue",)], indirect=True)
def test_of_what_nothing_comes_the_step_does_anew(stations: Stations) -> None:
    ahead = Ahead(stations)
    ahead.begin("glue", ONE)
    ahead.settle()
    assert ahead.stations == set()
    assert ahead.take("glue", ONE) is None

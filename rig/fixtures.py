"""What a procedure may ask for: the session, the step that runs, and each thing of the line in turn."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, TypeVar

import pytest

from rig.items import SESSION, STEP
from rig.session import Session, StationHandle
from rig.step import StepContext

if TYPE_CHECKING:
    from gateway.field.tags import Tag
    from gateway.scenario import Scenario
    from gateway.station import Device, Station

T = TypeVar("T")


def _session(request: pytest.FixtureRequest) -> Session:
    if SESSION not in request.config.stash:
        pytest.fail("this procedure needs a line: run pytest with --line FILE", pytrace=False)
    return request.config.stash[SESSION]


def _each(
    request: pytest.FixtureRequest, of: Callable[[Station], Mapping[str, T]]
) -> tuple[StationHandle, T]:
    """The station that this turn is about, and which of its things."""
    station, name = request.param
    handle = _session(request).stations[station]
    return handle, of(handle.spec)[name]


@pytest.fixture
def session(request: pytest.FixtureRequest) -> Session:
    """The session: the line, its stations, its mode."""
    return _session(request)


@pytest.fixture
def step(request: pytest.FixtureRequest) -> StepContext:
    """The step that runs: declare limits, measure, name tags."""
    _session(request)
    found: StepContext = request.node.stash[STEP]
    return found


@pytest.fixture
def station(request: pytest.FixtureRequest) -> StationHandle:
    """Each station of the line in turn."""
    station, _ = request.param
    return _session(request).stations[station]


@pytest.fixture
def machine(request: pytest.FixtureRequest) -> StationHandle:
    """Each station in turn whose plant is real, its twin beside it."""
    station, _ = request.param
    return _session(request).stations[station]


@pytest.fixture
def beside(request: pytest.FixtureRequest) -> StationHandle:
    """Each station in turn whose program runs beside its real controller."""
    station, _ = request.param
    return _session(request).stations[station]


@pytest.fixture
def device(request: pytest.FixtureRequest) -> tuple[StationHandle, Device]:
    """Each device in turn that is not the controller, as (station, device)."""
    return _each(request, lambda spec: spec.reached)


@pytest.fixture
def output(request: pytest.FixtureRequest) -> tuple[StationHandle, Tag]:
    """Each output in turn, as (station, tag)."""
    return _each(request, lambda spec: spec.tags)


@pytest.fixture
def input(request: pytest.FixtureRequest) -> tuple[StationHandle, Tag]:
    """Each input in turn, as (station, tag)."""
    return _each(request, lambda spec: spec.tags)


@pytest.fixture
def sequence(request: pytest.FixtureRequest) -> tuple[StationHandle, Scenario]:
    """Each sequence in turn, as (station, scenario)."""
    return _each(request, lambda spec: spec.sequences)


@pytest.fixture
def interlock(request: pytest.FixtureRequest) -> tuple[StationHandle, Scenario]:
    """Each interlock in turn, as (station, scenario)."""
    return _each(request, lambda spec: spec.interlocks)

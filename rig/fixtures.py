"""What a procedure may ask for: the session, the step that runs, and each thing of the line in turn."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from rig.items import SESSION, STEP
from rig.session import Session, StationHandle, StepContext

if TYPE_CHECKING:
    from gateway.field.tags import Tag
    from gateway.scenario import Scenario
    from gateway.station import Device


def _session(request: pytest.FixtureRequest) -> Session:
    if SESSION not in request.config.stash:
        pytest.fail("this procedure needs a line: run pytest with --line FILE", pytrace=False)
    return request.config.stash[SESSION]


def _thing(request: pytest.FixtureRequest) -> tuple[StationHandle, str]:
    station, name = request.param
    return _session(request).stations[station], name


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
    return _thing(request)[0]


@pytest.fixture
def device(request: pytest.FixtureRequest) -> tuple[StationHandle, Device]:
    """Each device in turn that is not the controller, as (station, device)."""
    handle, name = _thing(request)
    return handle, handle.spec.devices[name]


@pytest.fixture
def output(request: pytest.FixtureRequest) -> tuple[StationHandle, Tag]:
    """Each output in turn, as (station, tag)."""
    handle, name = _thing(request)
    return handle, handle.spec.tags[name]


@pytest.fixture
def input(request: pytest.FixtureRequest) -> tuple[StationHandle, Tag]:
    """Each input in turn, as (station, tag)."""
    handle, name = _thing(request)
    return handle, handle.spec.tags[name]


@pytest.fixture
def sequence(request: pytest.FixtureRequest) -> tuple[StationHandle, Scenario]:
    """Each sequence in turn, as (station, scenario)."""
    handle, name = _thing(request)
    return handle, handle.spec.sequences[name]


@pytest.fixture
def interlock(request: pytest.FixtureRequest) -> tuple[StationHandle, Scenario]:
    """Each interlock in turn, as (station, scenario)."""
    handle, name = _thing(request)
    return handle, handle.spec.interlocks[name]

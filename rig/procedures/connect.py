"""Connect and identify: every gateway and controller, and the right to write on the station."""

from __future__ import annotations

import msgspec
import pytest

from gateway.field.tags import TagRef
from gateway.net.messages import Await, DeviceFound, Identified
from gateway.shim import ACTIVE, Shim
from gateway.station import Device
from rig.backend import RigFault, RoundTrip
from rig.procedures.common import ANSWER, check_refusals
from rig.record import StationIdentity
from rig.session import Session, StationHandle
from rig.step import StepContext
from rig.verdicts import Failed

pytestmark = pytest.mark.phase("connect")
VIRTUAL = "Twinline"  # vendor of the virtual controller, which moves nothing real
PATIENCE = 5.0  # s, for a gateway that has just started to reach its controller


def test_gateway(session: Session, station: StationHandle, step: StepContext) -> None:
    """The gateway answers and has the same station file."""
    if session.mode == "virtual":
        _remember(session, station, None, None)
        pytest.skip("virtual mode has no gateway to connect to")
    try:
        found, trip = session.backend.identify(station.id)
    except RigFault:
        session.gone[station.id] = "its gateway does not answer"
        raise
    _remember(session, station, found, trip)
    step.measure_time("round trip", trip.took)
    step.measure_time("clock offset", trip.offset, late=0)
    step.measure_time("clock uncertainty", trip.uncertainty, high=1_000_000_000)
    if found.station_sha256 != station.spec.sha256:
        session.gone[station.id] = "its gateway has another station file"
        raise RigFault(
            f"gateway {station.id} has another version of {station.spec.file} "
            f"({found.station_sha256[:12]}, here {station.spec.sha256[:12]}); restart it with this one"
        )
    if found.mode != station.lined.mode:
        session.gone[station.id] = "its gateway runs in another mode"
        raise RigFault(
            f"gateway {station.id} runs in mode {found.mode}, here it is {station.lined.mode}; "
            "prepare it again, or change the mode here"
        )


def test_controller(session: Session, station: StationHandle, step: StepContext) -> None:
    """The controller answers and runs the program that is to be commissioned."""
    if session.mode == "virtual":
        pytest.skip("virtual mode has no controller to connect to")
    device = station.spec.controller
    found = session.patiently(station.id, lambda found: found.devices[device.name].ready, PATIENCE)
    _remember(session, station, found, None)
    step.measure("protocol", found.protocol)
    step.measure("controller", _controller(found) or "unnamed")
    _measure_protection(step, device, found.address)
    _measure_link(step, found.devices[device.name])
    if found.link != "ready":
        session.gone[station.id] = "its controller is not connected"
        why = found.problem or found.link
        raise Failed(f"{station.id}: no controller at {found.address}: {why}", device.name)
    _check_program(step, station, found)
    in_memory = any(tag.device == device.name for tag in station.spec.inputs)
    if in_memory and station.spec.shim is None and found.vendor != VIRTUAL:
        step.measure("shim", "none: if the gateway dies, the controller keeps what was last written")


def test_device(session: Session, device: tuple[StationHandle, Device], step: StepContext) -> None:
    """It is there: a coupler answers, what the gateway serves is polled."""
    station, declared = device
    if session.mode == "virtual":
        pytest.skip("virtual mode has no device to connect to")

    def device_in(answer: Identified) -> DeviceFound:
        return answer.devices[declared.name]

    found = device_in(session.patiently(station.id, lambda answer: device_in(answer).ready, PATIENCE))
    step.measure("role", found.role)
    step.measure("protocol", found.protocol)
    step.measure("device", " ".join(filter(None, (found.vendor, found.product, found.version))) or "unnamed")
    _measure_protection(step, declared, found.address)
    _measure_link(step, found)
    if not found.ready:
        session.gone[station.id] = f"its device {declared.name} is not ready"
        raise Failed(f"{station.id}: {declared.name} at {found.address}: {found.problem}", declared.name)


def _measure_protection(step: StepContext, device: Device, address: str) -> None:
    """Whether somebody in between may read and change what is said; where the protocol has a choice."""
    said = msgspec.structs.replace(device, address=address).protection
    if said:
        step.measure("security", said)


def _measure_link(step: StepContext, found: DeviceFound) -> None:
    """What a weak network shows first: lost connections, and answers that take their time."""
    step.measure("connections lost", found.losses)
    if found.slowest:
        step.measure_time("slowest answer", found.slowest)


def test_lease(session: Session, station: StationHandle, step: StepContext) -> None:
    """The station grants the lease: this session alone may write (and a shim lets it)."""
    if station.lined.mode == "shadow":
        pytest.skip("both are real: nothing is written")
    try:
        session.backend.hold(station.id)
    except RigFault:
        session.gone[station.id] = "it granted no lease"
        raise
    step.measure("lease", "granted")
    if station.spec.shim is not None:
        _check_shim(step, station, station.spec.shim)


def _check_shim(step: StepContext, station: StationHandle, shim: Shim) -> None:
    """The program has the shim made from this station file, and reads the twin's values through it."""
    step.about(shim.status, shim.stamp)
    active, stamp = TagRef(shim.status, ACTIVE), TagRef(shim.stamp)
    reading = station.run(Await(active, True, 0, shim.watchdog + ANSWER), partial=True)
    check_refusals(step, station, reading.trace, (*sorted(shim.inputs), shim.status, shim.stamp))
    found = reading.value(stamp)
    step.measure("shim", f"stamp 16#{found:08X}" if found else "none")
    if found != shim.code:
        step.fail(
            f"the program has no shim made from {station.spec.file} as it is now (16#{shim.code:08X}); "
            "make one with twinline tags shim",
            shim.stamp,
        )
    elif not reading.value(active):
        step.fail(f"the shim is not active after {reading.trace.duration / 1e6:.0f} ms", shim.status)


def _check_program(step: StepContext, station: StationHandle, found: Identified) -> None:
    """The controller runs the program that the line names, as far as it tells."""
    expected = station.session.programs.get(station.id)
    if not found.program_sha256:
        step.measure("program", "the controller does not tell")
    elif expected is None:
        step.measure("program", f"{found.program} {found.program_sha256[:12]}")
    else:
        step.measure("program", f"{found.program} {found.program_sha256[:12]}")
        if found.program_sha256 != expected.sha256:
            step.fail(
                f"the controller runs {found.program} {found.program_sha256[:12]}, "
                f"not {expected.name} {expected.sha256[:12]} ({expected.file})"
            )


def _controller(found: Identified) -> str:
    return " ".join(filter(None, (found.vendor, found.product, found.version)))


def _remember(
    session: Session, station: StationHandle, found: Identified | None, trip: RoundTrip | None
) -> None:
    """Note who answered; the round trip of an earlier question stays, where this one brings none."""
    spec = station.spec
    before = session.identities.get(station.id, StationIdentity(station.id))
    program = session.programs.get(station.id)
    session.identities[station.id] = StationIdentity(
        station=station.id,
        title=spec.title,
        mode=station.lined.mode,
        gateway=f"gateway {station.id}" if found else "in this process",
        gateway_version=found.gateway_version if found else "",
        boot=found.boot if found else "",
        protocol=found.protocol if found else spec.controller.protocol,
        address=found.address if found else "",
        controller=_controller(found) if found else "virtual",
        program=found.program if found else (program.name if program else ""),
        program_sha256=found.program_sha256 if found else (program.sha256 if program else ""),
        station_sha256=found.station_sha256 if found else spec.sha256,
        clock_offset=trip.offset if trip else before.clock_offset,
        clock_uncertainty=trip.uncertainty if trip else before.clock_uncertainty,
        round_trip=trip.took if trip else before.round_trip,
    )

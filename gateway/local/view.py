"""What an agent shows to its shell: answers made of the cell, the devices and the bus as they are now."""

from __future__ import annotations

import importlib.metadata
import os
import time
from collections.abc import Callable
from typing import Any

import msgspec

from gateway.cell.standing import protected, standing
from gateway.field.drivers.base import Identity, Statistics
from gateway.field.scan import DeviceLink
from gateway.field.served import ServedLink
from gateway.field.tags import Tag
from gateway.local.inside import Inside
from gateway.local.messages import (
    AskChain,
    AskDevices,
    AskLease,
    AskLogs,
    AskNet,
    AskStatus,
    AskTags,
    AskTwin,
    Chain,
    ComponentShown,
    Devices,
    DeviceShown,
    LeaseShown,
    Logs,
    Look,
    Net,
    Shown,
    Status,
    Tags,
    TagShown,
    TwinShown,
)
from gateway.local.recent import LogLines, Recent

_FEW = 12  # events beside something else
_VERSION = importlib.metadata.version("twinline")


class View:
    """Of ``inside``; ``recent`` and ``log`` are what happened and what was logged."""

    def __init__(self, inside: Inside, recent: Recent, log: LogLines) -> None:
        self._inside, self._recent, self._log = inside, recent, log
        self._begun = time.monotonic_ns()
        self.name = inside.station.id
        self._shows: dict[type[Look], Callable[[Any], Shown]] = {
            AskStatus: self._status,
            AskTags: self._tags,
            AskDevices: self._devices,
            AskTwin: self._twin,
            AskLease: self._lease,
            AskNet: self._net,
            AskChain: self._chain,
            AskLogs: self._logs,
        }

    def show(self, request: Look) -> Shown:
        """The answer."""
        return self._shows[type(request)](request)

    def _status(self, _: AskStatus) -> Status:
        inside = self._inside
        devices = inside.devices
        state = standing(inside.cell, inside.boot, devices.state, inside.problem or devices.problem)
        state = msgspec.structs.replace(state, refused=dict(inside.refused))
        return Status(
            station=inside.station.id,
            title=inside.station.title,
            line=inside.line,
            mode=inside.cell.mode,
            version=_VERSION,
            state=state,
            brokers=inside.bus.brokers,
            uptime=time.monotonic_ns() - self._begun,
            scan=inside.station.scan,
            pid=os.getpid(),
            utc=time.time_ns(),
            lost=dict(devices.lost),
            barred=inside.barred,
            unwritten=tuple(
                filter(inside.station.writes.refuses, (tag.name for tag in inside.station.inputs))
            ),
        )

    def _tags(self, _: AskTags) -> Tags:
        return Tags(tuple(self._tag(tag) for tag in self._inside.station.tags.values()))

    def _tag(self, tag: Tag) -> TagShown:
        cell = self._inside.cell
        return TagShown(
            name=tag.name,
            direction=tag.direction,
            device=tag.device,
            type=tag.type.name,
            address=tag.text,
            unit=tag.unit,
            value=cell.values.get(tag.name, False),
            quality=cell.qualities.now.get(tag.name, "good"),
            forced=any(ref.tag == tag.name for ref in cell.gate.forces),
            low=tag.range.low,
            high=tag.range.high,
            title=tag.title,
            refused=self._inside.devices.refused.get(tag.name, ""),
            overwritten=any(ref.tag == tag.name for ref in cell.gate.overwritten),
        )

    def _devices(self, _: AskDevices) -> Devices:
        station, links = self._inside.station, self._inside.devices.links
        shown = []
        for name, link in links.items():
            device, who = station.reached[name], link.identity or Identity("")
            refused = link.refused if isinstance(link, DeviceLink | ServedLink) else {}
            counted = link.driver.statistics if isinstance(link, DeviceLink) else Statistics()
            shown.append(
                DeviceShown(
                    name=name,
                    role=device.role,
                    protocol=device.protocol,
                    address=device.address,
                    state=link.state,
                    ready=link.ready,
                    problem=link.problem,
                    who=" ".join(filter(None, (who.vendor, who.product, who.version))),
                    requests=counted.requests,
                    errors=counted.errors,
                    slowest=counted.slowest_ns,
                    mean=counted.mean_ns,
                    losses=link.losses,
                    refused=tuple(refused.items()),
                )
            )
        return Devices(tuple(shown), self._recent.of(("link",), _FEW))

    def _twin(self, _: AskTwin) -> TwinShown:
        twin = self._inside.cell.twin
        on: dict[str, list[str]] = {}
        for carrier, workpiece in twin.contents():
            on.setdefault(carrier, []).append(workpiece.id)
        components = tuple(
            ComponentShown(spec.name, spec.kind, spec.ports, tuple(on.get(spec.name, ())))
            for spec in self._inside.station.twin.values()
        )
        return TwinShown(components, tuple(twin.active_faults()), self._recent.of((), _FEW))

    def _lease(self, _: AskLease) -> LeaseShown:
        cell = self._inside.cell
        lease = cell.lease
        return LeaseShown(
            holder=lease.holder or "",
            token=lease.token,
            left=max(0, lease.expires - time.monotonic_ns()) if lease.holder is not None else 0,
            gate=cell.gate.state,
            forces={str(ref): value for ref, value in cell.gate.forces.items()},
            protected=protected(cell.station, cell.values),
            since=lease.since if lease.holder is not None else 0,
            overwritten={str(ref): value for ref, value in cell.gate.overwritten.items()},
        )

    def _net(self, _: AskNet) -> Net:
        bus = self._inside.bus
        return Net(bus.brokers, msgspec.structs.asdict(bus.counters), dict(self._inside.refused))

    def _chain(self, _: AskChain) -> Chain:
        facts = self._inside.chained
        return Chain({}, "this gateway keeps no ledger") if facts is None else Chain(dict(facts))

    def _logs(self, asked: AskLogs) -> Logs:
        return Logs(tuple(self._log.lines)[-max(1, asked.count) :])

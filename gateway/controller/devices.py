"""All devices of a station around its virtual controller, as servers without a wire; pure."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping

from gateway.controller.compile import Program
from gateway.controller.couplers import coupler_view
from gateway.controller.idle import Idle
from gateway.controller.mapping import Direct, Loopback, Shown
from gateway.controller.memory import AREAS
from gateway.controller.modules import Polled, ranges
from gateway.controller.runtime import VirtualController
from gateway.errors import DeviceRefused
from gateway.field.drivers.base import not_held
from gateway.field.served import left_out
from gateway.field.serving.tables import Tables
from gateway.field.serving.variables import Variables
from gateway.field.tags import Tag
from gateway.field.types import Value
from gateway.station import Station


class VirtualDevices:
    """``program`` runs at each ``scan``; the gateway reads outputs and writes inputs by their addresses.

    ``refused`` are the tags that a device refuses, and why. What is refused is not written again until its
    value changes, as on the wire.
    """

    def __init__(self, station: Station, program: Program) -> None:
        self._station = station
        self.controller = VirtualController(program)
        self._idle = Idle(self.controller)
        memory = self.controller.memory
        modules = [*station.having("coupler"), *station.having("served")]
        where = dict(zip([each.name for each in modules], ranges(each.at for each in modules), strict=True))
        main = station.controller
        self._main = Loopback(main.protocol, program, memory)
        self._clients: dict[str, Shown] = {main.name: self._main}
        for each in station.having("coupler"):
            view = coupler_view(each.protocol, program, memory, where[each.name])
            self._clients[each.name] = Shown(view)
        self._images: dict[str, Tables | Variables] = {}
        self._modules: dict[str, Polled] = {}
        self._polled: list[tuple[Polled, Tables | Variables]] = []
        self._served: dict[str, Value] = {}  # outputs of served devices
        for each in station.having("served"):
            tags = [tag for tag in station.tags.values() if tag.device == each.name]
            kind = Tables if each.protocol == "modbus" else Variables
            image = self._images[each.name] = kind(tags, lambda: None)
            polled = self._modules[each.name] = Polled(program, memory, each.protocol, where[each.name])
            self._polled.append((polled, image))
        self._scanned = False
        self._put = False  # something into a served device, since it was last polled
        self._outputs = [
            (tag, self._span(tag)) for tag in station.driven.values() if tag.direction == "output"
        ]
        self._image: tuple[bytes, ...] | None = None  # of the controller's memory, when it was last read
        self._values: dict[str, Value] = {}
        self._refused: dict[str, str] = {}

    # --- the controller's side -------------------------------------------------------------------------

    def scan(self, now: int) -> bool:
        """One scan of the controller, between reading and writing the modules that it polls; whether it left
        anything else than the one before."""
        self._put = False
        for polled, image in self._polled:
            self._poll_inputs(polled, image)
        changed = self._idle.scan(now)
        for polled, image in self._polled:
            self._poll_outputs(polled, image)
        self._scanned = True
        return changed

    def due(self) -> int | None:
        """From when on a scan may do anything while nothing is written; None: never. See ``Idle.due``."""
        return 0 if self._put else self._idle.due()

    def writer(self, name: str, bit: int = -1) -> tuple[str, int, int] | None:
        """Which statement wrote the output ``name`` (a ``bit`` of it) last: file, line and scan.

        None: none yet, it is no located variable, or the program is compiled without writers.
        """
        tag, module = self._station.tags[name], self._modules.get(self._station.tags[name].device)
        try:
            span = (
                module.span(tag.address)
                if module is not None
                else self._clients[tag.device].span(tag.address, tag.type)
            )
        except DeviceRefused:
            return None
        if span is None:
            return None
        at, bit = (span.first, span.bit) if bit < 0 else (span.end - 1 - bit // 8, bit % 8)
        found = self.controller.writer(span.area, at, bit if bit >= 0 else None)
        return None if found is None else (*self.controller.program.place(found.line), found.scan)

    def _poll_inputs(self, polled: Polled, image: Tables | Variables) -> None:
        read = [tag for tag in polled.tags.values() if tag.direction == "output"]
        if isinstance(image, Variables):
            image.asked(tag.text for tag in read)
        for tag in read:
            with contextlib.suppress(DeviceRefused):  # not declared: it stays as it is
                polled.take({tag.name: Direct(image).read(tag.address, tag.type)})

    def _poll_outputs(self, polled: Polled, image: Tables | Variables) -> None:
        for name, value in polled.give().items():
            tag = polled.tags[name]
            with contextlib.suppress(DeviceRefused):
                Direct(image).write(tag.address, tag.type, value)

    # --- the gateway's side ----------------------------------------------------------------------------

    @property
    def refused(self) -> dict[str, str]:
        """What the devices refuse at present, and what the controller leaves out of those it polls."""
        if not self._scanned or not self._images:
            return self._refused
        unpolled = {n: left_out(tag) for image in self._images.values() for n, tag in image.unpolled.items()}
        return self._refused | unpolled

    def read(self) -> dict[str, Value]:
        """The outputs that have changed since the last call; at first all."""
        changed: dict[str, Value] = {}
        before, image = self._image, self._idle.image
        if image == before and not self._images:
            return changed
        self._image = image
        differ = [before is None or before[area] != part for area, part in enumerate(image)]
        for tag, span in self._outputs:
            if span is not None and before is not None:
                area, part = span
                if not differ[area] or image[area][part] == before[area][part]:
                    continue
            try:
                value = self._read(tag)
            except DeviceRefused as refused:
                self._refused[tag.name] = str(refused)
                continue
            if tag.name not in self._values or self._values[tag.name] != value:
                self._values[tag.name] = changed[tag.name] = value
        return changed

    def _span(self, tag: Tag) -> tuple[int, slice] | None:
        """Where in the image its bytes are; None: nobody knows, it is read each time."""
        if tag.device != self._station.controller.name:
            return None
        try:
            span = self._main.span(tag.address, tag.type)
        except DeviceRefused:
            return None
        return (AREAS.index(span.area), slice(span.first, span.end)) if span.area else None

    def _read(self, tag: Tag) -> Value:
        if tag.device in self._images:
            self._served |= self._images[tag.device].changes()
            return self._served[tag.name]
        return tag.from_device(self._clients[tag.device].read(tag.address, tag.type))

    def write(self, values: Mapping[str, Value]) -> None:
        """Write inputs."""
        for name, value in values.items():
            tag = self._station.tags[name]
            try:
                wrong = self._write(tag, value)
            except DeviceRefused as refused:
                wrong = str(refused)
            if wrong:
                self._refused[name] = wrong
            else:
                self._refused.pop(name, None)

    def read_back(self, tags: Iterable[str]) -> dict[str, Value]:
        """What the controller's memory, and what it reads of couplers, holds at these inputs."""
        found: dict[str, Value] = {}
        for name in tags:
            tag = self._station.tags[name]
            if tag.device in self._clients:
                with contextlib.suppress(DeviceRefused):
                    found[name] = self._read(tag)
        return found

    def _write(self, tag: Tag, value: Value) -> str:
        """What is then found wrong there ("": nothing)."""
        if tag.device in self._images:
            self._images[tag.device].put({tag.name: value})
            self._put = True
            return ""
        client = self._clients[tag.device]
        client.write(tag.address, tag.type, tag.to_device(value))
        if not tag.verify:
            return ""
        return not_held(tag, value, tag.from_device(client.read(tag.address, tag.type)))

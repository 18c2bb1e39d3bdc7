"""The write gate: the only way to a controller's inputs and to a real plant's actuators, with forces; pure.

Closed (nobody holds a lease) it lets nothing through. Open, it lets the wanted values through. When the
lease is lost it drives the safe values until the device has taken them, then closes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

from gateway.field.tags import Tag, TagRef
from gateway.field.types import Value

Turned = Callable[[Mapping[str, Value]], Mapping[str, Value]]
GateState = Literal["closed", "open", "safing"]


class Gate:
    """Wanted values in, what to write out. ``inputs`` are the tags it guards, by name; ``turned`` makes what
    their drivers take of the values, where that is something else (left out: nowhere)."""

    def __init__(self, inputs: Mapping[str, Tag], turned: Turned = lambda values: values) -> None:
        self.inputs, self._turned = inputs, turned
        self.state: GateState = "closed"
        self.forces: dict[TagRef, Value] = {}
        self.written: dict[str, Value] = {}
        self._safe: dict[str, Value] = {name: tag.safe for name, tag in inputs.items()}

    @property
    def safe(self) -> dict[str, Value]:
        """The safe value of all that it guards."""
        return self._safe.copy()

    def open(self) -> None:
        """A lease is held, and that is journalled. Everything is written anew."""
        self.state = "open"
        self.written.clear()

    def make_safe(self) -> None:
        """The lease is gone: forces end, the safe values are driven."""
        self.forces.clear()
        self.written.clear()
        self.state = "safing"

    def forced(self, values: dict[str, Value]) -> dict[str, Value]:
        """``values`` with the forces laid over them."""
        for ref, value in self.forces.items():
            values[ref.tag] = ref.into(values[ref.tag], value)
        return values

    def writes(self, wanted: Mapping[str, Value]) -> dict[str, Value]:
        """What to write now: wanted or safe values that the device does not hold yet."""
        if self.state == "closed":
            return {}
        if self.state == "safing":
            wanted = self.safe
        wanted, written = self._turned(wanted), self.written
        return {
            name: value for name, value in wanted.items() if name not in written or written[name] != value
        }

    def took(self, values: Mapping[str, Value]) -> None:
        """The device has taken ``values``."""
        self.written.update(values)
        # What was under way when the lease went may come in here after the safe values were wanted.
        if self.state == "safing" and not self.writes(self.safe):
            self.state = "closed"
            self.written.clear()

    def forget(self, device: str | None = None) -> None:
        """What ``device`` (not given: any) holds is not known any more: the connection was lost."""
        self.written = {
            name: value
            for name, value in self.written.items()
            if device is not None and self.inputs[name].device != device
        }

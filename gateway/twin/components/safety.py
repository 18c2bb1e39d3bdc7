"""The safety door and its switch; pure."""

from __future__ import annotations

from gateway.field.types import Scalar
from gateway.twin.component import Component, Fault, Port


class Door(Component):
    """Closed, until somebody opens it."""

    ABOUT = "safety door"
    PORTS = (Port("closed", "sensor", about="door switch"),)
    FAULTS = (Fault("open", "somebody opens the door"),)

    def sense(self, port: str) -> Scalar:
        return "open" not in self.faults

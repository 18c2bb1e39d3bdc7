"""The panel: what an operator presses, selects and sees; pure.

Nothing is pressed by itself: a press is a fault that a procedure injects and clears, as a hand would.
"""

from __future__ import annotations

from gateway.field.types import Scalar
from gateway.twin.component import Component, Fault, Param, Port

BULB = Fault("broken", "the bulb is broken: it stays dark")


class Button(Component):
    """A push button, with a lamp in it if ``lamp`` is bound."""

    ABOUT = "push button"
    PORTS = (Port("pressed", "sensor"), Port("lamp", "actuator", optional=True))
    FAULTS = (Fault("press", "somebody presses it"), Fault("stuck", "it does not spring back"), BULB)
    STATE = ("lit",)

    def start(self) -> None:
        self.lit = False

    def drive(self, port: str, value: Scalar) -> None:
        self.lit = bool(value)

    def sense(self, port: str) -> Scalar:
        return bool(self.faults & {"press", "stuck"})


class Selector(Component):
    """A key switch between automatic (its rest) and manual."""

    ABOUT = "mode selector"
    PORTS = (Port("automatic", "sensor"), Port("manual", "sensor", optional=True))
    FAULTS = (
        Fault("turn", "somebody turns it to manual"),
        Fault("between", "it stands between its positions"),
    )

    def sense(self, port: str) -> Scalar:
        return "between" not in self.faults and ("turn" in self.faults) == (port == "manual")


class Lamp(Component):
    """A lamp or buzzer; its current shows whether it gives anything."""

    ABOUT = "lamp"
    PORTS = (Port("on", "actuator"), Port("lit", "sensor", about="it draws its current", optional=True))
    FAULTS = (BULB,)
    STATE = ("on_",)

    def start(self) -> None:
        self.on_ = False

    def drive(self, port: str, value: Scalar) -> None:
        self.on_ = bool(value)

    def sense(self, port: str) -> Scalar:
        return self.on_ and "broken" not in self.faults


class StackLight(Component):
    """Red, yellow, green and blue, and a buzzer, on one mast."""

    ABOUT = "stack light"
    PORTS = (
        Port("red", "actuator"),
        Port("yellow", "actuator", optional=True),
        Port("green", "actuator"),
        Port("blue", "actuator", optional=True),
        Port("buzzer", "actuator", optional=True),
    )
    STATE = ("lit",)

    def start(self) -> None:
        self.lit: set[str] = set()

    def drive(self, port: str, value: Scalar) -> None:
        (self.lit.add if value else self.lit.discard)(port)


class OperatorPanel(Component):
    """A panel with numbers: the recipe an operator has chosen, a message number and a counter it shows."""

    ABOUT = "operator panel"
    PARAMS = (Param("recipe", "1", 0, 32_767, 1, "that is chosen"),)
    PORTS = (
        Port("recipe", "sensor", "int", about="chosen", low=0, high=32_767, safe=0),
        Port("message", "actuator", "int", about="number of the message shown", low=0, high=32_767),
        Port("count", "actuator", "int", about="parts made", low=0, high=32_767, optional=True),
    )
    FAULTS = (Fault("wrong-recipe", "the operator has chosen the next recipe"),)
    STATE = ("shown",)

    def start(self) -> None:
        self.shown: dict[str, Scalar] = {}

    def drive(self, port: str, value: Scalar) -> None:
        self.shown[port] = value

    def sense(self, port: str) -> Scalar:
        return int(self.params["recipe"]) + ("wrong-recipe" in self.faults)

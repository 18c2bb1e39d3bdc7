"""Safety: doors, emergency stop, light curtain, two-hand control, and the relay that cuts the power; pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gateway.field.types import Scalar
from gateway.twin.component import Component, Fault, Link, Param, Port
from gateway.twin.components.electrics import Power
from gateway.twin.motion import MILLISECOND


class Guard(Component):
    """Base of what a safety relay watches: ``safe`` while nobody is in danger."""

    def begin(self) -> None:
        """Nobody watches yet."""
        self._watchers: list[Callable[[], None]] = []

    @property
    def safe(self) -> bool:
        """Its safe contacts are closed, both channels."""
        return not self.faults

    def watched_by(self, callback: Callable[[], None]) -> None:
        """Call ``callback`` when ``safe`` may have changed."""
        self._watchers.append(callback)

    def start(self) -> None:
        self.begin()

    def fault_changed(self, fault: str, active: bool) -> None:
        self.told()

    def told(self) -> None:
        """Tell those who watch."""
        for callback in self._watchers:
            callback()


class Door(Guard):
    """Closed, until somebody opens it."""

    ABOUT = "safety door"
    PORTS = (Port("closed", "sensor", about="door switch"),)
    FAULTS = (Fault("open", "somebody opens the door"),)

    def sense(self, port: str) -> Scalar:
        return self.safe


class LockedDoor(Guard):
    """A door with a guard lock: it opens only while it is not locked, unless the lock is forced.

    Locked by spring, released by its coil: without the coil nobody gets in.
    """

    ABOUT = "safety door with guard lock"
    PARAMS = (Param("bolt", "ms", 1, 10_000, 60, "time of the bolt"),)
    PORTS = (
        Port("unlock", "actuator", about="coil"),
        Port("closed", "sensor", about="door switch"),
        Port("locked", "sensor", about="bolt switch"),
    )
    FAULTS = (
        Fault("open", "somebody pulls at the door: it opens if it is not locked"),
        Fault("forced", "the door is opened by force, locked or not"),
        Fault("bolt-stuck", "the bolt keeps its place"),
    )
    STATE = ("released", "locked", "closed", "pending")

    def start(self) -> None:
        super().start()
        self.released = False
        self.locked = True
        self.closed = True
        self.pending: int | None = None

    @property
    def safe(self) -> bool:
        return self.closed and self.locked

    def drive(self, port: str, value: Scalar) -> None:
        self.released = bool(value)
        self._settle()

    def fault_changed(self, fault: str, active: bool) -> None:
        self._settle()

    def on(self, kind: str, argument: Any) -> None:
        self.pending = None
        self.locked = argument
        self._settle()

    def sense(self, port: str) -> Scalar:
        return self.closed if port == "closed" else self.locked

    def _settle(self) -> None:
        if "forced" in self.faults:
            self.closed = self.locked = False
        else:
            self.closed = "open" not in self.faults or (self.closed and self.locked)
        wanted = not self.released and self.closed  # the bolt meets its hole only with the door closed
        self.cancel(self.pending)
        self.pending = None
        if wanted != self.locked and "bolt-stuck" not in self.faults and "forced" not in self.faults:
            self.pending = self.after(round(self.params["bolt"] * MILLISECOND), "bolt", wanted)
        self.told()


class EmergencyStop(Guard):
    """A mushroom button with two channels; a broken channel is unsafe, and the two then differ."""

    ABOUT = "emergency stop"
    PORTS = (
        Port("ok", "sensor", about="not pressed, first channel"),
        Port("ok-2", "sensor", about="not pressed, second channel", optional=True),
    )
    FAULTS = (
        Fault("pressed", "somebody presses it"),
        Fault("channel", "the first channel is interrupted"),
    )

    def sense(self, port: str) -> Scalar:
        return "pressed" not in self.faults and (port == "ok-2" or "channel" not in self.faults)


class LightCurtain(Guard):
    """Free, until somebody reaches in; muted, that does not count."""

    ABOUT = "light curtain"
    PORTS = (
        Port("mute", "actuator", optional=True),
        Port("free", "sensor", about="output signal switching device"),
        Port("dirty", "sensor", about="weak signal", optional=True),
    )
    FAULTS = (
        Fault("interrupted", "somebody reaches in"),
        Fault("soiled", "the lens is soiled: it still works, and warns"),
    )
    STATE = ("muted",)

    def start(self) -> None:
        super().start()
        self.muted = False

    @property
    def safe(self) -> bool:
        return self.muted or "interrupted" not in self.faults

    def drive(self, port: str, value: Scalar) -> None:
        self.muted = bool(value)
        self.told()

    def sense(self, port: str) -> Scalar:
        return "soiled" in self.faults if port == "dirty" else self.safe


class TwoHand(Component):
    """Two buttons that an operator presses with both hands (``press-left`` and ``press-right``)."""

    ABOUT = "two-hand control"
    PORTS = (Port("left", "sensor"), Port("right", "sensor"))
    FAULTS = (
        Fault("press-left", "the left button is pressed"),
        Fault("press-right", "the right one is pressed"),
    )

    def sense(self, port: str) -> Scalar:
        return f"press-{port}" in self.faults


class SafetyRelay(Power):
    """Gives power while all that it watches is safe, once it was reset; what it feeds loses it at once.

    It starts released. With ``self-resetting`` it comes back by itself, else at a rising ``reset``.
    """

    ABOUT = "safety relay"
    PARAMS = (
        Param("drop-out", "ms", 0, 1_000, 15, "until the power is off"),
        Param("self-resetting", "1", 0, 1, 0),
    )
    PORTS = (
        Port("reset", "actuator", optional=True),
        Port("ok", "sensor", about="released: the safe contacts are closed"),
    )
    LINKS = tuple(Link(f"watches-{n}" if n > 1 else "watches", Guard, optional=n > 1) for n in range(1, 7))
    FAULTS = (Fault("failed", "the relay has dropped out and cannot be reset"),)
    STATE = ("closed", "pressed", "pending")

    def start(self) -> None:
        self.begin()
        self.closed = True
        self.pressed = False
        self.pending: int | None = None
        self._guards = [guard for guard in self.links.values() if isinstance(guard, Guard)]
        for guard in self._guards:
            guard.watched_by(self._look)

    @property
    def live(self) -> bool:
        return self.closed

    def drive(self, port: str, value: Scalar) -> None:
        rising, self.pressed = bool(value) and not self.pressed, bool(value)
        if rising and self._safe():
            self._switch(True)

    def fault_changed(self, fault: str, active: bool) -> None:
        self._look()

    def on(self, kind: str, argument: Any) -> None:
        self.pending = None
        self._switch(False)

    def sense(self, port: str) -> Scalar:
        return self.closed

    def _safe(self) -> bool:
        return "failed" not in self.faults and all(guard.safe for guard in self._guards)

    def _look(self) -> None:
        if not self._safe():
            if self.closed and self.pending is None:  # a short opening drops it out too
                self.pending = self.after(round(self.params["drop-out"] * MILLISECOND), "drop-out")
        elif self.params["self-resetting"] and self.pending is None:
            self._switch(True)

    def _switch(self, closed: bool) -> None:
        if closed != self.closed:
            self.closed = closed
            self.switched()

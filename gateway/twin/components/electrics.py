"""Electric supply and what runs on it: power supply, motor starter, frequency converter; pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gateway.field.types import Scalar
from gateway.twin.component import Component, Fault, Link, Param, Port
from gateway.twin.motion import MILLISECOND, Exponential, Path, Segment, plus, ramp, scaled, still


class Power(Component):
    """Base of what switches electric power for others: a supply, a safety relay."""

    def begin(self) -> None:
        """Nobody is fed yet."""
        self._fed: list[Callable[[], None]] = []

    @property
    def live(self) -> bool:
        """Whether it gives power now."""
        raise NotImplementedError

    def feeds(self, changed: Callable[[], None]) -> None:
        """Call ``changed`` when ``live`` may have changed."""
        self._fed.append(changed)

    def switched(self) -> None:
        """Tell those who are fed."""
        for changed in self._fed:
            changed()


class PowerSupply(Power):
    """A supply of control voltage; an overload lets its voltage break down until it is cleared."""

    ABOUT = "power supply"
    PARAMS = (
        Param("voltage", "V", 1, 1_000, 24),
        Param("hold-up", "ms", 1, 10_000, 20, "time constant of the voltage"),
    )
    PORTS = (
        Port("ok", "sensor", about="DC OK contact", optional=True),
        Port("voltage", "sensor", "real", "V", optional=True),
    )
    FAULTS = (
        Fault("lost", "no mains: the voltage decays"),
        Fault("overload", "the output is overloaded: the voltage breaks down to a third"),
    )
    STATE = ("voltage",)

    def start(self) -> None:
        self.begin()
        self.voltage: Segment = still(self.now, self.params["voltage"])

    @property
    def live(self) -> bool:
        return not self.faults

    def fault_changed(self, fault: str, active: bool) -> None:
        share = 0.0 if "lost" in self.faults else 1 / 3 if "overload" in self.faults else 1.0
        target, tau = share * self.params["voltage"], self.params["hold-up"] * MILLISECOND
        self.voltage = Exponential(self.now, self.voltage.at(self.now), target, tau)
        self.switched()

    def sense(self, port: str) -> Scalar:
        return self.live if port == "ok" else self.voltage.at(self.now)

    def curve(self, port: str) -> Path | None:
        return Path((self.voltage,))


def fed(component: Component) -> bool:
    """Whether ``component`` has power, where it has that link."""
    return "power" not in component.links or component.link("power", Power).live


class Machine(Component):
    """Base of what turns: ``speed`` as a share of its rated speed, and who is told when it changes course."""

    def begin(self) -> None:
        """At rest, nobody is told yet."""
        self.turning: Path = Path((still(self.now, 0.0),))
        self._told: list[Callable[[], None]] = []

    def subscribe(self, callback: Callable[[], None]) -> None:
        """Call ``callback`` when ``turning`` has changed."""
        self._told.append(callback)

    def turn(self, path: Path) -> None:
        """Turn by ``path``, which begins now."""
        self.turning = path
        for callback in self._told:
            callback()

    def fed(self) -> bool:
        """Whether there is power, where the component has that link."""
        return fed(self)


class MotorStarter(Machine):
    """A contactor with motor protection: feedback follows the coil, the current has its inrush.

    ``tripped`` comes when the protection's fault begins or a blocked motor has drawn its starting current for
    ``class`` ms; ``reset`` clears it.
    """

    ABOUT = "motor starter"
    PARAMS = (
        Param("current", "A", 0.01, 1_000, 2, "running"),
        Param("inrush", "1", 1, 12, 6, "starting current, as multiple of the running one"),
        Param("run-up", "ms", 1, 60_000, 200, "time constant"),
        Param("contactor", "ms", 0, 1_000, 20, "until the feedback follows"),
        Param("class", "ms", 100, 60_000, 2_000, "how long a blocked motor may draw its starting current"),
    )
    PORTS = (
        Port("run", "actuator"),
        Port("reset", "actuator", about="of the protection", optional=True),
        Port("running", "sensor", about="contactor feedback", optional=True),
        Port("ok", "sensor", about="protection not tripped", optional=True),
        Port("current", "sensor", "real", "A", optional=True),
    )
    LINKS = (Link("power", Power, optional=True),)
    FAULTS = (
        Fault("trip", "the motor protection trips"),
        Fault("blocked", "the motor is blocked and draws its starting current"),
        Fault("contactor-stuck", "the contactor does not pull in"),
        Fault("contactor-welded", "the contactor does not drop out"),
    )
    STATE = ("turning", "wanted", "closed", "tripped", "current", "pending", "heating")

    def start(self) -> None:
        self.begin()
        self.wanted = False
        self.closed = False
        self.tripped = False
        self.current: Segment = still(self.now, 0.0)
        self.pending: int | None = None
        self.heating: int | None = None
        if "power" in self.links:
            self.link("power", Power).feeds(self._changed)

    def drive(self, port: str, value: Scalar) -> None:
        if port == "run":
            self.wanted = bool(value)
        elif value and "trip" not in self.faults:
            self.tripped = False
        self._changed()

    def fault_changed(self, fault: str, active: bool) -> None:
        self.tripped = self.tripped or "trip" in self.faults
        self._changed()

    def on(self, kind: str, argument: Any) -> None:
        if kind == "heated":
            self.heating = None
            self.tripped = True
            self._changed()
            return
        self.pending = None
        self.closed = argument
        self._run()

    def sense(self, port: str) -> Scalar:
        if port == "running":
            return self.closed
        return not self.tripped if port == "ok" else self.current.at(self.now)

    def curve(self, port: str) -> Path | None:
        return Path((self.current,))

    def _changed(self) -> None:
        """The coil, the protection or a fault changed: the contactor follows after its time."""
        pulls = self.wanted and not self.tripped and self.fed() and "contactor-stuck" not in self.faults
        if "contactor-welded" in self.faults and self.closed:
            pulls = True
        self.cancel(self.pending)
        self.pending = None
        if pulls != self.closed:
            self.pending = self.after(round(self.params["contactor"] * MILLISECOND), "contactor", pulls)
        self._run()

    def _run(self) -> None:
        live = self.closed and self.fed() and not self.tripped
        turns = live and "blocked" not in self.faults
        tau, rated = self.params["run-up"] * MILLISECOND, self.params["current"]
        here = self.turning.at(self.now)
        self.turn(Path((Exponential(self.now, here, 1.0 if turns else 0.0, tau),)))
        inrush = rated * self.params["inrush"]
        if not live:
            self.current = still(self.now, 0.0)
        elif turns:
            self.current = Exponential(self.now, inrush + (rated - inrush) * here, rated, tau)
        else:
            self.current = still(self.now, inrush)
        if live and not turns and self.heating is None:
            self.heating = self.after(round(self.params["class"] * MILLISECOND), "heated")
        elif not live or turns:
            self.cancel(self.heating)
            self.heating = None


class FrequencyConverter(Machine):
    """A motor at a set frequency: ramps up and down, says when it is there, trips and is reset."""

    ABOUT = "frequency converter with motor"
    PARAMS = (
        Param("rated", "Hz", 1, 1_000, 50, "frequency of full speed"),
        Param("ramp", "ms", 1, 600_000, 1_000, "from rest to full speed, and back"),
        Param("current", "A", 0.01, 1_000, 4, "at full speed"),
    )
    PORTS = (
        Port("run", "actuator"),
        Port("frequency", "actuator", "real", "Hz", "setpoint"),
        Port("reset", "actuator", optional=True),
        Port("actual", "sensor", "real", "Hz", optional=True),
        Port("current", "sensor", "real", "A", optional=True),
        Port("running", "sensor", about="turns, or has not come to rest yet", optional=True),
        Port("at-speed", "sensor", about="the setpoint is reached", optional=True),
        Port("ok", "sensor", about="no fault", optional=True),
    )
    LINKS = (Link("power", Power, optional=True),)
    FAULTS = (
        Fault("trip", "the converter trips and the motor coasts"),
        Fault("blocked", "the motor is blocked and the converter trips"),
    )
    STATE = ("turning", "wanted", "setpoint", "tripped", "pending")

    def start(self) -> None:
        self.begin()
        self.wanted = False
        self.setpoint = 0.0  # share of full speed
        self.tripped = False
        self.pending: int | None = None
        if "power" in self.links:
            self.link("power", Power).feeds(self._changed)

    def drive(self, port: str, value: Scalar) -> None:
        if port == "frequency":
            self.setpoint = min(max(float(value) / self.params["rated"], 0.0), 1.0)
        elif port == "run":
            self.wanted = bool(value)
        elif value:
            self.tripped = bool(self.faults)
        self._changed()

    def fault_changed(self, fault: str, active: bool) -> None:
        self.tripped = self.tripped or bool(self.faults)
        self._changed()

    def on(self, kind: str, argument: Any) -> None:
        """The ramp has ended: an instant at which switches change."""
        self.pending = None

    def sense(self, port: str) -> Scalar:
        share = self.turning.at(self.now)
        if port == "actual":
            return share * self.params["rated"]
        if port == "current":
            return (0.3 + 0.7 * share) * self.params["current"] if self._on() else 0.0  # 30 % magnetises it
        if port == "running":
            return share > 0 or (self._on() and self.setpoint > 0)
        if port == "at-speed":
            return self._on() and share == self.setpoint and self.now >= self.turning.segments[-1].start
        return not self.tripped

    def curve(self, port: str) -> Path | None:
        if port == "actual":
            return scaled(self.turning, self.params["rated"])
        if not self._on():
            return None  # it takes none
        rated = self.params["current"]
        return plus(scaled(self.turning, 0.7 * rated), 0.3 * rated)

    def _on(self) -> bool:
        return self.wanted and not self.tripped and self.fed()

    def _changed(self) -> None:
        here, goal = self.turning.at(self.now), self.setpoint if self._on() else 0.0
        slope = 1000 / self.params["ramp"]
        blocked = "blocked" in self.faults
        self.turn(Path((still(self.now, 0.0),)) if blocked else ramp(self.now, here, goal, slope))
        self.cancel(self.pending)
        end = self.turning.segments[-1].start
        self.pending = self.at(end, "ramped") if end > self.now else None

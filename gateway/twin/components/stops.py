"""What acts on workpieces beside a belt: the stopper that bars the way, the gate that takes out; pure."""

from __future__ import annotations

from gateway.twin.component import Fault, Link, Param, Port
from gateway.twin.components.pneumatics import AirSupply, Rod
from gateway.twin.components.transport import BeltConveyor
from gateway.twin.workpiece import Workpiece

HALF = 0.5

PARAMS = (Param("at", "mm", 0, 100_000), Param("travel", "ms", 1, 60_000, 60, "time of the stroke"))
LINKS = (Link("on", BeltConveyor), Link("air", AirSupply, optional=True))
FAULTS = (Fault("stuck", "it keeps its place"),)


class Stopper(Rod):
    """Energised it goes down and lets pass; its spring closes it.

    It bars the way while it is half-way out or more. Under a workpiece it comes up to half-way, waits there
    (neither switch made) until the workpiece has passed or is taken off, and so stops the next one.
    """

    ABOUT = "stopper, spring-closed"
    PARAMS = PARAMS
    PORTS = (
        Port("open", "actuator", about="lets pass"),
        Port("closed", "sensor", about="end switch, held off by a workpiece", optional=True, sees=True),
        Port("opened", "sensor", about="end switch", optional=True),
    )
    LINKS = LINKS
    FAULTS = FAULTS
    LEVELS = (HALF,)
    DRIVEN, REST = "opened", "closed"

    def start(self) -> None:
        self._belt = self.link("on", BeltConveyor)
        self._belt.mark(self.params["at"], left=lambda _: self._freed())
        self._belt.subscribe(self._freed)  # somebody may take it off by hand
        super().start()

    def target(self) -> float:
        goal = super().target()
        if goal < HALF and (self.place > HALF or (self.place == HALF and self._under())):
            return HALF
        return goal

    def placed(self) -> None:
        if self.place < HALF or self.goal <= HALF == self.place:
            self._belt.bar(self.name, self.params["at"])
        else:
            self._belt.unbar(self.name)

    def _under(self) -> bool:
        return self._belt.across(self.params["at"]) is not None

    def _freed(self) -> None:
        if self.place == HALF:
            self.aim()


class RejectGate(Rod):
    """While it is diverted, a workpiece whose leading edge comes to it is taken out.

    A workpiece that meets it on its way is hit, and passes.
    """

    ABOUT = "reject gate"
    PARAMS = PARAMS
    PORTS = (
        Port("divert", "actuator"),
        Port("diverted", "sensor", about="end switch", optional=True),
    )
    LINKS = LINKS
    FAULTS = FAULTS
    STATE = (*Rod.STATE, "resting")
    DRIVEN = "diverted"

    def start(self) -> None:
        self.resting = True
        self._belt = self.link("on", BeltConveyor)
        self._belt.mark(self.params["at"], entered=self._met)
        super().start()

    def placed(self) -> None:
        resting = self.rests(0.0) or self.rests(1.0)
        across = self._belt.across(self.params["at"])
        if self.resting and not resting and across is not None:
            self.tell("collided", across.id)
        self.resting = resting

    def _met(self, workpiece: Workpiece) -> None:
        if self.rests(1.0):
            self._belt.remove(workpiece.id)
            self.tell("rejected", workpiece.id)
        elif not self.rests(0.0):
            self.tell("collided", workpiece.id)

"""The base of what works on a workpiece that a carrier holds, and leaves its results on it; pure."""

from __future__ import annotations

from gateway.field.types import Scalar
from gateway.twin.carrier import Carrier
from gateway.twin.component import Component, Link, Param
from gateway.twin.components.electrics import Power
from gateway.twin.components.pneumatics import AirSupply
from gateway.twin.workpiece import Workpiece

AT = Param("at", "mm", 0, 100_000, 0, "where on the carrier")
ON = Link("on", Carrier)
SUPPLIES = (Link("air", AirSupply, optional=True), Link("power", Power, optional=True))


class Process(Component):
    """``changed`` is called when what the carrier holds, the air or the power may have changed."""

    def begin(self) -> None:
        """Take up the relations to carrier and supplies."""
        self._carrier = self.link("on", Carrier)
        self._carrier.subscribe(self.changed)
        if "air" in self.links:
            self.link("air", AirSupply).feeds(self.changed)
        if "power" in self.links:
            self.link("power", Power).feeds(self.changed)

    def changed(self) -> None:
        """Something it depends on may be otherwise than before."""
        raise NotImplementedError

    def fault_changed(self, fault: str, active: bool) -> None:
        self.changed()

    @property
    def supplied(self) -> bool:
        """Whether it has the air and the power that it is linked to."""
        aired = "air" not in self.links or self.link("air", AirSupply).strong
        return aired and ("power" not in self.links or self.link("power", Power).live)

    def below(self) -> Workpiece | None:
        """The workpiece it can work on."""
        return self._carrier.held(self.params["at"])

    def below_id(self) -> str:
        """Its id, or nothing."""
        workpiece = self.below()
        return "" if workpiece is None else workpiece.id

    def standing(self, workpiece: str) -> Workpiece | None:
        """``workpiece`` if it is still on the carrier, held or not."""
        return next((each for each in self._carrier.contents() if each.id == workpiece), None)

    def leave(self, workpiece: str, detail: str, **results: Scalar) -> None:
        """Note on ``workpiece``, if it is still on the carrier, what was done to it, and say so."""
        worked = self.standing(workpiece)
        if worked is not None:
            self._carrier.replace(worked.with_done(**results))
            self.tell("worked", workpiece, detail)

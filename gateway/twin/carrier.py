"""Carriers: what workpieces stand on, pass through and wait in, and how they pass on; pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from gateway.twin.component import Component, Fault, Link, Param
from gateway.twin.workpiece import Workpiece


class Carrier(Component):
    """A component that workpieces stand on and pass through; base of conveyors, nests, lifts, buffers.

    ``at`` is everywhere mm along the way from the inlet; what has a single place disregards it. With the
    link ``to``, what waits at the outlet passes on as soon as the other carrier admits it.
    """

    PARAMS: ClassVar[tuple[Param, ...]] = (
        Param("to-at", "mm", 0, 100_000, 0, "where on the carrier ``to`` it puts workpieces"),
    )
    FAULTS: ClassVar[tuple[Fault, ...]] = (
        Fault("dropped", "the workpiece nearest the outlet falls off and is gone"),
        Fault("missing", "a workpiece that should come in does not: it is gone on its way"),
        Fault("turned", "workpieces that come in lie the wrong way round"),
    )

    STATE: ClassVar[tuple[str, ...]] = ("offered",)

    def start(self) -> None:
        self.offered = ""  # the workpiece that was said to wait for the neighbour
        self._subscribers: list[Callable[[], None]] = []
        self._rooms: list[Callable[[], None]] = []
        other = self.links.get("to")
        self._to = other if isinstance(other, Carrier) else None
        if self._to is not None:
            self._to.subscribe_room(self.pass_on, self.params["to-at"])

    # What every carrier implements.

    def admits(self, workpiece: Workpiece, at: float = 0.0) -> bool:
        """Whether ``workpiece`` could come in now, with its leading edge at ``at``."""
        raise NotImplementedError

    def take_in(self, workpiece: Workpiece, at: float) -> None:
        """``workpiece``, which ``admits`` said yes to, stands here from now on; tell nobody."""
        raise NotImplementedError

    def take_off(self, workpiece: str) -> Workpiece:
        """``workpiece``, which stands here, does not from now on; tell nobody."""
        raise NotImplementedError

    def waiting(self) -> Workpiece | None:
        """The workpiece that stands at the outlet and could pass on, or None."""
        raise NotImplementedError

    def contents(self) -> tuple[Workpiece, ...]:
        """What stands here, the one nearest the outlet first."""
        raise NotImplementedError

    def covering(self, at: float) -> Workpiece | None:
        """The workpiece that is seen at ``at``."""
        raise NotImplementedError

    def replace(self, workpiece: Workpiece) -> None:
        """``workpiece`` stands where the one with its id stood."""
        raise NotImplementedError

    # What a carrier implements on which workpieces can be held and worked on.

    def held(self, at: float) -> Workpiece | None:
        """The workpiece that stays where it is at ``at``, so that it can be worked on."""
        return None

    def grip(self, name: str, at: float, window: float) -> bool:
        """``name`` holds the workpiece whose leading edge is within ``window`` of ``at``, if there is one."""
        return False

    def let_go(self, name: str) -> None:
        """``name`` holds nothing any more."""

    def bar(self, name: str, at: float) -> None:
        """``name`` bars the way at ``at`` from now on."""

    def unbar(self, name: str) -> None:
        """``name`` lets pass."""

    # What every carrier has.

    def admit(self, workpiece: Workpiece, at: float = 0.0) -> None:
        """``workpiece`` comes in; ``admits`` said yes at this instant."""
        if "missing" in self.faults:
            self.tell("dropped", workpiece.id, "missing")
            return
        if "turned" in self.faults:
            workpiece = workpiece.with_pose(workpiece.pose.turned(180))
        self.offered = "" if self.offered == workpiece.id else self.offered
        self.take_in(workpiece, at)
        self.changed()

    def release(self, workpiece: str) -> Workpiece:
        """The workpiece waiting at the outlet passes on and is gone from here."""
        waiting = self.waiting()
        assert waiting is not None, f"{self.name}: nothing is waiting"
        assert waiting.id == workpiece, f"{self.name}: {waiting.id} is waiting, not {workpiece}"
        return self.remove(workpiece)

    def remove(self, workpiece: str) -> Workpiece:
        """Take ``workpiece``, which stands here, off from wherever it stands."""
        taken = self.take_off(workpiece)
        self.changed()
        return taken

    def clear(self) -> tuple[Workpiece, ...]:
        """Take everything off by hand; gives what was there."""
        return tuple(self.remove(workpiece.id) for workpiece in self.contents())

    def subscribe(self, callback: Callable[[], None]) -> None:
        """Call ``callback`` when what is held here may have changed."""
        self._subscribers.append(callback)

    def subscribe_room(self, callback: Callable[[], None], at: float = 0.0) -> None:
        """Call ``callback`` when there may be room again at ``at``."""
        self._rooms.append(callback)

    def watch(self, at: float, callback: Callable[[], None]) -> None:
        """Call ``callback`` when what covers ``at`` may have changed."""
        self.subscribe(callback)

    def changed(self) -> None:
        """Something came, went, or is held otherwise: tell those who asked, and pass on what can."""
        for callback in self._subscribers:
            callback()
        self.pass_on()
        for callback in self._rooms:
            callback()

    def onward(self) -> tuple[Carrier | None, float]:
        """Where what waits at the outlet goes: the next carrier here, or None, and at what place on it."""
        return self._to, self.params["to-at"]

    def pass_on(self) -> None:
        """Hand what waits at the outlet to the next carrier if it takes it; if there is none, offer it."""
        while (waiting := self.waiting()) is not None:
            other, at = self.onward()
            if other is None and waiting.id != self.offered:
                self.offered = waiting.id
                self.tell("offered", waiting.id)
            if other is None or not other.admits(waiting, at):
                return
            other.admit(self.take_off(waiting.id), at)
            self.changed()

    def fault_changed(self, fault: str, active: bool) -> None:
        contents = self.contents()
        if fault == "dropped" and active and contents:
            self.drop(contents[0].id)

    def drop(self, workpiece: str) -> None:
        """``workpiece`` falls off and is gone."""
        self.tell("dropped", workpiece)
        self.remove(workpiece)


# What waits at the outlet passes on to ``to``. It needs the class it is declared for.
Carrier.LINKS = (Link("to", Carrier, optional=True),)

"""What the shell sees of an agent from inside, and how it asks the cell for something."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from gateway.announce import Linked
from gateway.cell.cell import Cell
from gateway.net.bus import Bus
from gateway.net.messages import Command
from gateway.station import Station


class Linking(Protocol):
    """The devices together."""

    @property
    def links(self) -> Mapping[str, Linked]: ...
    @property
    def lost(self) -> Mapping[str, str]: ...
    @property
    def refused(self) -> Mapping[str, str]: ...
    @property
    def state(self) -> str: ...
    @property
    def problem(self) -> str: ...


class Inside(Protocol):
    """An agent."""

    line: str
    boot: str
    station: Station
    cell: Cell
    bus: Bus

    @property
    def devices(self) -> Linking:
        """What it is connected to."""
        ...

    @property
    def problem(self) -> str:
        """What is wrong with the gateway itself; empty if nothing is."""
        ...

    @property
    def barred(self) -> str:
        """Why it is not heard on the line as it should be, that it was revoked say; empty if nothing is."""
        ...

    @property
    def refused(self) -> Mapping[str, int]:
        """How many commands that came over the bus were refused, by cause."""
        ...

    @property
    def chained(self) -> Mapping[str, str] | None:
        """What its ledger says of itself, by what it is about; None where it keeps none."""
        ...

    def ask(self, operator: str, request: int, command: Command) -> bool:
        """Hand ``command`` to the cell at its next scan; False where too many wait already."""
        ...

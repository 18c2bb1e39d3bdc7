"""What a controller's inputs are to show at a scan: safe, neighbours, twin or machine, forces, shim; pure."""

from __future__ import annotations

from collections.abc import Mapping

from gateway.cell.couplings import Couplings
from gateway.cell.gate import Gate
from gateway.cell.machine import Machine
from gateway.cell.pulses import Pulses
from gateway.field.types import Value
from gateway.station import Station
from gateway.twin.twin import Twin


class Showing:
    """The inputs of ``station``, whose twin stands alone, or beside a ``machine`` in RIL.

    ``rest`` are their safe values. Later ones lie over earlier ones: what neighbours say, what the plant
    shows, the forces at the ``gate``, and what the shim is told.
    """

    def __init__(
        self, station: Station, twin: Twin, machine: Machine | None, couplings: Couplings, gate: Gate
    ) -> None:
        self.rest: dict[str, Value] = {tag.name: tag.safe for tag in station.inputs}
        self._station, self._twin, self._machine = station, twin, machine
        self._couplings, self._gate = couplings, gate
        holds = {tag.name: station.hold if tag.hold is None else tag.hold for tag in station.inputs}
        self._pulses = Pulses(twin.levels, holds)

    def wanted(self, now: int) -> dict[str, Value]:
        """Every input's value at ``now``."""
        wanted = self.rest.copy()
        wanted.update(self._couplings.signals(now))
        wanted.update(self._plant(now))
        wanted = self._gate.forced(wanted)
        if self._station.shim is not None:
            wanted.update(self._station.shim.signs(now, wanted))
        return wanted

    def _plant(self, now: int) -> Mapping[str, Value]:
        """No pulse of the twin's is lost where it is shown."""
        twin, machine = self._twin.sense(), self._machine
        if machine is None:
            self._pulses.saw(self._twin.edges())
            return twin | self._pulses.held(now)
        self._pulses.saw(edge for edge in self._twin.edges() if edge.tag in machine.composed)
        return machine.shown(twin | self._pulses.held(now))

    def missed(self, now: int) -> dict[str, int]:
        """The scan at ``now`` is done; how many pulses were missed since the last, by tag: those that nobody
        was to see are not."""
        missed = self._pulses.shown(now)
        return missed if self._gate.state == "open" else {}

    def due(self) -> int | None:
        """From when on a pulse that waits may be shown; None: none waits."""
        return self._pulses.due()

"""How a cell stands: the heartbeat's account of its lease, its forces and what went wrong so far; pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from gateway.cell.cell import Cell
from gateway.field.types import Value
from gateway.net.reports import State
from gateway.station import Station


def standing(cell: Cell, boot: str, link: str, problem: str = "") -> State:
    """The heartbeat of the gateway's life ``boot``: ``link`` is how its connection stands, ``problem`` what
    is wrong with the gateway itself."""
    lease, gate, script = cell.lease, cell.gate, cell.script
    return State(
        online=True,
        boot=boot,
        link=link,
        holder=lease.holder or "",
        protected=protected(cell.station, cell.values),
        forces=tuple(str(ref) for ref in gate.forces),
        faults=tuple(cell.twin.active_faults()),
        overruns=cell.overruns,
        problem=problem or cell.couplings.problem,
        missed=cell.missed,
        script=script.request if script is not None else 0,
        out=script.out if script is not None else 0,
        differs=cell.differences.lasting(),
        beside=cell.companion.stands if cell.companion is not None else "",
        since=lease.since if lease.holder is not None else 0,
        forced={str(ref): value for ref, value in gate.forces.items()},
        overwritten={str(ref): value for ref, value in gate.overwritten.items()},
        beyond=dict(Counter(gate.times_beyond) + Counter(cell.couplings.signalling.unfit)),
        late=bool(gate.waiting),
    )


def protected(station: Station, values: Mapping[str, Value]) -> bool:
    """Whether no input of ``station``, whose tags are known to be ``values``, stays as it is when the gateway
    dies.

    Those in the controller's memory do, unless this station's shim was last seen there; a coupler's do,
    as far as is known here; a master notices that what the gateway serves is gone.
    """
    roles = {station.devices[tag.device].role for tag in station.inputs}
    shim = station.shim
    shielded = shim is not None and values.get(shim.stamp) == shim.code
    return "coupler" not in roles and (shielded or "controller" not in roles)

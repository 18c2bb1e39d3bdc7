"""What a station, or a node of its chain, says of itself to whoever listens; bodies as in messages; pure."""

from __future__ import annotations

from gateway.field.types import Value
from gateway.net.messages import Body
from gateway.twin.discrepancy import Discrepancy

MAX_POOLS = 16  # that a node tells of


class State(Body, frozen=True):
    """A station's heartbeat, retained; also its last will, with ``online`` false. ``missed`` as in Trace,
    since the gateway has started."""

    online: bool
    boot: str
    link: str = ""
    holder: str = ""
    protected: bool = False
    """No input stays as it is when the gateway dies: the program was last seen to have a shim."""
    forces: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()
    overruns: int = 0
    problem: str = ""
    missed: dict[str, int] = {}
    script: int = 0
    """The operator's number for the script that runs; 0: none."""
    out: int = 0
    """How many workpieces have come out of the line here since that script began, good or not."""
    differs: tuple[Discrepancy, ...] = ()
    """What lasts at present of where twin and machine do not agree, times in UTC; at most ``MAX_DIFFERS``."""
    beside: str = ""
    """Of the virtual controller beside the real one: ``in step``, or why they are not compared; empty where
    there is none."""
    refused: dict[str, int] = {}
    """How many commands were refused on the way to the station, by cause (see ``gateway.cell.admission``)."""
    since: int = 0
    """When the lease was granted, UTC ns; 0: nobody holds it."""
    forced: dict[str, Value] = {}
    """What each of ``forces`` is to be held at."""
    overwritten: dict[str, Value] = {}
    """Those of them that do not hold, and what is there instead."""
    beyond: dict[str, int] = {}
    """How many values of a tag were not written: they lie outside its range, or it cannot be what a neighbour
    said."""
    late: bool = False
    """Values wait to be written, since no more may be at a time."""


class Image(Body, frozen=True):
    """Values that changed since the last one, or all of them (``key``); ``good`` false: a device is lost.

    ``quality`` (good, uncertain, bad) is of what changed in it; where ``key``, of all that is not good.
    ``times`` is when the device says that it took a value that changed, UTC ns, as far as it says.
    """

    key: bool
    good: bool
    values: dict[str, Value]
    quality: dict[str, str] = {}
    times: dict[str, int] = {}


class StationEvent(Body, frozen=True):
    """Something worth keeping happened: kind (lease, force, link, safe, workpiece, overrun) and its text."""

    kind: str
    text: str


class Differs(Body, frozen=True):
    """Twin and machine have begun not to agree, or agree again; told on the topic of events, times in UTC."""

    found: Discrepancy


class About(Body, frozen=True):
    """What a gateway says of its station when it comes, retained: the hash of the station file, its library
    groups by name, the mechanical interface of each inlet and outlet, what it can do, and how many tags."""

    station: str
    boot: str
    gateway_version: str
    station_sha256: str
    title: str
    groups: dict[str, str] = {}
    inlets: dict[str, str] = {}
    outlets: dict[str, str] = {}
    operations: tuple[str, ...] = ()
    outputs: int = 0
    inputs: int = 0


class ChainState(Body, frozen=True):
    """How the line's chain is, as one node of it has it; retained, and with ``online`` false its last will.

    ``height``, ``head`` (hexadecimal) and ``time`` (UTC ns) are of the last final block, ``round`` and
    ``proposer`` of the one being agreed on. ``peers`` are those lately heard. ``workloads`` are M of each
    member as this epoch has them, ``shares`` its Pom. ``waiting`` of this node's records are not final yet.
    ``silent``: it signs nothing, since it only follows, or does not know yet what it signed before.
    ``pools`` are those of the line's chain that have this node, at most ``MAX_POOLS``.
    """

    online: bool
    boot: str
    chain: str
    member: bool = False
    height: int = 0
    head: str = ""
    time: int = 0
    round: int = 0
    proposer: str = ""
    peers: tuple[str, ...] = ()
    workloads: dict[str, int] = {}
    shares: dict[str, float] = {}
    waiting: int = 0
    silent: bool = False
    problem: str = ""
    pools: tuple[PoolState, ...] = ()


class PoolState(Body, frozen=True):
    """A pool as the line's chain has it: reserved for ``task`` ``until`` then (UTC ns; 0: it is paused), and
    shown there last at ``height``, the block ``head`` (hexadecimal). ``state`` is how its own chain is, where
    the node runs it."""

    pool: str
    chain: str
    task: str
    until: int
    height: int
    head: str
    state: ChainState | None = None

"""What travels between a shell and its agent: typed requests, each with one answer or a stream; pure.

To write, the shell sends the very commands of a rig (``Acquire``, ``Renew``, ``Release``, ``Run``), which
the cell answers as it does a rig. Times are ns; ``utc`` of the clock, ages of the monotonic one.
"""

from __future__ import annotations

import msgspec

from gateway.field.types import Value
from gateway.net.messages import Acquire, Body, Release, Renew, ReplyBody, Run
from gateway.net.reports import State

VERSION = 1
MAX_REQUEST = 65_536
MAX_ANSWER = 16_777_216
MAX_CHANGES = 10_000  # that wait for a shell which follows tags


class Row(msgspec.Struct, frozen=True, array_like=True):
    """Base of what stands in answers."""


# --- requests --------------------------------------------------------------------------------------


class AskStatus(Body, frozen=True):
    """How is the gateway?"""


class AskTags(Body, frozen=True):
    """Which tags are there, and what are they?"""


class AskDevices(Body, frozen=True):
    """How are the devices?"""


class AskTwin(Body, frozen=True):
    """What is in the twin, and what happened?"""


class AskLease(Body, frozen=True):
    """Who may write?"""


class AskNet(Body, frozen=True):
    """How are the brokers?"""


class AskChain(Body, frozen=True):
    """How is the ledger?"""


class AskLogs(Body, frozen=True):
    """The last ``count`` lines of the log."""

    count: int


class Follow(Body, frozen=True):
    """Tell every change of ``tags`` from now on, until the connection ends; answered with ``Changes``."""

    tags: tuple[str, ...]


# --- answers ---------------------------------------------------------------------------------------


class Welcome(Body, frozen=True):
    """The first that the agent says: which protocol, which station, and as whom it takes the shell."""

    version: int
    station: str
    operator: str


class No(Body, frozen=True):
    """It cannot be answered, why, and what to do; the connection ends."""

    why: str
    do: str = ""


class Status(Body, frozen=True):
    """The gateway's heartbeat with what else a person wants first. ``state`` is as the line hears it,
    ``unwritten`` are the inputs that nobody may write, ``barred`` is why the line does not hear it."""

    station: str
    title: str
    line: str
    mode: str
    version: str
    state: State
    brokers: dict[str, bool]
    uptime: int
    scan: int
    pid: int
    utc: int
    lost: dict[str, str]
    unwritten: tuple[str, ...] = ()
    barred: str = ""


class Witnessed(Body, frozen=True):
    """How a witness is, which has no station; ``chain`` is what there is to say of its part in that."""

    node: str
    line: str
    version: str
    chain: dict[str, str]
    brokers: dict[str, bool]
    uptime: int
    pid: int
    problem: str


class TagShown(Row, frozen=True):
    """One tag: what it is, and what it is now. ``refused`` is what its device says against it;
    ``overwritten``: it is forced, and that does not hold."""

    name: str
    direction: str
    device: str
    type: str
    address: str
    unit: str
    value: Value
    quality: str
    forced: bool
    low: float
    high: float
    title: str = ""
    refused: str = ""
    overwritten: bool = False


class Tags(Body, frozen=True):
    """All tags, in the station file's order."""

    tags: tuple[TagShown, ...]


class DeviceShown(Row, frozen=True):
    """One device. ``slowest`` and ``mean`` are of an answer, ``problem`` and ``refused`` (by tag) say what
    to do."""

    name: str
    role: str
    protocol: str
    address: str
    state: str
    ready: bool
    problem: str = ""
    who: str = ""
    requests: int = 0
    errors: int = 0
    slowest: int = 0
    mean: int = 0
    losses: int = 0
    refused: tuple[tuple[str, str], ...] = ()


class Devices(Body, frozen=True):
    """All devices; ``events`` are the last connections and losses."""

    devices: tuple[DeviceShown, ...]
    events: tuple[Event, ...] = ()


class Event(Row, frozen=True):
    """Something worth keeping happened."""

    utc: int
    kind: str
    text: str


class ComponentShown(Row, frozen=True):
    """A component of the twin, its kind, the tags at its ports, and the workpieces on it."""

    name: str
    kind: str
    ports: dict[str, str]
    workpieces: tuple[str, ...] = ()


class TwinShown(Body, frozen=True):
    """The twin: its components, the faults that are in, the forces, and what happened last."""

    components: tuple[ComponentShown, ...]
    faults: tuple[str, ...]
    events: tuple[Event, ...]


class LeaseShown(Body, frozen=True):
    """Who holds the lease ("": nobody) under which token, since when (UTC) and for how long yet; the gate,
    the forces, and which of them do not hold: what is there instead."""

    holder: str
    token: int
    left: int
    gate: str
    forces: dict[str, Value]
    protected: bool
    since: int = 0
    overwritten: dict[str, Value] = msgspec.field(default_factory=dict)


class Net(Body, frozen=True):
    """The brokers, up or not, what the bus has counted, and the commands that were refused, by cause."""

    brokers: dict[str, bool]
    counted: dict[str, int]
    refused: dict[str, int]


class Chain(Body, frozen=True):
    """What the gateway's ledger says of itself; where it keeps none, ``absent`` says so."""

    facts: dict[str, str]
    absent: str = ""


class Logs(Body, frozen=True):
    """Lines of the log, the last one last."""

    lines: tuple[str, ...]


class Change(Row, frozen=True):
    """``tag`` became ``value``."""

    utc: int
    tag: str
    value: Value


class Changes(Body, frozen=True):
    """What changed, in order; ``missed`` were too many to be kept. Empty: the agent is still there."""

    changes: tuple[Change, ...]
    missed: int = 0


Look = AskStatus | AskTags | AskDevices | AskTwin | AskLease | AskNet | AskChain | AskLogs
Write = Acquire | Renew | Release | Run
Request = Look | Follow | Write
Shown = Status | Witnessed | Tags | Devices | TwinShown | LeaseShown | Net | Chain | Logs
Answer = Welcome | No | Shown | Changes | ReplyBody

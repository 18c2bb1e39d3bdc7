"""What travels: the typed bodies of commands, replies, reports and couplings; pure.

A body is a msgspec struct, tagged by its kind, inside a signed envelope (see envelope.py). Structs only
append fields. Times are ns: ``t`` counts from the start of a trace on the gateway's monotonic clock.
"""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta

from gateway.field.tags import TagRef
from gateway.field.types import Value
from gateway.twin.discrepancy import Discrepancy
from gateway.twin.workpiece import Happening, Kind, Workpiece
from ledger.shapes import unpacked

VERSION = 1
MAX_ACTIONS = 256
MAX_SAMPLES = 200_000
MAX_TRACE = 7 * 1024 * 1024  # bytes of what a trace gathers; the rest of the 8 MiB is for all else in it
MAX_DIFFERS = 32
IN_STEP = "in step"  # of a virtual controller beside the real one: they are compared
MAIN = "main"  # the inlet or outlet that a station has where its file names one without a name


class Body(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Base of all bodies: a msgpack array that begins with the kind's name."""


# --- actions of a script: stimulus and watch go to the gateway in one command -----------------------


class Force(Body, frozen=True):
    """Hold an input (or one bit of it) at a value until it is freed."""

    ref: TagRef
    value: Value


class Free(Body, frozen=True):
    """End a force: the input returns to what the twin shows now."""

    ref: TagRef


class Inject(Body, frozen=True):
    """Begin the fault ``component.fault`` or ``component.port.fault`` in the twin."""

    fault: str


class Clear(Body, frozen=True):
    """End a fault."""

    fault: str


class Place(Body, frozen=True):
    """Put workpieces onto a carrier's inlet, each as soon as there is room; done when all are on."""

    carrier: str
    workpieces: tuple[Workpiece, ...]
    limit: int


class Feed(Body, frozen=True):
    """As ``Place``, but the script goes on at once."""

    carrier: str
    workpieces: tuple[Workpiece, ...]


class Reset(Body, frozen=True):
    """Clear all faults, take all workpieces off, free all forces of this lease."""


class Isolate(Body, frozen=True):
    """Cut the station from its neighbours (``on``): its outlet leads out of the line, its inlet takes nobody,
    and signals from neighbours show their safe value. Off: couple it again."""

    on: bool


class Await(Body, frozen=True):
    """Wait until ``ref`` is ``value`` (± ``tolerance`` for numbers), at most ``limit`` ns."""

    ref: TagRef
    value: Value
    tolerance: float
    limit: int


class Target(msgspec.Struct, frozen=True, array_like=True):
    """``ref`` is to become ``value`` (± ``tolerance`` for numbers)."""

    ref: TagRef
    value: Value
    tolerance: float = 0.0


class AwaitAll(Body, frozen=True):
    """Wait until each of ``targets`` has become so, in any order, at most ``limit`` ns. What was so when the
    action began counts only once it has ceased and come about again."""

    targets: tuple[Target, ...]
    limit: int


class AwaitHappenings(Body, frozen=True):
    """Wait until ``count`` workpieces had one of the happenings ``kinds`` since the script began."""

    kinds: tuple[Kind, ...]
    count: int
    limit: int


class Pause(Body, frozen=True):
    """Let ``duration`` ns pass."""

    duration: int


Waiting = Await | AwaitAll | AwaitHappenings | Pause
Action = Force | Free | Inject | Clear | Place | Feed | Reset | Isolate | Waiting


# --- commands of an operator to a station ----------------------------------------------------------


class Identify(Body, frozen=True):
    """Who are you, and what is connected?"""


class Acquire(Body, frozen=True):
    """Ask for the station's lease for ``ttl`` ns; answered with ``Leased``. With ``breaks`` a commissioner
    takes it from whoever holds it."""

    ttl: int
    breaks: bool = False


class Renew(Body, frozen=True):
    """Prolong the lease by its time to live."""

    token: int


class Release(Body, frozen=True):
    """Give the lease back: forces end, the safe state is driven."""

    token: int


class Run(Body, frozen=True):
    """Do ``actions`` in order under the lease ``token``, watching ``watch`` (empty: every tag).

    Ends when the last action is done and ``tail`` ns more have passed, or an action reached its limit.
    Unless ``keep``, what the script forced and injected is undone at its end. Of the workpieces that come out
    of the line these are counted (empty: all).
    """

    token: int
    actions: tuple[Action, ...]
    watch: tuple[str, ...] = ()
    tail: int = 0
    keep: bool = False
    counted: tuple[str, ...] = ()


class Abort(Body, frozen=True):
    """End the running script."""

    token: int


Command = Identify | Acquire | Renew | Release | Run | Abort


class Ask(Body, frozen=True):
    """A command with the operator's own number for it, which the reply repeats; 0 wants no reply.

    It is for the life ``boot`` of the gateway (its boot id in hexadecimal) and no other, and to be taken
    until ``until`` of that gateway's monotonic clock (ns). The commands of one ``session`` (a name that the
    rig chooses) are taken in the order of their envelopes, renewals in theirs. Who asks ``Identify``, which
    changes nothing, need not say any of this.
    """

    request: int
    command: Command
    session: Annotated[str, Meta(max_length=64)] = ""
    boot: str = ""
    until: int = 0


# --- replies ---------------------------------------------------------------------------------------


class DeviceFound(msgspec.Struct, frozen=True):
    """One of a station's devices; ``problem`` says why it is not ready, in words.

    ``losses`` is how many connections ended since the gateway runs, ``slowest`` how long an answer took at
    most, ns (0: it is asked nothing).
    """

    role: str
    protocol: str
    address: str
    ready: bool
    problem: str = ""
    vendor: str = ""
    product: str = ""
    version: str = ""
    losses: int = 0
    slowest: int = 0


class Identified(Body, frozen=True):
    """A station's gateway, its controller, and all its ``devices`` by name, in the mode that it runs.

    ``link`` and ``problem`` are of the controller.
    """

    station: str
    gateway_version: str
    boot: str
    station_sha256: str
    protocol: str
    address: str
    link: str
    vendor: str = ""
    product: str = ""
    version: str = ""
    program: str = ""
    program_sha256: str = ""
    problem: str = ""
    details: dict[str, str] = {}
    devices: dict[str, DeviceFound] = {}
    mode: str = ""

    @property
    def ready(self) -> bool:
        """Whether every device is connected."""
        return all(device.ready for device in self.devices.values())


class Leased(Body, frozen=True):
    """The lease is yours under ``token`` for ``ttl`` ns from now, renewed by ``Renew``."""

    token: int
    ttl: int


class Done(Body, frozen=True):
    """It is done."""


class Refused(Body, frozen=True):
    """It is not done, and why."""

    why: str


class Sample(msgspec.Struct, frozen=True, array_like=True):
    """``tag`` became ``value`` at ``t``."""

    t: int
    tag: str
    value: Value


class Trace(Body, frozen=True):
    """What a script saw. ``marks[i]`` is when action i was done.

    ``ended`` is why: done; limit (an action reached its own); link (a device was lost); aborted; lease (it
    was lost, given back or granted anew); full (more changed than a trace holds).

    ``initial`` is every watched tag at t = 0; ``samples`` are the changes since. ``overruns`` are (t, how
    late) of scans that came more than a scan late; ``couplings`` are (t, neighbour, offer to accept);
    ``refused`` is what the devices refused, by tag; ``lost`` are those not connected at the end, and why;
    ``missed`` how many pulses of an input came too close together to be shown to it, by tag.
    ``qualities`` are (t, tag, quality): at t = 0 of what was uncertain or bad then, later of what became so
    or good again; bad is the last value known. ``differs`` is where twin and machine did not agree, also
    before it (then ``begin`` is negative) and still (``end`` None). ``overwritten`` are the forces that did
    not hold, and what was found there last.
    """

    utc: int
    mono: int
    duration: int
    scans: int
    ended: str
    initial: dict[str, Value]
    samples: tuple[Sample, ...] = ()
    marks: tuple[int, ...] = ()
    happenings: tuple[Happening, ...] = ()
    couplings: tuple[tuple[int, str, int], ...] = ()
    overruns: tuple[tuple[int, int], ...] = ()
    contents: tuple[Workpiece, ...] = ()
    refused: dict[str, str] = {}
    lost: dict[str, str] = {}
    missed: dict[str, int] = {}
    qualities: tuple[tuple[int, str, str], ...] = ()
    differs: tuple[Discrepancy, ...] = ()
    overwritten: dict[str, Value] = {}


ReplyBody = Identified | Leased | Done | Refused | Trace


class Reply(Body, frozen=True):
    """The answer to ``request``, with UTC ns of when it was received and answered."""

    request: int
    body: ReplyBody
    received: int
    sent: int


# --- couplings between neighbours ------------------------------------------------------------------


class Signals(Body, frozen=True):
    """The sender's coupling signals, by tag of the sender, and the ``epoch`` of its journal; repeated as a
    heartbeat."""

    values: dict[str, Value]
    epoch: str = ""


class Offer(Body, frozen=True):
    """Workpiece ``workpiece`` would pass over from the sender's ``outlet`` as transfer ``number`` of its
    journal ``epoch``, to the receiver's journal ``taker`` and no other ("": to any)."""

    epoch: str
    number: int
    workpiece: Workpiece
    outlet: str = MAIN
    taker: str = ""


class Accept(Body, frozen=True):
    """Transfer ``number`` of ``epoch`` from ``outlet`` is mine: journalled before this was sent."""

    epoch: str
    number: int
    outlet: str = MAIN


Coupling = Signals | Offer | Accept


class Moment(msgspec.Struct, frozen=True, array_like=True):
    """When a gateway said something: in its life ``boot`` (hexadecimal), at ``mono`` ns of its own clock."""

    boot: str
    mono: int


class Coupled(Body, frozen=True):
    """``message`` to a neighbour, and the last that the sender has ``heard`` of that neighbour, which knows
    by it that this is said now: what was proved to be said then, and what was not."""

    message: Coupling
    heard: Annotated[tuple[Moment, ...], Meta(max_length=2)] = ()


B = TypeVar("B")


def encode(body: Body) -> bytes:
    """A body's canonical bytes."""
    return _ENCODER.encode(body)


def decode(data: bytes, wanted: Any) -> Any:
    """The body in ``data`` as ``wanted`` (a Body class or union); msgspec.DecodeError where it is not one."""
    return unpacked(data, wanted)


_ENCODER = msgspec.msgpack.Encoder()

"""What is recorded: the rows of Liu 2023, table 3, what commissioning adds, and pools; pure.

A transaction's ``kind`` names one of these structs and its ``body`` is that struct's canonical bytes.
Business data stays off the chain: a ``commitment`` is the SHA-256 of a random salt and the data. Times are
UTC ns, durations ns.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from ledger import codec
from ledger.codec import Malformed
from ledger.light import Proof
from ledger.types import MAX_MEMBERS, MAX_RECORD, ChainName, Evidence, Hash, Id, Natural, Struct, Tx

Name = Annotated[str, Meta(min_length=1, max_length=64)]
Text = Annotated[str, Meta(max_length=256)]
Duration = Annotated[int, Meta(ge=0, le=10**16)]
MAX_TAGS = 32  # that one record names
MIN_POOL = 4  # nodes: fewer could not outvote one that lies
Roles = Annotated[tuple[Id, ...], Meta(max_length=8)]
Public = Annotated[bytes, Meta(min_length=codec.PUBLIC_BYTES, max_length=codec.PUBLIC_BYTES)]


class Party(Struct, frozen=True):
    """Who may sign records: a gateway or a person, its key, and who it belongs to. A ``member`` votes; a
    ``dispatcher`` plans operations. Of the ``roles`` (viewer, operator, commissioner, signer) the last two
    mean something on the chain: who says who belongs, and who signs sessions off."""

    node: Id
    public: Public
    owner: Name
    member: bool = True
    dispatcher: bool = False
    roles: Roles = ()


class Requirement(Struct, frozen=True, tag="requirement"):
    """Machining requirement: the dispatcher has ``node`` do ``operation`` of ``part`` in ``task``."""

    task: Name
    operation: Natural
    part: Name
    node: Id
    takes: Duration  # planned
    due: Natural  # planned completion
    time: Natural  # of the task


class Procedure(Struct, frozen=True, tag="procedure"):
    """Machining procedure: what a node is about to do to a feature."""

    task: Name
    operation: Natural
    feature: Name
    name: Name
    parameters: Hash  # commitment
    due: Natural  # expected completion


class Completion(Struct, frozen=True, tag="completion"):
    """Machining completion: the node has done it."""

    task: Name
    operation: Natural
    time: Natural


class Inspection(Struct, frozen=True, tag="inspection"):
    """Quality inspection of a feature: what kind of feature it is, its value by commitment, and whether it
    passed."""

    task: Name
    operation: Natural
    feature: Name
    value: Hash  # commitment
    passed: bool
    data: Name  # hole, diameter, takt …


class Demand(Struct, frozen=True, tag="demand"):
    """Data demand: what a node needs to know about a part."""

    part: Name
    features: Text
    composition: Text
    wanted: Text


class Offer(Struct, frozen=True, tag="offer"):
    """Data offer: a node has what ``part`` asks for, and how free it is in percent."""

    part: Name
    location: Id
    free: Annotated[int, Meta(ge=0, le=100)]


class SessionOpened(Struct, frozen=True, tag="session-opened"):
    """A commissioning session begins."""

    session: Name
    line: Id
    configuration: Hash


class SessionClosed(Struct, frozen=True, tag="session-closed"):
    """It ended; the manifest names every file of its evidence."""

    session: Name
    verdict: Name
    manifest: Hash


class LeaseGranted(Struct, frozen=True, tag="lease-granted"):
    """A station is in one operator's hands alone; ``token`` is the lease's fencing token."""

    station: Id
    operator: Id
    token: Natural
    time: Natural


class LeaseEnded(Struct, frozen=True, tag="lease-ended"):
    """It was given back, ran out or was taken away: ``why``."""

    station: Id
    operator: Id
    token: Natural
    time: Natural
    why: Text


class Forced(Struct, frozen=True, tag="forced"):
    """An operator forced a tag, or released it (``released``): old and new value by commitment."""

    station: Id
    tag: Name
    released: bool
    old: Hash
    new: Hash
    operator: Id
    time: Natural


class Written(Struct, frozen=True, tag="written"):
    """What a station wrote under the lease ``token`` of an operator from ``since`` to ``until``: so many
    ``writes`` to these ``tags``, in order of name, and to so many ``more``; what all of them were before and
    are after, by commitment."""

    station: Id
    operator: Id
    token: Natural
    since: Natural
    until: Natural
    writes: Natural
    tags: Annotated[tuple[Name, ...], Meta(max_length=MAX_TAGS)]
    more: Natural
    old: Hash
    new: Hash


class Loaded(Struct, frozen=True, tag="loaded"):
    """A station runs with this program and this configuration."""

    station: Id
    program: Hash
    configuration: Hash


class SignedOff(Struct, frozen=True, tag="signed-off"):
    """A named person accepts a session's manifest, for the party that signs, as its ``role`` (vendor,
    customer …); ``despite`` is the reservation under which that is done, if there is one."""

    session: Name
    manifest: Hash
    person: Name
    role: Name
    despite: Text = ""


class Enrolled(Struct, frozen=True, tag="enrolled"):
    """A party joins, and as a member votes two heights later; one that belongs gets other roles, or another
    owner."""

    party: Party


class Revoked(Struct, frozen=True, tag="revoked"):
    """A party is heard no more, and its key never again. ``weakens`` says that the chain then bears fewer
    members that lie or are away."""

    node: Id
    why: Text
    weakens: bool = False


class Firmware(Struct, frozen=True, tag="firmware"):
    """A gateway runs this image."""

    node: Id
    image: Hash
    version: Name


class Accused(Struct, frozen=True, tag="accused"):
    """A member broke the consensus' rules, with the proof."""

    evidence: Evidence


class PoolOpened(Struct, frozen=True, tag="pool-opened"):
    """On the main chain: the dispatcher reserves ``nodes`` (in order of name) for ``task`` until a block's
    time; the pool's own chain begins with this transaction."""

    pool: ChainName
    task: Name
    nodes: Annotated[tuple[Id, ...], Meta(min_length=MIN_POOL, max_length=MAX_MEMBERS)]
    until: Natural


class PoolResumed(Struct, frozen=True, tag="pool-resumed"):
    """On the main chain: the pool's nodes are reserved again, or for longer. On the pool's own: it goes
    on."""

    pool: ChainName
    task: Name
    until: Natural


class PoolPaused(Struct, frozen=True, tag="pool-paused"):
    """On the pool's own chain: this block is the last until the pool is resumed."""

    pool: ChainName


class PoolClosed(Struct, frozen=True, tag="pool-closed"):
    """On the pool's own chain: this block is the last."""

    pool: ChainName


class Anchored(Struct, frozen=True, tag="anchored"):
    """On the main chain: a record is final on the pool's chain; one that pauses or closes it frees its
    nodes."""

    pool: ChainName
    proof: Proof


Record = (
    Requirement | Procedure | Completion | Inspection | Demand | Offer | SessionOpened | SessionClosed
    | LeaseGranted | LeaseEnded | Forced | Written | Loaded | SignedOff | Enrolled | Revoked | Firmware
    | Accused | PoolOpened | PoolResumed | PoolPaused | PoolClosed | Anchored
)  # fmt: skip


def kind_of(record: Record) -> str:
    """Its kind, as a transaction names it."""
    return str(record.__struct_config__.tag)


def transaction(chain: str, node: str, seq: int, record: Record) -> Tx:
    """The transaction, not signed yet. Raises ValueError if ``record`` is outside its own bounds: no node
    would take it, and none that its signer sends later."""
    tx = Tx(1, chain, node, seq, kind_of(record), codec.encode(record))
    found = (
        read(tx) if len(tx.body) <= MAX_RECORD else Malformed(f"{len(tx.body)} bytes, {MAX_RECORD} at most")
    )
    if isinstance(found, Malformed):
        raise ValueError(f"a {tx.kind} record cannot be taken: {found.reason}")
    return tx


def read(tx: Tx) -> Record | Malformed:
    """What ``tx`` records."""
    record: Record | Malformed = codec.decode(tx.body, Record)
    if not isinstance(record, Malformed) and kind_of(record) != tx.kind:
        return Malformed(f"a {kind_of(record)} in a transaction of kind {tx.kind}")
    return record


def commit(salt: bytes, data: bytes) -> bytes:
    """The commitment to ``data``, 32 bytes; ``salt``: 32 random bytes (part data could be guessed), kept with
    the data off the chain."""
    assert len(salt) == codec.HASH_BYTES, "a salt has 32 bytes"
    return codec.digest(salt, data)


def opens(committed: bytes, salt: bytes, data: bytes) -> bool:
    """Whether ``salt`` and ``data``, which somebody shows, are what was committed to."""
    return len(salt) == codec.HASH_BYTES and commit(salt, data) == committed

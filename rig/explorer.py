"""A chain as a terminal of 80 columns shows it: its parties, its blocks, one block, one record; pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from gateway.units import format_duration
from ledger.codec import Malformed
from ledger.genesis import Genesis
from ledger.records import kind_of, read
from ledger.state import State
from ledger.types import Block, Tx
from rig.report.wording import clean, utc

WIDTH = 80
NAME = 16  # columns of a node
HASH = 16  # hexadecimal digits of a hash where it is not the point


def name_of(tx: Tx) -> str:
    """What a record is called: who signed it, and its number among what that party signed."""
    return f"{tx.node}/{tx.seq}"


def overview(genesis: Genesis, blocks: Sequence[Block]) -> Iterator[str]:
    """The parties, and a line for each block."""
    yield _cut(f"chain    {genesis.chain}")
    yield _cut(f"genesis  {genesis.id.hex()}")
    yield _cut(f"begun    {utc(genesis.time)}, workloads anew every {genesis.epoch} blocks")
    yield ""
    yield f"{'party':<16} {'owner':<16} part"
    for party in genesis.parties:
        parts = [name for name, has in (("votes", party.member), ("plans", party.dispatcher)) if has]
        said = ", ".join((*parts, *party.roles)) or "records"
        yield _cut(f"{_name(party.node)} {_name(clean(party.owner))} {said}")
    yield ""
    yield f"{'height':>6}  {'time, UTC':<12} {'proposer':<16} records"
    for block in blocks:
        header = block.header
        kinds = Counter(tx.kind for tx in block.body)
        said = ", ".join(f"{count} {clean(kind)}" for kind, count in kinds.items()) or "-"
        yield _cut(f"{header.height:>6}  {_clock(header.time):<12} {_name(header.proposer)} {said}")


def one_block(block: Block) -> Iterator[str]:
    """All of a block, a line for each record."""
    header = block.header
    yield f"block    {header.id.hex()}"
    yield _cut(f"height   {header.height} of {header.chain}")
    yield f"time     {utc(header.time)}"
    yield _cut(f"made by  {header.proposer}, by nonce {header.nonce}")
    for title, value in (
        ("before", header.prev), ("records", header.body_root), ("state", header.state_root),
        ("shares", header.pom_root), ("members", header.members), ("next", header.next_members),
    ):  # fmt: skip
        yield f"{title:<8} {value.hex()}"
    yield ""
    for tx in block.body:
        fields = " ".join(f"{name}={_short(value)}" for name, value in fields_of(tx).items())
        yield _cut(f"{name_of(tx):<18} {clean(tx.kind)} {fields}")


def one_record(block: Block, tx: Tx) -> Iterator[str]:
    """All of a record, a line for each field."""
    yield _cut(f"record   {name_of(tx)}, in block {block.header.height}")
    yield f"time     {utc(block.header.time)} (of the block)"
    yield _cut(f"kind     {clean(tx.kind)}")
    for name, value in fields_of(tx).items():
        yield _cut(f"  {name:<13} {_whole(name, value)}")
    yield f"signed   {tx.sig.hex()[:64]}"
    yield f"         {tx.sig.hex()[64:]}"


def standing(genesis: Genesis, blocks: Sequence[Block]) -> Iterator[str]:
    """M, Pom and share of blocks of each member after ``blocks``, which begin at height 1."""
    state = State(genesis)
    for block in blocks:
        state.apply(block)
    made = Counter(block.header.proposer for block in blocks)
    counted = state.workload.counted(state.time, state.members)
    yield _cut(f"chain    {genesis.chain}")
    yield _cut(f"height   {state.height}, {utc(state.time)}; next proposed by {next(state.order()).node}")
    since = state.height % genesis.epoch
    yield _cut(f"epoch    of {genesis.epoch} blocks; M comes into force in {genesis.epoch - since}")
    yield ""
    yield from shares(state.workloads, counted, made, len(blocks))


def shares(
    current: Mapping[str, int], counted: Mapping[str, int], made: Mapping[str, int], blocks: int
) -> Iterator[str]:
    """A table: M in force and as it stands, ns; the share that follows; how many blocks each made."""
    total = sum(current.values())
    yield f"{'member':<16} {'M counted':>10} {'M in force':>10} {'share Pom':>10} {'blocks made':>16}"
    for node, worked in current.items():
        pom = worked / total if total else 1 / len(current)
        part = f"{made[node]} ({made[node] / blocks:.0%})" if blocks else "-"
        yield _cut(
            f"{_name(node)} {counted[node] / 1e9:>8.1f} s {worked / 1e9:>8.1f} s {pom:>10.1%} {part:>16}"
        )


def as_json(block: Block) -> dict[str, Any]:
    """A block for other programs: hashes in hex, times UTC ns."""
    header = block.header
    return {
        "height": header.height, "id": header.id.hex(), "prev": header.prev.hex(), "time": header.time,
        "proposer": header.proposer, "nonce": header.nonce,
        "records": [
            {"record": name_of(tx), "kind": tx.kind, "signature": tx.sig.hex(), **_plain(fields_of(tx))}
            for tx in block.body
        ],
    }  # fmt: skip


def fields_of(tx: Tx) -> dict[str, Any]:
    """A record's fields by name; what cannot be read says so."""
    record = read(tx)
    if isinstance(record, Malformed):
        return {"unreadable": record.reason}
    assert kind_of(record) == tx.kind
    return {field: getattr(record, field) for field in record.__struct_fields__}


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, msgspec.Struct):
        return {field: _plain(getattr(value, field)) for field in value.__struct_fields__}
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(each) for each in value]
    return value


def _short(value: Any) -> str:
    if isinstance(value, bytes):
        return value.hex()[:HASH]
    return clean(str(_plain(value)))


def _whole(name: str, value: Any) -> str:
    if name in ("time", "due") and isinstance(value, int) and value:
        return utc(value)
    if name == "takes" and isinstance(value, int):
        return format_duration(value)
    return clean(value.hex() if isinstance(value, bytes) else str(_plain(value)))


def _name(text: str) -> str:
    """In a column of its own."""
    return f"{text if len(text) <= NAME else text[: NAME - 1] + '…':<{NAME}}"


def _clock(time: int) -> str:
    """Of the day, to the millisecond."""
    of_day = time // 1_000_000 % 86_400_000
    minutes, milliseconds = divmod(of_day, 60_000)
    return f"{minutes // 60:02}:{minutes % 60:02}:{milliseconds / 1000:06.3f}"


def _cut(line: str) -> str:
    return line if len(line) <= WIDTH else line[: WIDTH - 1] + "…"

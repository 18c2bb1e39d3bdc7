"""Tags: named signals of a station, checked against type, address and each other; pure."""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Literal, NamedTuple

import msgspec

from gateway.field.addresses import Address, ModbusAddress, Protocol, S7Address, parse_address
from gateway.field.types import TYPES, DataType, Value
from gateway.units import UNITS

Direction = Literal["input", "output"]


class Range(NamedTuple):
    """The closed interval [low, high]."""

    low: float
    high: float


def read_range(text: str) -> Range:
    """Read ``low..high``; ValueError says what was wrong and what would be right."""
    low, _, high = text.partition("..")
    try:
        found = Range(float(low), float(high))
    except ValueError:
        raise ValueError(f"{text!r} is not a range; write for example 0..400") from None
    if not (math.isfinite(found.low) and math.isfinite(found.high)):
        raise ValueError(f"{text!r} has no end; write for example 0..400")
    if not found.low < found.high:
        raise ValueError(f"{text!r}: the first number must be the smaller; write for example 0..400")
    return found


class TagRef(NamedTuple):
    """A tag, or one bit of a tag: ``seen`` or ``seen.3`` (``bit`` -1 for the whole)."""

    tag: str
    bit: int = -1

    def __str__(self) -> str:
        return self.tag if self.bit < 0 else f"{self.tag}.{self.bit}"

    def of(self, value: Value) -> Value:
        """This reference's part of the tag's value."""
        return value if self.bit < 0 else bool(int(value) >> self.bit & 1)

    def into(self, value: Value, part: Value) -> Value:
        """The tag's value with this reference's part replaced."""
        if self.bit < 0:
            return part
        mask = 1 << self.bit
        return int(value) | mask if part else int(value) & ~mask


def read_ref(text: str) -> TagRef:
    """Read ``tag`` or ``tag.bit``."""
    tag, dot, bit = text.partition(".")
    if not tag or (dot and not (bit.isascii() and bit.isdecimal() and len(bit) < 3 and int(bit) < 32)):
        raise ValueError(f"{text!r} does not name a tag or its bit; write for example seen.3")
    return TagRef(tag, int(bit) if dot else -1)


Ref = Annotated[TagRef, read_ref]


class TagEntry(msgspec.Struct, frozen=True, rename="kebab"):
    """A tag as the station file has it. Direction is seen from the controller."""

    direction: Direction
    type: Literal[tuple(TYPES)]  # type: ignore[valid-type]  # the table is the one list of types
    address: str
    device: str | None = None
    range: Annotated[Range, read_range] | None = None
    raw: Annotated[Range, read_range] | None = None
    unit: str = "1"
    safe: str | None = None
    observer: Ref | None = None
    jog: Ref | None = None
    title: str = ""
    line: int = 0
    name: str = ""


class Tag(msgspec.Struct, frozen=True):
    """A checked tag.

    ``range`` is in ``unit``; with ``raw`` the device holds raw numbers that map linearly onto it.
    ``safe`` (inputs) is in ``unit``. ``observer`` (inputs) is what the program derives from it, ``jog``
    (outputs) the command that moves it in manual mode.
    """

    name: str
    device: str
    direction: Direction
    type: DataType
    address: Address
    text: str
    range: Range
    raw: Range | None
    unit: str
    safe: Value
    observer: TagRef | None
    jog: TagRef | None
    title: str
    line: int

    def to_device(self, value: Value) -> Value:
        """Engineering value to what the device holds, held within the data type."""
        if self.type.kind == "bool":
            return bool(value)
        if self.raw is not None:
            share = (float(value) - self.range.low) / (self.range.high - self.range.low)
            value = self.raw.low + share * (self.raw.high - self.raw.low)
        if self.type.kind != "real":
            value = round(value)
        return min(max(value, self.type.low), self.type.high)

    def from_device(self, value: Value) -> Value:
        """What the device holds to the engineering value."""
        if self.raw is None:
            return value
        share = (float(value) - self.raw.low) / (self.raw.high - self.raw.low)
        return self.range.low + share * (self.range.high - self.range.low)

    @property
    def resolution(self) -> float:
        """The smallest step of the engineering value that the device can hold (REAL: 1e-6 of the range)."""
        if self.raw is not None and self.type.kind != "real":
            return (self.range.high - self.range.low) / (self.raw.high - self.raw.low)
        return 1.0 if self.type.kind != "real" else (self.range.high - self.range.low) * 1e-6


Complain = Callable[[int, str, str], None]


def compile_tags(
    entries: Iterable[TagEntry], protocols: Mapping[str, Protocol], complain: Complain
) -> dict[str, Tag]:
    """Check ``entries``; ``protocols`` are of their devices; ``complain(line, what, hint)`` per problem."""
    tags: dict[str, Tag] = {}
    for entry in entries:
        tag = _compile(entry, protocols, complain)
        if tag is not None:
            tags[tag.name] = tag
    _check_overlaps(tags.values(), complain)
    _check_references(tags, complain)
    return tags


def _compile(entry: TagEntry, protocols: Mapping[str, Protocol], complain: Complain) -> Tag | None:
    def bad(what: str, hint: str = "") -> None:
        complain(entry.line, f"{entry.name}: {what}", hint)

    device = entry.device or (next(iter(protocols)) if len(protocols) == 1 else "")
    if device not in protocols:
        bad(f"device {device!r} is not declared" if device else "names no device", _known(device, protocols))
        return None
    kind = TYPES[entry.type]
    try:
        address = parse_address(protocols[device], entry.address)
    except ValueError as error:
        what, _, hint = str(error).partition("; ")
        bad(what, hint)
        return None
    _check_width(kind, address, entry.address, bad)
    holds = Range(kind.low, kind.high)
    within = entry.range or holds
    key, held = ("raw", entry.raw) if entry.raw is not None else ("range", entry.range)
    if held is not None and not (holds.low <= held.low and held.high <= holds.high):
        bad(
            f"{key} {held.low:g}..{held.high:g} does not fit {kind.name}",
            f"{kind.name} holds {holds.low:g}..{holds.high:g}",
        )
    if entry.raw is not None and (entry.range is None or kind.kind == "bool"):
        bad("raw needs a range to map onto, and a type that is a number", "add range: low..high")
    if entry.unit not in UNITS:
        bad(f"unit {entry.unit!r} is not known", "use a UCUM unit such as mm, bar, N.m, Cel, or leave it out")
    safe = _safe(entry, kind, within, bad)
    if entry.direction == "output":
        for wrong in [key for key in ("safe", "observer") if getattr(entry, key) is not None]:
            bad(f"an output has no {wrong}", f"leave {wrong} out; it belongs to inputs")
    elif entry.jog is not None:
        bad("an input has no jog", "leave jog out; it belongs to outputs")
    if entry.direction == "input" and isinstance(address, ModbusAddress) and address.table in ("di", "ir"):
        bad(
            f"{entry.address} cannot be written, and an input is written",
            "use a coil or holding register that the program reads",
        )
    if entry.direction == "input" and isinstance(address, S7Address) and address.area in ("I", "Q"):
        bad(
            f"{entry.address} is overwritten by the controller at each scan, and an input is written",
            "use a data block or %M that the program reads",
        )
    return Tag(
        entry.name, device, entry.direction, kind, address, entry.address, within, entry.raw, entry.unit,
        safe, entry.observer, entry.jog, entry.title, entry.line,
    )  # fmt: skip


def _safe(entry: TagEntry, kind: DataType, within: Range, bad: Callable[[str, str], None]) -> Value:
    if entry.direction == "output":
        return False if kind.kind == "bool" else 0
    if entry.safe is None:
        bad("an input needs a safe value", "add safe: the value it takes when nobody holds the lease")
        return False if kind.kind == "bool" else 0
    try:
        value: Value = (TYPES["LREAL"] if entry.raw is not None else kind).parse(entry.safe)
    except ValueError as error:
        what, _, hint = str(error).partition("; ")
        bad(f"safe: {what}", hint)
        return 0
    if kind.kind != "bool" and not within.low <= value <= within.high:
        bad(f"safe: {entry.safe} is outside {within.low:g}..{within.high:g}", "give a value within the range")
    return value


def _check_width(kind: DataType, address: Address, text: str, bad: Callable[[str, str], None]) -> None:
    """A BOOL stands on one bit; a number on a register or more (Modbus) or on its own size (S7)."""
    if address.width == 0:
        return
    fits = kind.bits == address.width
    if isinstance(address, ModbusAddress) and address.width == 16:
        fits = kind.bits >= 16 and kind.kind != "bool"
        if fits and address.index + kind.bits // 16 > 65536:
            bad(f"{kind.name} at {text} runs past the last register", "use a lower address")
    if isinstance(address, S7Address) and kind.bits == 64 and address.width == 32:
        fits = True  # S7 has no letter for 64 bits; DBD names where it starts
    if not fits:
        bad(f"type {kind.name} does not fit address {text}", _address_hint(kind, address))


def _address_hint(kind: DataType, address: Address) -> str:
    if isinstance(address, ModbusAddress):
        return "a BOOL goes to coil:n, di:n or hr:n.bit; a number of 16 bits or more to hr:n or ir:n"
    return f"{kind.name} has {kind.bits} bits: use " + (
        "X with a bit" if kind.bits == 1 else {8: "B", 16: "W"}.get(kind.bits, "D")
    )


def _span(tag: Tag) -> tuple[tuple[str, ...], int, int]:
    """Where the tag lies: its area, first bit and bit count; whole registers count their 16 bits."""
    address = tag.address
    if isinstance(address, ModbusAddress):
        if address.table in ("coil", "di"):
            return (tag.device, address.table), address.index, 1
        first = address.index * 16 + max(address.bit, 0)
        return (tag.device, address.table), first, 1 if address.bit >= 0 else tag.type.bits
    if isinstance(address, S7Address):
        return (
            (tag.device, f"{address.area}{address.db}"),
            address.byte * 8 + max(address.bit, 0),
            tag.type.bits,
        )
    return (tag.device, address.node), 0, 1


def _check_overlaps(tags: Iterable[Tag], complain: Complain) -> None:
    placed = sorted(((_span(tag), tag) for tag in tags), key=lambda each: each[0])
    widest: dict[tuple[str, ...], tuple[int, Tag]] = {}
    for (area, first, bits), tag in placed:
        end, other = widest.get(area, (-1, tag))
        if first < end:
            early, late = sorted((tag, other), key=lambda each: each.line)
            complain(
                late.line,
                f"{late.name} at {late.text} overlaps {early.name} at {early.text} (line {early.line})",
                "give each its own address",
            )
        if first + bits > end:
            widest[area] = (first + bits, tag)
    _check_shared_bytes([tag for _, tag in placed], complain)


def _check_shared_bytes(tags: list[Tag], complain: Complain) -> None:
    """S7 writes whole bytes (and Modbus whole registers): an input there must not sit beside an output."""
    owner: dict[tuple[object, ...], Tag] = {}
    told: set[str] = set()
    for tag in tags:
        area, first, bits = _span(tag)
        cell = 8 if isinstance(tag.address, S7Address) else 16
        if not isinstance(tag.address, S7Address) and area[1] not in ("hr", "ir"):
            continue
        for index in range(first // cell, (first + bits - 1) // cell + 1):
            other = owner.setdefault((area, index), tag)
            late = max(tag, other, key=lambda each: each.line)
            if other.direction != tag.direction and late.name not in told:
                told.add(late.name)
                early = tag if late is other else other
                complain(
                    late.line,
                    f"{late.name} at {late.text} shares a {'byte' if cell == 8 else 'register'} with the "
                    f"{early.direction} {early.name} at {early.text} (line {early.line})",
                    "writing one would overwrite the other: move it to another address",
                )


def check_ref(
    ref: TagRef, tags: Mapping[str, Tag], line: int, what: str, complain: Complain, boolean: bool = False
) -> Tag | None:
    """The tag behind ``ref``, or None with a complaint; ``what`` begins the message."""
    tag = tags.get(ref.tag)
    if tag is None:
        complain(line, f"{what} {ref} is not a tag of this station", _known(ref.tag, tags))
        return None
    unsigned = tag.type.kind in ("bits", "int") and tag.type.low == 0  # a sign is no bit to set alone
    if ref.bit >= 0 and not (unsigned and ref.bit < tag.type.bits):
        complain(line, f"{what} {ref}: {tag.type.name} has no bit {ref.bit}", "name a bit of a WORD")
        return None
    if boolean and ref.bit < 0 and tag.type.kind != "bool":
        complain(line, f"{what} {ref} is a {tag.type.name}", "name a BOOL or one bit, such as command.0")
        return None
    return tag


def _check_references(tags: Mapping[str, Tag], complain: Complain) -> None:
    for tag in tags.values():
        for key, ref, wanted in (("observer", tag.observer, "output"), ("jog", tag.jog, "input")):
            if ref is None:
                continue
            other = check_ref(ref, tags, tag.line, f"{tag.name}: {key}", complain)
            if other is None:
                continue
            if other.direction != wanted:
                complain(tag.line, f"{tag.name}: {key} {ref} is an {other.direction}", f"name an {wanted}")
            boolean = other.type.kind == "bool" or ref.bit >= 0
            if boolean != (tag.type.kind == "bool"):
                kind = "BOOL" if boolean else other.type.name
                complain(
                    tag.line, f"{tag.name}: {key} {ref} is a {kind}, the tag a {tag.type.name}", "match them"
                )


def _known(name: str, known: Iterable[str]) -> str:
    names = list(known)
    near = difflib.get_close_matches(name, names, 1, 0.5)
    return f"did you mean {near[0]!r}?" if near else "declared are " + (", ".join(names) or "none")

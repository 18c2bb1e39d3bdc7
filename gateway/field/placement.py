"""Where tags lie in their devices: whether a type fits its address, and whether two tags collide; pure."""

from __future__ import annotations

from collections.abc import Callable, Container, Hashable, Iterable, Iterator
from typing import TYPE_CHECKING

from gateway.field.addresses import Address, ModbusAddress, S7Address
from gateway.field.compound import ArrayType
from gateway.field.types import DataType

if TYPE_CHECKING:  # tags are checked while they are made
    from gateway.field.tags import Complain, Tag

MOST_CELLS = {"coil": (2000, 1968), "di": (2000, 0), "hr": (125, 123), "ir": (125, 0)}
MOST_BYTES = (462, 452)
"""What one request reads and writes at most: a tag is never split, so that its value is of one moment."""


def check_width(
    kind: DataType, address: Address, text: str, direction: str, bad: Callable[[str, str], None]
) -> None:
    """A BOOL stands on one bit; a number on a register or more (Modbus) or on its own size (S7), a text and
    an array from there on."""
    written = direction == "input"
    if isinstance(address, ModbusAddress):
        fits = _fits_modbus(kind, address)
        cells = kind.bits if address.table in ("coil", "di") else (kind.bits + 15) // 16
        most = MOST_CELLS[address.table][written] or MOST_CELLS[address.table][0]
        if fits and address.index + cells > 65536:
            bad(f"{kind.name} at {text} runs past the last address", "use a lower address")
    elif isinstance(address, S7Address):
        fits, cells, most = _fits_s7(kind, address), (kind.bits + 7) // 8, MOST_BYTES[written]
    else:
        return
    if not fits:
        bad(f"type {kind.name} does not fit address {text}", _address_hint(kind, address))
    elif cells > most:
        bad(f"{kind.name} at {text} is more than one request holds ({most})", "declare several shorter tags")


def _fits_modbus(kind: DataType, address: ModbusAddress) -> bool:
    plain = kind.element if isinstance(kind, ArrayType) else kind
    if address.bit >= 0:
        return kind.kind == "bool"
    if address.table in ("coil", "di"):
        return plain.kind == "bool"
    return plain.kind != "bool" and plain.bits % 16 == 0


def _fits_s7(kind: DataType, address: S7Address) -> bool:
    plain = kind.element if isinstance(kind, ArrayType) else kind
    if plain.kind == "string":
        return address.width == 8
    if kind.kind == "array" and plain.kind == "bool":
        return address.bit == 0
    return plain.bits == address.width or (plain.bits == 64 and address.width == 32)


def _address_hint(kind: DataType, address: Address) -> str:
    if isinstance(address, ModbusAddress):
        return "a BOOL goes to coil:n, di:n or hr:n.bit; a number of 16 bits or more to hr:n or ir:n"
    plain = kind.element if isinstance(kind, ArrayType) else kind
    if plain.kind == "string":
        return f"{kind.name} begins at a byte: use B"
    letter = {1: "X with a bit", 8: "B", 16: "W", 32: "D"}.get(plain.bits, "D or L")
    if kind.kind == "array":
        return f"an array begins where its first {plain.name} does: use " + letter.replace("a bit", "bit 0")
    return f"{kind.name} has {kind.bits} bits: use {letter}"


def _span(tag: Tag) -> tuple[tuple[str, ...], int, int]:
    """Where the tag lies: its area, first bit and bit count; whole registers count their 16 bits."""
    address = tag.address
    if isinstance(address, ModbusAddress):
        if address.table in ("coil", "di"):
            bits = tag.type.bits if tag.type.kind == "array" else 1
            return (tag.device, address.table), address.index, bits
        first = address.index * 16 + max(address.bit, 0)
        return (tag.device, address.table), first, 1 if address.bit >= 0 else tag.type.bits
    if isinstance(address, S7Address):
        return (
            (tag.device, f"{address.area}{address.db}"),
            address.byte * 8 + max(address.bit, 0),
            tag.type.bits,
        )
    return (tag.device, address.node), 0, 1


def check_overlaps(tags: Iterable[Tag], complain: Complain) -> None:
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
    _check_shared_bytes((tag for _, tag in placed), complain)


def _check_shared_bytes(tags: Iterable[Tag], complain: Complain) -> None:
    """An input must not sit beside an output: writing it would overwrite that."""
    for early, late, cell in _sharing(tags, lambda tag: tag.direction):
        complain(
            late.line,
            f"{late.name} at {late.text} shares a {cell} with the "
            f"{early.direction} {early.name} at {early.text} (line {early.line})",
            "writing one would overwrite the other: move it to another address",
        )


def check_written_apart(tags: Iterable[Tag], written: Container[str], complain: Complain) -> None:
    """Of the inputs ``tags``, as they lie where they are read or ``written``: one that is never written must
    not sit beside one that is, or it would get back what it held once."""
    for early, late, cell in _sharing(tags, lambda tag: tag.name in written):
        read, beside = (early, late) if late.name in written else (late, early)
        complain(
            late.line,
            f"{late.name} at {late.text} shares a {cell} with {early.name} at {early.text} "
            f"(line {early.line}): writing {beside.name} would overwrite {read.name}, which is never written",
            f"move one of them to another {cell}"
            + ("" if read.safety else f", or add {read.name} to writes: only"),
        )


def _sharing(tags: Iterable[Tag], group: Callable[[Tag], Hashable]) -> Iterator[tuple[Tag, Tag, str]]:
    """Pairs of two groups on one byte (S7 writes whole ones) or register (Modbus), the later line second and
    told once; and the word for what they share."""
    owner: dict[tuple[object, ...], Tag] = {}
    told: set[str] = set()
    for tag in tags:
        area, first, bits = _span(tag)
        bytewise = isinstance(tag.address, S7Address)
        if not bytewise and area[1] not in ("hr", "ir"):
            continue
        size = 8 if bytewise else 16
        for index in range(first // size, (first + bits - 1) // size + 1):
            other = owner.setdefault((area, index), tag)
            early, late = sorted((other, tag), key=lambda each: each.line)
            if group(early) != group(late) and late.name not in told:
                told.add(late.name)
                yield early, late, "byte" if bytewise else "register"

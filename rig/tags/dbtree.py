"""The declaration of a data block as a tree, and its tags with the offsets that TIA Portal gives them.

Blocks without optimised access lie byte by byte in the controller: a BOOL takes the next bit, a type of
one byte the next byte, all else the next even byte; arrays and structures begin and end at even bytes;
in arrays of more dimensions each row of BOOLs begins at a byte.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Mapping

import msgspec
from snap7.tags import Tag as S7Tag
from snap7.type import Area

from gateway.field.types import TYPES
from rig.tags.rows import MAX_ELEMENTS, MAX_TAGS, Cell, Listing, Row

MAX_DEPTH = 32
_STRING = re.compile(r"(W?STRING)(?:\[(\d{1,5})\])?\Z")
_SHORT = {"TIME_OF_DAY": "TOD", "DATE_AND_TIME": "DT", "LTIME_OF_DAY": "LTOD", "S5TIME": "WORD"}
SYSTEM = {
    name: size
    for size, names in (
        (2, "DB_ANY DB_WWW HW_ANY HW_DEVICE HW_IO HW_MODULE HW_SUBMODULE HW_INTERFACE CONN_ANY PORT RTM PIP"),
        (3, "IEC_SCOUNTER IEC_USCOUNTER CTU_SINT CTD_SINT CTUD_SINT CTU_USINT CTD_USINT CTUD_USINT"),
        (4, "AOM_IDENT EVENT_ANY EVENT_ATT EVENT_HWINT"),
        (6, "IEC_COUNTER IEC_UCOUNTER CTU_INT CTD_INT CTUD_INT CTU_UINT CTD_UINT CTUD_UINT POINTER"),
        (8, "CREF NREF TADDR_PARAM"),
        (10, "ANY"),
        (12, "IEC_DCOUNTER IEC_UDCOUNTER CTU_DINT CTD_DINT CTUD_DINT CTU_UDINT CTD_UDINT CTUD_UDINT VREF"),
        (16, "IEC_TIMER TON_TIME TOF_TIME TP_TIME TONR_TIME"),
        (24, "IEC_LCOUNTER IEC_ULCOUNTER CTU_LINT CTD_LINT CTUD_LINT CTU_ULINT CTD_ULINT CTUD_ULINT"),
        (28, "ERROR_STRUCT"),
        (32, "IEC_LTIMER TON_LTIME TOF_LTIME TP_LTIME TONR_LTIME"),
        (52, "CONDITIONS"),
        (64, "TCON_PARAM"),
    )
    for name in names.split()
}
"""The controller's own types by their bytes: nothing of them can be held, but what follows has its place."""
_LETTER = {1: "X", 8: "B", 16: "W", 32: "D", 64: "D"}


class Member(msgspec.Struct):
    """A declared variable: of an elementary ``type``, of a type by that name, or a structure of ``members``.

    ``bounds`` are those of its array, first and last of each dimension; none where it is no array.
    """

    name: str
    type: str
    line: int
    comment: str = ""
    bounds: tuple[tuple[int, int], ...] = ()
    members: list[Member] | None = None


class Block(msgspec.Struct):
    """A data block; ``number`` 0 where the source does not say it."""

    name: str
    number: int
    optimised: bool
    members: list[Member]
    line: int


class _Unknown(Exception):
    """A type whose size is not known: nothing behind it has an offset."""

    def __init__(self, member: Member, what: str = "") -> None:
        self.member = member
        self.what = what or f"type {member.type} is not in the file"


class _Layout:
    """Walks a block's members in the order of the file, counting bits."""

    def __init__(
        self, block: Block, types: Mapping[str, list[Member]], number: int, listing: Listing
    ) -> None:
        self.block, self.types, self.number, self.listing = block, types, number, listing
        self.bit = 0
        self.steps = 0

    def align(self, bits: int) -> None:
        self.bit = -(-self.bit // bits) * bits

    def members(self, members: list[Member], path: tuple[str, ...], quiet: bool) -> None:
        if len(path) > MAX_DEPTH:
            raise _Unknown(members[0], "is declared within itself, or too deep")
        for member in members:
            self.member(member, (*path, member.name), quiet)

    def member(self, member: Member, path: tuple[str, ...], quiet: bool) -> None:
        if not member.bounds:
            self.one(member, path, quiet)
            return
        self.align(16)
        count = math.prod(last - first + 1 for first, last in member.bounds)
        large = count > MAX_ELEMENTS
        if large and not quiet:
            what = f"is an array of {count} elements; at most {MAX_ELEMENTS} are taken"
            self.listing.leave(".".join(path), what, member.line)
        row = member.bounds[-1][1] - member.bounds[-1][0] + 1
        for number, indices in enumerate(itertools.product(*(range(a, b + 1) for a, b in member.bounds))):
            if number and number % row == 0 and member.type == "BOOL":
                self.align(8)
            self.one(member, (*path[:-1], f"{path[-1]}[{','.join(map(str, indices))}]"), quiet or large)
        self.align(16)

    def one(self, member: Member, path: tuple[str, ...], quiet: bool) -> None:
        self.steps += 1
        if self.steps > 50 * MAX_TAGS:
            raise _Unknown(member, "has too many elements")
        inner = member.members if member.members is not None else self.types.get(member.type)
        if inner is not None:
            self.align(16)
            self.members(inner, path, quiet)
            self.align(16)
            return
        bits = size_in_bits(member.type)
        if bits == 0:
            raise _Unknown(member)
        self.align(1 if bits == 1 else 8 if bits == 8 else 16)
        if not quiet:
            self.leaf(member, path)
        self.bit += bits
        if member.type in SYSTEM:
            self.align(16)

    def leaf(self, member: Member, path: tuple[str, ...]) -> None:
        name = ".".join((self.block.name, *path))
        node = _node((self.block.name, *path))
        cells = {"name": Cell(name), "type": Cell(member.type), "node": Cell(node)}
        if self.number:
            bits = TYPES[member.type].bits if member.type in TYPES else 8
            place = f"{self.bit // 8}" + (f".{self.bit % 8}" if bits == 1 else "")
            cells["address"] = Cell(f"DB{self.number}.DB{_LETTER[bits]}{place}")
        if member.comment:
            cells["comment"] = Cell(member.comment)
        self.listing.add(Row(self.listing.file, member.line, cells, (self.block.name, *path)))


def size_in_bits(name: str) -> int:
    """Bits of a type that is not the person's own in a block without optimised access; 0 where it is none."""
    if name == "BOOL":
        return 1
    if name in SYSTEM:
        return 8 * SYSTEM[name]
    if match := _STRING.match(name):
        name = f"{match[1]}[{match[2] or 254}]"
    try:
        return 8 * int(S7Tag(Area.DB, 0, 0, _SHORT.get(name, name)).size)
    except ValueError:
        return 0


def lay_out(
    block: Block, types: Mapping[str, list[Member]], number: int, offsets: bool, listing: Listing
) -> None:
    """Add the block's tags to ``listing``: with offsets in DB ``number``, or by their symbols alone.

    ``types`` are the PLC data types by name. A type that is not there ends the block: what lies behind it
    has no known offset, which is a problem where offsets are wanted and leaves things out where not.
    """
    layout = _Layout(block, types, number if offsets else 0, listing)
    members = list(block.members)
    while True:
        try:
            layout.members(members, (), quiet=False)
            return
        except _Unknown as unknown:
            member, what = unknown.member, unknown.what
        if offsets:
            hint = "without it no offset behind it is known; export the block together with its types"
            listing.bad(member.line, 0, f"{block.name}: {member.name}: {what}", hint)
            return
        listing.leave(f"{block.name}.{member.name}", what, member.line)
        top = next((n for n, each in enumerate(members) if _holds(each, member, types, 0)), len(members))
        members = members[top + 1 :]


def _holds(member: Member, wanted: Member, types: Mapping[str, list[Member]], depth: int) -> bool:
    if member is wanted or depth > MAX_DEPTH:
        return True
    inner = member.members if member.members is not None else types.get(member.type, [])
    return any(_holds(each, wanted, types, depth + 1) for each in inner)


def _node(path: tuple[str, ...]) -> str:
    """The node id under which an S7-1500 serves the variable: each name quoted, indices outside."""
    parts = [part.partition("[") for part in path]
    return "ns=3;s=" + ".".join(f'"{name}"{bracket}{rest}' for name, bracket, rest in parts)

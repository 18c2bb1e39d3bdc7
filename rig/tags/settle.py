"""Rows of a source as tags of one device: type, address, direction, range and unit in our words; pure."""

from __future__ import annotations

import contextlib
import difflib
import json
import re
from collections.abc import Callable
from typing import TypeVar

import msgspec

from gateway.field.addresses import Address, ModbusAddress, S7Address, parse_address
from gateway.field.compound import read_type
from gateway.field.entries import TagEntry
from gateway.field.formula import read_formula
from gateway.field.tags import Direction, Range, read_range, read_ref
from gateway.field.types import TYPES, read_order
from gateway.units import duration
from rig.tags import values
from rig.tags.addresses import Unreachable, is_s7, s7_address, to_ours
from rig.tags.dbtree import SYSTEM
from rig.tags.found import Certainty, Found, Target, alone, number_text, off
from rig.tags.naming import is_id
from rig.tags.rows import Listing, Row
from rig.tags.words import ACCESS, DIRECTIONS, SIGNAL_KINDS, plain, type_name

T = TypeVar("T")
_OTHER_NAMES = """
    LINT ULINT LWORD LTIME LTOD LDT DATE TOD DT DTL CHAR WCHAR STRING WSTRING S5TIME TIMER COUNTER VARIANT
    INT64 UINT64 DATETIME GUID BYTESTRING LOCALIZEDTEXT DATE_AND_TIME TIME_OF_DAY VOID"""
_OTHER_TYPES = SYSTEM.keys() | _OTHER_NAMES.split()
_NO_SCALING = ("none", "keine", "linear", "squareroot", "off", "aus", "no", "nein")
_WIRED = "and an input is written"  # how the station's check ends where only terminals write
_PLACE = re.compile(r"(?:DB(\d{1,5})(?:\.DBB(\d{1,5}))?|MB?(\d{1,5}))\Z", re.IGNORECASE)
_WIDE = {1: "BOOL", 8: "BYTE", 16: "WORD", 32: "DWORD"}


class _Wrong(Exception):
    """This row cannot be a tag; said already."""


def settle(listing: Listing, target: Target) -> list[Found]:
    """The rows that become tags; the rest is in the listing's ``left_out`` and ``problems``."""
    first: dict[str, Row] = {}
    found = []
    nodes_only = any("node" in row.cells for row in listing.rows) and all(
        "address" not in row.cells for row in listing.rows
    )
    if nodes_only and target.protocol != "opcua":
        what = f"has OPC UA nodes, and device {target.device!r} speaks {target.protocol}"
        listing.bad(0, 0, what, "import into a station whose device is at opc.tcp://…")
        return []
    for row in listing.rows:
        if row.name in first:
            where = f"the first is in {first[row.name].file}:{first[row.name].line}"
            listing.problems.append(row.problem("name", f"{row.name!r} stands twice", where))
            continue
        first[row.name] = row
        try:
            found.append(_Settler(row, target, listing).tag())
        except _Wrong:
            continue
    return found


def moved(address: str, place: str) -> str:
    """An address of the S7 input area, at the same offset of ``place``: ``DB100``, ``DB100.DBB20``, ``M50``.

    Other addresses are left as they are; ValueError where ``place`` is none.
    """
    match = _PLACE.match(place.strip())
    if match is None or match[1] == "0":
        raise ValueError(f"{place!r} is no memory of an S7 controller; write DB100, DB100.DBB20 or M50")
    try:
        found = parse_address("s7", address)
    except ValueError:
        return address
    if not isinstance(found, S7Address) or found.area != "I":
        return address
    letter = {1: "X", 8: "B", 16: "W"}.get(found.width, "D")
    offset = f"{found.byte + int(match[2] or match[3] or 0)}" + (f".{found.bit}" if letter == "X" else "")
    return f"DB{match[1]}.DB{letter}{offset}" if match[1] else f"M{letter.replace('X', '')}{offset}"


def _points(text: str) -> tuple[tuple[float, ...], ...]:
    """A table as an export writes it."""
    try:
        return tuple((float(raw), float(value)) for raw, value in json.loads(text))
    except (ValueError, TypeError, RecursionError):
        raise ValueError(f"{text!r} is no table; write for example [[0, -40], [4095, 120]]") from None


class _Settler:
    """One row, field by field; what is wrong is said at its cell, and the fields after it still read."""

    def __init__(self, row: Row, target: Target, listing: Listing) -> None:
        self.row, self.target, self.listing = row, target, listing
        self.failed = False

    def bad(self, field: str, error: ValueError | str, hint: str = "") -> None:
        what, _, right = str(error).partition("; ")
        self.listing.problems.append(self.row.problem(field, f"{self.row.name}: {what}", hint or right))
        self.failed = True

    def note(self, field: str, what: str) -> None:
        self.listing.notes.append(self.row.problem(field, f"{self.row.name}: {what}"))

    def leave(self, why: str) -> _Wrong:
        self.listing.leave(self.row.name, why, self.row.line, self.row.file)
        return _Wrong()

    def tag(self) -> Found:
        self.device()
        kind, by_type = self.type()
        address, kind = self.address(kind)
        direction, certainty = self.direction(address, by_type)
        if direction == "input" and self.target.inputs_at:
            address = moved(address, self.target.inputs_at)
        within, unit = self.range(kind, self.unit())
        entry = TagEntry(
            direction=direction,
            type=kind,
            address=address,
            range=within,
            raw=self.raw() if within is not None or "raw" in self.row.cells else None,
            unit=unit,
            order=self.field("order", read_order),
            scale=self.field("scale", values.number),
            offset=self.field("offset", values.number),
            table=self.field("table", _points),
            hold=self.field("hold", duration),
            formula=self.field("formula", read_formula),
            inverse=self.field("inverse", read_formula),
            verify=self.field("verify", values.yes),
            real=self.row.text("real") or None,
            tolerance=self.field("tolerance", values.tolerance),
            safety=bool(self.field("safety", values.yes)),
            safe=self.safe(kind, direction),
            observer=self.field("observer", read_ref),
            jog=self.field("jog", read_ref),
            title=self.title(),
            name=self.row.name,
        )
        wired = "" if self.failed else self.check(entry)
        if self.failed:
            raise _Wrong
        return Found(self.row, entry, certainty, wired)

    def device(self) -> None:
        named = self.row.text("device")
        if named and named != self.target.device and named in self.target.protocols:
            raise self.leave(f"is of device {named}; import with --device {named}")

    def type(self) -> tuple[str, str]:
        """(our type or "" where the address decides, the direction that goes with it or "")."""
        text = self.row.text("type")
        if plain(text) in SIGNAL_KINDS:
            return SIGNAL_KINDS[plain(text)]
        if not text or type_name(text):
            return type_name(text), ""
        with contextlib.suppress(ValueError):
            read_type(text)
            return " ".join(text.upper().split()), ""
        near = difflib.get_close_matches(text.upper(), TYPES, 1, 0.75)
        if near and text.upper() not in _OTHER_TYPES and '"' not in text:
            self.bad("type", f"type {text!r} is not known", f"did you mean {near[0]}?")
            raise _Wrong
        raise self.leave(f"type {text} cannot be held")

    def address(self, kind: str) -> tuple[str, str]:
        """(address, type)."""
        protocol = self.target.protocol
        field = "node" if protocol == "opcua" and "node" in self.row.cells else "address"
        text = self.row.text(field)
        if not text:
            self.bad("address", "has no address", "give it one")
            raise _Wrong
        if protocol == "opcua" and field == "address" and not text.startswith(("ns=", "i=")) and is_s7(text):
            text = f'ns=3;s="{self.row.name}"'  # how an S7-1500 serves its tags
        try:
            area, first = self.row.text("area"), self.target.first
            ours, with_it = to_ours(protocol, text, kind, area, self.target.modbus_base, first)
        except Unreachable as error:
            raise self.leave(str(error)) from None
        except ValueError as error:
            self.bad(field, error)
            raise _Wrong from None
        kind = kind or with_it
        width = self.target.place(ours).width
        if not kind and (width == 1 or protocol == "s7"):
            kind = _WIDE[width]
        if not kind:
            self.bad("type", "has no type", "write BOOL, INT, WORD, REAL …")
            raise _Wrong
        if plain(self.row.text("type")) in SIGNAL_KINDS and kind == "INT":  # analog: as wide as its address
            kind = {32: "REAL", 8: "SINT"}.get(width, "INT")
        return ours, kind

    def direction(self, address: str, by_type: str) -> tuple[Direction, Certainty]:
        """A column says it, else the kind of signal, the area, ``--direction``, or what may be written."""
        text = self.row.text("direction")
        said = DIRECTIONS.get(plain(text)) if text else by_type
        if text and said is None:
            self.bad(
                "direction", f"{text!r} is no direction", "write input or output, seen from the controller"
            )
        place = self.target.place(address)
        terminal = place if isinstance(place, S7Address) else self.terminal()
        if not said and isinstance(terminal, S7Address):
            said = {"I": "input", "Q": "output"}.get(terminal.area)
        said = said or self.target.direction
        if said:
            return ("input" if said == "input" else "output"), "said"
        access = ACCESS.get(plain(self.row.text("access")))
        if access == "none":
            raise self.leave("cannot be accessed by clients")
        if access:
            return ("input" if access == "write" else "output"), "guessed"
        if isinstance(place, ModbusAddress) and place.table in ("di", "ir"):
            return "output", "guessed"
        return "output", "unknown"

    def terminal(self) -> Address | None:
        """Where a symbol that is reached by name lies in an S7 controller."""
        try:
            return parse_address("s7", s7_address(self.row.text("address"), "")[0])
        except ValueError:
            return None

    def unit(self) -> str:
        try:
            return values.unit(self.row.text("unit"))
        except ValueError as error:
            self.note("unit", f"{str(error).partition('; ')[0]}; the tag is taken without it")
            return "1"

    def range(self, kind: str, unit: str) -> tuple[Range | None, str]:
        """(range in ``unit``, unit); a unit that only the range has is the tag's."""
        text = self.row.text("range")
        if plain(text) in _NO_SCALING:  # a column Scaling may say how, and others from where to where
            text = ""
        if kind == "BOOL":
            if text and not values.is_states(text):
                self.note("range", f"a BOOL has no range; {text!r} is left out")
            return None, unit
        if not text:
            return self.low_to_high(unit)
        try:
            return read_range(text), unit
        except ValueError:
            pass
        try:
            found, written = values.span(text)
        except ValueError as error:
            self.bad("range", error)
            return None, unit
        return self.converted(found, written, unit, "range")

    def low_to_high(self, unit: str) -> tuple[Range | None, str]:
        low, high = self.row.text("low"), self.row.text("high")
        if not low or not high:
            if low or high:
                self.note("low" if low else "high", "one end of a range alone is left out")
            return None, unit
        ends: list[tuple[float, str]] = []
        for field, text in (("low", low), ("high", high)):
            try:
                ends.append(values.bound(text))
            except ValueError as error:
                self.bad(field, error)
        if len(ends) < 2:
            return None, unit
        found = Range(ends[0][0], ends[1][0])
        if found.low == found.high == 0:
            return None, unit  # what lists have where nobody set a range
        if not found.low < found.high:
            self.bad("high", f"{high!r} is not above {low!r}", "the maximum must be the larger")
            return None, unit
        return self.converted(found, ends[1][1] or ends[0][1], unit, "low")

    def converted(self, found: Range, written: str, unit: str, field: str) -> tuple[Range | None, str]:
        if not written:
            return found, unit
        try:
            spelled = values.unit(written)
            return (found, spelled) if unit == "1" else (values.in_unit(found, spelled, unit), unit)
        except ValueError:
            text = self.row.text(field)
            self.note(field, f"{text!r} is not in the tag's unit {unit}; the range is left out")
            return None, unit

    def raw(self) -> Range | None:
        """The raw range, in one cell or two; without a range to lie on it says nothing."""
        low, high = self.row.text("raw-low"), self.row.text("raw-high")
        if not self.row.text("raw") and low and high:
            try:
                found = Range(values.number(low), values.number(high))
            except ValueError as error:
                self.bad("raw-low", error)
                return None
            return found if found.low < found.high else None
        return self.plain_range("raw")

    def plain_range(self, field: str) -> Range | None:
        text = self.row.text(field)
        if not text:
            return None
        try:
            return read_range(text)
        except ValueError:
            pass
        try:
            return values.span(text)[0]
        except ValueError as error:
            self.bad(field, error)
            return None

    def safe(self, kind: str, direction: str) -> str | None:
        text = self.row.text("safe")
        if not text:
            return None
        if direction == "output":
            self.note("safe", "an output has no safe value; it is left out")
            return None
        for reader in (read_type(kind).parse, float):
            with contextlib.suppress(ValueError):
                reader(text)
                return text
        try:
            if kind == "BOOL" and values.truth(text) is not None:
                return str(values.truth(text)).lower()
            return number_text(values.number(text))
        except ValueError as error:
            self.bad("safe", error)
            return None

    def field(self, field: str, reader: Callable[[str], T]) -> T | None:
        text = self.row.text(field)
        try:
            return reader(text) if text else None
        except ValueError as error:
            self.bad(field, error)
            return None

    def title(self) -> str:
        """The list's own title, else the name as the source spells it, and its comment."""
        if "title" in self.row.cells:
            return " ".join(self.row.text("title").split())
        name = "" if is_id(self.row.name) else self.row.name
        return " ".join(": ".join(part for part in (name, self.row.text("comment")) if part).split())

    def check(self, entry: TagEntry) -> str:
        """What the station's own check says of this tag alone; why an input cannot be at its address."""
        kind = self.target.kind(entry)
        single = alone(msgspec.structs.replace(entry, device=self.target.device))
        as_output = msgspec.structs.replace(single, direction="output", safe=None)
        if entry.direction == "output":
            self.complaints(as_output)
            return ""
        only_inputs = {"hold": None, "inverse": None, "verify": None, "tolerance": None}
        self.complaints(msgspec.structs.replace(as_output, **only_inputs))
        if self.failed or entry.safety:
            return "" if self.failed else self.complaints(single)
        if kind.kind == "string" and entry.safe is None:
            raise self.leave("is a text, and an input needs a safe value: give the list a column Safe")
        safe = single.safe or off(kind, single.range or Range(kind.low, kind.high))
        return self.complaints(msgspec.structs.replace(single, safe=safe))

    def complaints(self, entry: TagEntry) -> str:
        wired = ""

        def complain(_line: int, what: str, hint: str = "") -> None:
            nonlocal wired
            told = what.removeprefix(f"{entry.name}: ")
            if told.endswith(_WIRED):
                wired = told.partition(" ")[2]  # without the address, so that one reason stands for all
                return
            words = (told.partition(" ")[0].rstrip(":"), hint.removeprefix("leave ").partition(" ")[0])
            field = next((word for word in words if word in self.row.cells), "address")
            if words[0] == "range" and "low" in self.row.cells:
                field = "low"
            self.listing.problems.append(self.row.problem(field, what, hint))
            self.failed = True

        self.target.compile([entry], complain)
        return wired

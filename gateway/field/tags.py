"""Tags: named signals of a station, checked against type, address and each other; pure."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Annotated, Literal, NamedTuple

import msgspec

from gateway.checked import Checked, wrong_of
from gateway.field.addresses import Address, ModbusAddress, OpcUaAddress, Protocol, S7Address, parse_address
from gateway.field.compound import ArrayType, laid_out, read_type, type_text
from gateway.field.conversion import Conversion, Range, read_range
from gateway.field.derive import check_formulas
from gateway.field.formula import Formula, read_formula
from gateway.field.observed import Real, read_real
from gateway.field.placement import check_overlaps, check_width
from gateway.field.refs import Ref, TagRef, read_ref
from gateway.field.scaling import Bad, engineering_range, read_conversion, told
from gateway.field.tolerance import Tolerance, ToleranceEntry, read_tolerance
from gateway.field.types import OPCUA_TYPES, TYPES, DataType, Order, Scalar, Value, read_order
from gateway.units import UNITS, duration

__all__ = [
    "Complain", "Dialect", "Range", "Ref", "Tag", "TagEntry", "TagRef", "check_ref", "compile_tags",
    "read_range", "read_ref",
]  # fmt: skip

Direction = Literal["input", "output"]


class TagEntry(msgspec.Struct, frozen=True, rename="kebab"):
    """A tag as the station file has it; docs/tags.md says what each key means."""

    direction: Direction
    type: Annotated[str, type_text]
    address: str
    device: str | None = None
    range: Annotated[Range, read_range] | None = None
    raw: Annotated[Range, read_range] | None = None
    unit: str = "1"
    safe: str | None = None
    observer: Ref | None = None
    jog: Ref | None = None
    title: str = ""
    order: Annotated[Order, read_order] | None = None
    scale: float | None = None
    offset: float | None = None
    table: tuple[tuple[float, ...], ...] | None = None
    hold: Annotated[int, duration] | None = None
    formula: Annotated[Formula, read_formula] | None = None
    inverse: Annotated[Formula, read_formula] | None = None
    verify: bool | None = None
    real: str | None = None
    tolerance: ToleranceEntry | None = None
    safety: bool = False
    line: int = 0
    name: str = ""


class Tag(msgspec.Struct, frozen=True):
    """A checked tag.

    ``type`` is as it lies in the device. ``range`` is in ``unit``; by ``conversion`` what the device holds
    becomes a number of ``unit`` (each element of an array for itself). ``safe`` (inputs) is in ``unit``.
    ``observer`` (inputs) is what the program derives from it, ``jog`` (outputs) the command that moves it
    in manual mode. ``hold`` (BOOL inputs) is how long it keeps a level at least, ns; None: as the station.

    With ``formula`` the value follows from the raw number and other tags, and by ``inverse`` the raw number
    from the value: the cell does that (gateway.cell.formulas), and for ``to_device`` and ``from_device``
    the raw number is the value. ``step`` is the largest change of the value over one raw unit.
    ``verify`` (inputs): what was written is read again, and must be there. ``real`` (inputs) is where it is
    read in shadow mode, if not at its address. ``tolerance`` is how far it may differ from its model.
    ``safety``: it belongs to a safety function, and nobody ever writes it from here.
    """

    name: str
    device: str
    direction: Direction
    type: DataType
    address: Address
    text: str
    range: Range
    conversion: Conversion | None
    unit: str
    safe: Value
    observer: TagRef | None
    jog: TagRef | None
    title: str
    line: int
    hold: int | None = None
    formula: Formula | None = None
    inverse: Formula | None = None
    step: float = 0.0
    verify: bool = False
    real: Real | None = None
    tolerance: Tolerance = Tolerance()
    safety: bool = False

    def to_device(self, value: Value) -> Value:
        """Engineering value to what the device holds, held within the data type."""
        if self.conversion is not None:
            value = _each(self.conversion.held, value)
        return self.type.hold(value)

    def from_device(self, value: Value) -> Value:
        """What the device holds to the engineering value."""
        return value if self.conversion is None else _each(self.conversion.value, value)

    def parse(self, text: str) -> Value:
        """An engineering value as people write it; ValueError("what was wrong; what would be right")."""
        return _engineering(self.type, self.conversion is not None or self.formula is not None).parse(text)

    @property
    def plain(self) -> DataType:
        """The type, or that of an array's elements."""
        return self.type.element if isinstance(self.type, ArrayType) else self.type

    def part(self, ref: TagRef) -> Tag:
        """The tag as ``ref`` to it has it: for an element one of the element's type, else this."""
        return self if ref.element < 0 else msgspec.structs.replace(self, type=self.plain)

    @property
    def is_number(self) -> bool:
        """Whether it is one number: no BOOL, no text, no array."""
        return self.type.kind not in ("bool", "string", "array")

    @property
    def is_whole(self) -> bool:
        """Whether its engineering values are whole numbers."""
        return self.conversion is None and self.formula is None and self.plain.kind in ("bits", "int", "time")

    @property
    def resolution(self) -> float:
        """The smallest step of the engineering value that the device can hold (REAL: 1e-6 of the range)."""
        if self.plain.kind in ("bool", "string"):
            return 0.0
        if self.plain.kind == "real":
            return (self.range.high - self.range.low) * 1e-6
        if self.formula is not None:
            return self.step
        return 1.0 if self.conversion is None else self.conversion.step

    def takes(self, value: Value) -> bool:
        """Whether ``value`` is one of the tag's kind: a truth value, a finite number, a text, or a row of as
        many of them as it has."""
        if not isinstance(self.type, ArrayType):
            return _is_kind(self.type.kind, value)
        if not isinstance(value, tuple) or len(value) != self.type.count:
            return False
        return all(_is_kind(self.plain.kind, part) for part in value)

    def in_range(self, value: Value) -> bool:
        """Whether every number in ``value`` lies within the range (a truth value or a text has none, where
        the tag is one of those); nothing else does, nor a row of another length.

        The ends count as the type holds them: 2.4 is 2.4000001 in a REAL.
        """
        low, high = self.range
        kind: str = self.type.kind
        parts: tuple[Value, ...] = (value,)
        if kind == "real":
            low, high = min(low, self._as_held(low)), max(high, self._as_held(high))
        elif isinstance(self.type, ArrayType):
            if not isinstance(value, tuple) or len(value) != self.type.count:
                return False
            kind, parts = self.type.element.kind, value
        if kind == "string":
            return all(isinstance(part, str) for part in parts)
        return all(isinstance(p, bool) or (isinstance(p, int | float) and low <= p <= high) for p in parts)

    def _as_held(self, number: float) -> float:
        held = self.type.unpack(self.type.pack(number))
        assert isinstance(held, float), f"{self.type.name} holds {held!r}"
        return held


def _is_kind(kind: str, value: Value) -> bool:
    """Whether ``value`` is a truth value, a text or a number, as ``kind`` of a plain type says."""
    if kind in ("bool", "string"):
        return isinstance(value, bool if kind == "bool" else str)
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _each(convert: Callable[[float], float], value: Value) -> Value:
    if isinstance(value, tuple):
        return tuple(convert(part) for part in value if not isinstance(part, str))
    assert not isinstance(value, str), f"{value!r} is no number"
    return convert(value)


def _engineering(kind: DataType, converted: bool) -> DataType:
    """The type of the engineering values."""
    if not converted:
        return kind
    real = TYPES["LREAL"]
    return msgspec.structs.replace(kind, element=real) if isinstance(kind, ArrayType) else real


Complain = Callable[[int, str, str], None]


class Dialect(NamedTuple):
    """How addresses and numbers are meant on one device, unless a tag says otherwise."""

    base: int = 0
    order: Order = "ABCD"
    served: bool = False  # the gateway is the device: the controller reads inputs and writes outputs


def compile_tags(
    entries: Iterable[TagEntry],
    protocols: Mapping[str, Protocol],
    complain: Complain,
    dialects: Mapping[str, Dialect] | None = None,
    unread: Collection[str] = (),
    controller: str = "",
) -> dict[str, Tag]:
    """Check ``entries``; ``protocols`` and ``dialects`` are of their devices (no dialect: the usual one);
    ``complain(line, what, hint)`` per problem. ``unread`` are tags that could not even be read,
    ``controller`` is the device that ``real`` means ("": the tag's own).

    Of a tag that is none, or has no unit, nothing more is said where it is used: see ``gateway.checked``.
    """
    found: dict[str, Tag] = {}
    wrong = set(unread)
    for entry in entries:
        tag = _compile(entry, protocols, dialects or {}, complain, controller)
        if tag is None or tag.unit not in UNITS:
            wrong.add(entry.name)
        if tag is not None:
            found[tag.name] = tag
    tags = Checked(found, wrong) if wrong else found
    check_overlaps(tags.values(), complain)
    check_formulas(tags, complain)
    _check_references(tags, complain)
    return tags


def _compile(
    entry: TagEntry,
    protocols: Mapping[str, Protocol],
    dialects: Mapping[str, Dialect],
    complain: Complain,
    controller: str,
) -> Tag | None:
    def bad(what: str, hint: str = "") -> None:
        complain(entry.line, f"{entry.name}: {what}", hint)

    device = entry.device or (next(iter(protocols)) if len(protocols) == 1 else "")
    if device in wrong_of(protocols):
        return None
    if device not in protocols:
        bad(f"device {device!r} is not declared" if device else "names no device", _known(device, protocols))
        return None
    protocol, dialect = protocols[device], dialects.get(device, Dialect())
    if entry.order is not None and protocol != "modbus":
        bad(f"order {entry.order}: {_NO_ORDER[protocol]}", "leave order out")
    order = (entry.order or dialect.order) if protocol == "modbus" else "ABCD"
    try:
        kind = laid_out(read_type(entry.type), protocol, order)
        address = parse_address(protocol, entry.address, dialect.base)
    except ValueError as error:
        bad(*told(error))
        return None
    if isinstance(address, ModbusAddress) and address.bit >= 0 and order in ("BADC", "DCBA"):
        address = ModbusAddress(address.table, address.index, address.bit ^ 8)  # in the other byte
    check_width(kind, address, entry.address, "output" if entry.safety else entry.direction, bad)
    conversion = read_conversion(entry, kind, bad)
    within = engineering_range(entry, kind, conversion, bad)
    if entry.hold is not None and (entry.direction, kind.kind) != ("input", "bool"):
        bad("only an input that is a BOOL has hold", "leave hold out")
    if entry.unit not in UNITS:
        bad(f"unit {entry.unit!r} is not known", "use a UCUM unit such as mm, bar, N.m, Cel, or leave it out")
    _check_direction(entry, bad)
    if dialect.served:
        _check_served(entry, kind, address, bad)
    elif entry.direction == "input" and not entry.safety:
        _check_written(entry, address, bad)
    read_at = controller or device
    plain = kind.element if isinstance(kind, ArrayType) else kind
    converted = conversion is not None or entry.formula is not None
    tag = Tag(
        entry.name, device, entry.direction, kind, address, entry.address, within, conversion, entry.unit,
        _rest(kind), entry.observer, entry.jog, entry.title, entry.line, entry.hold,
        entry.formula, entry.inverse, verify=bool(entry.verify),
        real=read_real(entry, read_at, protocols.get(read_at), dialects.get(read_at, Dialect()), bad),
        tolerance=read_tolerance(entry, plain, within, converted, complain), safety=entry.safety,
    )  # fmt: skip
    return msgspec.structs.replace(tag, safe=_safe(entry, tag, bad))


_NO_ORDER = {"s7": "S7 has the high byte first", "opcua": "OPC UA has no order of bytes"}


def _check_direction(entry: TagEntry, bad: Bad) -> None:
    if entry.direction == "output":
        for wrong in [key for key in ("safe", "observer") if getattr(entry, key) is not None]:
            bad(f"an output has no {wrong}", f"leave {wrong} out; it belongs to inputs")
        if entry.verify:
            bad("an output is not written, and nothing to read back", "leave verify out")
        return
    if entry.jog is not None:
        bad("an input has no jog", "leave jog out; it belongs to outputs")
    for wrong in [key for key in ("safe", "verify") if entry.safety and getattr(entry, key) is not None]:
        bad(f"a safety tag is never written, so it has no {wrong}", f"leave {wrong} out")


def _check_written(entry: TagEntry, address: Address, bad: Bad) -> None:
    """The gateway writes inputs, so they lie where a device lets itself be written."""
    if isinstance(address, ModbusAddress) and address.table in ("di", "ir"):
        bad(
            f"{entry.address} cannot be written, and an input is written",
            "use a coil or holding register that the program reads",
        )
    if isinstance(address, S7Address) and address.area in ("I", "Q"):
        bad(
            f"{entry.address} is overwritten by the controller at each scan, and an input is written",
            "use a data block or %M that the program reads",
        )


def _check_served(entry: TagEntry, kind: DataType, address: Address, bad: Bad) -> None:
    """On a device that the gateway is, the controller reads inputs anywhere and writes outputs."""
    if entry.safety and entry.direction == "input":
        bad("a safety tag is never written, and a served device has its inputs from here alone", "wire it")
    if entry.direction == "output" and isinstance(address, ModbusAddress) and address.table in ("di", "ir"):
        bad(
            f"{entry.address} of a served device is only read by the controller, and it writes an output",
            "use a coil or holding register that the controller writes",
        )
    if isinstance(address, OpcUaAddress) and not _OWN_NODE.match(address.node):
        bad(
            f"{entry.address} cannot be served: the namespace is not the gateway's",
            "write ns=2;s=… with a namespace from 2 to 9",
        )
    if isinstance(address, OpcUaAddress) and kind.name not in OPCUA_TYPES:
        bad(f"{kind.name} is not served over OPC UA", "use an elementary type, one tag for each element")


_OWN_NODE = re.compile(r"ns=[2-9];")


def _rest(kind: DataType) -> Value:
    """What a tag is of which nothing is known."""
    if isinstance(kind, ArrayType):
        rest: Scalar | str = "" if kind.element.kind == "string" else kind.element.kind != "bool" and 0
        return (rest,) * kind.count
    if kind.kind == "string":
        return ""
    return False if kind.kind == "bool" else 0


def _safe(entry: TagEntry, tag: Tag, bad: Bad) -> Value:
    if entry.direction == "output" or entry.safety:
        return tag.safe
    if entry.safe is None:
        bad("an input needs a safe value", "add safe: the value it takes when nobody holds the lease")
        return tag.safe
    try:
        value = tag.parse(entry.safe)
    except ValueError as error:
        what, hint = told(error)
        bad(f"safe: {what}", hint)
        return tag.safe
    if not tag.in_range(value):
        low, high = tag.range
        bad(f"safe: {entry.safe} is outside {low:g}..{high:g}", "give a value within the range")
    return value


def check_ref(
    ref: TagRef, tags: Mapping[str, Tag], line: int, what: str, complain: Complain, boolean: bool = False
) -> Tag | None:
    """The tag behind ``ref``, or None with a complaint; ``what`` begins the message. Of a tag that is wrong
    itself all has been said."""
    tag = tags.get(ref.tag)
    if ref.tag in wrong_of(tags):
        return None
    if tag is None:
        complain(line, f"{what} {ref} is not a tag of this station", _known(ref.tag, tags))
        return None
    if ref.element >= 0 and (wrong := _no_element(ref, tag.type)):
        complain(line, f"{what} {ref}: {wrong[0]}", wrong[1])
        return None
    kind = tag.part(ref).type
    unsigned = kind.kind in ("bits", "int") and kind.low == 0  # a sign is no bit to set alone
    if ref.bit >= 0 and not (unsigned and ref.bit < kind.bits):
        complain(line, f"{what} {ref}: {kind.name} has no bit {ref.bit}", "name a bit of a WORD")
        return None
    if boolean and ref.bit < 0 and kind.kind != "bool":
        complain(line, f"{what} {ref} is a {kind.name}", "name a BOOL or one bit, such as command.0")
        return None
    return tag


def _no_element(ref: TagRef, kind: DataType) -> tuple[str, str] | None:
    """Why a type has no such element, and what would be right."""
    if not isinstance(kind, ArrayType):
        return f"{kind.name} has no elements", f"write {ref.tag}"
    if kind.first:
        short = f"{kind.element.name}[{kind.count}]"
        what = f"{kind.name} counts from {kind.first}, and elements are named from 0"
        return what, f"write its type as {short}, and {ref.tag}[0] for the first"
    if ref.element >= kind.count:
        return f"{kind.name} has no element {ref.element}", f"use {ref.tag}[0] to {ref.tag}[{kind.count - 1}]"
    return None


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
            seen = TYPES["BOOL"] if ref.bit >= 0 else other.part(ref).type
            if _family(seen) != _family(tag.type):
                what = f"{tag.name}: {key} {ref} is a {seen.name}, the tag a {tag.type.name}"
                complain(tag.line, what, "match them")


def _family(kind: DataType) -> tuple[str, int]:
    """What can follow what: a BOOL a BOOL, a number a number, a row of them one as long."""
    plain, count = (kind.element, kind.count) if isinstance(kind, ArrayType) else (kind, 0)
    return plain.kind if plain.kind in ("bool", "string") else "number", count


def _known(name: str, known: Iterable[str]) -> str:
    names = list(known)
    near = difflib.get_close_matches(name, names, 1, 0.5)
    return f"did you mean {near[0]!r}?" if near else "declared are " + (", ".join(names) or "none")

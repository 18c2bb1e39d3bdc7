"""Tags as people write them, checked against type, device and each other, and made; pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Annotated, NamedTuple

import msgspec

from gateway.checked import Checked, wrong_of
from gateway.field.addresses import Address, ModbusAddress, OpcUaAddress, Protocol, S7Address, parse_address
from gateway.field.compound import ArrayType, laid_out, read_type, type_text
from gateway.field.conversion import Range, read_range
from gateway.field.derive import check_formulas
from gateway.field.formula import Formula, read_formula
from gateway.field.observed import read_real
from gateway.field.placement import check_overlaps, check_width
from gateway.field.referring import check_references, known
from gateway.field.refs import Ref
from gateway.field.scaling import Bad, engineering_range, read_conversion, told
from gateway.field.tags import Complain, Direction, Tag
from gateway.field.tolerance import ToleranceEntry, read_tolerance
from gateway.field.types import OPCUA_TYPES, DataType, Order, Scalar, Value, read_order
from gateway.units import UNITS, duration


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
    check_references(tags, complain)
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

    declared = {*protocols, *wrong_of(protocols)}
    device = entry.device or (next(iter(declared)) if len(declared) == 1 else "")
    if device in wrong_of(protocols):
        return None
    if device not in protocols:
        bad(f"device {device!r} is not declared" if device else "names no device", known(device, protocols))
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

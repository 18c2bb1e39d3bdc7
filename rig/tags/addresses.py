"""Addresses as other tools write them, in our notation: ``E 0.0``, ``%MW4``, ``DB1,R4``, ``40001``."""

from __future__ import annotations

import re

from snap7.tags import Tag as S7Tag
from snap7.tags import parse_tag
from snap7.type import Area

from gateway.field.addresses import Protocol, parse_address
from gateway.field.compound import ArrayType, read_type
from gateway.field.types import TYPES
from rig.tags.words import plain


class Unreachable(ValueError):
    """A right address of something that a tag cannot stand for."""


_AREA = re.compile(r"%?(P?)([EIAQM])([XBWD]?)(\d{1,5})(?:\.(\d{1,2}))?(?::P)?\Z")
_BLOCK = re.compile(r"%?DB(\d{1,5})\.(?:DB)?([XBWD]?)(\d{1,5})(?:\.(\d{1,2}))?\Z")
_TIMER = re.compile(r"%?([TCZ])\d+\Z")
_OBJECT = re.compile(r"(?:OB|FB|FC|DB|SFB|SFC|SDB|UDT|VAT)\d+\Z")
_IEC_LETTER = {1: "X", 8: "B", 16: "W", 32: "D", 64: "D"}
_S7_AREAS = {Area.PE: "%I", Area.PA: "%Q", Area.MK: "M"}

_MODICON = re.compile(r"([0134])(?:[xX:]?)(\d{4,5})(?:\.(\d{1,2}))?\Z")
_TABLES = {"0": "coil", "1": "di", "3": "ir", "4": "hr"}
_TABLE_WORDS = {
    word: table
    for table, words in (
        ("coil", "coil coils spule spulen 0x fc1 fc5 fc15 1 01 5 05 15"),
        ("di", "di discreteinput discreteinputs inputstatus 1x fc2 2 02"),
        ("hr", "hr holding holdingregister holdingregisters halteregister 4x fc3 fc6 fc16 3 03 6 06 16"),
        ("ir", "ir inputregister inputregisters eingangsregister 3x fc4 4 04"),
    )
    for word in words.split()
}
_BARE = re.compile(r"(\d{1,5})(?:\.(\d{1,2}))?\Z")
_WORDED = re.compile(r"([A-Za-z][A-Za-z ]*?)[\s_:]*(\d{1,5})(?:\.(\d{1,2}))?\Z")


def is_s7(text: str) -> bool:
    """Whether this is how a Siemens controller's memory is written, in any of the ways above."""
    try:
        s7_address(text, "")
    except ValueError:
        return False
    return True


def to_ours(
    protocol: Protocol, text: str, type_name: str, area: str = "", base: int | None = None, first: int = 0
) -> tuple[str, str]:
    """(address in our notation, the type that was written with it or "").

    ``area`` and ``base`` (0 or 1) are for bare Modbus numbers: which table, and the number of its first
    cell in the list; ``first`` is that number in the station. ValueError("what; hint") where it is no
    address of ``protocol``, ``Unreachable`` where a tag cannot stand there.
    """
    if protocol == "s7":
        return s7_address(text, type_name)
    if protocol == "modbus":
        return _modbus(text.strip(), area, base, first), ""
    parse_address(protocol, text)
    return text.strip(), ""


def s7_address(text: str, type_name: str) -> tuple[str, str]:
    """As ``to_ours`` for S7; ``type_name`` decides what a 64-bit or a bare offset means."""
    compact = re.sub(r"\s", "", text).upper()
    bits = _bits(type_name) if type_name else 0
    if _TIMER.match(compact):
        raise Unreachable("timers and counters cannot be held")
    if _OBJECT.match(compact):
        raise Unreachable("is a block, and no signal")
    if match := _AREA.match(compact):
        area = {"E": "%I", "I": "%I", "A": "%Q", "Q": "%Q", "M": "M"}[match[2]]
        ours = _put(area, match[3], match[4], match[5], bits)
    elif match := _BLOCK.match(compact):
        ours = _put(f"DB{int(match[1])}.DB", match[2] or _IEC_LETTER.get(bits, "X"), match[3], match[4], bits)
    elif "," in compact or ":" in compact:
        return _by_snap7(compact, text)
    else:
        ours = text.strip()
    try:
        parse_address("s7", ours)
    except ValueError as error:
        raise ValueError(str(error).replace(repr(ours), repr(text.strip()))) from None
    return ours, ""


def _bits(type_name: str) -> int:
    """How wide the place of a type is: of a text its first byte, of an array its first element."""
    kind = read_type(type_name)
    plain = kind.element if isinstance(kind, ArrayType) else kind
    return 8 if plain.kind == "string" else plain.bits


def _put(area: str, letter: str, byte: str, bit: str | None, bits: int) -> str:
    letter = letter or "X"
    if letter == "X" and bits == 64 and bit in (None, "0"):
        letter, bit = "D", None  # TIA writes a 64-bit tag with its first bit
    tail = f"{int(byte)}" + ("" if bit is None else f".{int(bit)}")
    return f"{area}{'' if letter == 'X' and not area.startswith('DB') else letter}{tail}"


def _by_snap7(compact: str, text: str) -> tuple[str, str]:
    try:
        tag: S7Tag = parse_tag(compact)
        size = tag.size
    except (ValueError, KeyError, IndexError):
        raise ValueError(f"{text!r} is not an S7 address; write DB1.DBX0.0, DB1.DBW2, %I0.0 or MW2") from None
    if tag.count > 1 or tag.datatype not in TYPES:
        raise Unreachable(f"type {tag.datatype}{f'[{tag.count}]' if tag.count > 1 else ''} cannot be held")
    letter = "X" if tag.datatype == "BOOL" else _IEC_LETTER[8 * size]
    area = f"DB{tag.db_number}.DB" if tag.area == Area.DB else _S7_AREAS[tag.area]
    bit = str(tag.bit) if letter == "X" else None
    ours = _put(area, letter, str(tag.byte_offset), bit, TYPES[tag.datatype].bits)
    parse_address("s7", ours)
    return ours, tag.datatype


def _modbus(text: str, area: str, base: int | None, first: int) -> str:
    lowered = text.lower()
    if re.match(r"(coil|di|hr|ir):\d", lowered):
        parse_address("modbus", lowered, first)
        return lowered
    table = _TABLE_WORDS.get(plain(area), "")
    if area and not table:
        raise ValueError(f"{area!r} is not a Modbus table; write coil, di, hr or ir")
    number = text
    worded = _WORDED.match(text)
    if worded and plain(worded[1]) in _TABLE_WORDS:
        table, number = _TABLE_WORDS[plain(worded[1])], text[worded.start(2) :]
    classic = _MODICON.match(number)
    if classic and int(classic[2]) > 0 and table in ("", _TABLES[classic[1]]):
        if number.partition(".")[0].isdecimal():
            parse_address("modbus", number, first)
            return number
        return _counted(_TABLES[classic[1]], classic[2], classic[3], 1, first)
    bare = _BARE.match(number)
    if bare and not table:
        raise ValueError(f"{text!r} names no Modbus table; write for example coil:{number} or hr:{number}")
    if bare and base is None:
        raise ValueError(
            f"{text!r} may be counted from 0 or 1; say which with --modbus-base, or write {table}:{number}"
        )
    if bare and base is not None:
        if int(bare[1]) < base:
            raise ValueError(f"{text!r} is below the first address; the list counts from {base}")
        return _counted(table, bare[1], bare[2], base, first)
    parse_address("modbus", text, first)
    return text


def _counted(table: str, index: str, bit: str | None, base: int, first: int) -> str:
    ours = f"{table}:{int(index) - base + first}" + (f".{int(bit)}" if bit else "")
    parse_address("modbus", ours, first)
    return ours

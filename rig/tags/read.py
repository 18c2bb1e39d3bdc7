"""Any source of tags, known by what it holds: tables, TIA Portal, STEP 7, CODESYS, OPC UA."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import Path

import msgspec

from gateway.errors import BadInput, Problem
from rig.tags import codesys, dbsource, nodeset, tia
from rig.tags.rows import MAX_BYTES, Listing
from rig.tags.table import read_table
from rig.tags.textfile import decode, read_csv
from rig.tags.workbook import read_workbook
from rig.tags.xmltree import parse_xml

_OLD_EXCEL = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"


class Asked(msgspec.Struct, frozen=True):
    """What a person says about a source.

    ``offsets``: whether a block's variables are wanted by offset, not by symbol. ``numbers``: data blocks
    by name ("" for the one there is). ``namespaces``: index in the file -> at the server. ``only``:
    patterns of names.
    """

    offsets: bool = True
    sheet: str | None = None
    numbers: Mapping[str, int] = {}
    namespaces: Mapping[int, int] = {}
    codesys_device: str | None = None
    only: tuple[str, ...] = ()


def read_tags(path: Path, asked: Asked) -> Listing:
    """The signals in ``path``; BadInput where it cannot be read or is no list of signals.

    What is wrong with single signals is in the listing's ``problems``.
    """
    file = str(path)
    try:
        with path.open("rb") as handle:
            data = handle.read(MAX_BYTES + 1)
    except OSError as error:
        raise BadInput([Problem(file, 0, 0, f"cannot be read: {error.strerror}", "check the path")]) from None
    if len(data) > MAX_BYTES:
        raise BadInput([Problem(file, 0, 0, f"is larger than {MAX_BYTES} bytes")])
    listing = Listing(file)
    _read(data, listing, asked)
    return chosen(listing, asked.only)


def chosen(listing: Listing, only: tuple[str, ...]) -> Listing:
    """The listing with the rows alone whose names match a pattern (``*`` and ``?``), if there are any."""
    if only:
        rows = [row for row in listing.rows if any(fnmatchcase(row.name, pattern) for pattern in only)]
        listing.note(0, f"{len(rows)} of {len(listing.rows)} signals match --only")
        listing.rows = rows
        listing.left_out = [e for e in listing.left_out if any(fnmatchcase(e.name, each) for each in only)]
    return listing


def _read(data: bytes, listing: Listing, asked: Asked) -> None:
    if not data.strip():
        listing.bad(0, 0, "is empty", "export the list again")
    elif data.startswith(b"PK"):
        _read_tables(data, listing, asked)
    elif data.startswith(_OLD_EXCEL):
        listing.bad(0, 0, "is a workbook of the old kind (.xls)", "save it as .xlsx")
    elif (text := decode(data, listing.file)).lstrip("\ufeff \t\r\n").startswith("<"):
        _read_xml(data, listing, asked)
    elif dbsource.is_source(text):
        dbsource.read_source(text, listing, asked.offsets, asked.numbers)
    elif not read_table(read_csv(text, listing.file), listing):
        listing.bad(0, 0, "has no column of names with one of addresses", _HEADINGS)


_HEADINGS = "give the list a line of headings such as Name, Data Type, Address, Comment"


def _read_tables(data: bytes, listing: Listing, asked: Asked) -> None:
    taken = 0
    for grid in read_workbook(data, listing.file, asked.sheet):
        if read_table(grid, listing):
            taken += 1
        else:
            listing.leave(grid.file, "is a sheet without a list of signals", min(grid.cells), grid.file)
    if not taken:
        listing.bad(0, 0, "has no sheet with a column of names and one of addresses", _HEADINGS)


def _read_xml(data: bytes, listing: Listing, asked: Asked) -> None:
    root = parse_xml(data, listing.file)
    if tia.is_tia(root):
        tia.read_tia(root, listing, asked.offsets, asked.numbers)
    elif codesys.is_codesys(root):
        codesys.read_codesys(root, listing, asked.codesys_device)
    elif nodeset.is_nodeset(root):
        nodeset.read_nodeset(root, listing, asked.namespaces)
    else:
        hint = "give a TIA Portal tag table or block, a CODESYS symbol configuration or an OPC UA node set"
        listing.bad(root.line, 0, f"is XML of an unknown kind: <{root.name}>", hint)

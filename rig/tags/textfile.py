"""CSV in any delimiter and encoding, read into a grid."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections import Counter

from gateway.errors import BadInput, Problem
from rig.tags.grid import Grid

DELIMITERS = (";", "\t", ",", "|")
MAX_COLUMNS = 256
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_FIXED = re.compile(r"126,(.{24})(.{12})(.{10})(.{0,80})")  # a symbol table of STEP 7 as ASCII (.asc)
_SAMPLE = 50  # lines that decide on the delimiter


def decode(data: bytes, file: str) -> str:
    """Text by its byte order mark, else UTF-8, else UTF-16 by its zeros, else Windows-1252.

    BadInput where a mark promises what the bytes do not keep, or for a file that is no text.
    """
    for mark, encoding in _BOMS:
        if data.startswith(mark):
            try:
                return data.decode(encoding)
            except UnicodeDecodeError as error:
                line = data[: error.start].count(b"\n") + 1
                raise BadInput([Problem(file, line, 0, f"is not {encoding}", "save it as UTF-8")]) from None
    if b"\0" in data[:4096]:
        for encoding, zeros in (("utf-16-le", data[1:4096:2]), ("utf-16-be", data[:4096:2])):
            if zeros.count(0) * 2 > len(zeros):
                return data.decode(encoding, "replace")
        raise BadInput([Problem(file, 0, 0, "is not a text file", "give CSV, XLSX, XML or a block's source")])
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace")  # what Excel writes in western Europe


def read_csv(text: str, file: str) -> Grid:
    """The records of ``text``, at the line where each begins; BadInput where a quote is never closed.

    STEP 7's symbol tables in columns of fixed width are read, too.
    """
    if fixed := _fixed(text):
        return Grid(file, fixed, delimited=True)
    delimiter, skip = _delimiter(text)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=False)
    cells: dict[int, dict[int, str]] = {}
    line = 1
    try:
        for record in reader:
            found = {n: value.strip() for n, value in enumerate(record[:MAX_COLUMNS], 1) if value.strip()}
            if found and not (skip and line == 1):
                cells[line] = found
            line = reader.line_num + 1
    except csv.Error as error:
        raise BadInput([Problem(file, line, 0, f"is not CSV: {error}", "close every quote")]) from None
    return Grid(file, cells, delimited=True)


def _fixed(text: str) -> dict[int, dict[int, str]]:
    """The cells of a table that has fixed columns in every line; nothing where it has not."""
    cells: dict[int, dict[int, str]] = {}
    for line, record in enumerate(text.splitlines(), 1):
        match = _FIXED.fullmatch(record)
        if match is None and record.strip():
            return {}
        if match is not None:
            cells[line] = {n: part.strip() for n, part in enumerate(match.groups(), 1) if part.strip()}
    return cells


def _delimiter(text: str) -> tuple[str, bool]:
    """The delimiter, and whether the first line only names it (``sep=;``, as Excel has it)."""
    lines = [line for line in text[:200_000].splitlines()[:_SAMPLE] if line.strip()]
    if lines and lines[0].lower().startswith("sep=") and len(lines[0].strip()) == 5:
        return lines[0].strip()[4], True

    def agreement(delimiter: str) -> tuple[int, int]:
        """Lines that have the commonest number of fields, if that is more than one; then that number."""
        records = csv.reader(lines, delimiter=delimiter)
        try:
            counts = Counter(len(record) for record in records if len(record) > 1)
        except csv.Error:
            return 0, 0
        fields, times = max(counts.items(), key=lambda each: (each[1], each[0]), default=(0, 0))
        return times, fields

    return max(DELIMITERS, key=agreement), False

"""XLSX workbooks: read into grids, and written from rows of texts."""

from __future__ import annotations

import datetime
import io
import zipfile
from collections.abc import Iterable, Sequence

from openpyxl import Workbook, load_workbook
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE, Cell
from openpyxl.styles import Font
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.worksheet import Worksheet

from gateway.errors import BadInput, Problem
from rig.tags.grid import Grid

MAX_UNPACKED = 64 * 1024 * 1024  # a workbook is a ZIP; what it unpacks to is bounded before it is
MAX_COLUMNS = 256


def read_workbook(data: bytes, file: str, sheet: str | None = None) -> list[Grid]:
    """A grid for each sheet that has cells, or for ``sheet``; BadInput for what is not a workbook.

    Formulas stand as what they last came to. The XML is read by openpyxl through defusedxml, which refuses
    entities.
    """
    _check_size(data, file)
    try:
        book = load_workbook(io.BytesIO(data), data_only=True)
    except Exception as error:  # openpyxl raises whatever its parts raise
        reason = next(iter(str(error).splitlines()), "") or type(error).__name__
        what = f"is not an XLSX workbook that can be read: {reason}"
        raise BadInput([Problem(file, 0, 0, what, "open it and save it again as .xlsx")]) from None
    names = [each.title for each in book.worksheets]
    if sheet is not None and sheet not in names:
        raise BadInput([Problem(file, 0, 0, f"has no sheet {sheet!r}", "it has " + ", ".join(names))])
    grids = [
        _grid(each, f"{file}[{each.title}]")
        for each in book.worksheets
        if sheet is None or each.title == sheet
    ]
    return [grid for grid in grids if grid.cells]


def write_workbook(rows: Iterable[Sequence[str]], title: str) -> bytes:
    """A workbook of one sheet; the first row is the heading. ValueError for a character XLSX cannot hold."""
    book = Workbook()
    page = book.worksheets[0]
    page.title = title[:31]
    widths: dict[int, int] = {}
    for number, row in enumerate(rows, 1):
        for column, text in enumerate(row, 1):
            if ILLEGAL_CHARACTERS_RE.search(text):
                raise ValueError(f"{text!r} has a character that XLSX cannot hold; export to CSV")
            cell = page.cell(number, column)
            assert isinstance(cell, Cell)  # a new sheet has no merged cells
            cell.value = text or None
            cell.data_type = "s"  # "=S1-B3" is a designation, not a formula
            cell.font = Font(bold=number == 1)
            widths[column] = max(widths.get(column, 0), len(text))
    for column, width in widths.items():
        page.column_dimensions[get_column_letter(column)].width = min(width + 2, 60)
    page.freeze_panes = "B2"
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def _check_size(data: bytes, file: str) -> None:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            unpacked = sum(entry.file_size for entry in archive.infolist())
            workbook = any(name.startswith("xl/") for name in archive.namelist())
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError) as error:
        raise BadInput([Problem(file, 0, 0, f"is not an XLSX workbook: {error}")]) from None
    if not workbook:
        raise BadInput([Problem(file, 0, 0, "is a ZIP archive, not an XLSX workbook", "unpack it first")])
    if unpacked > MAX_UNPACKED:
        what = f"unpacks to more than {MAX_UNPACKED} bytes"
        raise BadInput([Problem(file, 0, 0, what, "keep the list alone in a workbook")])


def _grid(page: Worksheet, file: str) -> Grid:
    cells: dict[int, dict[int, str]] = {}
    dates: set[tuple[int, int]] = set()
    # The cells that are there: walking to the last row and column would make the million between them.
    for (row, column), cell in sorted(page._cells.items()):
        text = _text(cell.value)
        if text and column <= MAX_COLUMNS:
            cells.setdefault(row, {})[column] = text
            if isinstance(cell.value, datetime.date | datetime.time):
                dates.add((row, column))
    fills = {}
    for area in page.merged_cells.ranges:
        first = cells.get(area.min_row, {}).get(area.min_col)
        if first and area.max_row > area.min_row and area.min_col <= MAX_COLUMNS:
            last = max((row for row in cells if row <= area.max_row), default=area.min_row)
            fills.update({(row, area.min_col): first for row in range(area.min_row + 1, last + 1)})
    return Grid(file, cells, fills, frozenset(dates))


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, float):
        return repr(value).removesuffix(".0")
    return " ".join(str(value).split(" ")).strip()

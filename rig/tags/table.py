"""Tables of signals, whatever their headings, title rows and blocks: a grid read into rows; pure."""

from __future__ import annotations

from collections.abc import Callable

from gateway.errors import Problem
from rig.tags.addresses import Unreachable, s7_address
from rig.tags.grid import Grid
from rig.tags.rows import Cell, Listing, Row
from rig.tags.words import DIRECTIONS, headings, plain, type_name

SEARCHED = 40  # lines in which the heading is looked for
# What a cell merged downwards stands for in the lines it covers; a name or an address is one line's own.
_SHARED = ("device", "direction", "type", "area", "unit", "range", "path", "raw", "low", "high")
_NO_TYPES = ("OB", "FB", "FC", "DB", "SFB", "SFC", "UDT", "VAT", "TIMER", "COUNTER")
_SIEMENS = ("logicaladdress", "logischeadresse")


def read_table(grid: Grid, listing: Listing) -> bool:
    """Add the grid's signals to ``listing``; False, and nothing added, where it is no list of signals."""
    table = _find_heading(grid) or _guess_columns(grid)
    if table is None:
        return False
    table.read(listing)
    return True


class _Table:
    """A grid whose columns are known: field -> column, column -> unit in the heading; the first line."""

    def __init__(self, grid: Grid, fields: dict[str, int], units: dict[int, str], first: int) -> None:
        self.grid, self.fields, self.units, self.first = grid, fields, units, first
        self.headings = grid.cells.get(first - 1, {})
        self.direction = ""  # from a line such as "Inputs", for those below it

    def read(self, listing: Listing) -> None:
        used = self.fields.values()
        unused = [text for column, text in sorted(self.headings.items()) if column not in used]
        if unused:
            listing.note(self.first - 1, "columns not used: " + ", ".join(unused), file=self.grid.file)
        for line in sorted(line for line in self.grid.cells if line >= self.first):
            self.line(line, listing)

    def heading(self, field: str) -> str:
        return plain(self.headings.get(self.fields.get(field, 0), ""))

    def line(self, line: int, listing: Listing) -> None:
        texts = self.grid.cells[line]
        cells = {f: Cell(texts[column], line, column) for f, column in self.fields.items() if column in texts}
        if cells and all(plain(cell.text) == self.heading(field) for field, cell in cells.items()):
            return  # the heading again, as on the next printed page
        if not {"address", "type"} & cells.keys():
            self.heading_or_remark(line, listing)
            return
        self.fill(line, cells)
        if "name" not in cells:
            listing.leave((cells.get("address") or cells["type"]).text, "has no name", line, self.grid.file)
            return
        for field in {"address", "type"} & cells.keys():
            if (line, cells[field].column) in self.grid.dates:
                what = f"{cells[field].text!r} is a date: the spreadsheet program has made one of the {field}"
                hint = "format the column as text and type it again"
                listing.problems.append(Problem(self.grid.file, line, cells[field].column, what, hint))
                return
        name = cells["name"].text
        if self.heading("address") in _SIEMENS:
            cells["node"] = Cell(f'ns=3;s="{name}"', line, cells["name"].column)
        listing.add(Row(self.grid.file, line, cells, (name,), self.fields))

    def heading_or_remark(self, line: int, listing: Listing) -> None:
        texts = list(self.grid.cells[line].values())
        words = plain(" ".join(texts))
        if len(texts) == 1 and words in DIRECTIONS:
            self.direction = DIRECTIONS[words]
        else:
            what = "is a heading or a remark: it has no type and no address"
            listing.leave(texts[0], what, line, self.grid.file)

    def fill(self, line: int, cells: dict[str, Cell]) -> None:
        """What a line has from the cells above and from the headings."""
        for field in _SHARED:
            column = self.fields.get(field, 0)
            if field not in cells and (line, column) in self.grid.fills:
                cells[field] = Cell(self.grid.fills[line, column], line, column)
        if self.direction and "direction" not in cells:
            cells["direction"] = Cell(self.direction, line)
        for field in ("range", "low", "high"):
            column = self.fields.get(field, 0)
            if "unit" not in cells and field in cells and self.units.get(column):
                cells["unit"] = Cell(self.units[column], line, column)


def _find_heading(grid: Grid) -> _Table | None:
    """The line of the first ``SEARCHED`` that names most fields, a name and an address among them."""
    best: _Table | None = None
    for line in sorted(grid.cells)[:SEARCHED]:
        fields, units = headings(grid.cells[line])
        if {"name", "address"} <= fields.keys() and (best is None or len(fields) > len(best.fields)):
            best = _Table(grid, fields, units, line + 1)
    if best is not None and best.first in grid.cells:  # a second line of headings, under merged ones
        below, units = headings(grid.cells[best.first])
        whole = len(below) == len(grid.cells[best.first])
        if whole and (len(below) > 1 or not {"address", "name"} & below.keys()):
            kept = {f: column for f, column in best.fields.items() if column not in below.values()}
            best = _Table(grid, {**kept, **below}, {**best.units, **units}, best.first + 1)
    return best


def _guess_columns(grid: Grid) -> _Table | None:
    """A list without headings, as STEP 7 and E-CAD write them: addresses, names and perhaps types."""
    lines = [grid.cells[line] for line in sorted(grid.cells)[:SEARCHED]]
    columns = range(1, max((max(line) for line in lines), default=0) + 1)

    def mostly(column: int, test: Callable[[str], bool], share: float = 0.6) -> bool:
        return sum(test(line[column]) for line in lines if column in line) > share * len(lines)

    addresses = [column for column in columns if mostly(column, _looks_like_address)]
    types = [column for column in columns if mostly(column, _looks_like_type)]
    free = [column for column in columns if column not in (*addresses, *types)]
    texts = [column for column in free if mostly(column, lambda text: text not in ("True", "False"), 0.3)]
    if not addresses or not texts:
        return None
    fields = {"address": addresses[0], "name": texts[0]}
    if types:
        fields["type"] = types[0]
    if len(texts) > 1:
        fields["comment"] = texts[1]
    return _Table(grid, fields, {}, min(grid.cells))


def _looks_like_type(text: str) -> bool:
    """A type, or what a symbol table has in its place for a block, a timer and a counter."""
    return bool(type_name(text)) or text.partition(" ")[0].upper() in _NO_TYPES


def _looks_like_address(text: str) -> bool:
    try:
        s7_address(text, "")
    except Unreachable:
        return True
    except ValueError:
        return text.startswith(("ns=", "coil:", "hr:", "di:", "ir:"))
    return True

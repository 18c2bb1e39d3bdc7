"""What every reader of a tag list delivers: rows of named cells, each with its place; pure."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from gateway.errors import BadInput, Problem

MAX_BYTES = 32 * 1024 * 1024
MAX_TAGS = 20_000
MAX_ELEMENTS = 1024  # of one array

FIELDS = (
    "name", "title", "comment", "type", "address", "node", "area", "direction", "access", "unit", "range",
    "low", "high", "raw", "raw-low", "raw-high", "order", "scale", "offset", "table", "hold", "formula",
    "inverse", "verify", "real", "tolerance", "safety", "safe", "observer", "jog", "device", "path",
)  # fmt: skip


class Cell(NamedTuple):
    """A field's text with its place, counted from 1; column 0 where the format has none."""

    text: str
    row: int = 0
    column: int = 0


class Row(msgspec.Struct, frozen=True):
    """One signal as its source has it.

    ``cells`` has keys of ``FIELDS`` and no empty texts. ``path`` are the parts of a name that has some.
    ``columns`` say where a cell would be that is not there.
    """

    file: str
    line: int
    cells: dict[str, Cell]
    path: tuple[str, ...]
    columns: dict[str, int] = {}

    @property
    def name(self) -> str:
        """The signal's name as the source spells it, whole."""
        return self.text("name")

    def text(self, field: str) -> str:
        """The cell's text; "" where there is none."""
        cell = self.cells.get(field)
        return cell.text if cell else ""

    def problem(self, field: str, what: str, hint: str = "") -> Problem:
        """``what`` is wrong with a cell of this row, or with the row where the cell is not there."""
        cell = self.cells.get(field)
        row, column = (
            (cell.row or self.line, cell.column) if cell else (self.line, self.columns.get(field, 0))
        )
        return Problem(self.file, row, column, what, hint)


class LeftOut(NamedTuple):
    """Something of the source that does not become a tag, and why."""

    name: str
    why: str
    file: str
    line: int


class Listing:
    """What a reader found: rows; what it left out; what a person should know; what is wrong."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.rows: list[Row] = []
        self.left_out: list[LeftOut] = []
        self.notes: list[Problem] = []
        self.problems: list[Problem] = []

    def add(self, row: Row) -> None:
        """Take a row; BadInput past ``MAX_TAGS``."""
        self._bound(len(self.rows))
        self.rows.append(row)

    def leave(self, name: str, why: str, line: int, file: str = "") -> None:
        """Leave something out, and say why."""
        self._bound(len(self.left_out))
        self.left_out.append(LeftOut(name, why, file or self.file, line))

    def note(self, line: int, what: str, hint: str = "", file: str = "") -> None:
        """Something a person should know; it stops nothing."""
        self.notes.append(Problem(file or self.file, line, 0, what, hint))

    def bad(self, line: int, column: int, what: str, hint: str = "") -> None:
        """Something that must be put right before anything is merged."""
        self.problems.append(Problem(self.file, line, column, what, hint))

    def _bound(self, count: int) -> None:
        if count >= MAX_TAGS:
            what = f"has more than {MAX_TAGS} signals"
            raise BadInput([Problem(self.file, 0, 0, what, "take a part of it, such as one table or block")])

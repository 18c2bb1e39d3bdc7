"""A table of texts with places, however it was stored; pure."""

from __future__ import annotations

import msgspec


class Grid(msgspec.Struct, frozen=True):
    """A sheet of a workbook, or a CSV file.

    ``cells`` has the texts that are not empty: line (from 1) -> column (from 1) -> text. ``fills`` has, for
    the lines that cells merged downwards cover, what stands in the first. ``dates`` are cells that a
    spreadsheet program has made a date of.
    """

    file: str
    cells: dict[int, dict[int, str]]
    fills: dict[tuple[int, int], str] = {}
    dates: frozenset[tuple[int, int]] = frozenset()
    delimited: bool = False

    def letter(self, column: int) -> str:
        """The column as spreadsheets name it: A, B … AA; its number in a text file."""
        if self.delimited:
            return str(column)
        name = ""
        while column:
            column, digit = divmod(column - 1, 26)
            name = chr(65 + digit) + name
        return name

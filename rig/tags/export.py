"""A station's tags as a list that other programs open, and that imports without a difference."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path

from gateway.errors import BadInput, Problem
from gateway.field.entries import TagEntry
from rig.tags.found import KEYS, text_of
from rig.tags.workbook import write_workbook

COLUMNS = ("name", *KEYS)


def exported(tags: Mapping[str, TagEntry], path: Path) -> bytes:
    """The file for ``path``, CSV (UTF-8) or XLSX by its ending; BadInput for another ending."""
    rows = [COLUMNS, *((name, *(text_of(entry, key) for key in KEYS)) for name, entry in tags.items())]
    if path.suffix.lower() == ".xlsx":
        try:
            return write_workbook(rows, "tags")
        except ValueError as error:
            what, _, hint = str(error).partition("; ")
            raise BadInput([Problem(str(path), 0, 0, what, hint)]) from None
    if path.suffix.lower() == ".csv":
        out = io.StringIO(newline="")
        csv.writer(out).writerows(rows)
        return out.getvalue().encode("utf-8-sig")  # with the mark by which Excel knows UTF-8
    raise BadInput([Problem(str(path), 0, 0, "is neither .csv nor .xlsx", "name it so")])

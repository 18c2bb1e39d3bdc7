"""A scalar of a file as it was written, whose type is known only later; pure."""

from __future__ import annotations

from typing import NamedTuple


class Text(NamedTuple):
    """What stands there (a parameter of a component, say), with its line and column; 0: not known."""

    text: str
    line: int
    column: int = 0

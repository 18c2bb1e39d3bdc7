"""Text for a terminal of 80 columns: tables, pairs and paragraphs that never run over the edge; pure."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

WIDTH = 80
_GAP = "  "


def printable(text: str) -> str:
    """``text`` without what would move a terminal's cursor: a device may say anything."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def table(names: Sequence[str], rows: Sequence[Sequence[str]], width: int = WIDTH) -> Iterator[str]:
    """Columns under their names. Where they do not fit, the last one is wrapped under itself, and longer
    ones before it are cut with ``~``."""
    if not rows:
        return
    cells = [[printable(cell) for cell in row] for row in (names, *rows)]
    widths = [max(len(row[n]) for row in cells) for n in range(len(names))]
    least = min(widths[-1], max(len(names[-1]), width // 3))
    while sum(widths[:-1]) + len(_GAP) * (len(names) - 1) + least > width and max(widths[:-1]) > 4:
        widths[widths.index(max(widths[:-1]))] -= 1
    last = width - sum(widths[:-1]) - len(_GAP) * (len(names) - 1)
    for row in cells:
        head = "".join(
            _cut(cell, size).ljust(size) + _GAP for cell, size in zip(row, widths[:-1], strict=False)
        )
        parts = _wrapped(row[-1], max(1, last))
        yield (head + parts[0]).rstrip()
        for part in parts[1:]:
            yield " " * len(head) + part


def times(count: int) -> str:
    """How often."""
    return "once" if count == 1 else f"{count} times"


def _wrapped(text: str, width: int) -> list[str]:
    """A name with a hyphen is one word."""
    return textwrap.wrap(text, width, break_on_hyphens=False) or [""]


def _cut(cell: str, size: int) -> str:
    return cell if len(cell) <= size else cell[: size - 1] + "~"


def pairs(facts: Sequence[tuple[str, str]], width: int = WIDTH) -> Iterator[str]:
    """Names and what is to be said of each, wrapped under itself; those with nothing to say are left out."""
    said = [(name, printable(text)) for name, text in facts if text]
    indent = max((len(name) for name, _ in said), default=0) + len(_GAP)
    for name, text in said:
        yield from hanging(name.ljust(indent), text, width)


def hanging(head: str, text: str, width: int = WIDTH) -> Iterator[str]:
    """``head`` and the ``text`` beside it, which goes on under itself."""
    parts = _wrapped(printable(text), max(20, width - len(head)))
    yield (head + parts[0]).rstrip()
    for part in parts[1:]:
        yield " " * len(head) + part

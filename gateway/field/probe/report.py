"""What a probe found out: sections of records, shown as tables; pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

Cell = str | int | float | bool | None
Record = dict[str, Cell]
_ANOTHER = "change the value on the machine and probe again to tell them apart"


class Report(msgspec.Struct):
    """What the device at ``url`` said in ``requests`` requests.

    ``answered``: something there speaks the protocol and serves the unit, rack and slot, or session asked
    for; else ``reason`` says in plain words why not. Where it answered, ``reason`` says why the probe
    stopped early ("" if it did not). ``slowest_ns`` is how long an answer took at most. ``sections`` are
    records by title, ``advice`` is what to change.
    """

    url: str
    protocol: str
    answered: bool = False
    reason: str = ""
    requests: int = 0
    slowest_ns: int = 0
    sections: dict[str, list[Record]] = msgspec.field(default_factory=dict)
    advice: list[str] = msgspec.field(default_factory=list)

    def count(self, requests: int, slowest_ns: int) -> None:
        """Add what a connection has counted."""
        self.requests += requests
        self.slowest_ns = max(self.slowest_ns, slowest_ns)

    def judge(self, text: str, found: Sequence[Record], otherwise: str) -> None:
        """Say of the expectation ``text`` which readings were ``found``, or ``otherwise`` why none."""
        for record in found:
            self.add("expected", expected=text, **record)
        if not found:
            self.advice.append(f"{text}: {otherwise}")
        elif len(found) > 1:
            self.advice.append(f"{text}: {len(found)} readings fit; {_ANOTHER}")

    def add(self, section: str, **record: Cell) -> None:
        """Append a record to ``section``; a section's records have the same keys."""
        self.sections.setdefault(section, []).append(record)


def show(report: Report) -> Iterator[str]:
    """The report as lines for a terminal."""
    verdict = "answers" if report.answered else "does not answer as asked"
    slowest = f", slowest answer {report.slowest_ns / 1e6:.3g} ms" if report.slowest_ns else ""
    yield f"{report.url} {verdict} ({report.requests} requests{slowest})"
    if report.reason:
        yield f"  {report.reason}"
    for title, records in report.sections.items():
        yield ""
        yield title
        yield from _table(records)
    if report.advice:
        yield ""
        yield "advice"
        yield from (f"  {line}" for line in report.advice)


def _table(records: Sequence[Record]) -> Iterator[str]:
    """Columns under their names; without names where there are but two, which are a name and a value."""
    names = list(records[0])
    rows = [[_text(record.get(name)) for name in names] for record in records]
    if len(names) > 2:
        rows.insert(0, names)
    widths = [max(len(row[column]) for row in rows) for column in range(len(names))]
    for row in rows:
        yield "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _text(cell: Cell) -> str:
    if cell is None:
        return "-"
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    text = f"{cell:.7g}" if isinstance(cell, float) else str(cell)
    return "".join(letter if letter.isprintable() else "?" for letter in text)  # a device may say anything

"""The verdicts of a session as a terminal shows them at the end; pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from rig.record import VERDICTS, Record, Step, Verdict
from rig.report.tally import WORST_FIRST, Counts, by_phase, by_station, count
from rig.report.wording import one_line

STYLES: dict[Verdict, str] = {
    "PASS": "green",
    "FAIL": "bold red",
    "ERROR": "bold magenta",
    "SKIPPED": "yellow",
}
MEANINGS = {
    0: "all passed",
    1: "FAIL, the station is at fault",
    2: "bad input",
    3: "ERROR, the rig is at fault or nothing was proven",
}
NOT_FINAL = "ERROR, the evidence is there and not final"
WHOLE = "(line)"  # steps that speak of no one station


def verdict_table(record: Record, width: int) -> Table:
    """Stations by phases, each cell with all of its verdicts, the worst first. Where ``width`` is too narrow
    without what was skipped beside others, then without what passed beside a failure; where it is still,
    stations by verdicts."""
    for most in (4, 3, 2):
        verdicts = WORST_FIRST[:most]
        rows = _matrix(record, verdicts)
        columns = zip(*rows, strict=True)
        needed = sum(max(cell.cell_len for cell in column) + 3 for column in columns) + 1
        if needed <= width:
            return _table(rows)
    return _table(_totals(record))


def meaning(status: int, counts: Counts, stopped: str, verdict: Verdict) -> str:
    """What the exit ``status`` says of a session with this ``verdict``; ``stopped``: what ended it, if so."""
    if status == 130:
        return f"stopped by {stopped}"
    said = NOT_FINAL if status == 3 and verdict != "ERROR" else MEANINGS[status]
    return f"{said}; FAIL apart from that" if status == 3 and counts["FAIL"] else said


def counts_line(counts: Counts) -> Text:
    """``31 PASS  2 FAIL  0 ERROR  1 SKIPPED``, what there is none of in grey."""
    parts = [(f"{counts[v]} {v}", STYLES[v] if counts[v] else "dim") for v in VERDICTS]
    return Text("  ").join(Text(*part) for part in parts)


def label(step: Step) -> Text:
    """Verdict, id and tags of a step."""
    line = Text.assemble((f"{step.verdict:<7}", STYLES[step.verdict]), "  ", one_line(step.id))
    return line.append(f" [{one_line(', '.join(step.tags))}]", "cyan") if step.tags else line


def reason(step: Step) -> Text:
    """Why a step did not pass."""
    return Text(one_line(step.message or step.title))


def _matrix(record: Record, verdicts: Sequence[Verdict]) -> list[list[Text]]:
    phases = by_phase(record)
    rows = [[Text("Station"), *(Text(one_line(phase)) for phase in phases)]]
    for station, steps in by_station(record).items():
        cells = (_verdicts((s for s in steps if s.phase == phase), verdicts) for phase in phases)
        rows.append([_name(station), *cells])
    rows.append([Text("all"), *(_verdicts(steps, verdicts) for steps in phases.values())])
    return rows


def _totals(record: Record) -> list[list[Text]]:
    rows = [[Text("Station"), *(Text(verdict) for verdict in VERDICTS)]]
    for name, steps in [
        *((_name(s), steps) for s, steps in by_station(record).items()),
        (Text("all"), record.steps),
    ]:
        rows.append([name, *(_number(number, verdict) for verdict, number in count(steps).items())])
    return rows


def _table(rows: list[list[Text]]) -> Table:
    """The first row is the heading, the last the sum."""
    table = Table(box=SIMPLE_HEAD, header_style="bold", pad_edge=False)
    for number, heading in enumerate(rows[0]):
        table.add_column(heading, justify="right" if number else "left", no_wrap=True, overflow="ellipsis")
    for row in rows[1:]:
        table.add_row(*row, end_section=row is rows[-2])
    return table


def _verdicts(steps: Iterable[Step], verdicts: Sequence[Verdict]) -> Text:
    """How many ended in each of ``verdicts``; where none did, in the worst that there is."""
    counts = count(steps)
    there = [each for each in WORST_FIRST if counts[each]]
    shown = [each for each in there if each in verdicts] or there[:1]
    if not shown:
        return Text("-", "dim")
    return Text(" ").join(Text(f"{counts[each]} {each}", STYLES[each]) for each in shown)


def _number(number: int, verdict: Verdict) -> Text:
    return Text(str(number), STYLES[verdict]) if number else Text("-", "dim")


def _name(station: str) -> Text:
    return Text(one_line(station) or WHOLE)

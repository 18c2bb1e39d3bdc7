"""The session record as one HTML file that a customer can read, print and sign; it fetches nothing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from functools import cache

import msgspec
from jinja2 import Template

from rig.record import VERDICTS, Flow, Measurement, Record, Step
from rig.report import wording
from rig.report.page import environment, look
from rig.report.tally import by_phase, count, phase_title, quantile, span

LISTED = 200  # takt values and discrepancies in print; session.json has them all


class Spread(msgspec.Struct, frozen=True):
    """Measured times in ns, in the order they came, and what they add up to."""

    values: tuple[int, ...]
    low: int
    median: int
    p99: int
    high: int

    @property
    def heights(self) -> list[float]:
        """Each value in percent of the greatest."""
        return [100 * value / self.high if self.high else 0.0 for value in self.values]


def render_html(record: Record, digest: str) -> str:
    """The acceptance report; ``digest`` is the SHA-256 of session.json, which the signatures so attest."""
    return _template().render(
        record=record,
        digest=digest,
        **look(f"Session {record.id}"),
        phases=by_phase(record),
        counts=count(record.steps),
        blamed=[step for step in record.steps if step.verdict in ("FAIL", "ERROR")],
        skipped=[step for step in record.steps if step.verdict == "SKIPPED"],
        numbers={id(step): number for number, step in enumerate(record.steps, 1)},
        takt=_spread(record.flow.takt) if record.flow else None,
        coupling=_spread(record.flow.coupling) if record.flow else None,
        titles=defaultdict(
            str, {(name, tag): title for name, tags in record.titles.items() for tag, title in tags.items()}
        ),
        lossless=record.flow is not None and _lossless(record.flow),
    )


def shown_measurements(step: Step) -> Sequence[Measurement]:
    """Those of a failed step that are to blame; all of them where none is."""
    return [m for m in step.measurements if m.verdict in ("FAIL", "ERROR")] or step.measurements


def _spread(values: tuple[int, ...]) -> Spread | None:
    if not values:
        return None
    return Spread(values, min(values), quantile(values, 0.5), quantile(values, 0.99), max(values))


def _lossless(flow: Flow) -> bool:
    return flow.lost == 0 and flow.doubled == 0


@cache
def _template() -> Template:
    made = environment("rig.report")
    made.filters |= {
        "utc": wording.utc,
        "duration": wording.duration,
        "measured": wording.measured,
        "limits": wording.limits,
        "percent": wording.percent,
        "count": count,
        "span": span,
        "phase": phase_title,
        "blamed": shown_measurements,
        "ident": id,
    }
    made.filters |= {"mode": wording.mode, "host": wording.host, "broker": wording.broker}
    made.globals |= {"VERDICTS": VERDICTS, "LISTED": LISTED, "outcome": wording.outcome}
    return made.get_template("template.html.j2")

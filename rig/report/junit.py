"""The session record as JUnit XML, in the dialect that Jenkins' schema (junit-10) accepts.

That schema knows properties on a suite, not on a test case. So the measurements are properties of
their phase's suite, named ``step/measurement``, and each test case repeats its own as output.
"""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from rig.record import Measurement, Record, Step
from rig.report.tally import by_phase, count, phase_title, span
from rig.report.wording import clean, iso, limits, measured, one_line, outcome

XML = b'<?xml version="1.0" encoding="UTF-8"?>\n'
ELEMENTS = {"FAIL": "failure", "ERROR": "error", "SKIPPED": "skipped"}


def render_junit(record: Record) -> bytes:
    """The whole record, a suite per phase and a test case per step; UTF-8 with declaration.

    A session that is not all right although its steps are (it was cut short, or did nothing) has a
    suite ``session`` with one error, so that no reader of this file alone takes it for passed.
    """
    steps = list(record.steps)
    groups = {phase_title(phase): found for phase, found in by_phase(record).items()}
    blamed = any(step.verdict in ("FAIL", "ERROR") for step in steps)
    if not record.complete or (record.verdict != "PASS" and not blamed):
        groups["Session"] = [_session(record)]
        steps += groups["Session"]
    counts = count(steps)
    root = Element(
        "testsuites",
        name=one_line(record.id),
        tests=str(len(steps)),
        failures=str(counts["FAIL"]),
        errors=str(counts["ERROR"]),
        time=_seconds(max(0, record.ended - record.started)),
    )
    for number, (title, found) in enumerate(groups.items()):
        root.append(_suite(record, number, title, found))
    indent(root)
    return XML + tostring(root, encoding="unicode").encode() + b"\n"


def _session(record: Record) -> Step:
    message = f"{outcome(record)} {record.note}".strip()
    return Step("session", "session", "The session is whole", "ERROR", record.ended, 0, message=message)


def _suite(record: Record, number: int, title: str, steps: Sequence[Step]) -> Element:
    counts = count(steps)
    suite = Element(
        "testsuite",
        id=str(number),
        name=title,
        tests=str(len(steps)),
        failures=str(counts["FAIL"]),
        errors=str(counts["ERROR"]),
        skipped=str(counts["SKIPPED"]),
        time=_seconds(span(steps)),
        timestamp=iso(min(step.started for step in steps)),
        hostname=one_line(record.host.get("name", "")),
    )
    properties = SubElement(suite, "properties")
    for name, value in {"line": record.line, "mode": record.mode, "twinline": record.twinline}.items():
        SubElement(properties, "property", name=name, value=one_line(value))
    for step in steps:
        for measurement in step.measurements:
            name = one_line(f"{step.id}/{measurement.name}")
            SubElement(properties, "property", name=name, value=_measurement(measurement))
        suite.append(_case(record, step))
    return suite


def _case(record: Record, step: Step) -> Element:
    case = Element(
        "testcase",
        classname=one_line(f"{record.line}.{step.station}" if step.station else record.line),
        name=one_line(f"{step.id}: {step.title}"),
        time=_seconds(step.duration),
    )
    message = step.message or step.title
    lines = [f"{one_line(m.name)}: {_measurement(m)}" for m in step.measurements]
    if step.tags:
        lines.insert(0, f"tags: {one_line(', '.join(step.tags))}")
    if step.attempts > 1:
        lines.insert(0, f"attempts: {step.attempts}")
    if step.verdict in ELEMENTS:
        result = SubElement(case, ELEMENTS[step.verdict], type=step.verdict, message=one_line(message))
        result.text = clean("\n".join([message, *lines]))
    elif lines:
        SubElement(case, "system-out").text = "\n".join(lines)
    return case


def _measurement(measurement: Measurement) -> str:
    text = one_line(measured(measurement))
    if declared := limits(measurement):
        text += f" ({declared})"
    return text if measurement.verdict == "PASS" else f"{text} {measurement.verdict}"


def _seconds(ns: int) -> str:
    return f"{ns / 1e9:.3f}"

"""The JUnit file: what CI servers read, in the dialect of Jenkins' junit-10 schema."""

import re
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import msgspec
import pytest
import record_examples as examples

from rig.record import Record
from rig.report.junit import render_junit

# junit-10.xsd as facts: element -> (attributes, of which required; children).
RESULT: tuple[set[str], set[str], set[str]] = ({"type", "message"}, set(), set())
SCHEMA: dict[str, tuple[set[str], set[str], set[str]]] = {
    "testsuites": ({"name", "time", "tests", "failures", "errors"}, set(), {"testsuite"}),
    "testsuite": (
        {"name", "tests", "failures", "errors", "skipped", "time", "timestamp", "hostname", "id"},
        {"name", "tests", "failures", "errors"},
        {"properties", "testcase"},
    ),
    "properties": (set(), set(), {"property"}),
    "property": ({"name", "value"}, {"name", "value"}, set()),
    "testcase": ({"name", "time", "classname"}, {"name"}, {"skipped", "error", "failure", "system-out"}),
    "skipped": RESULT,
    "error": RESULT,
    "failure": RESULT,
    "system-out": (set(), set(), set()),
}
TIME = re.compile(r"[0-9]+\.[0-9]{3}")


def parse(record: Record) -> Element:
    return ElementTree.fromstring(render_junit(record))


def against_schema(element: Element) -> list[str]:
    allowed, required, children = SCHEMA[element.tag]
    wrong = [f"{element.tag}@{name}" for name in element.attrib.keys() - allowed]
    wrong += [f"{element.tag}: no @{name}" for name in required - element.attrib.keys()]
    wrong += [f"{element.tag}/{child.tag}" for child in element if child.tag not in children]
    if (time := element.get("time")) and not TIME.fullmatch(time):
        wrong.append(f"{element.tag}@time {time}")
    return wrong + [problem for child in element for problem in against_schema(child)]


@pytest.mark.parametrize("name", ["passed", "failed", "interrupted", "long", "hostile", "head"])
def test_it_keeps_to_the_schema(name: str) -> None:
    assert against_schema(parse(getattr(examples, name)())) == []


def test_a_suite_per_phase_a_case_per_step_and_the_sums_agree() -> None:
    record = examples.failed()
    root = parse(record)
    suites = root.findall("testsuite")
    assert [suite.get("name") for suite in suites] == [
        "Connect and identify",
        "I/O checkout",
        "Sequence",
        "Interlocks and faults",
        "Flow",
    ]
    assert len(root.findall(".//testcase")) == len(record.steps) == int(root.get("tests", ""))
    for kind, element in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        for suite in suites:
            assert int(suite.get(kind, "")) == len(suite.findall(f"testcase/{element}"))
    assert (root.get("failures"), root.get("errors")) == ("2", "0")
    assert len(root.findall(".//skipped")) == 1


def test_a_failure_says_where_and_what() -> None:
    case = parse(examples.failed()).find(
        ".//testcase[@name='interlocks/glue/air-lost: Air lost: belt stops and lamp lights']"
    )
    assert case is not None
    assert case.get("classname") == "starter.glue"
    assert case.get("time") == "0.240"
    failure = case.find("failure")
    assert failure is not None
    assert (failure.get("type"), failure.get("message")) == ("FAIL", "lift-raise became FALSE too late")
    assert (failure.text or "").splitlines() == [
        "lift-raise became FALSE too late",
        "tags: air-ok, lift-raise",
        "response: 412 ± 10 ms (≤ 150 ms) FAIL",
        "lamp-fault: 63 ms (≤ 150 ms)",
    ]


def test_a_skipped_step_says_why() -> None:
    skipped = parse(examples.passed()).find(".//skipped")
    assert skipped is not None
    assert skipped.get("message") == "no observer is declared"


def test_every_measurement_is_a_property_of_its_phase() -> None:
    record = examples.passed()
    properties = {p.get("name"): p.get("value") for p in parse(record).iter("property")}
    assert properties["sequence/screw/cycle/final torque"] == "2.1084 ± 0.02 N·m (1.8 … 2.4 N·m)"
    for step in record.steps:
        for measurement in step.measurements:
            assert f"{step.id}/{measurement.name}" in properties


def test_times_are_utc() -> None:
    suite = parse(examples.passed()).find("testsuite")
    assert suite is not None
    assert suite.get("timestamp") == "2026-01-02T03:04:07.000Z"


@pytest.mark.parametrize("name", ["interrupted", "head"])
def test_a_session_that_was_cut_short_has_an_error_of_its_own(name: str) -> None:
    record = getattr(examples, name)()
    passed = tuple(step for step in record.steps if step.verdict == "PASS")
    case = parse(msgspec.structs.replace(record, steps=passed)).find(".//testcase[error]")
    assert case is not None
    assert (case.get("name") or "").startswith("session")


def test_a_session_where_all_was_skipped_is_not_green() -> None:
    steps = [step for step in examples.steps() if step.verdict == "SKIPPED"]
    record = examples.record(steps)
    assert record.verdict == "ERROR"
    assert parse(record).get("errors") == "1"


def test_hostile_text_stays_text() -> None:
    root = parse(examples.hostile())  # parsing is half the test
    failure = root.find(".//failure")
    assert failure is not None
    assert (failure.text or "").startswith("<script>alert('x')</script> & \"]]>\\x1b[2J\\x00\n\\ufffe")
    assert {element.tag for element in root.iter()} <= SCHEMA.keys()

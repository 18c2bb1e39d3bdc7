"""Own procedures, by ``twinline`` and by plain pytest: verdicts, exit statuses, what is said of mistakes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from running import PYTEST, TWINLINE, Run, Starter, belt, by_id, procedures

MIXED = '''
import pytest

from rig.backend import RigFault


def test_passes(station, step):
    """Measures within its limits."""
    assert step.measure("length", 12.5, "mm", low=10, high=15)


def test_out_of_limits(station, step):
    """Measures past a limit, and goes on to measure more."""
    step.measure("length", 15.5, "mm", low=10, high=15)
    step.measure("width", 4, "mm", high=5)


def test_limit_then_crash(station, step):
    """A limit is missed, then the procedure breaks."""
    step.measure("length", 16.5, "mm", low=10, high=15)
    return 1 / 0


def test_limit_then_skip(station, step):
    """A limit is missed, then the rest is left out."""
    step.measure("length", 17.5, "mm", low=10, high=15)
    pytest.skip("the gauge fell down")


def test_measures_nothing(station):
    """Comes to its end, and that is all."""


def test_asserts(session):
    """A plain assertion."""
    found = len(session.stations)
    assert found == 2


def test_raises():
    """A mistake in the procedure."""
    return 1 / 0


def test_blames_the_rig(station):
    """The rig is at fault."""
    raise RigFault("the camera does not answer")


def test_skips(station):
    """Not tested."""
    pytest.skip("the gauge is at the calibration lab")


async def test_is_async(station):
    """Would never run."""


@pytest.fixture
def bench():
    yield
    raise OSError("the bench is locked")


def test_cleans_up(bench, step):
    """Passes, and its fixture does not end well."""
    step.measure("length", 12.5, "mm")
'''
COMMANDS = {"twinline": (*TWINLINE, "session", "run"), "pytest": (*PYTEST, "--line")}


@pytest.fixture(params=list(COMMANDS))
def command(request: pytest.FixtureRequest) -> tuple[str, ...]:
    return COMMANDS[request.param]


def virtual(folder: Path, start: Starter, command: tuple[str, ...], *options: str) -> Run:
    """A session in virtual mode: what is tested here is the same in every mode."""
    return start(folder, *command, str(belt(folder).line), "--mode", "virtual", *options)


def test_verdicts(command: tuple[str, ...], tmp_path: Path, start: Starter) -> None:
    procedures(tmp_path, mixed=MIXED)
    run = virtual(tmp_path, start, command, "-k", "mixed")
    assert run.wait() == 3, run.shown
    run.assert_nothing_left()
    steps = {
        name.removeprefix("procedures/mixed/").removesuffix("[belt]"): step
        for name, step in by_id(run.record("ERROR", complete=True)).items()
        if step.phase == "procedures"
    }
    assert {name: step.verdict for name, step in steps.items()} == {
        "passes": "PASS",
        "out_of_limits": "FAIL",
        "limit_then_crash": "ERROR",
        "limit_then_skip": "FAIL",
        "measures_nothing": "ERROR",
        "asserts": "FAIL",
        "raises": "ERROR",
        "blames_the_rig": "ERROR",
        "skips": "SKIPPED",
        "is_async": "ERROR",
        "cleans_up": "PASS",
        "cleans_up/teardown": "ERROR",
    }
    said = {name: step.message for name, step in steps.items()}
    assert said["out_of_limits"] == "length: 15.5 mm, limit 10..15 mm"
    assert "assert 1 == 2" in said["asserts"]
    assert re.fullmatch(
        r"ZeroDivisionError: division by zero \(at procedures/mixed\.py:\d+\); "
        r"before that: length: 16\.5 mm, limit 10\.\.15 mm",
        said["limit_then_crash"],
    )
    assert steps["limit_then_crash"].measurements[0].verdict == "FAIL"
    assert said["limit_then_skip"] == "the gauge fell down; before that: length: 17.5 mm, limit 10..15 mm"
    assert said["measures_nothing"].startswith("it measured nothing, so it proves nothing")
    assert steps["cleans_up/teardown"].measurements == ()
    line = MIXED[: MIXED.rindex("return 1 / 0")].count("\n") + 1
    assert said["raises"] == f"ZeroDivisionError: division by zero (at procedures/mixed.py:{line})"
    assert said["blames_the_rig"] == "the camera does not answer"
    assert said["skips"] == "the gauge is at the calibration lab"
    assert "plain function" in said["is_async"]
    assert "the bench is locked" in said["cleans_up/teardown"]
    assert steps["passes"].title == "belt: Measures within its limits"
    limits = [
        (each.name, each.value, each.low, each.high, each.verdict)
        for each in steps["out_of_limits"].measurements
    ]
    assert limits == [("length", 15.5, 10, 15, "FAIL"), ("width", 4, None, 5, "PASS")]


@pytest.mark.parametrize(
    ("select", "status", "verdict"),
    [
        ("passes or skips", 0, "PASS"),
        ("passes or out_of_limits", 1, "FAIL"),
        ("out_of_limits or raises", 3, "ERROR"),
    ],
)
def test_exit_status(
    command: tuple[str, ...], select: str, status: int, verdict: str, tmp_path: Path, start: Starter
) -> None:
    procedures(tmp_path, mixed=MIXED)
    run = virtual(tmp_path, start, command, "-k", select)
    assert run.wait() == status, run.shown
    run.assert_nothing_left()
    run.record(verdict, complete=True)
    assert run.run is not None
    assert str(run.run.relative_to(tmp_path) / "report.html") in run.said


@pytest.mark.parametrize(
    ("text", "place", "what"),
    [
        ("def test_one(station):\n    retrun 1\n", "procedures/mine.py:2:12", "invalid syntax"),
        ("import nowhere\n", "procedures/mine.py:1", "No module named 'nowhere'"),
        ("LIMIT = 5 / 0\n", "procedures/mine.py:1", "division by zero"),
        (
            "def test_one(station, output): ...\n",
            "procedures/mine.py",
            "test_one asks for station and output",
        ),
    ],
    ids=["syntax", "import", "exception", "two-things"],
)
def test_a_file_that_cannot_be_read(
    command: tuple[str, ...], text: str, place: str, what: str, tmp_path: Path, start: Starter
) -> None:
    procedures(tmp_path, mine=text, other="def test_fine(): ...\n")
    run = virtual(tmp_path, start, command)
    assert run.wait() == 2, run.shown
    assert f"{place}: " in run.shown
    assert what in run.said
    run.assert_nothing_left()
    assert not (tmp_path / "runs").exists()


def test_all_files_that_cannot_be_read(command: tuple[str, ...], tmp_path: Path, start: Starter) -> None:
    procedures(tmp_path, one="def (:\n", two="import nowhere\n")
    run = virtual(tmp_path, start, command)
    assert run.wait() == 2, run.shown
    assert "procedures/one.py:1" in run.shown
    assert "procedures/two.py:1" in run.shown


def test_a_thing_that_is_not_given(command: tuple[str, ...], tmp_path: Path, start: Starter) -> None:
    procedures(tmp_path, mine="def test_fine(station): ...\n\n\ndef test_one(statoin): ...\n")
    run = virtual(tmp_path, start, command)
    assert run.wait() == 2, run.shown
    assert "procedures/mine.py:4: test_one asks for 'statoin', which nothing gives" in run.said
    run.assert_nothing_left()
    assert not (tmp_path / "runs").exists()


def test_collecting_starts_nothing(tmp_path: Path, start: Starter) -> None:
    run = start(tmp_path, *PYTEST, "--line", str(belt(tmp_path).line), "--collect-only", "-q")
    assert run.wait() == 0, run.shown
    assert "test_sequence[belt.passing]" in run.shown
    run.assert_nothing_left()
    assert not (tmp_path / "runs").exists()


def test_plain_pytest_with_real_sockets(tmp_path: Path, start: Starter) -> None:
    run = start(
        tmp_path, *PYTEST, "--line", str(belt(tmp_path).line), "-k", "tripped", "-p", "no:cacheprovider"
    )
    assert run.wait() == 0, run.shown
    run.assert_nothing_left()
    assert "4 passed" in run.said
    assert "skipped" not in run.said  # the line has no other devices, and nothing is said of those
    assert len(run.record("PASS", complete=True).steps) == 4


def test_plain_pytest_with_one_file_connects_first(tmp_path: Path, start: Starter) -> None:
    procedures(tmp_path, mixed=MIXED)
    run = virtual(tmp_path, start, COMMANDS["pytest"], "procedures/mixed.py::test_passes")
    assert run.wait() == 0, run.shown
    steps = [step.id for step in run.record("PASS", complete=True).steps]
    assert steps[2:] == ["connect/lease[belt]", "procedures/mixed/passes[belt]"]


def test_plain_pytest_that_stops_at_the_first_failure_is_not_complete(tmp_path: Path, start: Starter) -> None:
    procedures(tmp_path, mixed=MIXED)
    run = virtual(tmp_path, start, COMMANDS["pytest"], "-k", "out_of_limits or skips", "-x")
    assert run.wait() == 1, run.shown
    assert len(run.record("FAIL", complete=False).steps) == 4


def test_plain_pytest_without_a_line_leaves_other_tests_alone(tmp_path: Path, start: Starter) -> None:
    (tmp_path / "test_other.py").write_text(
        "def test_fine(): ...\n\ndef test_needs_a_line(session): ...\n\ndef test_too(step): ...\n"
    )
    run = start(tmp_path, *PYTEST, "test_other.py")
    assert run.wait() == 1, run.shown
    assert "1 passed, 2 errors" in run.said
    assert run.said.count("this procedure needs a line: run pytest with --line FILE") >= 2

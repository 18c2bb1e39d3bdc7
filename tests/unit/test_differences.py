"""What a session keeps of discrepancies: each once, with its end, and whether gateways were always heard."""

from __future__ import annotations

import io
from pathlib import Path

import msgspec
import pytest
from record_examples import passed

from gateway.net.messages import decode, encode
from gateway.net.reports import Differs, State
from gateway.twin.discrepancy import Discrepancy
from rig.backend import RigFault
from rig.differences import MAX_KEPT, SILENCE, Differences
from rig.line import load_line
from rig.open import compile_all
from rig.procedures.agreement import judge, told
from rig.progress import Progress
from rig.record import Discrepancy as Recorded
from rig.record import Record
from rig.report.html import LISTED, render_html
from rig.session import Session
from rig.step import StepContext
from rig.virtual import VirtualBackend

BEGUN = Discrepancy("lift-up", 10, None, True, False, "lift")
ENDED = msgspec.structs.replace(BEGUN, end=400_000_010)
STARTER = Path(__file__).parents[2] / "config/lines/starter.yaml"
KNOWN = "air-ok"
HERE = State(True, "boot-1")


def test_each_is_kept_once_and_gets_its_end() -> None:
    kept = Differences()
    assert kept.add("glue", BEGUN)
    assert not kept.add("glue", BEGUN), "the heartbeat says it again"
    assert kept.add("glue", ENDED)
    assert not kept.add("glue", BEGUN), "a late message begins it no second time"
    assert kept.of("glue") == [ENDED]
    assert kept.of("screw") == []


def test_one_that_was_missed_comes_with_its_end() -> None:
    kept = Differences()
    assert kept.add("glue", ENDED)
    assert kept.of("glue") == [ENDED]


def test_there_is_a_bound_and_it_is_said() -> None:
    kept = Differences()
    for number in range(MAX_KEPT + 1):
        kept.add("glue", msgspec.structs.replace(BEGUN, begin=number))
    assert len(kept.of("glue")) == MAX_KEPT
    assert "more than" in kept.gaps["glue"]


def test_a_gap_in_hearing_is_told_and_the_first_one_stands() -> None:
    kept = Differences()
    kept.hear("glue", HERE, 0)
    kept.hear("glue", HERE, SILENCE)
    assert kept.gaps == {}
    kept.hear("glue", HERE, SILENCE + 1)
    assert kept.gaps == {"glue": "it was silent for 2.5 s"}
    kept.hear("screw", HERE, 0)
    kept.hear("screw", State(True, "boot-2"), 0)
    kept.deaf("no broker was there")
    assert kept.gaps == {"glue": "it was silent for 2.5 s", "screw": "it was started anew"}


def test_it_travels() -> None:
    assert decode(encode(Differs(ENDED)), Differs).found == ENDED
    state = State(True, "boot-1", differs=(BEGUN,))
    assert decode(encode(state), State).differs == (BEGUN,)


def test_the_step_names_the_signals_and_the_most_suspected_first() -> None:
    air = [Discrepancy(tag, 5, None, True, False, "air") for tag in ("air-ok", "lift-down")]
    text = told([ENDED, *air], "twin's")
    assert text.index("look at air") < text.index("look at lift")
    assert "lift-up was false, the twin's true, for 400 ms: look at lift" in text
    assert "air-ok was false, the twin's true, and still is" in text


class Elsewhere(VirtualBackend):
    """Its gateway at ``infeed`` has another station file, and tells of a tag that is not in ours."""

    def differences(self, station: str) -> list[Discrepancy]:
        tags = ("renamed", "not[a", KNOWN)
        return [msgspec.structs.replace(BEGUN, tag=tag) for tag in tags] if station == "infeed" else []


def test_a_tag_that_is_not_known_here_is_an_entry_in_doubt() -> None:
    """As many entries as were told; an exception would leave the session with no manifest and no report."""
    line = load_line(STARTER, {})
    session = Session(line, Elsewhere(line, compile_all(line)[0]), {})
    entries = list(session.discrepancies())
    assert [each.tag for each in entries] == ["renamed", "not[a", KNOWN]
    doubt = "lift; the station file here has no such tag"
    assert [(each.suspect, each.tolerance == "") for each in entries] == [
        (doubt, True), (doubt, True), ("lift", False)
    ]  # fmt: skip
    infeed = session.stations["infeed"]
    step = StepContext(session, "agreement/machine", "agreement", "", "infeed")
    with pytest.raises(RigFault, match=r"renamed was .* but the station file here has no such tag"):
        judge(session, infeed, step, set(), "twin's")


def recorded(*found: Recorded) -> Record:
    return msgspec.structs.replace(passed(), discrepancies=found)


def test_the_report_has_a_table_of_them_and_none_where_there_are_none() -> None:
    found = Recorded(
        "glue", "lift-up", 1_700_000_000 * 10**9, 400_000_000, "true", "false", "<lift>", "±5 mm, 50 ms"
    )
    page = render_html(recorded(found, msgspec.structs.replace(found, lasted=None)), "0" * 64)
    assert page.count("<code>lift-up</code>") >= 2
    assert "2023-11-14 22:13:20 UTC" in page
    assert "400 ms" in page
    assert page.count("±5 mm, 50 ms") == 2
    assert "to the end" in page
    assert "&lt;lift&gt;" in page
    assert "Discrepancies:" not in render_html(recorded(), "0" * 64)


def test_a_long_table_is_cut_and_says_so() -> None:
    many = (Recorded("glue", f"tag-{n}", n, 1, "1", "2", "x") for n in range(LISTED + 1))
    page = render_html(recorded(*many), "0" * 64)
    assert f"{LISTED + 1} in all, the first {LISTED} of them here" in page
    assert f"tag-{LISTED}</code>" not in page


def test_the_display_says_when_one_begins_and_when_it_ends() -> None:
    shown = io.StringIO()
    with Progress(shown) as progress:
        progress.differs("glue", BEGUN)
        progress.differs("glue", ENDED)
    begin, end = shown.getvalue().splitlines()
    assert "differs  glue.lift-up is false, in the model true; look at lift" in begin
    assert "glue.lift-up did not agree for 400 ms; look at lift" in end

"""The progress of a session on a terminal (a real pseudo-terminal) and in a pipe."""

import contextlib
import fcntl
import io
import os
import re
import struct
import sys
import termios
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TextIO

import msgspec
import pytest
import record_examples as examples
from rich.console import Console

from rig.progress import Progress
from rig.record import Record
from rig.table import verdict_table

FOLDER = Path("runs/20260102T030405Z-starter")
ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b\][^\x07]*\x07")


class Ticks:
    """A clock that gains 250 ms whenever it is read."""

    def __init__(self) -> None:
        self.now = 0

    def __call__(self) -> int:
        self.now += 250_000_000
        return self.now


def play(progress: Progress, record: Record, finish: bool = True, status: int | None = None) -> None:
    """Show ``record`` as if it happened."""
    with progress:
        progress.begin(len(record.steps), record.title)
        phase = ""
        for step in record.steps:
            if step.phase != phase:
                progress.phase(phase := step.phase)
            progress.running(step.id, step.title)
            progress.ended(step)
        if finish:
            progress.finish(record, FOLDER, status)


def plain(record: Record, status: int | None = None) -> str:
    file = io.StringIO()
    play(Progress(file, Ticks()), record, status=status)
    return file.getvalue()


def test_what_there_is_to_say_of_the_chain_comes_after_the_report() -> None:
    file = io.StringIO()
    with Progress(file, Ticks()) as progress:
        progress.finish(examples.passed(), FOLDER, chain=("manifest final at height 7", "and how to check"))
    last = file.getvalue().splitlines()[-4:]
    assert last[0].startswith("Report   ")
    assert last[1:3] == ["Ledger   manifest final at height 7", "         and how to check"]
    assert last[3] == "Exit     0: all passed"


@pytest.mark.parametrize(
    ("record", "says"),
    [
        (examples.passed(), "ERROR, the evidence is there and not final"),
        (examples.failed(), "ERROR, the evidence is there and not final; FAIL apart from that"),
    ],
)
def test_evidence_that_is_not_final(record: Record, says: str) -> None:
    assert plain(record, status=3).rstrip().endswith(f"Exit     3: {says}")


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int], tuple[TextIO, Callable[[], str]]]]:
    """Open a pseudo-terminal so many columns wide: the file to write to, and what it got in the end."""
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "COLUMNS", "LINES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    opened: list[TextIO] = []

    def open_terminal(columns: int) -> tuple[TextIO, Callable[[], str]]:
        master, slave = os.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
        got = bytearray()

        def drain() -> None:  # a terminal holds 4 KiB, then its writer waits
            while True:
                try:
                    data = os.read(master, 65536)
                except OSError:  # the other end was closed
                    break
                got.extend(data)
            os.close(master)

        reader = threading.Thread(target=drain)
        reader.start()
        file = open(slave, "w", encoding="utf-8")  # noqa: SIM115
        opened.append(file)

        def close() -> str:
            file.close()
            reader.join(30)
            assert not reader.is_alive()
            return got.decode()

        return file, close

    yield open_terminal
    for file in opened:
        file.close()


def test_a_pipe_gets_a_line_per_phase_and_per_step_that_did_not_pass() -> None:
    text = plain(examples.failed())
    assert text.splitlines()[:9] == [
        "Starter line: infeed, glue, screw",
        "   0:00  Connect and identify",
        "   0:00  I/O checkout",
        "         FAIL     checkout/screw/reject [reject]  "
        "reject was jogged and never became TRUE; its echo seen.9 stayed FALSE",
        "         SKIPPED  checkout/glue/spare [spare-3]  no observer is declared",
        "   0:00  Sequence",
        "   0:01  Interlocks and faults",
        "         FAIL     interlocks/glue/air-lost [air-ok, lift-raise]  lift-raise became FALSE too late",
        "   0:01  Flow",
    ]


@pytest.mark.parametrize("name", ["passed", "failed", "interrupted", "hostile"])
def test_a_pipe_gets_no_control_characters(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")  # as build servers set it
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", plain(getattr(examples, name)()))


def test_the_end_has_the_table_the_failures_the_report_and_what_the_exit_status_means() -> None:
    text = plain(examples.failed())
    rows = [" ".join(line.split()) for line in text.splitlines()]
    assert "Station connect checkout sequence interlocks flow" in rows
    assert "infeed 1 PASS 8 PASS 1 PASS 1 PASS -" in rows
    assert "glue 1 PASS 7 PASS 1 SKIPPED 1 PASS 1 FAIL -" in rows
    assert "screw 1 PASS 1 FAIL 7 PASS 1 PASS 1 PASS -" in rows
    assert "all 3 PASS 1 FAIL 22 PASS 1 SKIPPED 3 PASS 1 FAIL 2 PASS 1 PASS" in rows
    assert text.endswith(
        "FAIL     checkout/screw/reject [reject]\n"
        "         reject was jogged and never became TRUE; its echo seen.9 stayed FALSE\n"
        "FAIL     interlocks/glue/air-lost [air-ok, lift-raise]\n"
        "         lift-raise became FALSE too late\n"
        "\n"
        "31 PASS  2 FAIL  0 ERROR  1 SKIPPED  in 0:45\n"
        "FAIL     2 of 34 steps failed: the station is at fault.\n"
        "Report   runs/20260102T030405Z-starter/report.html\n"
        "Exit     1: FAIL, the station is at fault\n"
    )


@pytest.mark.parametrize(
    ("name", "status", "line"),
    [
        ("passed", None, "Exit     0: all passed"),
        ("interrupted", None, "Exit     3: ERROR, the rig is at fault or nothing was proven"),
        ("interrupted", 130, "Exit     130: stopped by Ctrl-C"),
        ("torn", None, "Exit     3: ERROR, the rig is at fault or nothing was proven; FAIL apart from that"),
    ],
)
def test_the_exit_status(name: str, status: int | None, line: str) -> None:
    assert plain(getattr(examples, name)(), status).splitlines()[-1] == line


@pytest.mark.parametrize(
    ("name", "width", "row"),
    [
        ("failed", 90, "glue 1 PASS 7 PASS 1 SKIPPED 1 PASS 1 FAIL -"),
        ("failed", 80, "glue 1 PASS 7 PASS 1 PASS 1 FAIL -"),
        ("failed", 66, "all 3 PASS 1 FAIL 3 PASS 1 FAIL 1 PASS"),
        ("failed", 50, "glue 9 1 - 1"),
        ("torn", 90, "screw 1 PASS 1 ERROR 1 FAIL 6 PASS 1 PASS 1 PASS -"),
    ],
)
def test_the_table_shows_beside_each_other_what_there_is_room_for(name: str, width: int, row: str) -> None:
    console = Console(width=width, file=io.StringIO())
    console.print(verdict_table(getattr(examples, name)(), width))
    assert isinstance(console.file, io.StringIO)
    assert row in [" ".join(line.split()) for line in console.file.getvalue().splitlines()]


def test_an_error_hides_no_failure() -> None:
    rows = [" ".join(line.split()) for line in plain(examples.torn()).splitlines()]
    assert "screw 1 PASS 1 ERROR 1 FAIL 6 PASS 1 PASS 1 PASS -" in rows


def test_one_reason_is_told_once_in_a_phase() -> None:
    why = "screw: the controller closed the connection; it did not come back within 10 s"
    gone = [
        msgspec.structs.replace(step, verdict="SKIPPED", message=why) if step.station == "screw" else step
        for step in examples.passed().steps
    ]
    lines = [line.strip() for line in plain(examples.record(gone)).splitlines()]
    checkout = lines[lines.index("0:00  I/O checkout") + 1 :]
    assert checkout[0].startswith("SKIPPED  checkout/screw/")
    assert checkout[0].endswith(why)
    assert checkout[1].startswith("SKIPPED  checkout/glue/spare")  # another reason
    more = sum(step.station == "screw" and step.phase == "checkout" for step in gone) - 1
    assert checkout[2] == f"SKIPPED  {more} more: {why}"
    assert "Sequence" in checkout[3]


def test_many_failures_do_not_bury_the_summary() -> None:
    steps = [msgspec.structs.replace(step, verdict="FAIL") for step in examples.long().steps]
    text = plain(examples.record(steps))
    end = text[text.index(" all ") :]
    assert len(re.findall("^FAIL", end, re.M)) == 21  # twenty steps and the verdict
    assert f"and {len(steps) - 20} more, in the report" in end


def test_a_terminal_shows_the_bar_the_running_step_and_the_last_ones(
    terminal: Callable[[int], tuple[TextIO, Callable[[], str]]],
) -> None:
    file, close = terminal(100)
    record = examples.failed()
    with Progress(file, Ticks()) as progress:
        progress.begin(len(record.steps), record.title)
        progress.phase("checkout")
        for step in record.steps[:20]:
            progress.ended(step)
        progress.running("checkout/screw/press-up", "press-up follows its observer both ways")
        progress.note("gw-glue was slow to answer")
    shown = ESCAPE.sub("", close()).replace("\r", "").split("gw-glue was slow to answer")[1]
    lines = [line.rstrip() for line in shown.splitlines() if line.strip()]
    assert re.fullmatch(r"I/O checkout ━+.━+ 20/34 0:\d\d", lines[0])
    assert lines[1] == "20 PASS  0 FAIL  0 ERROR  0 SKIPPED"
    assert lines[2] == "running  press-up follows its observer both ways  checkout/screw/press-up"
    assert lines[3] == "PASS     checkout/screw/clamp-closed [clamp-closed]"
    assert lines[4] == "PASS     checkout/screw/clamp-open [clamp-open]"


def test_failures_stay_above_the_moving_region(
    terminal: Callable[[int], tuple[TextIO, Callable[[], str]]],
) -> None:
    file, close = terminal(120)
    play(Progress(file, Ticks()), examples.failed(), finish=False)
    text = close()
    assert text.count("lift-raise became FALSE too late") == 1  # printed once, then scrolled, never redrawn
    assert "\x1b[31m" in text or "\x1b[1;31m" in text


@pytest.mark.parametrize("columns", [20, 40, 60, 80, 200])
def test_no_line_is_wider_than_the_terminal(
    columns: int, terminal: Callable[[int], tuple[TextIO, Callable[[], str]]]
) -> None:
    file, close = terminal(columns)
    play(Progress(file, Ticks()), examples.failed())
    for line in re.split(r"[\r\n]+", ESCAPE.sub("", close())):
        assert len(line) <= columns or line.startswith("Report")  # a path is left whole, to be copied


def test_a_narrow_terminal_gets_stations_by_verdicts(
    terminal: Callable[[int], tuple[TextIO, Callable[[], str]]],
) -> None:
    file, close = terminal(60)
    play(Progress(file, Ticks()), examples.failed())
    rows = [line.split() for line in ESCAPE.sub("", close()).splitlines()]
    assert ["Station", "PASS", "FAIL", "ERROR", "SKIPPED"] in rows
    assert ["glue", "9", "1", "-", "1"] in rows
    assert ["all", "31", "2", "-", "1"] in rows


@pytest.mark.parametrize("stop", [KeyboardInterrupt, ValueError])
def test_the_cursor_comes_back_whatever_happens(
    stop: type[BaseException], terminal: Callable[[int], tuple[TextIO, Callable[[], str]]]
) -> None:
    file, close = terminal(80)

    def cut_short() -> None:
        with Progress(file, Ticks()) as progress:
            progress.begin(3, "Starter line")
            progress.phase("connect")
            raise stop

    with pytest.raises(stop):
        cut_short()
    text = close()
    assert text.count("\x1b[?25l") == 1
    assert text.rindex("\x1b[?25h") > text.index("\x1b[?25l")


def test_no_color_leaves_out_colours_only(
    terminal: Callable[[int], tuple[TextIO, Callable[[], str]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    file, close = terminal(80)
    play(Progress(file, Ticks()), examples.failed())
    text = close()
    colours = {int(n) for code in re.findall(r"\x1b\[([0-9;]*)m", text) for n in code.split(";") if n}
    assert not colours & {*range(30, 50), *range(90, 108)}
    assert "\x1b[?25l" in text


def test_a_dumb_terminal_gets_plain_lines(
    terminal: Callable[[int], tuple[TextIO, Callable[[], str]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "dumb")
    file, close = terminal(80)
    play(Progress(file, Ticks()), examples.failed())
    assert "\x1b" not in close()


def test_a_pipe_that_nobody_reads_any_more_does_not_end_the_session() -> None:
    read, write = os.pipe()
    os.close(read)
    file = open(write, "w", buffering=1)  # noqa: SIM115
    with pytest.raises(BrokenPipeError):
        file.write("a line\n")
    play(Progress(file, Ticks()), examples.failed())
    with contextlib.suppress(BrokenPipeError):  # it flushes what it could not write
        file.close()


def test_a_terminal_that_goes_away_does_not_end_the_session(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    master, slave = os.openpty()
    file = open(slave, "w", buffering=1)  # noqa: SIM115
    progress = Progress(file, Ticks())
    os.close(master)
    with pytest.raises(OSError, match="Input/output error"):
        file.write("a line\n")
    play(progress, examples.failed())
    with contextlib.suppress(OSError):
        file.close()


def test_what_the_file_cannot_encode_is_replaced() -> None:
    raw = io.BytesIO()
    file = io.TextIOWrapper(raw, encoding="ascii", write_through=True)
    play(Progress(file, Ticks()), msgspec.structs.replace(examples.passed(), title="Färbelinie → Ofen"))
    assert raw.getvalue().startswith(b"F?rbelinie ? Ofen\n")
    assert b"Exit     0: all passed\n" in raw.getvalue()


def test_what_captures_the_descriptor_later_does_not_capture_the_progress(tmp_path: Path) -> None:
    """As pytest does with standard output, for a session runs inside pytest."""
    read, write = os.pipe()
    with open(write, "w") as file, open(read) as seen, open(tmp_path / "captured", "w") as captured:
        with Progress(file, Ticks()) as progress:
            os.dup2(captured.fileno(), write)
            progress.begin(1, "Starter line")
            progress.phase("connect")
        assert seen.read() == "Starter line\n   0:00  Connect and identify\n"
    assert (tmp_path / "captured").read_text() == ""


def test_standard_output_is_not_redirected(
    terminal: Callable[[int], tuple[TextIO, Callable[[], str]]],
) -> None:
    before = (sys.stdout, sys.stderr)
    file, close = terminal(80)
    with Progress(file, Ticks()) as progress:
        progress.begin(1, "Starter line")
        assert (sys.stdout, sys.stderr) == before
    close()

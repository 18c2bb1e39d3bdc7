"""How a session goes, while it goes: a live display on a terminal, plain lines anywhere else.

Both print the same lines (each phase, each step that did not pass, each note). A terminal also has a
region below them that moves: bar, running step, counts, the steps that ended last.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, TextIO, cast

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.padding import Padding
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from gateway.scenario import show
from gateway.twin.discrepancy import Discrepancy
from rig.record import Record, Step, exit_status
from rig.report.bundle import REPORT
from rig.report.tally import count, phase_title
from rig.report.wording import clock as clock_text
from rig.report.wording import duration, one_line, outcome
from rig.table import STYLES, counts_line, label, meaning, reason, verdict_table

PLAIN_WIDTH = 100
LAST = 3  # ended steps in the moving region
LISTED = 20  # failed steps at the end; the report has them all


class Progress:
    """Shows one session; ``with`` it, since leaving restores the terminal whatever happened.

    ``file`` is where to show it, standard output if None; what it is now is what is written to, even where
    pytest captures its descriptor later. ``clock`` gives monotonic ns. A file that breaks (a closed pipe, a
    lost terminal) mutes the display and never ends the session.
    """

    def __init__(self, file: TextIO | None = None, clock: Callable[[], int] = time.monotonic_ns) -> None:
        self._sink = _Sink(file or sys.stdout)
        self._clock = clock
        self._started = clock()
        self._total = 0
        self._steps: list[Step] = []
        self._last: deque[Step] = deque(maxlen=LAST)
        self._phase = ""
        self._running = Text()
        self._skipped: dict[str, int] = {}  # in this phase, by reason
        self._lasting: dict[str, str] = {}  # discrepancies at present: signal and suspect
        tty = self._sink.isatty()
        self._console = Console(
            file=cast(IO[str], self._sink),
            force_terminal=tty,
            width=None if tty else PLAIN_WIDTH,
            highlight=False,
            markup=False,
            emoji=False,
        )
        self._live: Live | None = None
        if tty and not self._console.is_dumb_terminal:
            self._live = Live(
                console=self._console,
                get_renderable=self._view,
                transient=True,
                redirect_stdout=False,
                redirect_stderr=False,
            )

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        self._sink.close()

    def stop(self) -> None:
        """Stop the moving region and give the cursor back; again is harmless."""
        if self._live is not None:
            self._live.stop()

    def begin(self, total: int, title: str) -> None:
        """``total`` steps are to come (0: not known)."""
        self._total, self._started = total, self._clock()
        self._line(Text(one_line(title), "bold"))
        if self._live is not None:
            self._live.start()

    def phase(self, name: str) -> None:
        """A phase begins."""
        self._tell_skipped()
        self._phase = phase_title(name)
        self._line(Text.assemble((f"{self._elapsed():>7}", "dim"), "  ", (one_line(self._phase), "bold")))

    def running(self, step_id: str, title: str) -> None:
        """A step begins."""
        self._running = Text.assemble(one_line(title), "  ", (one_line(step_id), "dim"))
        if self._live is not None:
            self._live.refresh()  # at once, not a quarter of a second later: this step may be the last

    def ended(self, step: Step) -> None:
        """A step ended as ``step``."""
        self._steps.append(step)
        self._last.append(step)
        self._running = Text()
        if step.verdict == "PASS":
            return
        if step.verdict == "SKIPPED":
            why = reason(step).plain
            self._skipped[why] = self._skipped.get(why, 0) + 1
            if self._skipped[why] > 1:
                return
        self._line(Text("         ") + label(step) + Text("  ") + reason(step))

    def _tell_skipped(self) -> None:
        """How many more were skipped for a reason that was told once."""
        for why, number in self._skipped.items():
            if number > 1:
                self._line(
                    Text.assemble("         ", ("SKIPPED", STYLES["SKIPPED"]), f"  {number - 1} more: {why}")
                )
        self._skipped.clear()

    def differs(self, station: str, found: Discrepancy) -> None:
        """A discrepancy of ``station`` has begun, or has ended; from any thread."""
        name = f"{station}.{found.tag}"
        text = f"{name} is {show(found.machine)}, in the model {show(found.twin)}; look at {found.suspect}"
        if found.end is None:
            self._lasting[name] = found.suspect
        else:
            self._lasting.pop(name, None)
            text = f"{name} did not agree for {duration(found.end - found.begin)}; look at {found.suspect}"
        clock = (f"{self._elapsed():>7}", "dim")
        self._line(Text.assemble(clock, "  ", ("differs", "yellow"), f"  {one_line(text)}"))

    def note(self, text: str) -> None:
        """Something worth a line that is no step."""
        self._line(Text.assemble((f"{self._elapsed():>7}", "dim"), "  ", one_line(text)))

    def finish(
        self,
        record: Record,
        folder: Path,
        status: int | None = None,
        stopped: str = "Ctrl-C",
        chain: Sequence[str] = (),
    ) -> None:
        """Stop, then the table of verdicts, the failures, where the report is, and what ``status`` means.

        ``status`` is the exit status to come, by default that of the record's verdict; ``stopped`` what
        ended a session that was interrupted, ``chain`` what there is to say of its manifest on the chain.
        """
        self._tell_skipped()
        self.stop()
        out = self._console
        out.print(verdict_table(record, out.width))
        self._failures([step for step in record.steps if step.verdict in ("FAIL", "ERROR")])
        elapsed = clock_text(record.ended - record.started)
        self._line(counts_line(count(record.steps)) + Text(f"  in {elapsed}", "dim"))
        self._line(Text.assemble((f"{record.verdict:<7}", STYLES[record.verdict]), "  ", outcome(record)))
        out.print(Text(f"Report   {one_line(str(folder / REPORT))}"), soft_wrap=True)  # whole, to be copied
        for number, text in enumerate(chain):
            out.print(Text(f"{'' if number else 'Ledger':<7}  {one_line(text)}"), soft_wrap=True)
        status = exit_status(record.verdict) if status is None else status
        said = meaning(status, count(record.steps), stopped, record.verdict)
        self._line(Text(f"Exit     {status}: {said}"))

    def _failures(self, blamed: Sequence[Step]) -> None:
        for step in blamed[:LISTED]:
            self._line(label(step))
            self._console.print(Padding(reason(step), (0, 0, 0, 9), expand=False))
        if len(blamed) > LISTED:
            self._line(Text(f"         and {len(blamed) - LISTED} more, in the report"))
        if blamed:
            self._line(Text())

    def _line(self, text: Text) -> None:
        """One line that stays; a terminal gets it wrapped, a file as it is."""
        self._console.print(text, soft_wrap=self._live is None)

    def _elapsed(self) -> str:
        return clock_text(self._clock() - self._started)

    def _view(self) -> RenderableType:
        """The moving region, for the width that the terminal has now."""
        self._console.size = self._sink.size()
        done = len(self._steps)
        head = Table.grid(padding=(0, 1), expand=True)
        head.add_column(no_wrap=True, overflow="ellipsis", max_width=24)
        head.add_column(ratio=1)
        head.add_column(justify="right", no_wrap=True)
        head.add_column(justify="right", no_wrap=True)
        bar = ProgressBar(total=max(self._total, done, 1), completed=done)
        counted = f"{done}/{self._total}" if self._total else str(done)
        head.add_row(Text(one_line(self._phase), "bold"), bar, counted, self._elapsed())
        lines = [counts_line(count(self._steps)), Text.assemble(("running  ", "dim"), self._running)]
        if lasting := dict(self._lasting):
            told = ", ".join(f"{name} ({suspect})" for name, suspect in lasting.items())
            lines.append(Text.assemble(("differs  ", "yellow"), one_line(told)))
        lines += [label(step) for step in reversed(self._last)]
        for line in lines:
            line.no_wrap, line.overflow = True, "ellipsis"
        return Group(head, *lines)


class _Sink:
    """A text file that never fails: what it cannot encode becomes ``?``, and once broken it is mute."""

    def __init__(self, file: TextIO) -> None:
        self._broken = False
        self.encoding = getattr(file, "encoding", None) or "utf-8"
        try:
            file.flush()
            self._file: TextIO = os.fdopen(os.dup(file.fileno()), "w", encoding=self.encoding)
            self._own = True
        except (OSError, ValueError):  # it has no descriptor
            self._file, self._own = file, False

    def write(self, text: str) -> int:
        self._try(lambda: self._file.write(text.encode(self.encoding, "replace").decode(self.encoding)))
        return len(text)

    def flush(self) -> None:
        self._try(self._file.flush)

    def close(self) -> None:
        """Close what was opened here, not the file that was given."""
        self._try(self._file.flush)
        if self._own:
            with contextlib.suppress(OSError):  # it flushes what a broken pipe did not take
                self._file.close()

    def isatty(self) -> bool:
        return self._file.isatty()

    def fileno(self) -> int:
        return self._file.fileno()

    def size(self) -> tuple[int, int]:
        """Columns and lines, asked of this file: the standard streams may be captured."""
        try:
            columns, lines = os.get_terminal_size(self.fileno())
        except OSError:
            columns, lines = 0, 0
        return columns or 80, lines or 25  # a pseudo-terminal may say 0

    def _try(self, action: Callable[[], object]) -> None:
        if self._broken:
            return
        try:
            action()
        except (OSError, ValueError):  # ValueError: closed
            self._broken = True

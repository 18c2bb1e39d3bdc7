"""A command in a terminal of 80 columns and 24 lines, typed into as a person does."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Mapping
from pathlib import Path

WITHIN = 60.0
COLUMNS, LINES = 80, 24
CTRL_C, CTRL_D, TAB, UP, ENTER = "\x03", "\x04", "\t", "\x1b[A", "\r"
_SEQUENCE = re.compile(r"\x1b\[([0-9;?]*)([@-~])|\x1b\][^\x07]*\x07|\x1b[()][A-Z0-9]|\x1b[^\[\]()]")
_TORN = re.compile(r"\x1b(?:\[[0-9;?]*|\][^\x07]*|[()])?\Z")


class Screen:
    """What a terminal shows of what is written to it: every line since the beginning, none scrolled away."""

    def __init__(self) -> None:
        self.lines = [""]
        self.row = self.column = 0
        self._torn = ""

    def write(self, text: str) -> None:
        """As it comes; a sequence may be torn."""
        text = self._torn + text
        torn = _TORN.search(text)
        self._torn = torn[0] if torn else ""
        text = text[: len(text) - len(self._torn)]
        at = 0
        for found in _SEQUENCE.finditer(text):
            self._plain(text[at : found.start()])
            if found[2]:
                self._move(found[1] or "", found[2])
            at = found.end()
        self._plain(text[at:])

    def _plain(self, text: str) -> None:
        for letter in text:
            if letter == "\r":
                self.column = 0
            elif letter == "\n":
                self._down(1)
            elif letter == "\b":
                self.column = max(0, self.column - 1)
            elif letter >= " ":
                if self.column == COLUMNS:
                    self.column = 0
                    self._down(1)
                line = self.lines[self.row].ljust(self.column)
                self.lines[self.row] = line[: self.column] + letter + line[self.column + 1 :]
                self.column += 1

    def _down(self, count: int) -> None:
        self.row += count
        self.lines += [""] * (self.row + 1 - len(self.lines))

    def _move(self, parameters: str, kind: str) -> None:
        count = int(parameters) if parameters.isdecimal() else 1
        if kind == "A":
            self.row = max(0, self.row - count)
        elif kind == "B":
            self._down(count)
        elif kind == "C":
            self.column = min(COLUMNS, self.column + count)
        elif kind == "D":
            self.column = max(0, self.column - count)
        elif kind == "K" and parameters in ("", "0"):
            self.lines[self.row] = self.lines[self.row][: self.column]
        elif kind == "J" and parameters in ("", "0"):
            self.lines[self.row] = self.lines[self.row][: self.column]
            del self.lines[self.row + 1 :]


class Terminal:
    """Runs ``command``; ``expect`` waits for what it shows from the line on which one typed last."""

    def __init__(self, command: list[str], cwd: Path, env: Mapping[str, str], term: str = "vt100") -> None:
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
        self._screen, self._seen, self._terminal = Screen(), 0, ours
        self.process = subprocess.Popen(
            command, cwd=cwd, env={**os.environ, **env, "TERM": term}, stdin=theirs, stdout=theirs,
            stderr=theirs, start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )  # fmt: skip
        os.close(theirs)

    @property
    def shown(self) -> str:
        """All of it, without the blanks at the ends of lines."""
        return "\n".join(line.rstrip() for line in self._screen.lines)

    def type(self, text: str, enter: bool = True) -> None:
        """Keys."""
        self._read(0)
        self._seen = self._screen.row
        os.write(self._terminal, (text + (ENTER if enter else "")).encode())

    def expect(self, wanted: str, within: float = WITHIN) -> str:
        """What is shown since the last keys, on the line they were typed on too, once ``wanted`` is in it."""
        deadline = time.monotonic() + within
        while True:
            found = "\n".join(line.rstrip() for line in self._screen.lines[self._seen :])
            if re.search(wanted, found):
                return found
            left = deadline - time.monotonic()
            assert left > 0, f"no {wanted!r} within {within:g} s in {found!r}"
            assert self._read(min(left, 0.5)) or self.process.poll() is None, f"no {wanted!r} in {found!r}"

    def _read(self, within: float) -> bool:
        ready, _, _ = select.select([self._terminal], [], [], within)
        if not ready:
            return False
        with contextlib.suppress(OSError):  # the other end has gone
            data = os.read(self._terminal, 65_536)
            self._screen.write(data.decode(errors="replace"))
            return bool(data)
        return False

    def wait(self) -> int:
        """Its exit status."""
        deadline = time.monotonic() + WITHIN
        while self.process.poll() is None:
            assert time.monotonic() < deadline, self.shown
            self._read(0.1)
        return self.process.returncode

    def end(self) -> None:
        """By force, if need be."""
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGCONT)
            self.process.kill()
        self.process.wait(WITHIN)
        os.close(self._terminal)

"""A process of the rig: it says when it is ready, ends with its input, and its log can be closed first."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

from rig.backend import RigFault

END = 5.0
PIECE = 64 * 1024


class Child:
    """``python -m command``: it says ``{"ready": …}`` on its standard output, and ends with its input.

    What it says on its standard error goes to ``log`` through a pipe of ours, so that we can close the log.
    """

    def __init__(self, name: str, command: list[str], log: Path, inherited: tuple[int, ...] = ()) -> None:
        self.name, self.log = name, log
        self._log = _Log(log)
        words, into = os.pipe()
        if os.name == "posix":
            # A rig that hangs must not hold up a gateway, which has a machine to make safe: what does not fit
            # into the pipe then is lost.
            os.set_blocking(into, False)
        try:
            self.process = subprocess.Popen(
                [sys.executable, "-m", *command],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=into,
                pass_fds=inherited,
                # Ctrl-C is for the rig: it ends its children in order.
                start_new_session=os.name == "posix",
                creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
            )
        except BaseException:
            os.close(words)
            raise
        finally:
            os.close(into)
        self._line: bytes | None = None
        self._said = threading.Event()
        threading.Thread(target=self._listen, name=f"ready-{name}", daemon=True).start()
        self._logging = threading.Thread(
            target=self._log.take, args=(words,), name=f"log-{name}", daemon=True
        )
        self._logging.start()

    def _listen(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as words:
            self._line = words.readline()
            self._said.set()
            while words.read(4096):
                pass

    def wait_ready(self, deadline: float) -> None:
        """RigFault, with the child's own words, if it is not ready by ``deadline`` (monotonic s)."""
        began = time.monotonic()
        self._said.wait(max(0.0, deadline - began))
        with contextlib.suppress(ValueError):
            if self._line and json.loads(self._line).get("ready"):
                return
        self.kill()
        words = self.log.read_text(errors="replace").strip().splitlines()[-5:]
        waited = f"no word in {time.monotonic() - began:.0f} s"
        raise RigFault(f"{self.name} did not start: " + ("; ".join(words) or waited))

    def ask_to_end(self) -> None:
        """Close its input."""
        assert self.process.stdin is not None
        with contextlib.suppress(OSError):
            self.process.stdin.close()

    def wait_end(self, deadline: float) -> None:
        """Gone when this returns, and its log closed: by force after ``deadline``."""
        try:
            self.process.wait(max(0.0, deadline - time.monotonic()))
            self._logged()
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """End it as a crash would."""
        self.process.kill()
        self.ask_to_end()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(END)
        self._logged()

    def _logged(self) -> None:
        """Its last words are in the log; a process of its own that lives on may hold the pipe."""
        self._logging.join(END)
        self.seal()

    def seal(self) -> None:
        """Close the log, whatever it goes on to say: on the disk when this returns. OSError."""
        self._log.close()


class _Log:
    """A file that takes what comes through a pipe until it is closed; the pipe is read all the same."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("ab", buffering=0)
        self._lock = threading.Lock()

    def take(self, words: int) -> None:
        """Everything that comes through ``words``, up to its end."""
        with open(words, "rb", buffering=0) as pipe:
            while piece := pipe.read(PIECE):
                with (
                    self._lock,
                    contextlib.suppress(OSError),
                ):  # a full disk: the session finds out for itself
                    if not self._file.closed:
                        self._file.write(piece)

    def close(self) -> None:
        """Synced and closed; again is harmless."""
        with self._lock:
            if not self._file.closed:
                try:
                    os.fsync(self._file.fileno())
                finally:
                    self._file.close()

"""Rigs in processes of their own, to be killed while they force: each goes on until it has lost the lease."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
import time
from multiprocessing.forkserver import ensure_running
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Protocol

import pytest
from running import WITHIN
from site_alone import operator

from gateway.field.tags import TagRef
from gateway.net.messages import Force
from rig import backend as times
from rig.backend import LeaseLost, RigFault, Script

# Forked from a process that has all of it loaded, a rig is there at once.
_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["__main__", __name__])
_STARTING = threading.Lock()
PAUSE = 0.2  # s, between two commands
times.SLACK = 500_000_000  # an answer that was lost with a connection is not waited for so long here


class Asked(Protocol):
    """Something that a rig tells those who wait for it."""

    def set(self) -> None:
        """Tell it."""


class Rig:
    """The operator ``name`` forces ``command`` as soon as the lease is granted; ``refused``: not yet."""

    def __init__(self, keys: Path, broker: str, name: str, command: int) -> None:
        self.command = command
        _warm()
        self.refused: Event = _CONTEXT.Event()
        self.process = _CONTEXT.Process(
            target=drive, args=(keys, broker, name, command, self.refused), daemon=True
        )
        self.process.start()

    @property
    def pid(self) -> int:
        """Of its process."""
        assert self.process.pid is not None
        return self.process.pid

    def finds_out(self) -> None:
        """Wait until it is told that the lease is lost."""
        self.process.join(WITHIN)
        assert self.process.exitcode == 0, "it still believes that it has the lease"

    def leave(self) -> None:
        """Give the lease back, and end."""
        self.process.terminate()
        self.process.join(WITHIN)

    def end(self) -> None:
        """By force, unless it has ended."""
        self.process.kill()
        self.process.join(10)


def drive(keys: Path, broker: str, name: str, command: int, refused: Asked) -> None:
    """Force, and command it again and again, until the lease is said to be lost."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    held = (Force(TagRef("command"), command), Force(TagRef("part-leaves"), True))
    with operator(keys, name, broker) as backend:
        while True:
            try:
                backend.hold("belt")
                break
            except RigFault as fault:  # a gateway that has just come may be told gone for a moment
                if "grants no lease" in str(fault):
                    refused.set()
                time.sleep(PAUSE)
        while True:
            with contextlib.suppress(RigFault):
                try:
                    backend.run({"belt": Script(held, keep=True)})
                except LeaseLost:
                    return
            time.sleep(PAUSE)


def _warm() -> None:
    """Python 3.11 does not tell its fork server where modules are, and that then loads none of them."""
    with _STARTING, pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
        ensure_running()


class _Nobody:
    def set(self) -> None:
        """Nobody waits."""


if __name__ == "__main__":
    drive(Path(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4]), _Nobody())

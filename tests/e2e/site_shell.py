"""A gateway with its controller and a broker, for a shell: typed into in a terminal, or given commands."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from running import WITHIN, Starter, belt, until
from site_alone import Site
from terminal import Terminal

from rig.broker import Broker

ROOT = Path(__file__).parents[2]
PROMPT, HOLDING = r"\nbelt>$", r"\nbelt HOLDS THE LEASE>$"
Open = Callable[[], Terminal]


@contextlib.contextmanager
def site_in(folder: Path, start: Starter) -> Iterator[Site]:
    """The small line's controller, a broker, and what its gateway needs."""
    made = belt(folder, serve=False)
    start.controller(folder, made)
    with Broker(folder / "broker") as broker:
        yield Site(folder, made, start, broker)


@contextlib.contextmanager
def shells(site: Site) -> Iterator[Open]:
    """Shells in terminals of their own, at their prompt."""
    with contextlib.ExitStack() as stack:

        def made() -> Terminal:
            env = {"XDG_STATE_HOME": str(site.folder / "home"), "PYTHONPATH": str(ROOT)}
            env["PROMPT_TOOLKIT_NO_CPR"] = "1"  # nobody answers where the cursor is
            command = [sys.executable, "-m", "rig", "shell", str(site.config.parent)]
            terminal = Terminal(command, site.folder, env)
            stack.callback(terminal.end)
            terminal.expect(PROMPT)
            return terminal

        yield made


def do(site: Site, *commands: str, status: int | None = 0) -> str:
    """``-c`` each of ``commands``; what they say. ``status`` None: however they end."""
    given = [part for command in commands for part in ("-c", command)]
    done = subprocess.run(
        [sys.executable, "-m", "gateway.local", str(site.config), *given],
        cwd=ROOT, capture_output=True, text=True, timeout=WITHIN, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert status in (None, done.returncode), (done.stdout, done.stderr)
    assert "Traceback" not in done.stderr
    return done.stdout + (done.stderr if status is not None else "")


def state_of(site: Site) -> Path:
    return site.config.parent / "state"


def connected(site: Site) -> None:
    until("the controller", lambda: json.loads(do(site, "plc --json", status=None))["devices"][0]["ready"])

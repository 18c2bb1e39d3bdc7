"""An authority as a process, which can be told to die in the middle of an enrolment.

Run as ``python site_authority.py POINT ARGUMENT ...``: ``twinline pki ARGUMENT ...`` that kills itself with
SIGKILL when it comes to that point; ``never`` lets it live.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from running import TWINLINE, Run, Starter

from gateway.pki.asking import Address
from rig.pki.desk import Desk
from rig.pki.registry import Registry
from rig.ports import free_ports

POINTS = ("asked", "issued", "used", "decided", "never")


def start_authority(start: Starter, folder: Path, point: str = "never") -> tuple[Run, Address]:
    """It serves the authority in ``folder``/authority; once it is ready."""
    address = Address("127.0.0.1", free_ports(1)[0])
    words = ("serve", "--pki", "authority", "--at", f"{address.host}:{address.port}")
    killed = (sys.executable, str(Path(__file__)), point)
    command = ((*TWINLINE, "pki") if point == "never" else killed) + words
    run = start(folder, *command)
    run.wait_ready()
    return run, address


def die_at(point: str) -> None:
    """Have this process die at ``point``: when it is asked, when a certificate is signed and written down,
    when the token is marked as used, when all that is on the disk."""

    def die(*_: Any) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def after(kind: type, name: str) -> None:
        does: Callable[..., Any] = getattr(kind, name)

        def then_die(*arguments: Any) -> None:
            does(*arguments)
            die()

        setattr(kind, name, then_die)

    if point == "asked":
        Desk.enrol = die  # type: ignore[method-assign, assignment]
    else:
        after(*{"issued": (Registry, "add"), "used": (Registry, "use"), "decided": (Desk, "enrol")}[point])


if __name__ == "__main__":
    from rig.pki.commands import app

    die_at(sys.argv[1])
    app(sys.argv[2:])

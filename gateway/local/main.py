"""Starts the shell for a gateway that is named, or found; the history is the person's own."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from pathlib import Path

from gateway.errors import BadInput, Problem
from gateway.local.place import find


def shell(gateway: Path | None, commands: Sequence[str]) -> int:
    """Of ``gateway`` (its configuration, or the folder of that): do ``commands``, or what is typed.

    Exit status: 0 done, 1 something is wrong or refused, 2 bad input, 3 the gateway does not answer.
    """
    file = find(gateway)
    try:
        from gateway.local.shell import run
    except ImportError as missing:
        hint = "install it: pip install twinline"
        raise BadInput([Problem("", 0, 0, f"the shell needs {missing.name}", hint)]) from None
    # What the bus logs of the broker that a command looks at, the command says itself.
    logging.getLogger("gateway").addHandler(logging.NullHandler())
    return run(file, commands, "" if commands else str(_history()))


def _history() -> Path:
    base = os.environ.get("XDG_STATE_HOME")
    return (Path(base) if base else Path.home() / ".local/state") / "twinline" / "shell-history"

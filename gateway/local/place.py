"""Where a gateway's shell is: its configuration, its state folder, and the socket in it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from gateway.errors import BadInput, Problem

SOCKET = "shell.sock"
CONFIG = "gateway.json"
VARIABLE = "TWINLINE_GATEWAY"
LONGEST = 107  # bytes of a Unix socket's path
_HINT = f"name gateway.json or its folder, or set {VARIABLE}; 'twinline gateway prepare' makes it"


def find(given: Path | None) -> Path:
    """The gateway's configuration: as ``given``, the file or its folder; else by the environment; else here.

    BadInput where there is none.
    """
    path = given or Path(os.environ.get(VARIABLE) or ".")
    try:
        file = path / CONFIG if path.is_dir() else path
        is_there = file.is_file()
        if is_there:
            file.open("rb").close()
    except OSError as error:
        hint = "use sudo, or let your group read it (docs/shell.md)"
        raise BadInput([Problem(str(path), 0, 0, error.strerror or str(error), hint)]) from None
    if not is_there:
        raise BadInput([Problem(str(file), 0, 0, "there is no gateway's configuration", _HINT)])
    return file


@contextlib.contextmanager
def reachable(path: Path) -> Iterator[str]:
    """``path`` as a Unix socket takes it, however long it is (Linux)."""
    if len(os.fsencode(path)) <= LONGEST:
        yield str(path)
        return
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)

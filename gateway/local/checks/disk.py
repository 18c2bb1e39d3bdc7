"""The disk: whether the journal's folder takes what is written, and how much is left."""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path

from gateway.local.checks.finding import Finding, ok, unseen, wrong

LEAST = 16 * 1024 * 1024  # bytes: weeks of a journal, minutes of a log gone wild
TRIED = 65_536
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def disk(folder: Path) -> Finding:
    """Write and sync a file as large as the journal's next pages, and take it away again."""
    if not folder.is_dir():
        return unseen("disk", f"{folder} is not there: the gateway has not run yet")
    try:
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".selftest-") as file:
            file.write(bytes(TRIED))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        if error.errno in _FULL:
            return wrong("disk", f"{folder} is full ({_left(folder)})", _free(folder))
        if isinstance(error, PermissionError):
            return unseen("disk", f"this user may not write to {folder} ({_left(folder)})", "try as root")
        if error.errno == errno.EROFS:
            do = "its card or disk has failed: look at dmesg, replace it"
            return wrong("disk", f"{folder} can only be read", do)
        what = f"{folder} cannot be written: {error.strerror or error}"
        return wrong("disk", what, "look at dmesg")
    return (
        ok("disk", f"{folder} takes what is written, {_left(folder)}")
        if _room(folder) >= LEAST
        else wrong("disk", f"{folder} is nearly full ({_left(folder)})", _free(folder))
    )


def _room(folder: Path) -> int:
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize


def _left(folder: Path) -> str:
    return f"{_room(folder) / 1e6:.1f} MB free"


def _free(folder: Path) -> str:
    return (
        f"make room: 'du -xh {_mount(folder)} | sort -h | tail' shows what is large; logs and runs may go, "
        "journal.sqlite must stay; then start the gateway again"
    )


def _mount(folder: Path) -> Path:
    """Where the file system that ``folder`` is on begins."""
    here = folder.resolve()
    while here != here.parent and not here.is_mount():
        here = here.parent
    return here

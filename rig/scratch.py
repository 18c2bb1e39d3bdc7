"""The folder of keys and journals that lasts as long as a rig: what a killed one left goes at the next start.

A rig holds a lock on its folder, and so do its children, which inherit it: while one of them still makes its
station safe, the folder is in use. The kernel lets go of the lock however a process ends.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import tempfile
from pathlib import Path

PREFIX = "twinline-"
LOCK = "lock"


class Scratch:
    """A new folder in the temporary directory that only its owner can read."""

    def __init__(self) -> None:
        sweep()
        self.path = Path(tempfile.mkdtemp(prefix=PREFIX))
        made = self.path / (LOCK if sys.platform == "win32" else f"{LOCK}.new")
        self.lock = os.open(made, os.O_RDWR | os.O_CREAT, 0o600)
        _take(self.lock)
        made.rename(self.path / LOCK)  # nobody finds it before it is held

    @property
    def inherited(self) -> tuple[int, ...]:
        """The descriptors that a child is to inherit (``pass_fds``), where there is such a thing."""
        return (self.lock,) if os.name == "posix" else ()

    def remove(self) -> None:
        """Take the folder away, with all in it; again is harmless."""
        if self.lock >= 0:
            os.close(self.lock)
            self.lock = -1
        shutil.rmtree(self.path, ignore_errors=True)


def sweep() -> None:
    """Remove the folders of rigs of this user that are no longer alive; what cannot be removed stays."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):
            if _mine(folder) and not _in_use(folder / LOCK):
                shutil.rmtree(folder, ignore_errors=True)


def _mine(folder: Path) -> bool:
    """A folder, not a link to one, of the user that asks; on Windows the temporary directory is one's own."""
    return folder.is_dir() and not folder.is_symlink() and _owner(folder) == _user()


def _owner(folder: Path) -> int:
    return folder.lstat().st_uid


def _user() -> int:
    return os.getuid() if hasattr(os, "getuid") else 0


def _in_use(lock: Path) -> bool:
    """Whether somebody holds it. A folder that has no lock is about to get one, or is another program's."""
    try:
        held = os.open(lock, os.O_RDWR | getattr(os, "O_NOFOLLOW", 0))
    except OSError:
        return True
    try:
        return not _take(held)
    finally:
        os.close(held)


def _take(lock: int) -> bool:
    """Whether the lock is this process's now."""
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(lock, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True

"""Whether the file of a secret is its owner's alone; on Windows the folder's permissions say who reads it."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from gateway.errors import Problem


def exposed(path: Path, what: str = "private key") -> list[Problem]:
    """What is wrong where others can read the ``what`` in ``path``, if they can; OSError."""
    if os.name != "posix" or not stat.S_IMODE(path.stat().st_mode) & 0o077:
        return []
    return [Problem(str(path), 0, 0, f"others can read this {what}", f"run chmod 600 {path}")]

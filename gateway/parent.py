"""A child ends with its parent: the parent holds the child's standard input open, and its end is the signal.

However the parent ends, SIGKILL included, the system closes the pipe. It works on every platform.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable

_STDIN = 0


def end_with_stdin(callback: Callable[[], object]) -> threading.Thread:
    """Call ``callback`` once, on a thread of its own, when standard input ends; what comes is not kept."""
    thread = threading.Thread(target=_watch, args=(callback,), name="end-with-stdin", daemon=True)
    thread.start()
    return thread


def _watch(callback: Callable[[], object]) -> None:
    # The raw descriptor, since a daemon thread inside sys.stdin's lock stops the interpreter from ending.
    try:
        while os.read(_STDIN, 4096):
            pass
    except OSError:
        pass  # there is no standard input (any more): the same news
    callback()

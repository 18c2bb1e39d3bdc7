"""Ctrl-C, SIGTERM, a closed terminal: the first one ends a session in order, and nothing cuts that short."""

from __future__ import annotations

import signal
from collections.abc import Callable
from types import FrameType
from typing import Any

SIGNALS = {"SIGINT": "Ctrl-C", "SIGTERM": "SIGTERM", "SIGHUP": "the end of its terminal (SIGHUP)"}


class Interrupt:
    """Once it listens, the first of the signals calls ``told`` and raises KeyboardInterrupt in the main
    thread; all that follow change nothing. A signal that whoever started us had switched off (``nohup``)
    stays off.
    """

    def __init__(self, told: Callable[[], object]) -> None:
        self.given = False
        self.by = SIGNALS["SIGINT"]  # which one was given, in words
        self._told = told
        self._deaf = False
        self._before: dict[int, Any] = {}

    def listen(self) -> None:
        """From the main thread."""
        for name in SIGNALS:
            number = getattr(signal, name, None)  # Windows has no SIGHUP
            if number is not None and signal.getsignal(number) != signal.SIG_IGN:
                self._before[number] = signal.signal(number, self._take)

    def ignore(self) -> None:
        """A first signal changes nothing either: the session is ending already, within bounds."""
        self._deaf = True

    def restore(self) -> None:
        """Signals do what they did before."""
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before.clear()

    def _take(self, number: int, _frame: FrameType | None) -> None:
        if not self._deaf:
            self.given = self._deaf = True
            self.by = SIGNALS[signal.Signals(number).name]
            self._told()
            raise KeyboardInterrupt

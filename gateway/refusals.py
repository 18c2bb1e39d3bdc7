"""What was refused: counted by cause, and said in the log once for each sender and cause, within bounds."""

from __future__ import annotations

import logging
import threading
from collections import Counter

log = logging.getLogger("gateway")
MAX_TOLD = 32  # senders of one cause: those that are made up are not worth more lines


class Refusals:
    """Since it was made; it may be told on any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._told: dict[str, set[str]] = {}

    def note(self, sender: str, cause: str, why: str) -> None:
        """Something of ``sender`` was refused for one of a few causes; ``why``, in words."""
        with self._lock:
            self._counts[cause] += 1
            told = self._told.setdefault(cause, set())
            if sender in told or len(told) >= MAX_TOLD:
                return
            told.add(sender)
        log.warning("%s is refused (%s): %s; from now on only counted", sender, cause, why)

    def counts(self) -> dict[str, int]:
        """By cause, without those that never were."""
        with self._lock:
            return dict(self._counts)

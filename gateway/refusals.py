"""What was refused: counted by cause, and the first of each kind said in the log, within bounds."""

from __future__ import annotations

import logging
import re
import threading
from collections import Counter

from gateway.local.table import printable

log = logging.getLogger("gateway")
MAX_TOLD = 32  # senders of one cause: those that are made up are not worth more lines
MAX_KINDS = 8  # of one sender and cause
LONGEST = 300  # characters of who and of why: the names are the sender's
_NUMBER = re.compile(r"\d+")


class Refusals:
    """Since it was made; it may be told on any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._told: dict[str, dict[str, set[str]]] = {}

    def note(self, sender: str, cause: str, why: str) -> None:
        """Something of ``sender`` was refused for one of a few causes; ``why``, in words.

        What is said in the same words but for their numbers is of one kind.
        """
        sender, why = printable(sender[:LONGEST]), printable(why[:LONGEST])
        kind = _NUMBER.sub("0", why)
        with self._lock:
            self._counts[cause] += 1
            told = self._told.setdefault(cause, {})
            if sender not in told and len(told) >= MAX_TOLD:
                return
            kinds = told.setdefault(sender, set())
            if kind in kinds or len(kinds) >= MAX_KINDS:
                return
            kinds.add(kind)
        log.warning("%s is refused (%s): %s; from now on only counted", sender, cause, why)

    def counts(self) -> dict[str, int]:
        """By cause, without those that never were."""
        with self._lock:
            return dict(self._counts)

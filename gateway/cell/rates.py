"""How many commands a second: of one sender, and of all; pure.

Each is a bucket of tokens, kept as one number: when it would be full again (the generic cell rate algorithm).
"""

from __future__ import annotations

SECOND = 1_000_000_000
MAX_SENDERS = 64  # that asked lately


class Rates:
    """At most ``each`` a second of one sender, ``whole`` of all, and at once as many as in ``burst`` ns."""

    def __init__(self, each: int, whole: int, burst: int = SECOND // 2, senders: int = MAX_SENDERS) -> None:
        self.each = each
        self._each, self._whole = SECOND // each, SECOND // whole
        self._burst, self._senders = burst, senders
        self._full: dict[str, int] = {}  # when the bucket of each is full again
        self._all_full = 0

    def take(self, now: int, sender: str, alone: bool = False, cost: int = 1) -> bool:
        """Whether ``sender`` may ask at ``now`` (ns, never before the last), which counts from then on, as
        ``cost`` commands. Who is to be judged ``alone`` is bound by its own bucket only, whatever others have
        asked."""
        own = self._after(now, self._full.get(sender, now), self._each * cost)
        whole = self._after(now, self._all_full, self._whole * cost)
        if own is None or (whole is None and not alone) or not self._room(now, sender):
            return False
        self._full[sender] = own
        self._all_full = self._all_full if whole is None else whole
        return True

    def _after(self, now: int, full: int, interval: int) -> int | None:
        """When a bucket is full again that gives tokens at ``now``, worth ``interval``; None if it cannot."""
        after = max(now, full) + interval
        return after if after - now <= self._burst else None

    def _room(self, now: int, sender: str) -> bool:
        """Whether ``sender`` has a bucket or gets one: a full one need not be kept."""
        if sender not in self._full and len(self._full) >= self._senders:
            self._full = {each: full for each, full in self._full.items() if full > now}
        return sender in self._full or len(self._full) < self._senders

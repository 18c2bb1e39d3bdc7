"""What a gateway's monotonic clock shows, known here from what it says; pure.

A message says what the clock showed when it was sent, so that it shows at least that when the message comes.
An answer says more: the clock showed that after the question was sent. No wall clock is in it.
"""

from __future__ import annotations

_DRIFT = 1_000  # ns of a clock's time in which two may come apart by one


class GatewayClock:
    """Of the life ``boot`` of a gateway. Times are ns; ``here`` is this process's monotonic clock."""

    def __init__(self, boot: str, shown: int, asked: int, came: int) -> None:
        """It answered a question that was sent at ``asked``, which came at ``came``: it ``shown`` that."""
        self.boot = boot
        self._ahead, self._known = shown - came, came
        self.answered(shown, asked, came)

    def now(self, here: int) -> int:
        """What it shows at ``here``, or less: by how long a message takes."""
        return here + self._ahead

    def heard(self, shown: int, came: int) -> None:
        """A message that came at ``came``, if ever so late, says that it ``shown`` that."""
        self._drift(came)
        self._ahead = max(self._ahead, shown - came)

    def answered(self, shown: int, asked: int, came: int) -> None:
        """As ``heard``; and it cannot have shown more at ``asked``."""
        self.heard(shown, came)
        self._ahead = min(self._ahead, shown - asked)

    def _drift(self, here: int) -> None:
        """What was heard long ago counts less."""
        self._ahead -= max(0, here - self._known) // _DRIFT
        self._known = max(self._known, here)

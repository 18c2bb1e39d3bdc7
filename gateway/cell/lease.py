"""The lease: one operator's exclusive, expiring right to write on one station; pure.

The gateway alone grants it, on its own monotonic clock. The token is a fencing token: it only grows, also
over a restart, so that a command of an earlier holder is known and refused.
"""

from __future__ import annotations

HOLDS = "holds the lease"
TTL_LOW, TTL_HIGH = 200_000_000, 5_000_000_000


class Lease:
    """Who holds the station, under which token, until when (ns); ``since`` is when it was granted, in UTC,
    where that is known."""

    def __init__(self, last_token: int = 0) -> None:
        self.token = last_token
        self.holder: str | None = None
        self.ttl = 0
        self.expires = 0
        self.since = 0
        self._granted = 0
        self._broken = ("", 0, "")  # whose, under which token, by whom

    def acquire(self, now: int, operator: str, ttl: int, utc: int = 0, breaks: bool = False) -> int | str:
        """The token granted, or why not; with ``breaks`` another's lease is no reason why not."""
        if not TTL_LOW <= ttl <= TTL_HIGH:
            return f"a lease lives {TTL_LOW / 1e9:g} to {TTL_HIGH / 1e9:g} s, not {ttl / 1e9:g} s"
        if self.holder is not None and self.holder != operator:
            if not breaks:
                return self.held(now)
            self._broken = self.holder, self.token, operator
        self.token += 1
        self.holder, self.ttl, self.expires = operator, ttl, now + ttl
        self.since, self._granted = utc, now
        return self.token

    def held(self, now: int) -> str:
        """Who holds it, since when and for how long yet, in words."""
        # The wall clock may have been set since; how long ago it was is known.
        ago, left = (now - self._granted) / 1e9, max(0, self.expires - now) / 1e9
        since = f"since {_time_of_day(self.since)} UTC, {ago:.0f} s ago"
        return f"{self.holder} {HOLDS}, {since}, for {left:.1f} s more unless renewed"

    def renew(self, now: int, operator: str, token: int) -> str:
        """Prolong by the time to live; empty, or why not."""
        why = self.refuses(operator, token)
        if not why:
            self.expires = now + self.ttl
        return why

    def refuses(self, operator: str, token: int) -> str:
        """Why ``operator`` may not write under ``token``; empty if it may."""
        if (operator, token) == self._broken[:2]:
            return f"{self._broken[2]} broke this lease"
        if self.holder is None:
            return "nobody holds the lease; acquire it first"
        if self.holder != operator:
            return f"{self.holder} holds the lease"
        if token != self.token:
            return f"token {token} is stale, the lease has {self.token}"
        return ""

    def release(self) -> None:
        """The holder has it no longer."""
        self.holder = None

    def expired(self, now: int) -> bool:
        """Whether a held lease has outlived its time."""
        return self.holder is not None and now >= self.expires


def _time_of_day(utc: int) -> str:
    seconds = utc // 1_000_000_000 % 86_400
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"

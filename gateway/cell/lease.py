"""The lease: one operator's exclusive, expiring right to write on one station; pure.

The gateway alone grants it, on its own monotonic clock. The token is a fencing token: it only grows, also
over a restart, so that a command of an earlier holder is known and refused.
"""

from __future__ import annotations

TTL_LOW, TTL_HIGH = 200_000_000, 5_000_000_000


class Lease:
    """Who holds the station, under which token, until when (ns)."""

    def __init__(self, last_token: int = 0) -> None:
        self.token = last_token
        self.holder: str | None = None
        self.ttl = 0
        self.expires = 0

    def acquire(self, now: int, operator: str, ttl: int) -> int | str:
        """The token granted, or why not."""
        if not TTL_LOW <= ttl <= TTL_HIGH:
            return f"a lease lives {TTL_LOW / 1e9:g} to {TTL_HIGH / 1e9:g} s, not {ttl / 1e9:g} s"
        if self.holder is not None and self.holder != operator:
            left = max(0, self.expires - now) / 1e9
            return f"{self.holder} holds the lease, for {left:.1f} s more unless renewed"
        self.token += 1
        self.holder, self.ttl, self.expires = operator, ttl, now + ttl
        return self.token

    def renew(self, now: int, operator: str, token: int) -> str:
        """Prolong by the time to live; empty, or why not."""
        why = self.refuses(operator, token)
        if not why:
            self.expires = now + self.ttl
        return why

    def refuses(self, operator: str, token: int) -> str:
        """Why ``operator`` may not write under ``token``; empty if it may."""
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

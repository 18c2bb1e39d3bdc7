"""The cable: whether the interface that leads to a device or broker has a link."""

from __future__ import annotations

from gateway.local.checks.finding import Finding, Standing
from gateway.reach import reach

_STANDINGS: dict[str, Standing] = {"whole": "ok", "broken": "WRONG", "unknown": "open"}


def cable(what: str, host: str) -> Finding:
    """The way to ``host`` of ``what`` (a device or broker)."""
    found = reach(host, what)
    return Finding(f"cable {what}", _STANDINGS[found.standing], found.text, found.do)

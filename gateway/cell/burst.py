"""What a lease's holder has had written since that was told last: how often, from what to what; pure.

What was asked of the devices counts once they have taken it.
"""

from __future__ import annotations

from collections.abc import Container, Mapping

from gateway.cell.facts import Wrote
from gateway.field.types import Value


class Burst:
    """Of the tags that ``safe`` has, with their safe values: what they are before anything is written."""

    def __init__(self, safe: Mapping[str, Value]) -> None:
        self._safe = safe
        self._last: dict[str, Value] = {}  # as written under this lease
        self._old: dict[str, Value] = {}
        self._writes = self._since = self._until = 0
        self._asked: tuple[int, Mapping[str, Value]] = 0, {}  # when, and what

    def begin(self) -> None:
        """A lease is granted."""
        self._last.clear()
        self._forget()

    @property
    def asked(self) -> bool:
        """Whether it is not known yet what the devices take."""
        return bool(self._asked[1])

    def ask(self, utc: int, writes: Mapping[str, Value]) -> None:
        """The devices are given these values at ``utc`` (ns)."""
        self._asked = utc, writes

    def took(self, taken: Container[str]) -> None:
        """They have taken those of these tags."""
        utc, asked = self._asked
        self._asked = 0, {}
        writes = {tag: value for tag, value in asked.items() if tag in taken}
        if not writes:
            return
        self._since = self._since if self._writes else utc
        self._until = utc
        self._writes += len(writes)
        for tag, value in writes.items():
            self._old.setdefault(tag, self._last.get(tag, self._safe[tag]))
            self._last[tag] = value

    def tell(self, operator: str, token: int) -> Wrote | None:
        """All since this was asked last; None: nothing was written."""
        if not self._writes:
            return None
        new = {tag: self._last[tag] for tag in self._old}
        told = Wrote(operator, token, self._since, self._until, self._writes, self._old, new)
        self._forget()
        return told

    def _forget(self) -> None:
        self._old, self._writes = {}, 0

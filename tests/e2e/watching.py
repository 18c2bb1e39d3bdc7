"""What a controller's memory was, and when, on one monotonic clock: told by a client of our own."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import NamedTuple, Protocol

from running import WITHIN

Inputs = tuple[int | bool, ...]
EVERY = 0.01  # s


class Seen(NamedTuple):
    """What the memory became, as it was known at ``at`` (monotonic ns); None: nobody answers."""

    at: int
    inputs: Inputs | None


class Client(Protocol):
    """A connection to the controller, made anew when it is read."""

    def read(self) -> Inputs | None:
        """What it has; None while nobody answers."""

    def close(self) -> None:
        """Close the connection."""


class Watch:
    """What ``client`` reads, from now until ``close``; what it raises where nobody answers is in ``lost``.

    It reads each ``every`` s: a time is known as exactly as that, and never told too short.
    """

    def __init__(self, client: Client, lost: tuple[type[Exception], ...], every: float = EVERY) -> None:
        self._client, self._lost, self._every = client, lost, every
        self._changes: list[Seen] = []
        self._told = threading.Condition()  # its lock is taken again by who has it
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)
        self._thread.start()

    def since(self, at: int) -> list[Seen]:
        """What it was at ``at``, and each change after that."""
        with self._told:
            before = [each for each in self._changes if each.at <= at][-1:]
            return before + [each for each in self._changes if each.at > at]

    def first(self, what: str, holds: Callable[[Inputs], bool], since: int) -> int:
        """When ``holds`` was first known to be so, ``since`` or after; fails where it does not become so."""

        def found() -> Seen | None:
            return next((each for each in self.since(since) if each.inputs and holds(each.inputs)), None)

        with self._told:
            self._told.wait_for(found, WITHIN)
            seen = found()
        assert seen is not None, f"memory: not {what} within {WITHIN:g} s, but {self.since(since)}"
        return max(seen.at, since)

    def wait(self, wanted: Inputs, since: int | None = None) -> int:
        """As ``first``, where all inputs are ``wanted``; left out: from now on."""
        return self.first(str(wanted), wanted.__eq__, time.monotonic_ns() if since is None else since)

    def gone(self, since: int) -> None:
        """Wait until nobody answers, ``since`` or after."""
        with self._told:
            assert self._told.wait_for(lambda: any(e.inputs is None for e in self.since(since)), WITHIN)

    def close(self) -> None:
        """Watch no more."""
        self._ending.set()
        self._thread.join(WITHIN)

    def _run(self) -> None:
        client = self._client
        try:
            while not self._ending.wait(self._every):
                inputs: Inputs | None = None
                try:
                    inputs = client.read()
                except self._lost:
                    client.close()
                with self._told:
                    if not self._changes or self._changes[-1].inputs != inputs:
                        self._changes.append(Seen(time.monotonic_ns(), inputs))
                        self._told.notify_all()
        finally:
            client.close()

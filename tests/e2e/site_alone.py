"""The small line's gateway as it stands beside a machine: alone, with keys, and a broker of its own."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from running import GATEWAY, Belt, Run, Starter

from gateway.net.identity import Identity, Trust
from rig.broker import Broker
from rig.line import load_line
from rig.prepare import CONFIG, TRUST, key_of, prepare, tls_of
from rig.remote import BusBackend


@contextmanager
def operator(keys: Path, name: str, broker: str) -> Iterator[BusBackend]:
    """Connected with what was prepared for ``name`` in ``keys``; what is held is given back at the end."""
    identity, trust = Identity.load(key_of(keys, name)), Trust.load(keys / TRUST)
    backend = BusBackend("one", ["belt"], [broker], identity, trust, tls=tls_of(keys, name))
    backend.start()
    try:
        yield backend
    finally:
        backend.close()


class Site:
    """The gateway's folder under ``keys``, which is also that of the ``operators``; they come and go."""

    def __init__(
        self, folder: Path, made: Belt, start: Starter, broker: Broker, operators: tuple[str, ...] = ("anna",)
    ) -> None:
        self.folder, self.made, self.start, self.broker = folder, made, start, broker
        self.keys = folder / "gateways"
        for name in operators:
            list(prepare(load_line(made.line), self.keys, (broker.url,), name))
        if not broker.alive:
            broker.start()
        self.config = self.keys / "belt" / CONFIG
        self.trust = Trust.load(self.keys / TRUST)
        self.operators = {name: Identity.load(key_of(self.keys, name)) for name in operators}

    def start_gateway(self) -> Run:
        """A gateway on the one state folder."""
        return self.start(self.folder, sys.executable, "-m", GATEWAY, str(self.config))

    def gateway(self) -> Run:
        """As above, once it hears commands."""
        run = self.start_gateway()
        run.wait_ready()
        return run

    @contextmanager
    def operator(self, name: str = "anna") -> Iterator[BusBackend]:
        """Connected as ``name``; what is held is given back at the end."""
        with operator(self.keys, name, self.broker.url) as backend:
            yield backend

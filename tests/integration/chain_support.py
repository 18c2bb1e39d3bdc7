"""Nodes that share a chain, with keys and disks, and one who hears over the broker how each stands."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from gateway.chain import ChainKeeper
from gateway.net import topics
from gateway.net.bus import Bus, Delivery
from gateway.net.identity import Identity, Trust
from gateway.net.messages import decode
from gateway.net.reports import ChainState
from ledger.codec import digest
from ledger.genesis import Genesis
from ledger.records import Loaded, Party


class Nodes:
    """``told`` is what each reports; each has a folder of its name, and a keeper once a test starts one."""

    def __init__(
        self, folder: Path, url: str, names: Iterable[str], party: Callable[[str, bytes], Party]
    ) -> None:
        self.folder, self.url = folder, url
        self.identities = {name: Identity.create(name) for name in names}
        parties = tuple(party(name, each.public_bytes) for name, each in self.identities.items())
        self.genesis = Genesis(1, "row", time.time_ns(), parties)
        self.trust = Trust()
        for name, each in self.identities.items():
            self.trust.add(name, each.public_bytes)
            (folder / name).mkdir()
        self.told: dict[str, ChainState] = {}
        self.keepers: dict[str, ChainKeeper] = {}
        self.changed = threading.Condition()
        self._bus = Bus("desk", [url], trust=self.trust)
        self._bus.subscribe(topics.chain("row", topics.ANY), self._hear)
        self._bus.start()

    def _hear(self, delivery: Delivery) -> None:
        assert delivery.verified is True
        with self.changed:
            self.told[delivery.envelope.sender] = decode(delivery.envelope.body, ChainState)
            self.changed.notify_all()

    def close(self) -> None:
        for keeper in self.keepers.values():
            keeper.stop()
        self._bus.close()


def loaded(what: str) -> Loaded:
    """A record of a station's program, another for each ``what``."""
    return Loaded("infeed", digest(what.encode()), digest(b"configuration"))

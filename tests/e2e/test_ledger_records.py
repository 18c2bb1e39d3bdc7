"""What a gateway records of its station by itself, and that a chain's disk that fails stops nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from running import Starter
from site_chain import NODES, OPERATOR, ChainSite
from site_line import BRING_UP

from gateway.field.tags import TagRef
from gateway.net.identity import Identity, Trust
from gateway.net.messages import Feed, Force, Free
from gateway.recorder import salt
from gateway.station import load_station
from gateway.twin.workpiece import Workpiece
from ledger.codec import encode
from ledger.records import Completion, Forced, LeaseEnded, LeaseGranted, Loaded, Requirement, Written, opens
from rig.backend import Script
from rig.broker import Broker
from rig.prepare import KEY, STATION, TRUST
from rig.remote import BusBackend

ENTERS = TagRef("part-enters")


class Recorded(ChainSite):
    """A site with an operator who commands, too."""

    def __init__(self, folder: Path, start: Starter, url: str) -> None:
        super().__init__(folder, start, {name: [url] for name in (*NODES, OPERATOR)})
        trust = Trust.load(self.keys / TRUST)
        self.backend = BusBackend("one", ["belt"], [url], self.operator, trust)

    def found(self, kind: type, **fields: Any) -> list[Any]:
        """The belt's final records of ``kind`` with these fields."""
        return [
            record
            for node, record in self.records
            if node == "belt"
            and isinstance(record, kind)
            and all(getattr(record, name) == value for name, value in fields.items())
        ]

    def until_found(self, kind: type, count: int = 1, **fields: Any) -> Any:
        """The last of them, once there are so many."""
        self.ear.until(f"{kind.__name__} {fields}", lambda: len(self.found(kind, **fields)) >= count)
        return self.found(kind, **fields)[-1]


@pytest.fixture
def site(tmp_path: Path, start: Starter) -> Iterator[Recorded]:
    with Broker(tmp_path / "broker") as broker:
        made = Recorded(tmp_path, start, broker.url)
        try:
            made.run(*NODES)
            made.backend.start()
            yield made
        finally:
            made.backend.close()
            made.close()


def test_a_gateway_records_what_happens_at_its_station(site: Recorded) -> None:
    loaded = site.until_found(Loaded)
    station = load_station(site.keys / "belt" / STATION)
    assert loaded.configuration.hex() == station.sha256
    assert any(loaded.program)

    site.backend.hold("belt")
    granted = site.until_found(LeaseGranted, operator=OPERATOR)
    site.backend.run({"belt": Script((Force(ENTERS, True), Free(ENTERS)))})
    held = site.until_found(Forced, tag="part-enters", released=False, operator=OPERATOR)
    freed = site.until_found(Forced, tag="part-enters", released=True)
    identity = Identity.load(site.keys / "belt" / KEY)
    for record, which, value in ((held, "new", True), (held, "old", False), (freed, "old", True)):
        proof = salt(identity, site.genesis.chain, "part-enters", record.time, which)
        assert opens(getattr(record, which), proof, encode(value))

    wrote = site.until_found(Written, operator=OPERATOR, token=granted.token)
    assert "part-enters" in wrote.tags
    assert wrote.writes >= len(wrote.tags) > 1
    assert wrote.since <= wrote.until

    site.keeper.record(Requirement("w-0", 7, "box", "belt", 3, 0, 0))
    site.backend.run({"belt": Script(BRING_UP)})
    site.backend.run({"belt": Script((Feed("conveyor", (Workpiece("w-0", "box", 100.0),)),))})
    site.until_found(Completion, task="w-0", operation=7)

    site.backend.run({"belt": Script((Force(ENTERS, True),), keep=True)})
    released = len(site.found(Forced, tag="part-enters", released=True))
    site.kill("belt")  # while it holds the lease, and forces
    site.run("belt")
    site.until_found(Forced, released + 1, tag="part-enters", released=True, operator=OPERATOR)
    ended = site.until_found(LeaseEnded, operator=OPERATOR)
    assert ended.token >= granted.token
    assert "restarted while driving" in ended.why
    site.backend.close()
    assert len(site.found(Loaded)) == 1
    site.end()


def test_a_chain_whose_disk_fails_is_told_and_the_station_goes_on(site: Recorded) -> None:
    site.settle()
    site.kill("belt")
    store = site.store("belt")
    site.log("belt").unlink()
    store.write_bytes(b"not a database " * 1_000)
    site.launch("belt")
    site.ear.until("it is told", lambda: "nothing is recorded" in site.ear.beats["belt"].problem)
    site.runs["belt"].wait_ready()
    site.backend.hold("belt")
    site.backend.run({"belt": Script(BRING_UP)})
    assert site.found(LeaseGranted) == []
    site.settle()  # the others go on
    store.unlink()
    site.until_found(LeaseGranted, operator=OPERATOR)  # what waited has gone there
    site.ear.until("all is well", lambda: site.ear.beats["belt"].problem == "")
    site.assert_sound()

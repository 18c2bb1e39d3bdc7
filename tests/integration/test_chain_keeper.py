"""Keepers of one chain with a real broker and real disks: what they tell, and what a disk that fails does."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gateway.chain import STORE, ChainKeeper
from gateway.errors import BadInput
from gateway.net import topics
from gateway.net.bus import Bus, Delivery
from gateway.net.identity import Identity, Trust
from gateway.net.messages import ChainState, decode
from ledger.codec import digest
from ledger.genesis import Genesis
from ledger.ports import Timing
from ledger.records import Loaded, Party, read
from ledger.types import Commit
from rig.broker import Broker

NAMES = ("a", "b", "c", "d")
WITHIN = 60.0


class Row:
    """Four keepers; ``told`` is what each reports, ``records`` what each has seen decided."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder, self.url = folder, url
        self.identities = {name: Identity.create(name) for name in NAMES}
        parties = tuple(Party(n, each.public_bytes, f"owner of {n}") for n, each in self.identities.items())
        self.genesis = Genesis(1, "main", time.time_ns(), parties)
        trust = Trust()
        for name, identity in self.identities.items():
            trust.add(name, identity.public_bytes)
            (folder / name).mkdir()
        self.told: dict[str, ChainState] = {}
        self.records: dict[str, list[object]] = {name: [] for name in NAMES}
        self.changed = threading.Condition()
        self.bus = Bus("desk", [url], trust=trust)
        self.bus.subscribe(topics.chain("row", topics.ANY), self._hear)
        self.bus.start()
        self.keepers: dict[str, ChainKeeper] = {}

    def _hear(self, delivery: Delivery) -> None:
        assert delivery.verified is True
        with self.changed:
            self.told[delivery.envelope.sender] = decode(delivery.envelope.body, ChainState)
            self.changed.notify_all()

    def start(self, name: str) -> ChainKeeper:
        def decided(commit: Commit) -> None:
            with self.changed:
                self.records[name] += [read(tx) for tx in commit.block.body]
                self.changed.notify_all()

        self.keepers[name] = ChainKeeper(
            "row", self.identities[name], [self.url], self.genesis, self.folder / name, decided,
            Timing(idle=300_000_000),
        )  # fmt: skip
        self.keepers[name].start()
        return self.keepers[name]

    def until(self, holds: Callable[[], object]) -> None:
        with self.changed:
            assert self.changed.wait_for(holds, WITHIN), self.told

    def close(self) -> None:
        for keeper in self.keepers.values():
            keeper.stop()
        self.bus.close()


@pytest.fixture
def row(tmp_path: Path) -> Iterator[Row]:
    with Broker(tmp_path / "broker") as broker:
        made = Row(tmp_path, broker.url)
        try:
            yield made
        finally:
            made.close()


def loaded(what: str) -> Loaded:
    return Loaded("infeed", digest(what.encode()), digest(b"configuration"))


def test_what_one_records_all_decide_and_each_tells_how_it_stands(row: Row) -> None:
    for name in NAMES:
        row.start(name)
    assert row.keepers["b"].record(loaded("one")).result(WITHIN) == 1
    assert row.keepers["b"].record(loaded("two")).result(WITHIN) == 2
    row.until(lambda: all(row.records[name] == [loaded("one"), loaded("two")] for name in NAMES))
    row.until(lambda: row.told["a"].height >= 1 and row.told["a"].peers == ("b", "c", "d"))
    told = row.told["a"]
    assert (told.online, told.member, told.silent, told.problem) == (True, True, False, "")
    assert told.chain == row.genesis.chain
    assert told.proposer in NAMES
    assert told.shares == dict.fromkeys(NAMES, 0.25)
    assert row.keepers["a"].facts()["part"] == "member"
    row.keepers.pop("d").stop()
    row.until(lambda: not row.told["d"].online)


def test_a_disk_that_fails_is_a_problem_and_what_waits_goes_there_when_it_is_back(row: Row) -> None:
    store = row.folder / "c" / STORE
    store.write_text("not a database " * 1000)
    for name in NAMES:
        row.start(name)
    waiting = row.keepers["c"].record(loaded("late"))
    row.until(lambda: "c" in row.told and "not a database" in row.told["c"].problem)
    assert not waiting.done()
    store.unlink()
    assert waiting.result(WITHIN) == 1
    row.until(lambda: all(row.records[name] == [loaded("late")] for name in NAMES))
    row.until(lambda: row.told["c"].problem == "")


def test_who_is_no_party_is_told_so_and_who_has_another_key_does_not_start(row: Row) -> None:
    for name in NAMES:
        row.start(name)
    row.identities["x"] = Identity.create("x")
    (row.folder / "x").mkdir()
    row.records["x"] = []
    stranger = row.start("x")
    row.until(lambda: "not enrolled" in stranger.problem)
    with pytest.raises(BadInput, match="another key"):
        ChainKeeper("row", Identity.create("a"), [row.url], row.genesis, row.folder / "a")

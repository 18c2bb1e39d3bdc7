"""Keepers of one chain with a real broker and real disks: what they tell, and what a disk that fails does."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from chain_support import Nodes, loaded

from gateway import chain as chain_module
from gateway.belonging import Belonging
from gateway.chain import STORE, ChainKeeper
from gateway.net.identity import Identity
from ledger.ports import Timing
from ledger.records import Enrolled, Party, Revoked, read
from ledger.types import Commit
from rig.broker import Broker

NAMES = ("a", "b", "c", "d")
WITHIN = 60.0


class Row(Nodes):
    """Four keepers; ``records`` is what each has seen decided."""

    def __init__(self, folder: Path, url: str) -> None:
        roles = {"a": ("commissioner",)}
        super().__init__(
            folder, url, NAMES,
            lambda name, key: Party(name, key, f"owner of {name}", roles=roles.get(name, ())),
        )  # fmt: skip
        self.records: dict[str, list[object]] = {name: [] for name in NAMES}
        self.belonging: dict[str, list[Belonging]] = {}

    def start(self, name: str) -> ChainKeeper:
        def decided(commit: Commit) -> None:
            with self.changed:
                self.records[name] += [read(tx) for tx in commit.block.body]
                self.changed.notify_all()

        self.belonging[name] = []

        def belongs(now: Belonging) -> None:
            with self.changed:
                self.belonging[name].append(now)
                self.changed.notify_all()

        self.keepers[name] = ChainKeeper(
            "row", self.identities[name], [self.url], self.genesis, self.folder / name, decided,
            Timing(idle=300_000_000), belongs,
        )  # fmt: skip
        self.keepers[name].start()
        return self.keepers[name]

    def until(self, holds: Callable[[], object]) -> None:
        with self.changed:
            assert self.changed.wait_for(holds, WITHIN), self.told


@pytest.fixture
def row(tmp_path: Path) -> Iterator[Row]:
    with Broker(tmp_path / "broker") as broker, closing(Row(tmp_path, broker.url)) as made:
        yield made


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


def test_a_full_disk_is_tried_again_and_what_waits_goes_there_when_there_is_room(
    row: Row, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chain_module, "AGAIN_S", (3.0, 3.0))  # s: longer than between two reports
    for name in NAMES:
        row.start(name)
    c = row.keepers["c"]
    assert c.record(loaded("before")).result(WITHIN) == 1
    node = c._node
    assert node is not None
    disk = node.store._db  # SQLite itself says that it is full
    pages = disk.execute("PRAGMA page_count").fetchone()[0]
    disk.execute(f"PRAGMA max_page_count = {pages}")
    waiting = [c.record(loaded(f"late {number}")) for number in range(200)]
    row.until(lambda: "is full" in row.told["c"].problem)
    assert waiting[-1].result(WITHIN) >= 201  # that connection was full, the next one is not
    row.until(lambda: row.told["c"].problem == "")
    row.until(lambda: all(loaded("late 199") in row.records[name] for name in NAMES))


def test_who_is_no_party_and_who_has_another_key_is_told_so(row: Row) -> None:
    for name in NAMES:
        row.start(name)
    row.identities["x"] = Identity.create("x")
    (row.folder / "x").mkdir()
    row.records["x"] = []
    stranger = row.start("x")
    row.until(lambda: "not enrolled" in stranger.problem)
    (row.folder / "other").mkdir()
    other = ChainKeeper("row", Identity.create("a"), [], row.genesis, row.folder / "other")
    other.start()
    try:
        for _ in range(600):
            if other.problem:
                break
            threading.Event().wait(0.1)
        assert "a has another key in the chain" in other.problem
    finally:
        other.stop()


def test_who_is_revoked_is_out_at_once_and_comes_back_by_another_key_alone(row: Row) -> None:
    for name in NAMES:
        row.start(name)
    a, d = row.keepers["a"], row.keepers["d"]
    d.record(loaded("by the first key"))
    row.until(lambda: loaded("by the first key") in row.records["d"])
    a.record(Revoked("d", "its card was stolen", weakens=True))
    row.until(lambda: row.belonging["b"] and "d" in row.belonging["b"][-1].gone)
    row.until(lambda: "d" in row.belonging["a"][-1].gone)
    height = row.belonging["a"][-1].height
    row.until(lambda: row.told["a"].height >= height + 3)
    assert row.told["a"].shares.keys() == {"a", "b", "c"}
    before = row.keepers["b"].commit(height + 3)
    assert before is not None
    assert {seal.who for seal in before.qc.seals} == {"a", "b", "c"}
    row.until(lambda: row.belonging["d"][-1].gone.keys() == {"d"} and "not enrolled" in d.problem)
    with pytest.raises(ValueError, match="d is not enrolled"):
        d.record(loaded("unheard")).result(WITHIN)
    d.stop()
    row.identities["d"] = Identity.create("d")
    row.trust.forget("d")
    row.trust.add("d", row.identities["d"].public_bytes)
    (row.folder / "d" / STORE).unlink()
    a.record(Enrolled(Party("d", row.identities["d"].public_bytes, "owner of d")))
    again = row.start("d")
    again.record(loaded("heard"))
    row.until(lambda: row.records["a"].count(loaded("heard")) == 1)
    row.until(lambda: row.told["d"].member and not row.told["d"].silent and not row.told["d"].problem)
    assert row.belonging["a"][-1].gone == {}
    row.until(lambda: row.told["d"].waiting == 0)


def test_what_a_newcomer_records_before_it_is_enrolled_becomes_final_once_it_is(row: Row) -> None:
    for name in NAMES:
        row.start(name)
    row.identities["x"] = newcomer = Identity.create("x")
    (row.folder / "x").mkdir()
    row.records["x"] = []
    assert row.start("x").record(loaded("early")).result(WITHIN) == 1
    row.keepers["a"].record(Enrolled(Party("x", newcomer.public_bytes, "owner of x", member=False)))
    row.until(lambda: loaded("early") in row.records["b"])

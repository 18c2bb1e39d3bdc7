"""Nodes of a line are taken for a pool and given back: real broker and disks, a node that is killed."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import msgspec
import pytest
from chain_support import Nodes, loaded
from typer.testing import CliRunner

from gateway.agentfile import AgentConfig
from gateway.chain import ChainKeeper
from gateway.errors import BadInput
from gateway.genesisfile import genesis_bytes
from ledger.records import Party, Record, read
from rig import chain as chain_module
from rig.broker import Broker
from rig.chainstatus import Heard, table
from rig.copies import of_node
from rig.ledger import app as ledger
from rig.pools import checked, make, pause
from rig.prepare import GENESIS, TRUST

KEPT = ("a", "b", "c", "e")  # in this process; d is one of its own
NODES = ("a", "b", "c", "d")  # of the pool
RIG = "rig"
WITHIN = 60.0
HOUR = 3_600_000_000_000


class Site(Nodes):
    """Five nodes of a line and who plans its work."""

    def __init__(self, folder: Path, url: str) -> None:
        super().__init__(
            folder, url, (*KEPT, "d", RIG),
            lambda name, key: Party(name, key, f"owner of {name}", name != RIG, name == RIG),
        )  # fmt: skip
        (folder / GENESIS).write_bytes(genesis_bytes(self.genesis))
        self.trust.save(folder / TRUST)
        for name, each in self.identities.items():
            each.save(folder / f"{name}.pem")
        self.keepers = {name: self._keeper(name) for name in KEPT}
        self.process: subprocess.Popen[bytes] | None = None

    def _keeper(self, name: str) -> ChainKeeper:
        keeper = ChainKeeper("row", self.identities[name], [self.url], self.genesis, self.folder / name)
        keeper.start()
        return keeper

    def start_d(self) -> None:
        config = AgentConfig(
            "row", "", (self.url,), str(self.folder / "d.pem"), str(self.folder / TRUST),
            str(self.folder / "d"), id="d", chain=str(self.folder / GENESIS),
        )  # fmt: skip
        path = self.folder / "d" / "gateway.json"
        path.write_bytes(msgspec.json.encode(config))
        self.process = subprocess.Popen([sys.executable, "-m", "gateway.agent", str(path)])

    def kill_d(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait(WITHIN)

    def of_pool(self, chain: str, *names: str) -> list[ChainKeeper]:
        """The keepers of those that run the pool's chain here."""
        found = [self.keepers[name].pools.running.get(chain) for name in names]
        return [each for each in found if isinstance(each, ChainKeeper)]

    def recorded(self, chain: str, by: str, record: Record) -> int:
        """Record it on the pool's chain; its height, once it is final at all that run it here."""
        self.of_pool(chain, by)[0].record(record).result(WITHIN)
        here = self.of_pool(chain, "a", "b", "c")
        until(lambda: all(height(each, record) for each in here))
        return height(here[0], record)

    def close(self) -> None:
        if self.process is not None:
            self.kill_d()
        super().close()


def height(keeper: ChainKeeper, record: Record) -> int:
    """That of the block with ``record``, in the keeper's copy; 0: it is not there."""
    last = keeper.last
    for at in range(last.qc.height if last is not None else 0, 0, -1):
        commit = keeper.commit(at)
        if commit is not None and record in [read(tx) for tx in commit.block.body]:
            return at
    return 0


def until(holds: Callable[[], bool]) -> None:
    """Wait for what nobody tells of."""
    end = time.monotonic() + WITHIN
    while not holds():
        assert time.monotonic() < end
        threading.Event().wait(0.05)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with Broker(tmp_path / "broker") as broker, closing(Site(tmp_path, broker.url)) as made:
        yield made


def test_a_pool_is_made_used_paused_shown_and_used_again_while_a_node_dies(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chain_module, "STEADY", 1.0)  # s; here nobody was away
    site.start_d()
    said = make(site.folder, RIG, "t1", NODES, HOUR, "mill", (site.url,))
    assert "pool mill is made for t1, final at height" in said[0]
    chain = said[1].split()[1]
    until(lambda: len(site.of_pool(chain, "a", "b", "c")) == 3)
    assert site.of_pool(chain, "e") == []
    first = site.recorded(chain, "b", loaded("one"))

    until(lambda: pool_height(site, "d") >= first)  # it runs the pool's chain, too
    site.kill_d()
    second = site.recorded(chain, "c", loaded("two"))
    site.start_d()
    until(lambda: pool_height(site, "d") >= second)
    shown = table({name: Heard(state, True) for name, state in site.told.items()}, "mill")
    assert shown[0] == f"chain    {chain}"
    assert {"a", "b", "c", "d"} <= {line.split()[0] for line in shown if line}

    said = pause(site.folder, RIG, "mill", (site.url,))
    assert said[0] == "pool mill is paused, its nodes are free"
    ended = int(said[-1].split()[2].rstrip(","))
    until(lambda: site.of_pool(chain, "a", "b", "c") == [])
    until(lambda: all("pool mill" in site.keepers[name].facts() for name in "abc"))
    until(lambda: site.keepers["a"].facts()["pool mill"].startswith(f"paused at height {ended}, block "))

    said = make(site.folder, RIG, "t2", NODES, HOUR, "", (site.url,))
    assert "pool mill is taken up again for t2" in said[0]
    until(lambda: len(site.of_pool(chain, "a", "b", "c")) == 3)
    assert site.recorded(chain, "a", loaded("three")) > ended
    for name in ("a", "e"):
        site.keepers[name].stop()
    at_a = ("--state", str(site.folder / "a"))
    said_of = {
        ("show", *at_a, "--chain", "mill"): f"chain    {chain}",
        ("show", *at_a, "--chain", chain, "--height", str(first)): f"height   {first} of {chain}",
        ("status", *at_a, "--chain", "mill"): f"chain    {chain}",
        ("status", *at_a): f"chain    {site.genesis.chain}",
        ("verify", *at_a, "--chain", "mill"): f"to the line's chain: block {ended}, ",
        ("export", *at_a, "--chain", "mill", "--into", str(site.folder / "blocks")): " blocks",
        ("pool", "list", *at_a): "task     t2, until",
    }
    for command, expected in said_of.items():
        done = CliRunner().invoke(ledger, command)
        assert done.exit_code == 0, (command, done.output)
        assert expected in done.output
    with pytest.raises(BadInput, match="pools of this node: mill-"):
        of_node(site.folder / "a", "lathe")
    line, pool = of_node(site.folder / "a"), of_node(site.folder / "a", "mill")
    assert not (site.folder / "e" / "pools").exists()
    assert checked(line, (pool[0], pool[1][: ended - 1]))[1] is False


def pool_height(site: Site, name: str) -> int:
    """How far the pool's chain is at a node, as that reports."""
    told = site.told.get(name)
    states = [pool.state for pool in told.pools if pool.state is not None] if told is not None else []
    return states[0].height if states else 0

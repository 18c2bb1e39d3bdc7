"""Several pools at once, in one storm in which gateways die with their part in every chain."""

from __future__ import annotations

from sim_ledger import SECOND
from test_sim_ledger import heal
from test_sim_ledger_pools import CALM, OPENED, UNTIL, Chains

from ledger.records import Loaded, PoolClosed, PoolOpened, PoolPaused, PoolResumed

SEEDS = 6
LATHE = PoolOpened("lathe", "t2", ("n5", "n6", "n7", "n8"), UNTIL)
MIXED = PoolOpened("mixed", "t3", ("n3", "n4", "n5", "n6"), UNTIL)


def test_several_pools_run_beside_each_other_while_gateways_die(seed: int) -> None:
    chains = Chains(seed, (9, 10), 0)
    pools = {opened.pool: chains.open(opened) for opened in (OPENED, LATHE)}
    assert chains.busy() == sorted((*OPENED.nodes, *LATHE.nodes))
    for _ in range(4):
        chains.kill(chains.draw.choice((*OPENED.nodes, *LATHE.nodes)), chains.draw.randint(0, 10 * SECOND))
    for name, pool in pools.items():
        for node in chains.nodes[name]:
            for _ in range(2):
                pool.at(chains.draw.randint(0, 10 * SECOND), "submit", node)
    for pool in pools.values():
        chains.decided(pool, "n0", Loaded("n0", bytes(32), bytes(32)))
    for world in chains.worlds:
        heal(world)
    for name in pools:  # what a node accepted on a pool's chain becomes final there, whoever died
        chains.until(CALM, lambda name=name: chains.recorded(name) == {"n0", *chains.nodes[name]})
    ended = chains.end(PoolPaused("mill"), chains.draw.choice(OPENED.nodes))
    assert chains.busy() == sorted(LATHE.nodes)  # one goes on where another is paused
    chains.end(PoolPaused("lathe"), chains.draw.choice(LATHE.nodes))
    mixed = chains.open(MIXED)  # of nodes of both
    chains.decided(mixed, "n0", Loaded("n0", bytes(32), bytes(32)))
    chains.end(PoolClosed("mixed"), "n3")
    again = PoolResumed("mill", "t4", UNTIL)
    chains.decided(chains.main, "n0", again)
    height, _ = chains.decided(pools["mill"], "n0", again)
    assert height == ended + 1
    assert chains.busy() == sorted(OPENED.nodes)

"""A main chain with a pool reserved on it, and the pool's own chain, for tests."""

from __future__ import annotations

from ledgers import HASH, SECOND, UTC, Ledger, genesis

from ledger.light import Proof
from ledger.proof import prove
from ledger.records import Loaded, PoolOpened, Record

HOUR = 3_600 * SECOND
PARTIES = genesis("abcdefgh", "xy")  # x and y have no vote: an inspector, say
OPENED = PoolOpened("mill", "t1", ("b", "c", "d", "e"), UTC + HOUR)
LOADED = Loaded("b", HASH, HASH)


def opened() -> tuple[Ledger, Ledger]:
    """A main chain with one pool, and the pool's own chain."""
    main = Ledger(PARTIES)
    main.record("a", OPENED)
    main.decide()
    assert main.void == []
    return main, Ledger(main.chain.state.pools["mill"].genesis)


def shown(pool: Ledger, record: Record, who: str = "a") -> Proof:
    """The proof that ``record`` is final on the pool's chain, once it is."""
    pool.record(who, record)
    return prove(pool.genesis, pool.commits.get, pool.decide().header.height, 0)


def busy(main: Ledger) -> str:
    """The nodes that are reserved, a letter each."""
    return "".join(sorted(main.chain.state.pools.busy(main.chain.state.time)))

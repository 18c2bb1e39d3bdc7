"""A whole copy of a chain, and that of a pool, looked at by who has no node."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest
from chain_made import Key
from ledgers import HASH, SECOND, UTC

from ledger.audit import audit
from ledger.chain import DecidedChain
from ledger.genesis import Genesis
from ledger.keys import Keyring
from ledger.proof import prove
from ledger.records import Anchored, Loaded, Party, PoolOpened, PoolPaused, Record, transaction
from ledger.signing import sign
from ledger.types import PRECOMMIT, Commit, Qc, Seal, Vote
from rig.pools import checked, listed

NODES = ("a", "b", "c", "d")
KEYS = {name: Key() for name in (*NODES, "rig")}
PARTIES = tuple(Party(name, key.public, name, name != "rig", name == "rig") for name, key in KEYS.items())
LINE = Genesis(1, "line", UTC, PARTIES)
LOADED = Loaded("a", HASH, HASH)


class Signed:
    """A chain with real signatures, a block a record."""

    def __init__(self, genesis: Genesis) -> None:
        self.genesis, self.commits = genesis, list[Commit]()
        self.rings = {name: Keyring({each: KEYS[each].public for each in KEYS}, KEYS[name]) for name in KEYS}
        self.chain = DecidedChain(genesis, self.rings["a"], lambda height: None)
        self._seqs = dict.fromkeys(KEYS, 0)

    def record(self, who: str, record: Record) -> None:
        self._seqs[who] += 1
        chain = self.chain
        tx = sign(self.rings[who], transaction(chain.id, who, self._seqs[who], record))
        assert chain.submit(tx) == ""
        block = chain.propose(chain.proposer(0), UTC + chain.height * SECOND)
        votes = [
            sign(self.rings[each], Vote(chain.id, chain.height, 0, PRECOMMIT, block.id, each))
            for each in NODES[:3]
        ]
        seals = tuple(Seal(vote.who, vote.sig) for vote in votes)
        self.commits.append(Commit(Qc(chain.id, chain.height, 0, PRECOMMIT, block.id, seals), block))
        chain.commit(self.commits[-1])


@pytest.fixture(scope="module")
def both() -> tuple[Signed, Signed]:
    line = Signed(LINE)
    line.record("rig", PoolOpened("mill", "t1", NODES, UTC + 3_600 * SECOND))
    pool = Signed(line.chain.state.pools["mill"].genesis)
    pool.record("b", LOADED)
    pool.record("rig", PoolPaused("mill"))
    proof = prove(pool.genesis, lambda height: pool.commits[height - 1], 2, 0)
    line.record("c", Anchored("mill", proof))
    assert not line.chain.state.void
    return line, pool


def few(commit: Commit) -> Commit:
    """With the votes of two of four."""
    qc = msgspec.structs.replace(commit.qc, seals=commit.qc.seals[:2])
    return msgspec.structs.replace(commit, qc=qc)


def other_body(commit: Commit) -> Commit:
    return msgspec.structs.replace(commit, block=msgspec.structs.replace(commit.block, body=()))


def test_a_copy_that_is_whole_is_found_so(both: tuple[Signed, Signed]) -> None:
    for chain in both:
        state, wrong = audit(chain.genesis, chain.commits)
        assert (wrong, state.root) == ("", chain.chain.state.root)


@pytest.mark.parametrize(
    ("change", "why"),
    [(few, "block 2 has no certificate of its members"), (other_body, "block 2: the header is not what")],
)
def test_what_was_changed_is_found(
    both: tuple[Signed, Signed], change: Callable[[Commit], Commit], why: str
) -> None:
    line, pool = both
    commits = [pool.commits[0], change(pool.commits[1])]
    state, wrong = audit(pool.genesis, commits)
    assert wrong.startswith(why)
    assert state.height == 1
    said, holds = checked((line.genesis, line.commits), (pool.genesis, commits))
    assert not holds
    assert why in said[0]


def test_a_pools_copy_is_compared_with_the_lines(both: tuple[Signed, Signed]) -> None:
    line, pool = both
    of_line = line.genesis, line.commits
    said, holds = checked(of_line, (pool.genesis, pool.commits))
    assert holds
    assert pool.commits[1].block.id.hex() in said[2]
    said, holds = checked(of_line, (pool.genesis, pool.commits[:1]))
    assert (holds, "1 blocks are here, 2 were shown" in said[0]) == (False, True)
    strange = msgspec.structs.replace(pool.genesis, origin=HASH)
    said, holds = checked(of_line, (strange, []))
    assert (holds, "begins so" in said[0]) == (False, True)
    shown = list(listed(*of_line))
    assert "task     t1, paused" in shown
    assert f"shown    block 2, {pool.commits[1].block.id.hex()}" in shown

"""That a whole copy of a chain is what its members decided: each block valid and signed by a quorum; pure."""

from __future__ import annotations

from collections.abc import Sequence

from ledger.chain import DecidedChain
from ledger.genesis import Genesis
from ledger.keys import Keyring
from ledger.signing import Roll
from ledger.state import State
from ledger.types import PRECOMMIT, Commit


def audit(genesis: Genesis, commits: Sequence[Commit]) -> tuple[State, str]:
    """The state after ``commits``, which begin at height 1, up to the first that is not as it should be, and
    what is wrong with that; or nothing."""
    keys = Keyring({})
    chain = DecidedChain(genesis, keys, lambda height: None)
    keys.publics = chain.state.publics  # grows as parties enrol
    for commit in commits:
        roll = Roll(chain.id, chain.height, chain.members, keys)
        if commit.qc.bid != commit.block.id or not roll.certified(commit.qc, PRECOMMIT):
            return chain.state, f"block {chain.height} has no certificate of its members"
        why = chain.refuses(commit.block, None)
        if why:
            return chain.state, f"block {chain.height}: {why}"
        chain.commit(commit)
    return chain.state, ""

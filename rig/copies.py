"""Where a chain's blocks are read from: the folder of a run, or that of a node which keeps a copy."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from gateway.chain import POOLS, STORE
from gateway.errors import BadInput, Problem
from ledger.codec import Malformed, decode
from ledger.genesis import Genesis
from ledger.store import Store, StoreFailed
from ledger.types import Block, Commit
from rig.chainfolder import examine
from rig.report.bundle import CHAIN


class Copy(NamedTuple):
    """How a chain began, and the blocks of it that are there, in order and at least one."""

    genesis: Genesis
    blocks: Sequence[Block]


def read(run: Path | None, state: Path | None, chain: str = "") -> Copy:
    """That of a run, or of a node, where ``chain`` may name a pool's; BadInput, also where both are given or
    none."""
    if run is not None and state is None and not chain:
        return of_run(run)
    if state is None or run is not None:
        hint = "name a run's folder, or --state FOLDER, there also with --chain POOL"
        raise BadInput([Problem("RUN", 0, 0, "of which chain?", hint)])
    genesis, commits = of_node(state, chain)
    if not commits:
        raise BadInput([Problem(str(state), 0, 0, "the chain has no block yet", "ask again later")])
    return Copy(genesis, [commit.block for commit in commits])


def of_run(run: Path) -> Copy:
    """The blocks of a session, which must be as its proof says; BadInput."""
    shown = examine(run)
    wrong = [each for each in shown.wrong if each.startswith(f"{CHAIN}/")]
    if wrong or shown.genesis is None:
        hint = "twinline ledger verify says more"
        parted = [each.partition(": ") for each in wrong]
        raise BadInput([Problem(str(run / name), 0, 0, what, hint) for name, _, what in parted])
    return Copy(shown.genesis, shown.blocks)


def of_node(folder: Path, chain: str = "") -> tuple[Genesis, list[Commit]]:
    """A node's whole copy, from the ``folder`` of its state: of its line's chain, or that of the pool
    ``chain``; BadInput."""
    path = (_pool(folder / POOLS, chain) if chain else folder) / STORE
    try:
        if not path.is_file():
            raise StoreFailed("there is no such file")
        genesis = _genesis(path)
        with Store(path, genesis) as store:
            commits: list[Commit] = []
            while (commit := store.decided(len(commits) + 1)) is not None:
                commits.append(commit)
            return genesis, commits
    except (StoreFailed, sqlite3.Error) as error:
        hint = "name the folder of a node's state; that of a node that runs is in use: copy it"
        raise BadInput([Problem(str(path), 0, 0, str(error), hint)]) from None


def _pool(folder: Path, chain: str) -> Path:
    """Where in ``folder`` the pool's chain of that name, or id, is."""
    there = sorted(path.name for path in folder.glob("*") if path.is_dir())
    found = [each for each in there if chain in (each, each.rpartition("-")[0])]
    if len(found) == 1:
        return folder / found[0]
    what = f"{chain!r} is {'not here' if not found else 'several: ' + ', '.join(found)}"
    hint = f"pools of this node: {', '.join(there) or 'none'}; without --chain it is the line's chain"
    raise BadInput([Problem("--chain", 0, 0, what, hint)])


def _genesis(path: Path) -> Genesis:
    """What the store at ``path`` begins with. StoreFailed, sqlite3.Error."""
    with contextlib.closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as database:
        row = database.execute("SELECT data FROM genesis").fetchone()
    genesis = decode(row[0], Genesis) if row is not None else Malformed("it has no genesis")
    if isinstance(genesis, Malformed):
        raise StoreFailed(f"is damaged: {genesis.reason}")
    return genesis

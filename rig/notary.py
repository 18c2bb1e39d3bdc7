"""A session on its line's chain: told when it opens; its manifest made final while the nodes still run."""

from __future__ import annotations

import contextlib
import hashlib
from pathlib import Path

from ledger.records import SessionClosed, SessionOpened
from rig.chain import FINAL, NotFinal, RigChain, Settled
from rig.chainfolder import write_chain
from rig.record import Record
from rig.report.bundle import HEAD, MANIFEST

ENDED = 10.0  # s, to wait for an operator who has ended the session


class Notary:
    """Of the session whose evidence is in ``folder``."""

    def __init__(self, chain: RigChain, folder: Path, line: str) -> None:
        self._chain, self._folder, self._line = chain, folder, line

    def open(self) -> None:
        """Enrol who is new, and record that the session begins, with which files; awaits nothing. OSError."""
        with contextlib.suppress(NotFinal):  # the end of the session says it
            self._chain.enrol()
        configuration = _sha256(self._folder / HEAD)
        self._chain.submit(SessionOpened(self._folder.name, self._line, configuration))

    def close(self, record: Record, hurry: bool) -> Settled:
        """Record the manifest, wait until that is final and counts, and write ``chain/``; NotFinal, OSError.

        In a ``hurry`` the wait is shorter.
        """
        manifest = _sha256(self._folder / MANIFEST)
        submitted = self._chain.submit(SessionClosed(record.id, record.verdict, manifest))
        limit = ENDED if hurry else FINAL
        settled = self._chain.settle(submitted, limit)
        if why := self._chain.void(settled):
            raise NotFinal(f"the chain has it without effect: {why}")
        closed = self._chain.attested(settled, limit)
        blocks = self._chain.blocks(self._first(record, settled.height), settled.height)
        write_chain(self._folder, self._chain.genesis, closed, blocks)
        return settled

    def _first(self, record: Record, last: int) -> int:
        """The height of the session's first block; that of the chain, where it was begun for the session."""
        if self._chain.genesis.time >= record.started:
            return 1
        opened = (
            each.height
            for each in self._chain.decided
            if isinstance(each.record, SessionOpened) and each.record.session == record.id
        )
        return next(opened, last)


def describe(folder: Path, ended: Settled | NotFinal | None, chain: RigChain | None) -> list[str]:
    """What the end of a session says of its manifest, and of the workloads, a line each; None: no chain."""
    if ended is None or chain is None:
        return []
    if isinstance(ended, NotFinal):
        return [f"the manifest is not final: {ended}"]
    worked = chain.state.workloads
    said = [f"manifest {ended.text}", f"twinline ledger verify {folder}"]
    if total := sum(worked.values()):
        shares = (f"{node} {ns / 1e9:g} s {ns / total:.0%}" for node, ns in worked.items() if ns)
        said.insert(1, "workload and share of the next blocks: " + ", ".join(shares))
    return said


def _sha256(path: Path) -> bytes:
    return hashlib.sha256(path.read_bytes()).digest()

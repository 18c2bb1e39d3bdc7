"""The rig on a line's chain: it has no vote, follows what is decided, and records what a session does.

The operator and the inspector each follow with a node of their own. What goes wrong here is said and ends no
session: a line does not need its chain.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import NamedTuple

from gateway.belonging import Belonging, follow
from gateway.chain import ChainKeeper
from gateway.net.identity import Identity, Trust
from gateway.pki.credentials import TlsFiles
from ledger.attested import Attested, attest
from ledger.codec import Malformed
from ledger.genesis import Genesis
from ledger.records import Enrolled, Party, Record, read
from ledger.state import State
from ledger.store import StoreFailed
from ledger.types import Block, Commit
from ledger.votes import quorum

FINAL = 30.0  # s, for a record to become final while a quorum is heard
HOPE = 8.0  # s, for a quorum to be heard of
BEHIND = 5  # blocks between two looks: who gets so many was away, and is given time to catch up
CATCH_UP = 300.0  # s
AT_ONCE = 256  # records
DISK = 5.0  # s, for our disk to take them
SKEW = 10_000_000_000  # ns, between our clock and those of who makes blocks
STEADY = 2.0  # s: every node tells more often than that what it has
LOOK = 0.1  # s, between two looks at what has become of it


class Decided(NamedTuple):
    """A record that is final, in the block at ``height``, signed by ``node``."""

    height: int
    node: str
    record: Record


class Submitted(NamedTuple):
    """A ``record`` of ``node``, one of ours: its ``number`` once it is on our disk. It gets a later one where
    that is taken, by a record made at another desk, say."""

    record: Record
    node: str
    number: Future[int]


class Settled(NamedTuple):
    """A record of ours is final: number ``at`` of block ``height``; ``signed`` of ``members`` signed that."""

    height: int
    at: int
    signed: int
    members: int

    @property
    def text(self) -> str:
        """In words."""
        return f"final at height {self.height} ({self.signed} of {self.members} signed)"


class NotFinal(Exception):
    """A record is not final yet, and why."""


class RigChain:
    """The chain of ``genesis`` on ``line``, through ``brokers``, as ``operator`` and, if there is one, as
    ``inspector``.

    Their copies go into folders of ``state``. ``newcomers`` have come to the line since the chain began.
    ``tls`` says what each shows the brokers. ``trust`` follows who belongs. Used by one thread.
    """

    def __init__(
        self,
        line: str,
        genesis: Genesis,
        operator: Identity,
        inspector: Identity | None,
        brokers: tuple[str, ...],
        state: Path,
        newcomers: tuple[Party, ...] = (),
        tls: Callable[[str], TlsFiles | None] = lambda node: None,
        trust: Trust | None = None,
    ) -> None:
        self._newcomers = newcomers
        self._pool_of = partial(
            RigChain, line, operator=operator, inspector=None, brokers=brokers, state=state, tls=tls
        )
        self.genesis, self.operator = genesis, operator.node
        self.inspector = "" if inspector is None else inspector.node
        self._keepers = {
            each.node: ChainKeeper(
                line, each, brokers, genesis, state / each.node, tls=tls(each.node),
                belonging=self._belongs if each is operator else lambda now: None,
            )
            for each in (operator, inspector)
            if each is not None
        }  # fmt: skip
        self._trust = trust
        self._began = time.time_ns() - SKEW
        self.state = State(genesis)  # as far as ``follow`` has come
        self.decided: list[Decided] = []  # what became final since we were made
        self._ours: dict[tuple[str, int], tuple[Record, int, int]] = {}  # by node and number; height and at

    def start(self) -> None:
        """Begin to follow. OSError."""
        for keeper in self._keepers.values():
            keeper.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            keeper.start()

    def stop(self) -> None:
        """Follow no longer; again is harmless."""
        for keeper in self._keepers.values():
            keeper.stop()

    @contextmanager
    def pool(self, genesis: Genesis) -> Iterator[RigChain]:
        """The chain of a pool of this line, as the operator, beside this one. OSError."""
        chain = self._pool_of(genesis=genesis)
        try:
            chain.start()
            yield chain
        finally:
            chain.stop()

    def _belongs(self, now: Belonging) -> None:
        """On the thread of the operator's keeper: gateways that are revoked are heard no more here, too."""
        if self._trust is not None:
            follow(self._trust, now)

    @property
    def problem(self) -> str:
        """Why nothing is recorded; empty where it is."""
        return next((keeper.problem for keeper in self._keepers.values() if keeper.problem), "")

    def submit(self, record: Record, node: str = "") -> Submitted:
        """Record something as ``node`` (else as the operator). Never blocks."""
        node = node or self.operator
        return Submitted(record, node, self._keepers[node].record(record))

    def submit_all(self, records: Iterable[Record], node: str = "") -> Submitted | None:
        """Record them in order, no more at once than find room; what comes of the last one, None of none."""
        last: Submitted | None = None
        for number, record in enumerate(records, 1):
            last = self.submit(record, node)
            if number % AT_ONCE == 0:
                wait((last.number,), DISK)
        return last

    def enrol(self) -> None:
        """Let the newcomers belong to the chain, where they do not. NotFinal."""
        self.follow()
        for party in self._newcomers:
            if party.node not in self.state.parties:
                self.submit(Enrolled(party))

    def follow(self) -> None:
        """Take up what has become final, into ``state`` and ``decided``. NotFinal."""
        while (commit := self._commit(self.state.height + 1)) is not None:
            self.state.apply(commit.block)
            for index, tx in enumerate(commit.block.body):
                record = read(tx)
                if isinstance(record, Malformed):
                    continue
                if tx.node in self._keepers:
                    self._ours[tx.node, tx.seq] = record, commit.qc.height, index
                if self._began <= commit.block.header.time:
                    self.decided.append(Decided(commit.qc.height, tx.node, record))

    def settle(self, submitted: Submitted, limit: float = FINAL) -> Settled:
        """Wait until what was submitted is final; NotFinal after ``limit`` s, or where no quorum is heard.

        Time in which blocks come that the others have had for long does not count.
        """
        began, height = time.monotonic(), self.state.height
        most, number = began + limit + CATCH_UP, 0
        while True:
            if not number and submitted.number.done():
                if error := submitted.number.exception():
                    raise NotFinal(str(error))
                number = submitted.number.result()
            self.follow()
            if number and (place := self._place(submitted, number)) is not None:
                return self._settled(*place)
            if self.state.height >= height + BEHIND and time.monotonic() < most - limit:
                began = time.monotonic()
            height = self.state.height
            waited = time.monotonic() - began
            awake, members = self.awake(), self.state.members
            if waited > limit or (waited > HOPE and len(awake) < quorum(len(members))):
                raise NotFinal(
                    self.problem
                    or f"{len(awake)} of {len(members)} nodes are heard, {quorum(len(members))} must sign; "
                    f"waited {waited:.0f} s"
                )
            time.sleep(LOOK)

    def _place(self, submitted: Submitted, number: int) -> tuple[int, int] | None:
        """Where it is; under its ``number`` there may be another record of ours, and it under a later one."""
        places = (
            (height, at)
            for (node, each), (record, height, at) in self._ours.items()
            if node == submitted.node and each >= number and record == submitted.record
        )
        return next(places, None)

    def _settled(self, height: int, index: int) -> Settled:
        return Settled(height, index, len(self._held(height).qc.seals), len(self.state.members))

    def catch_up(self) -> None:
        """Wait until a quorum is heard, and has nothing more that was decided long ago. NotFinal."""
        self.follow()
        began, since, height = time.monotonic(), time.monotonic(), self.state.height
        while True:
            time.sleep(LOOK)
            self.follow()
            now, heard, members = time.monotonic(), len(self.awake()), len(self.state.members)
            if self.state.height >= height + BEHIND or heard < quorum(members):
                since, height = now, self.state.height
            if now >= since + STEADY:
                return
            if now > began + (HOPE if heard < quorum(members) else CATCH_UP):
                heard_of = f"{heard} of {members} nodes are heard, {quorum(members)} must sign"
                raise NotFinal(self.problem or heard_of)

    def void(self, settled: Settled) -> str:
        """Why a record that is final means nothing; empty where it has its effect. NotFinal."""
        tx = self._held(settled.height).block.body[settled.at]
        entries = [entry for entry in self.state.void if entry[:3] == (settled.height, tx.node, tx.seq)]
        return entries[0][3] if entries else ""

    def awake(self) -> list[str]:
        """The members that are heard now."""
        peers = self._keepers[self.operator].shown.peers
        return [node for node in self.state.members if node in peers]

    def attested(self, settled: Settled, limit: float = FINAL) -> Attested:
        """That the record has its effect, and whose it is, once the block after it is decided. NotFinal after
        ``limit`` s; ValueError where it means nothing."""
        until = time.monotonic() + limit
        while self.state.height <= settled.height:
            if time.monotonic() > until:
                raise NotFinal(f"no block follows height {settled.height}, which is to show what it came to")
            time.sleep(LOOK)
            self.follow()
        return attest(self.genesis, self._held, settled.height, settled.at)

    def counts(self, record: Record) -> Settled | None:
        """Where such a record of the operator has its effect already; None: nowhere. NotFinal."""
        for (node, _), (each, height, at) in self._ours.items():
            if node == self.operator and each == record:
                settled = self._settled(height, at)
                with suppress(ValueError):
                    self.attested(settled)
                    return settled
        return None

    def blocks(self, first: int, last: int) -> list[Block]:
        """The decided blocks of these heights."""
        return [self._held(height).block for height in range(first, last + 1)]

    def _held(self, height: int) -> Commit:
        """A block that was followed. NotFinal."""
        commit = self._commit(height)
        if commit is None:
            raise NotFinal(self.problem or "our copy of the chain is not open")
        return commit

    def _commit(self, height: int) -> Commit | None:
        try:
            return self._keepers[self.operator].commit(height)
        except StoreFailed as failed:
            raise NotFinal(str(failed)) from None

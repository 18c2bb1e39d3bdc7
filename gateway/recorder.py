"""What happens at a station, as records of its line's chain: leases, forces, writes, products, programs.

What happens within a second is handed over at once, so that a script with many forces makes one block and not
one for each; the end of a lease waits for nothing.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from functools import partial

from gateway.cell.facts import Fact, Given, Held, Made, Taken, Wrote
from gateway.chain import ChainKeeper
from gateway.net.identity import Identity
from gateway.store.journal import Journal, JournalFailed
from ledger.codec import HASH_BYTES, digest, encode
from ledger.records import MAX_TAGS, Forced, LeaseEnded, LeaseGranted, Loaded, Record, Written, commit

log = logging.getLogger(__name__)

UNKNOWN = bytes(HASH_BYTES)  # a program that its controller does not name by a hash
LONGEST = 256  # characters of a reason
GATHER_S = 1.0
MOST = 256  # records that are gathered
AGAIN_S = 30.0  # after which what is loaded is recorded again, where the chain's disk did not take it
_TABLE, _KEY = "meta", "loaded"


class Recorder:
    """Of the station of ``identity``; what was recorded last as loaded is in ``journal``. ``later`` calls
    something so many seconds from now."""

    def __init__(
        self,
        keeper: ChainKeeper,
        identity: Identity,
        journal: Journal,
        later: Callable[[float, Callable[[], None]], object],
    ) -> None:
        self._keeper, self._identity, self._journal, self._later = keeper, identity, journal, later
        self._loaded = journal.get(_TABLE, _KEY)
        self._untaken, self._tried = b"", 0.0  # what was refused, and when (monotonic s)
        self._gathered: list[Record] = []
        self._called = False  # for later

    def note(self, facts: Iterable[Fact]) -> None:
        """They happened just now."""
        now, ended = time.time_ns(), False
        for fact in facts:
            if isinstance(fact, Made):
                self._keeper.made(fact.workpiece, now)
            else:
                self._gathered.append(self._record(fact, now))
                ended = ended or isinstance(fact, Given)
        if ended or len(self._gathered) >= MOST:
            self.flush()
        elif self._gathered and not self._called:
            self._called = True
            self._later(GATHER_S, self._flush_later)

    def _flush_later(self) -> None:
        self._called = False
        self.flush()

    def flush(self) -> None:
        """Hand over what was gathered."""
        gathered, self._gathered = self._gathered, []
        for record in gathered:
            self._keeper.record(record)

    def _record(self, fact: Taken | Given | Held | Wrote, now: int) -> Record:
        station = self._identity.node
        match fact:
            case Taken(operator, token):
                return LeaseGranted(station, operator, token, now)
            case Given(operator, token, why):
                return LeaseEnded(station, operator, token, now, why[:LONGEST])
            case Held(operator, ref, released):
                old, new = self._committed(ref, now, fact.old, fact.new)
                return Forced(station, ref, released, old, new, operator, now)
            case Wrote(operator, token, since, until, writes):
                tags = sorted(fact.new)
                values = ([(tag, each[tag]) for tag in tags] for each in (fact.old, fact.new))
                old, new = self._committed("", until, *values)
                more = max(0, len(tags) - MAX_TAGS)
                return Written(
                    station, operator, token, since, until, writes, tuple(tags[:MAX_TAGS]), more, old, new
                )

    def _committed(self, ref: str, time: int, *values: object) -> list[bytes]:
        """The commitments to the values before and after."""
        chain = self._keeper.genesis.chain
        return [
            commit(salt(self._identity, chain, ref, time, which), encode(value))
            for which, value in zip(("old", "new"), values, strict=True)
        ]

    def loaded(self, program: str, configuration: str) -> None:
        """The station runs with these (SHA-256 in hexadecimal; the program's is empty where it is not known):
        recorded where that is not what was recorded last."""
        record = Loaded(self._identity.node, _hash(program), bytes.fromhex(configuration))
        now = encode(record)
        waits = now == self._untaken and time.monotonic() < self._tried + AGAIN_S
        if now != self._loaded and not waits:
            self._loaded = now
            self._keeper.record(record).add_done_callback(partial(self._keep, now))

    def _keep(self, record: bytes, accepted: Future[int]) -> None:
        """On the chain's disk: not to be recorded again; else it is, once more. On any thread."""
        if accepted.exception() is not None:
            self._untaken, self._tried, self._loaded = record, time.monotonic(), None
            return
        try:
            self._journal.put(_TABLE, _KEY, record)
        except JournalFailed as failed:
            log.warning("what is loaded will be recorded again: %s", failed)


def _hash(program: str) -> bytes:
    """Of a program that its controller names by ``program``: what it says where that is a SHA-256."""
    try:
        found = bytes.fromhex(program)
    except ValueError:
        found = b""
    return found if len(found) == HASH_BYTES else digest(program.encode()) if program else UNKNOWN


def salt(identity: Identity, chain: str, ref: str, time: int, which: str) -> bytes:
    """The 32 bytes with which a force's ``old`` or ``new`` value is committed to; without a ``ref`` those of
    all tags that were written up to ``time``: a list of (tag, value) in order of name.

    Only the station's key makes them, and makes them again: nothing has to be kept to open a commitment but
    the value itself.
    """
    return digest(identity.sign("ledger salt", encode((chain, ref, time, which))))

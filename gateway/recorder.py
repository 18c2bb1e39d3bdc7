"""What happens at a station, as records of its line's chain: leases, forces, products, what is loaded."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from concurrent.futures import Future
from functools import partial

from gateway.cell.facts import Fact, Given, Held, Made, Taken
from gateway.chain import ChainKeeper
from gateway.net.identity import Identity
from gateway.store.journal import Journal, JournalFailed
from ledger.codec import HASH_BYTES, digest, encode
from ledger.records import Forced, LeaseEnded, LeaseGranted, Loaded, commit

log = logging.getLogger(__name__)

UNKNOWN = bytes(HASH_BYTES)  # a program that its controller does not name by a hash
LONGEST = 256  # characters of a reason
_TABLE, _KEY = "meta", "loaded"


class Recorder:
    """Of the station of ``identity``; what was recorded last as loaded is in ``journal``."""

    def __init__(self, keeper: ChainKeeper, identity: Identity, journal: Journal) -> None:
        self._keeper, self._identity, self._journal = keeper, identity, journal
        self._loaded = journal.get(_TABLE, _KEY)

    def note(self, facts: Iterable[Fact]) -> None:
        """They happened just now."""
        station, now = self._identity.node, time.time_ns()
        for fact in facts:
            match fact:
                case Taken(operator, token):
                    self._keeper.record(LeaseGranted(station, operator, token, now))
                case Given(operator, token, why):
                    self._keeper.record(LeaseEnded(station, operator, token, now, why[:LONGEST]))
                case Held(operator, ref, released):
                    old, new = (
                        commit(
                            salt(self._identity, self._keeper.genesis.chain, ref, now, which), encode(value)
                        )
                        for which, value in (("old", fact.old), ("new", fact.new))
                    )
                    self._keeper.record(Forced(station, ref, released, old, new, operator, now))
                case Made(workpiece):
                    self._keeper.made(workpiece, now)

    def loaded(self, program: str, configuration: str) -> None:
        """The station runs with these (SHA-256 in hexadecimal; the program's is empty where it is not known):
        recorded where that is not what was recorded last."""
        record = Loaded(self._identity.node, _hash(program), bytes.fromhex(configuration))
        now = encode(record)
        if now != self._loaded:
            self._loaded = now
            self._keeper.record(record).add_done_callback(partial(self._keep, now))

    def _keep(self, record: bytes, accepted: Future[int]) -> None:
        """On the chain's disk: not to be recorded again. Without that it only is, once more."""
        if accepted.exception() is None:
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
    """The 32 bytes with which a force's ``old`` or ``new`` value is committed to.

    Only the station's key makes them, and makes them again: nothing has to be kept to open a commitment but
    the value itself.
    """
    return digest(identity.sign("ledger salt", encode((chain, ref, time, which))))

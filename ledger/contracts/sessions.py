"""What a session comes to: opened, closed once with one manifest, and accepted by those who sign it; pure.

Nobody signs while a force is on: what the session shows is then not what the line does by itself. Who has no
vote is no station, and forces nothing; nor does a station that is under no lease.
"""

from __future__ import annotations

from collections import OrderedDict

from ledger.records import Forced, LeaseEnded, LeaseGranted, Party, SessionClosed, SessionOpened, SignedOff

SIGNER = "signer"
PASS = "PASS"
MAX_SESSIONS = 10_000  # the last ones; of those before nothing more can be signed
MAX_FORCED = 1_000  # tags of one station


class Session:
    """One session: who opened it, and what it came to once it is closed."""

    __slots__ = ("by", "closed", "signed")

    def __init__(self, by: str) -> None:
        self.by = by
        self.closed: SessionClosed | None = None
        self.signed: dict[str, SignedOff] = {}  # by party


class Sessions:
    """The last sessions of a chain, and what is forced at its stations now."""

    def __init__(self) -> None:
        self.forced: dict[str, set[str]] = {}  # tags by station, which has some
        self._leased: set[str] = set()  # stations
        self._sessions: OrderedDict[str, Session] = OrderedDict()

    def __getitem__(self, session: str) -> Session:
        """The session; KeyError where it is not known."""
        return self._sessions[session]

    def open(self, record: SessionOpened, by: Party) -> str:
        """It begins; why not, or nothing."""
        if not by.dispatcher:
            return f"{by.node} runs no sessions"
        if record.session in self._sessions:
            return f"{record.session} is open already"
        self._sessions[record.session] = Session(by.node)
        if len(self._sessions) > MAX_SESSIONS:
            self._sessions.popitem(last=False)
        return ""

    def close(self, record: SessionClosed, by: Party) -> str:
        """It ends, once, by who opened it; why not, or nothing."""
        session = self._sessions.get(record.session)
        if session is None or session.by != by.node:
            return f"{by.node} has not opened {record.session}"
        if session.closed is not None:
            return f"{record.session} is closed already"
        session.closed = record
        return ""

    def sign(self, record: SignedOff, by: Party) -> str:
        """A party accepts what it came to; why not, or nothing."""
        session = self._sessions.get(record.session)
        if SIGNER not in by.roles:
            return f"{by.node} may sign nothing"
        if session is None or session.closed is None:
            return f"{record.session} is not closed"
        if record.manifest != session.closed.manifest:
            return f"{record.session} was closed with another manifest"
        if by.node in session.signed:
            return f"{by.node} has signed {record.session} already"
        if session.closed.verdict != PASS and not record.despite:
            return f"{record.session} ended {session.closed.verdict}, and nothing says why it is signed"
        if self.forced:
            on = sorted(f"{tag} of {station}" for station, tags in self.forced.items() for tag in tags)
            return f"forced: {', '.join(on[:4])}{' and more' if len(on) > 4 else ''}"
        session.signed[by.node] = record
        return ""

    def force(self, record: Forced, by: Party) -> str:
        """A station forces a tag, or releases it; why that means nothing, or nothing. What the end of a lease
        released may be told after it."""
        if why := _not_its_own(record.station, by):
            return why
        tags = self.forced.get(by.node, set())
        if record.released:
            tags.discard(record.tag)
        elif by.node not in self._leased:
            return f"{by.node} is under no lease"
        elif len(tags) == MAX_FORCED and record.tag not in tags:
            return f"{by.node} forces {MAX_FORCED} tags already"
        else:
            self.forced.setdefault(by.node, tags).add(record.tag)
        if not tags:
            self.forced.pop(by.node, None)
        return ""

    def lease(self, record: LeaseGranted | LeaseEnded, by: Party) -> str:
        """A lease begins or ends, and with it every force there; why it means nothing, or nothing."""
        if why := _not_its_own(record.station, by):
            return why
        self.release(by.node)
        if isinstance(record, LeaseGranted):
            self._leased.add(by.node)
        return ""

    def release(self, station: str) -> None:
        """No lease is on there and nothing forced any more, as far as anybody can know: it is revoked,
        say."""
        self.forced.pop(station, None)
        self._leased.discard(station)


def _not_its_own(station: str, by: Party) -> str:
    """Why ``by`` has nothing to tell of ``station``, or nothing."""
    if station != by.node:
        return f"{by.node} is not {station}"
    return "" if by.member else f"{by.node} has no vote: it is no station"

"""Which commands a gateway takes: meant for this life of it, in time, in order, each at most once; pure.

A command names the life of the gateway that it is for, and until when on that gateway's monotonic clock it is
to be taken. So a recording is of no use after that time, however old or new the rig is that it was made of,
and what was taken is remembered until then, and no longer. No clock but the gateway's own counts.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal, NamedTuple

from gateway.cell.rates import MAX_SENDERS, Rates
from gateway.net.messages import Acquire, Ask, Command, Identify, Renew
from gateway.net.roles import Role, holds

Cause = Literal[
    "unknown", "unsigned", "forged", "unreadable", "role", "replayed", "reordered", "late", "early",
    "other boot", "too many",
]  # fmt: skip

LONGEST = 10_000_000_000  # ns: for as long a command may be good
MAX_STREAMS = 64  # of one sender, that asked within that time
EACH, WHOLE = 150, 600  # commands a second, of one operator and of all
_BACK = 256  # numbers by which a replay is told from what came out of order


class Refusal(NamedTuple):
    """Why a command is not taken, for a count and for a person."""

    cause: Cause
    why: str


class Admission:
    """Of the life ``boot`` of a gateway."""

    def __init__(self, boot: str) -> None:
        self._boot = boot
        self._streams: dict[str, dict[tuple[bytes, str], _Stream]] = {}
        self._rates = Rates(EACH, WHOLE)

    def refuses(
        self, now: int, sender: str, boot: bytes, seq: int, ask: Ask, roles: Collection[str], holder: str = ""
    ) -> Refusal | None:
        """Why ``ask`` is not taken at ``now`` (monotonic, ns); None: it is, and never again.

        It came from ``sender``, who has these ``roles``, in its life ``boot`` under the number ``seq`` of its
        envelope. Who is the ``holder`` of the lease is heard whatever others ask. What is refused is used up,
        too: nobody who was told so finds it done later, unless it was good for longer than anything may be.
        """
        stale = None if isinstance(ask.command, Identify) else self._stale(now, sender, boot, seq, ask)
        if stale is not None:
            return stale
        if not self._rates.take(now, sender, alone=sender == holder):
            return Refusal(
                "too many", f"more than {EACH} commands a second, or {WHOLE} of all operators together"
            )
        role = needed(ask.command)
        if not holds(roles, role):
            has = ", ".join(sorted(roles)) or "none"
            return Refusal("role", f"{sender} has not the role {role} here; it has {has}")
        return None

    def _stale(self, now: int, sender: str, boot: bytes, seq: int, ask: Ask) -> Refusal | None:
        if ask.boot != self._boot:
            known = "is for an earlier life of the gateway, which has restarted since"
            why = known if ask.boot else "does not say for which life of the gateway it is"
            return Refusal("other boot", f"the command {why}")
        if now > ask.until:
            return Refusal("late", f"the command came {(now - ask.until) / 1e9:.1f} s too late")
        if ask.until > now + LONGEST:
            return Refusal("early", f"the command would be good for more than {LONGEST / 1e9:g} s")
        stream = self._stream(now, sender, (boot, ask.session))
        if stream is None:
            return Refusal("too many", f"{sender} asks in more than {MAX_STREAMS} sessions at once")
        stream.until = max(stream.until, ask.until)
        # A broker keeps the order within a quality of service, and renewals have one of their own.
        return (stream.renewals if isinstance(ask.command, Renew) else stream.others).refuses(seq)

    def _stream(self, now: int, sender: str, name: tuple[bytes, str]) -> _Stream | None:
        """What was taken of this session; None where too many are to be remembered already."""
        if name not in self._streams.get(sender, {}) and self._crowded(sender):
            self._forget(now)
            if self._crowded(sender):
                return None
        return self._streams.setdefault(sender, {}).setdefault(name, _Stream())

    def _crowded(self, sender: str) -> bool:
        """Whether no further session of ``sender`` can be remembered."""
        if sender in self._streams:
            return len(self._streams[sender]) >= MAX_STREAMS
        return len(self._streams) >= MAX_SENDERS

    def _forget(self, now: int) -> None:
        """What can be asked in time no more."""
        for sender, known in list(self._streams.items()):
            self._streams[sender] = {name: each for name, each in known.items() if each.until >= now}
            if not self._streams[sender]:
                del self._streams[sender]


def needed(command: Command) -> Role:
    """The role without which nobody commands this."""
    match command:
        case Identify():
            return "viewer"
        case Acquire(breaks=True):
            return "commissioner"
        case _:
            return "operator"


class _Numbers:
    """The last number taken, and which of those before it came: bit i is set for ``last - i``."""

    __slots__ = ("_came", "_last")

    def __init__(self) -> None:
        self._last = 0  # a message without a number has this one
        self._came = 1

    def refuses(self, seq: int) -> Refusal | None:
        """Why ``seq`` is not taken; None: it is."""
        ahead = seq - self._last
        if ahead > 0:
            self._came = (self._came << min(ahead, _BACK) | 1) & ((1 << _BACK) - 1)
            self._last = seq
            return None
        if ahead > -_BACK and not self._came >> -ahead & 1:
            return Refusal("reordered", "the command came after a later one")
        return Refusal("replayed", "the command came before, or long after later ones")


class _Stream:
    """What was taken of one session, to be remembered ``until`` then."""

    __slots__ = ("others", "renewals", "until")

    def __init__(self) -> None:
        self.until = 0
        self.others, self.renewals = _Numbers(), _Numbers()

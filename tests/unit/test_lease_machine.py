"""The lease of a real cell under whatever operators, clocks, disks and losses do to it.

Operators force ``command`` to the number of their token, so that what the controller holds tells who wrote.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import pytest
from cell_support import BELT, COMMAND, MS, SAFE, SECOND
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from gateway.cell import commands
from gateway.cell.cell import Asked, Cell, Inputs, Outputs
from gateway.cell.commands import Commands
from gateway.cell.couplings import Neighbours
from gateway.cell.gate import Gate
from gateway.cell.lease import TTL_HIGH, Lease
from gateway.field.types import Value
from gateway.net.messages import (
    Acquire,
    Command,
    Done,
    Force,
    Leased,
    Refused,
    Release,
    Renew,
    ReplyBody,
    Run,
)

GRACE = 100 * MS
LONGEST_SCAN = 30 * MS
OPERATORS = st.sampled_from(("anna", "bert", "carl"))
TTLS = st.sampled_from((200 * MS, 200 * MS, SECOND, TTL_HIGH))
COMMISSIONER = frozenset(("commissioner",))


class Leases(RuleBasedStateMachine):
    """One gateway, its disk and its controller; three operators, of whom carl is a commissioner."""

    @initialize(now=st.integers(0, 10**15), breaks=st.booleans())
    def begin(self, now: int, breaks: bool) -> None:
        self.now, self.utc, self.breaks = now, 0, breaks
        self.disk: dict[tuple[str, str], bytes] = {}
        self.device: dict[str, Value] = dict(SAFE)
        self.link, self.link_since = True, now
        self.asked: list[Asked] = []
        self.commands: dict[int, Command] = {}
        self.granted: list[tuple[int, str]] = []
        self.last_request = 0  # by which the last grant was asked for
        self.breaking = 0  # the commissioner's last request that breaks; he may have asked once more since
        self.ttl = 0
        self.alive_until = now  # the lease, as the answers say
        self.ended_at = 0  # the last grant, where it is known to be over
        self.boot()

    def boot(self) -> None:
        self.cell = Cell(BELT, Neighbours(), self.now, dict(self.disk), "epoch")
        self.outbox: deque[Outputs] = deque()
        self.persisted = 0
        self.booted = self.now
        self.asked.clear()

    # --- what happens ------------------------------------------------------------------------------------

    @rule(after=st.integers(1, LONGEST_SCAN // MS), disk=st.integers(0, 4))
    def scan(self, after: int, disk: int) -> None:
        """The next scan; the disk takes so many outputs of before it."""
        for _ in range(min(disk, len(self.outbox))):
            self.persist(self.outbox.popleft())
        self.now += after * MS
        self.utc += after * MS
        asked, self.asked = tuple(self.asked), []
        held = {tag: self.device[tag] for tag in self.cell.read_back.asked} if self.link else {}
        seen = Inputs({}, self.link, utc=max(0, self.utc), persisted=self.persisted, asked=asked, held=held)
        out = self.cell.step(self.now, seen)
        if out.journal or out.replies:
            self.outbox.append(out)
        self.hear(out)
        if self.link:
            self.check_writes(out.writes)
            self.device |= out.writes
            self.cell.took(out.writes)
        self.check_safe()

    @rule(count=st.integers(5, 60))
    def pass_time(self, count: int) -> None:
        """Scans in which nobody asks anything and the disk takes all."""
        for _ in range(count):
            self.scan(30, 8)

    @rule(operator=OPERATORS, ttl=TTLS, breaks=st.booleans())
    def acquire(self, operator: str, ttl: int, breaks: bool) -> None:
        self.ask(operator, Acquire(ttl, breaks))

    @rule(operator=OPERATORS, ttl=TTLS, times=st.integers(0, 3))
    def take_and_keep(self, operator: str, ttl: int, times: int) -> None:
        """As a rig does that is not disturbed: it asks, gets it if it can be had, and renews it."""
        before = len(self.granted)
        self.ask(operator, Acquire(ttl))
        for _ in range(3):
            self.scan(10, 99)
        for _ in range(times if len(self.granted) > before else 0):
            self.ask(operator, Renew(self.granted[-1][0]))
            self.scan(10, 99)

    @rule(operator=OPERATORS, back=st.integers(0, 3), release=st.booleans())
    def renew_or_release(self, operator: str, back: int, release: bool) -> None:
        """Under the last token that anybody got, or one before it."""
        token = self.granted[-1 - back][0] if back < len(self.granted) else 0
        self.ask(operator, Release(token) if release else Renew(token))

    @rule(operator=OPERATORS, back=st.integers(0, 1), keep=st.booleans())
    @precondition(lambda self: self.granted)
    def force(self, operator: str, back: int, keep: bool) -> None:
        token = self.granted[max(0, len(self.granted) - 1 - back)][0]
        self.ask(operator, Run(token, (Force(COMMAND, token),), keep=keep))

    @rule(down=st.integers(0, 3_000))
    def kill(self, down: int) -> None:
        """The process is gone with all that was not on the disk; the controller keeps what it has."""
        self.now += down * MS
        self.boot()

    @rule()
    def lose_or_regain_the_link(self) -> None:
        self.link, self.link_since = not self.link, self.now

    @rule(by=st.integers(-(10**6), 10**6))
    def set_the_wall_clock(self, by: int) -> None:
        self.utc += by * SECOND

    @rule(operator=OPERATORS)
    def dismiss(self, operator: str) -> None:
        mine = self.cell.lease.holder == operator
        self.cell.dismiss(operator, "revoked")
        if mine:
            self.over()

    def teardown(self) -> None:
        """In good weather somebody gets it, whatever was before: at once by breaking, else in time."""
        if not hasattr(self, "cell"):
            return
        self.link, self.link_since = True, self.now
        self.asked.clear()
        if self.breaks:
            self.scan(10, 99)
        else:
            for _ in range(TTL_HIGH // (50 * MS) + 10):
                self.scan(50, 99)
            assert self.device == SAFE
        number = self.ask("carl", Acquire(SECOND, breaks=self.breaks))
        token = self.answered(number, Leased).token
        self.answered(self.ask("carl", Run(token, (Force(COMMAND, token),), keep=True)), object)
        assert self.device["command"] == token
        self.answered(self.ask("carl", Release(token)), Done)
        self.scan(10, 99)
        assert self.device == SAFE
        self.answered(self.ask("anna", Acquire(SECOND)), Leased)

    # --- the world ---------------------------------------------------------------------------------------

    def ask(self, operator: str, command: Command) -> int:
        number = len(self.commands) + 1
        self.commands[number] = command
        if operator == "carl" and isinstance(command, Acquire) and command.breaks:
            self.breaking = number
        self.asked.append(
            Asked(operator, number, command, COMMISSIONER if operator == "carl" else frozenset())
        )
        return number

    def answered(self, number: int, kind: type) -> ReplyBody:
        """The answer, of that kind, within a few scans."""
        self.replies: dict[int, ReplyBody] = {}
        for _ in range(10):
            self.scan(10, 99)
            if number in self.replies:
                assert isinstance(self.replies[number], kind), self.replies[number]
                return self.replies[number]
        raise AssertionError(f"no answer to {self.commands[number]}")

    def persist(self, out: Outputs) -> None:
        for change in out.journal:
            if change.data is None:
                self.disk.pop((change.table, change.key), None)
            else:
                self.disk[change.table, change.key] = change.data
        if out.journal:
            self.persisted = out.ticket

    def over(self) -> None:
        self.alive_until = min(self.alive_until, self.now)

    def hear(self, out: Outputs) -> None:
        """What the gateway says at this scan, whether anybody hears it or not."""
        for operator, number, body in out.replies:
            command = self.commands[number]
            last = self.granted[-1] if self.granted else (0, "")
            if isinstance(body, Leased):
                assert body.token > last[0], "tokens only grow"
                assert isinstance(command, Acquire)
                alive = self.alive_until > self.now and self.booted <= self.granted_at if last[0] else False
                if alive and operator != last[1]:
                    assert operator == "carl"
                    assert self.breaking > self.last_request, f"{last} has it"
                self.granted.append((body.token, operator))
                self.last_request = number
                self.granted_at = self.now
                self.ttl, self.alive_until = body.ttl, self.now + body.ttl
            elif isinstance(body, Done):
                assert isinstance(command, Renew | Release)
                assert (command.token, operator) == last, "only the last who got it has it"
                assert self.booted <= self.granted_at
                if isinstance(command, Renew):
                    assert self.now < self.alive_until, "it had run out"
                    self.alive_until = self.now + self.ttl
                else:
                    self.over()
            elif isinstance(body, Refused) and isinstance(command, Acquire) and "holds the lease" in body.why:
                given_back = (
                    isinstance(self.commands[n], Release) and isinstance(b, Done) for _, n, b in out.replies
                )
                assert self.cell.lease.holder is not None or any(given_back)
            if hasattr(self, "replies"):
                self.replies[number] = body

    def check_writes(self, writes: dict[str, Value]) -> None:
        if any(SAFE[tag] != value for tag, value in writes.items()):
            assert ("gate", "open") in self.disk, "the disk must know that the gate is open"
        command = writes.get("command", 0)
        if command:
            assert command == self.granted[-1][0], "an earlier holder writes"
            assert ("force", "command") in self.disk, "the disk must know of the force"

    def check_safe(self) -> None:
        """Within the grace after the lease is over, or after whatever kept the gateway from doing it."""
        since = max(self.alive_until, self.booted, self.link_since)
        if self.link and self.now > since + GRACE:
            assert self.device == SAFE, f"{(self.now - since) / MS:.0f} ms after the lease"


FEW = settings(
    max_examples=40, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)
TestLeases = Leases.TestCase
TestLeases.settings = FEW


# --- and it would notice -------------------------------------------------------------------------------


def never_runs_out(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Lease, "expired", lambda self, now: False)


def anybody_breaks(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(commands, "holds", lambda roles, wanted: True)


def a_stale_token_will_do(patch: pytest.MonkeyPatch) -> None:
    refuses = Lease.refuses
    patch.setattr(Lease, "refuses", lambda self, operator, token: refuses(self, operator, self.token))


def the_disk_is_not_waited_for(patch: pytest.MonkeyPatch) -> None:
    admit = Commands.admit
    patch.setattr(Commands, "admit", lambda self, persisted, utc: admit(self, 2**62, utc))


def a_restart_drives_nothing(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Gate, "make_safe", lambda self: None)


def a_held_lease_stays_held(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Lease, "release", lambda self: None)


def a_heartbeat_lasts_longer(patch: pytest.MonkeyPatch) -> None:
    def renew(self: Lease, now: int, operator: str, token: int) -> str:
        why = self.refuses(operator, token)
        if not why:
            self.expires = now + self.ttl + SECOND
        return why

    patch.setattr(Lease, "renew", renew)


WRONG = (
    never_runs_out, anybody_breaks, a_stale_token_will_do, the_disk_is_not_waited_for,
    a_restart_drives_nothing, a_held_lease_stays_held, a_heartbeat_lasts_longer,
)  # fmt: skip


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: wrong.__name__)
def test_a_wrong_lease_is_caught(
    wrong: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong(monkeypatch)
    many = settings(FEW, max_examples=100, phases=[Phase.generate], derandomize=True, database=None)
    with pytest.raises(AssertionError):
        run_state_machine_as_test(Leases, settings=many)

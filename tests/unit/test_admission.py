"""A command acts at most once, whatever a network keeps, repeats, reorders or delays; a new rig is heard."""

from __future__ import annotations

from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from gateway.cell.admission import EACH, LONGEST, MAX_STREAMS, Admission, Refusal, needed
from gateway.net.messages import Abort, Acquire, Ask, Command, Identify, Release, Renew, Run

SECOND = 1_000_000_000
HERE, OLD = "11" * 8, "22" * 8
BOOT = b"rig-life"
ANY = ("commissioner",)
ABORT = Abort(1)


class Sent(NamedTuple):
    """A command on its way, as anybody can record it."""

    sender: str
    boot: bytes
    seq: int
    ask: Ask


def sent(seq: int, command: Command = ABORT, until: int = SECOND, **changes: str) -> Sent:
    asked = Ask(seq, command, changes.get("session", "s"), changes.get("life", HERE), until)
    return Sent(changes.get("sender", "anna"), BOOT, seq, asked)


def cause(
    admission: Admission, each: Sent, now: int = 0, roles: tuple[str, ...] = ANY, holder: str = ""
) -> str:
    """Why it is refused; empty if it is taken."""
    refused = admission.refuses(now, *each, roles, holder)
    assert refused is None or (isinstance(refused, Refusal) and refused.why)
    return "" if refused is None else refused.cause


def test_each_cause_by_itself() -> None:
    admission = Admission(HERE)
    assert cause(admission, sent(5)) == ""
    assert cause(admission, sent(5)) == "replayed"
    assert cause(admission, sent(4)) == "reordered"
    assert cause(admission, sent(4, session="t")) == ""  # of another session: in its own order
    assert cause(admission, sent(6, life=OLD)) == "other boot"
    assert cause(admission, sent(6, life="")) == "other boot"
    assert cause(admission, sent(6), now=SECOND + 1) == "late"
    assert cause(admission, sent(6, until=LONGEST + 1)) == "early"
    assert cause(admission, sent(6)) == ""
    assert cause(admission, sent(0, session="u")) == "replayed"  # without a number nothing tells it apart
    assert cause(admission, sent(2**63 - 1)) == ""
    assert cause(admission, sent(7)) == "replayed"  # nobody can tell: not taken all the same


def test_who_are_you_is_answered_without_life_time_or_number() -> None:
    admission = Admission(HERE)
    for _ in range(3):
        assert cause(admission, sent(0, Identify(), until=0, life=""), roles=("viewer",)) == ""
    assert cause(admission, sent(0, Identify(), until=0, life=""), roles=("signer",)) == "role"


@pytest.mark.parametrize(
    ("command", "role"),
    [
        (Identify(), "viewer"),
        (Acquire(1), "operator"),
        (Acquire(1, True), "commissioner"),
        (Renew(1), "operator"),
        (Release(1), "operator"),
        (Run(1, ()), "operator"),
        (Abort(1), "operator"),
    ],
    ids=lambda each: str(each),
)
def test_each_command_needs_its_role(command: Command, role: str) -> None:
    assert needed(command) == role
    order = ("signer", "viewer", "operator", "commissioner")
    for number, given_role in enumerate(order, 1):
        may = order.index(given_role) >= order.index(role)
        found = cause(Admission(HERE), sent(number, command), roles=(given_role,))
        assert found == ("" if may else "role")


def test_renewals_may_overtake_and_be_overtaken() -> None:
    """A broker keeps the order within a quality of service only."""
    admission = Admission(HERE)
    assert [cause(admission, sent(n, Renew(1))) for n in (1, 4, 9, 8)] == ["", "", "", "reordered"]
    assert [cause(admission, sent(n)) for n in (2, 3, 5)] == ["", "", ""]


def test_what_was_refused_for_want_of_a_role_is_not_done_once_there_is_one() -> None:
    admission = Admission(HERE)
    assert cause(admission, sent(1), roles=("viewer",)) == "role"
    assert cause(admission, sent(1), roles=ANY) == "replayed"


def test_what_was_refused_for_there_being_too_many_is_not_done_later() -> None:
    admission = Admission(HERE)
    causes = [cause(admission, sent(n)) for n in range(1, 4 * EACH)]
    assert causes.count("") == EACH // 2
    assert set(causes[EACH // 2 :]) == {"too many"}
    assert {cause(admission, sent(n), now=SECOND) for n in range(1, 4 * EACH)} == {"replayed"}


def test_who_holds_the_lease_is_heard_among_any_number_of_others() -> None:
    admission = Admission(HERE)
    for n in range(1, 1000):
        for sender in range(20):
            cause(admission, sent(n, sender=f"o-{sender}"))
    assert cause(admission, sent(1, sender="bert")) == "too many"
    assert [cause(admission, sent(n, Renew(1), sender="anna"), holder="anna") for n in range(1, 9)] == [
        ""
    ] * 8


def test_sessions_that_are_over_make_room() -> None:
    admission, now = Admission(HERE), 0
    for n in range(10 * MAX_STREAMS):
        now += LONGEST // MAX_STREAMS + 1
        assert cause(admission, sent(1, until=now + LONGEST, session=str(n)), now=now) == ""
    assert cause(admission, sent(1, until=now, session="s"), now=now) == "too many"
    assert cause(admission, sent(1, until=now + LONGEST, session="s"), now=now + LONGEST) == ""


@pytest.mark.parametrize("now", [3 * SECOND, 5 * SECOND])
def test_what_can_still_be_asked_is_remembered_however_many_come(now: int) -> None:
    admission = Admission(HERE)
    assert cause(admission, sent(1, until=5 * SECOND)) == ""
    assert cause(admission, sent(2, until=2 * SECOND)) == ""
    for n in range(2 * MAX_STREAMS):
        assert cause(admission, sent(1, until=SECOND, session=str(n))) == ("too many" if n > 62 else "")
    assert cause(admission, sent(1, until=now, session="t"), now=now) == ""  # all of those are over
    assert cause(admission, sent(1, until=5 * SECOND), now=now) == "replayed"


class Network(RuleBasedStateMachine):
    """Rigs that come and go, a gateway that restarts, and a network that keeps all it has seen and delivers
    whatever it likes, whenever it likes. Nobody's wall clock is in it, so none can be wrong."""

    def __init__(self) -> None:
        super().__init__()
        self.now = SECOND
        self.lives = self.rigs = 0
        self.recorded: list[Sent] = []
        self.acted: list[Sent] = []
        self.told: set[Sent] = set()  # that they were refused
        self.restart_gateway()
        self.restart_rig("anna")

    @rule(duration=st.sampled_from((1, SECOND // 10, SECOND, LONGEST)))
    def time_passes(self, duration: int) -> None:
        self.now += duration

    @rule()
    def restart_gateway(self) -> None:
        self.lives += 1
        self.life = f"{self.lives:016x}"
        self.admission = Admission(self.life)

    @rule(sender=st.sampled_from(("anna", "bert")))
    def restart_rig(self, sender: str) -> None:
        self.rigs += 1
        self.sender, self.boot, self.seq = sender, self.rigs.to_bytes(8), 0

    @rule(
        command=st.sampled_from((Renew(1), Run(1, ()), Acquire(SECOND))),
        good=st.sampled_from((SECOND // 10, SECOND, LONGEST, 3 * LONGEST)),
        session=st.sampled_from("st"),
    )
    def send(self, command: Command, good: int, session: str) -> None:
        self.seq += 1
        asked = Ask(self.seq, command, session, self.life, self.now + good)
        self.recorded.append(Sent(self.sender, self.boot, self.seq, asked))

    @precondition(lambda self: self.recorded)
    @rule(data=st.data())
    def deliver(self, data: st.DataObject) -> None:
        each = data.draw(st.sampled_from(self.recorded))
        refused = cause(self.admission, each, self.now)
        if refused:
            self.told |= {each} if refused != "early" else set()
            return
        assert each not in self.acted, "it acts twice"
        assert each not in self.told, "it acts though its sender was told that it does not"
        assert each.ask.boot == self.life, "it was for another life"
        assert self.now <= each.ask.until, "it is late"
        self.acted.append(each)

    @rule()
    def a_fresh_rig_is_heard(self) -> None:
        self.restart_rig("anna")
        self.send(Acquire(SECOND), SECOND, "s")
        assert cause(self.admission, self.recorded[-1], self.now) == ""
        self.acted.append(self.recorded[-1])

    @invariant()
    def what_acted_did_so_in_its_order(self) -> None:
        last: dict[object, int] = {}
        for each in self.acted:
            lane = (each.sender, each.boot, each.ask.session, isinstance(each.ask.command, Renew))
            assert each.seq > last.get(lane, 0)
            last[lane] = each.seq


Network.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestNetwork = Network.TestCase


@given(st.lists(st.integers(1, 12), max_size=40))
def test_of_one_stream_it_takes_just_what_is_above_all_before(numbers: list[int]) -> None:
    admission, highest, taken = Admission(HERE), 0, set[int]()
    for number in numbers:
        wanted = "" if number > highest else "replayed" if number in taken else "reordered"
        assert cause(admission, sent(number)) == wanted
        if not wanted:
            highest = number
            taken.add(number)

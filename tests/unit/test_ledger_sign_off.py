"""A session is closed once and signed by who may, with no force on; and that it counts is shown offline."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest
from ledgers import HASH, Ledger, genesis, party
from test_ledger_proof import Ledger as Signed

from ledger.codec import Malformed, decode, encode
from ledger.contracts.sessions import MAX_FORCED, Sessions
from ledger.effect import Effect, prove_effect, verify_effect
from ledger.genesis import Genesis
from ledger.proof import Proven, prove
from ledger.records import (
    Forced,
    LeaseEnded,
    LeaseGranted,
    Party,
    Record,
    Revoked,
    SessionClosed,
    SessionOpened,
    SignedOff,
)

OTHER = bytes(32)
OPENED, CLOSED = SessionOpened("s", "line", HASH), SessionClosed("s", "PASS", HASH)
FAILED = SessionClosed("s", "FAIL", HASH)
SIGNED = SignedOff("s", HASH, "Vera", "vendor")


def forced(tag: str = "door", released: bool = False, station: str = "b") -> Forced:
    return Forced(station, tag, released, HASH, HASH, "a", 0)


LEASED = LeaseGranted("b", "a", 1, 0)


def line() -> Ledger:
    """``a`` runs sessions, ``v`` and ``w`` sign; b, c and d are stations."""
    made = genesis("abcd", "vw")
    signers = {"v", "w"}
    parties = tuple(
        msgspec.structs.replace(each, roles=("signer",)) if each.node in signers else each
        for each in made.parties
    )
    return Ledger(Genesis(1, "main", made.time, parties))


def said(ledger: Ledger, *records: tuple[str, Record]) -> list[str]:
    """Why records mean nothing, which come in a block each."""
    found = []
    for who, record in records:
        ledger.record(who, record)
        ledger.decide()
        found += ledger.void
    return found


@pytest.mark.parametrize(
    ("records", "why"),
    [
        ([("a", OPENED), ("a", CLOSED), ("v", SIGNED), ("w", SIGNED)], []),
        ([("b", OPENED)], ["b runs no sessions"]),
        ([("a", OPENED), ("a", OPENED)], ["s is open already"]),
        ([("a", CLOSED)], ["a has not opened s"]),
        ([("a", OPENED), ("b", CLOSED)], ["b has not opened s"]),
        (
            [("a", OPENED), ("a", CLOSED), ("a", SessionClosed("s", "PASS", OTHER))],
            ["s is closed already"],
        ),
        ([("a", OPENED), ("a", CLOSED), ("a", CLOSED)], ["s is closed already"]),
        ([("a", OPENED), ("v", SIGNED)], ["s is not closed"]),
        ([("v", SIGNED)], ["s is not closed"]),
        (
            [("a", OPENED), ("a", CLOSED), ("v", SignedOff("s", OTHER, "Vera", "vendor"))],
            ["s was closed with another manifest"],
        ),
        (
            [("a", OPENED), ("a", CLOSED), ("a", SIGNED), ("b", SIGNED)],
            ["a may sign nothing", "b may sign nothing"],
        ),
        ([("a", OPENED), ("a", CLOSED), ("v", SIGNED), ("v", SIGNED)], ["v has signed s already"]),
        ([("a", OPENED), ("a", FAILED), ("v", SIGNED)], ["s ended FAIL, and nothing says why it is signed"]),
        (
            [("a", OPENED), ("a", FAILED), ("v", msgspec.structs.replace(SIGNED, despite="to be repaired"))],
            [],
        ),
        (
            [("a", OPENED), ("a", CLOSED), ("b", LEASED), ("b", forced()), ("v", SIGNED)],
            ["forced: door of b"],
        ),
        (
            [
                ("b", LEASED),
                ("b", forced()),
                ("b", forced(released=True)),
                ("a", OPENED),
                ("a", CLOSED),
                ("v", SIGNED),
            ],
            [],
        ),
        ([("c", forced())], ["c is not b"]),
        (
            [
                ("b", LEASED),
                ("b", forced()),
                ("c", forced(released=True)),
                ("a", OPENED),
                ("a", CLOSED),
                ("v", SIGNED),
            ],
            ["c is not b", "forced: door of b"],
        ),
        (
            [
                ("b", LEASED),
                ("b", forced()),
                ("b", LeaseEnded("b", "a", 1, 0, "lost")),
                ("a", OPENED),
                ("a", CLOSED),
            ]
            + [("v", SIGNED)],
            [],
        ),
        (
            [
                ("b", LEASED),
                ("b", forced()),
                ("c", LeaseEnded("b", "a", 1, 0, "a lie")),
                ("a", OPENED),
                ("a", CLOSED),
            ]
            + [("v", SIGNED)],
            ["c is not b", "forced: door of b"],
        ),
        (
            [
                ("b", LEASED),
                ("b", forced()),
                ("b", LeaseGranted("b", "a", 2, 0)),
                ("a", OPENED),
                ("a", CLOSED),
            ]
            + [("v", SIGNED)],
            [],
        ),
        ([("b", forced()), ("a", OPENED), ("a", CLOSED), ("v", SIGNED)], ["b is under no lease"]),
        (
            [
                ("b", LEASED),
                ("b", LeaseEnded("b", "a", 1, 0, "")),
                ("b", forced()),
                ("b", forced(released=True)),
            ],
            ["b is under no lease"],
        ),
        (
            [("v", LeaseGranted("v", "a", 1, 0)), ("v", forced(station="v")), ("a", OPENED), ("a", CLOSED)]
            + [("v", SIGNED)],
            ["v has no vote: it is no station"] * 2,
        ),
        (
            [
                ("b", LEASED),
                ("b", forced()),
                ("a", Revoked("b", "stolen", True)),
                ("a", OPENED),
                ("a", CLOSED),
            ]
            + [("v", SIGNED)],
            [],
        ),
    ],
)
def test_what_counts_and_why_not(records: list[tuple[str, Record]], why: list[str]) -> None:
    assert said(line(), *records) == why


def test_a_force_of_before_the_session_holds_the_signature_back_until_it_is_released() -> None:
    ledger = line()
    tags = [("b", forced(f"t{number}")) for number in range(6)]
    assert said(ledger, ("b", LEASED), *tags, ("a", OPENED), ("a", CLOSED), ("v", SIGNED)) == [
        "forced: t0 of b, t1 of b, t2 of b, t3 of b and more"
    ]
    assert said(ledger, *((who, msgspec.structs.replace(each, released=True)) for who, each in tags)) == []
    assert said(ledger, ("v", SIGNED)) == []
    assert ledger.chain.state.sessions["s"].signed == {"v": SIGNED}
    assert ledger.chain.state.sessions.forced == {}


def test_a_station_forces_no_more_tags_than_a_node_can_hold() -> None:
    sessions, station = Sessions(), party("b")
    assert sessions.lease(LEASED, station) == ""
    for number in range(MAX_FORCED):
        assert sessions.force(forced(f"t{number}"), station) == ""
    assert sessions.force(forced("one-more"), station) == f"b forces {MAX_FORCED} tags already"
    assert sessions.force(forced("t0"), station) == ""
    assert sessions.force(forced("t0", released=True), station) == ""
    assert sessions.force(forced("one-more"), station) == ""
    assert len(sessions.forced["b"]) == MAX_FORCED


def test_what_can_be_read_by_an_older_copy_of_a_party_is_none() -> None:
    """A party without roles is another encoding: it is no party at all, not one that may anything."""
    whole = msgspec.to_builtins(party("a"))
    assert isinstance(decode(encode(whole[:-1]), Party), Malformed)


# --- shown offline ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def signed() -> tuple[Signed, int]:
    """A sign-off by b that counts, then two that do not, in one block, while a member goes."""
    ledger = Signed("a", "b", "c", "d", roles={"b": ("signer",)})
    ledger.record("a", OPENED)
    ledger.record("a", CLOSED)
    ledger.record("a", Revoked("d", "sold", True))
    ledger.decide()
    ledger.record("b", SIGNED)
    ledger.record("b", SIGNED)
    ledger.record("a", SIGNED)
    height = ledger.decide()
    return ledger, height


def shown(signed: tuple[Signed, int], index: int = 0) -> Effect:
    ledger, height = signed
    if height + 1 not in ledger.commits:
        ledger.decide()
    return prove_effect(ledger.genesis, ledger.commits.get, height, index)


def test_a_sign_off_is_shown_to_count_with_the_block_after_it(signed: tuple[Signed, int]) -> None:
    ledger, height = signed
    order = [tx.node for tx in ledger.commits[height].block.body]
    counts = order.index("b")
    if height + 1 not in ledger.commits:
        with pytest.raises(IndexError):
            prove_effect(ledger.genesis, ledger.commits.get, height, counts)
    proven = verify_effect(shown(signed, counts), ledger.genesis)
    assert isinstance(proven, Proven)
    assert (proven.record, proven.node, proven.height) == (SIGNED, "b", height)
    again = decode(encode(shown(signed, counts)), Effect)
    assert verify_effect(again, ledger.genesis) == proven


def test_what_means_nothing_is_not_shown(signed: tuple[Signed, int]) -> None:
    ledger, height = signed
    shown(signed, 0 if ledger.commits[height].block.body[0].node == "b" else 1)
    for index, tx in enumerate(ledger.commits[height].block.body):
        if tx.node == "a":
            with pytest.raises(ValueError, match="a may sign nothing"):
                prove_effect(ledger.genesis, ledger.commits.get, height, index)


def without_void(effect: Effect) -> Effect:
    return msgspec.structs.replace(effect, void=())


def other_next(effect: Effect) -> Effect:
    header = msgspec.structs.replace(effect.next.header, state_root=OTHER)
    return msgspec.structs.replace(effect, next=msgspec.structs.replace(effect.next, header=header))


def other_members(effect: Effect) -> Effect:
    voting, _ = effect.voting
    return msgspec.structs.replace(effect, voting=(voting, voting[1:]))


def no_more_than_final(effect: Effect) -> Effect:
    return msgspec.structs.replace(effect, next=effect.proof.steps[-1])


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (without_void, "came to something else"),
        (other_next, "has no certificate"),
        (other_members, "has other members than are named"),
        (no_more_than_final, "follows"),
    ],
)
def test_a_changed_showing_shows_nothing(
    signed: tuple[Signed, int], change: Callable[[Effect], Effect], why: str
) -> None:
    ledger, height = signed
    index = [tx.node for tx in ledger.commits[height].block.body].index("b")
    found = verify_effect(change(shown(signed, index)), ledger.genesis)
    assert isinstance(found, Malformed)
    assert why in found.reason


def test_void_for_it_is_no_effect(signed: tuple[Signed, int]) -> None:
    """Somebody shows a record that is final and void, with all that is true of its block."""
    ledger, height = signed
    body = ledger.commits[height].block.body
    index = [tx.node for tx in body].index("b")
    second = [at for at, tx in enumerate(body) if tx.node == "b"][1]
    effect = shown(signed, index)
    proof = prove(ledger.genesis, ledger.commits.get, height, second)
    found = verify_effect(msgspec.structs.replace(effect, proof=proof), ledger.genesis)
    assert found == Malformed("it means nothing: b has signed s already")

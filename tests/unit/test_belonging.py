"""Whom a gateway trusts follows its chain, and what it learnt outlives it; what is old means nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import cast

import msgspec
import pytest
from ledgers import Ledger, genesis

from gateway.belonging import BELONGING, Admission, Belonging
from gateway.cell.cell import Cell
from gateway.net.identity import Identity, Trust
from gateway.store.journal import Journal
from ledger.records import Party, Revoked

CHAIN = "line-x"
KEYS = {name: Identity.create(name) for name in ("belt", "anna", "carl", "virtual")}
OTHER = Identity.create("anna")


class Shut:
    """A cell, as far as it is told to end."""

    def __init__(self) -> None:
        self.why: list[str] = []
        self.kept: list[tuple[str, str, bytes]] = []

    def shut(self, why: str) -> None:
        self.why.append(why)

    def reopen(self, why: str) -> None:
        self.why.remove(why)

    def keep(self, table: str, key: str, data: bytes) -> None:
        self.kept.append((table, key, data))


def party(name: str, *roles: str, public: bytes = b"") -> Party:
    return Party(name, public or KEYS[name].public_bytes, "line", name == "belt", False, roles)


ALL = (party("belt"), party("anna", "commissioner"), party("carl", "operator", "of-tomorrow"))


def now(height: int, *parties: Party, gone: tuple[str, ...] = (), chain: str = CHAIN) -> Belonging:
    return Belonging(chain, height, parties, {name: KEYS[name].public_bytes for name in gone})


class Gateway:
    """``belt``, with a trust file that names all."""

    def __init__(self, folder: Path) -> None:
        self.journal = Journal(folder / "journal.sqlite")
        self.cell = Shut()
        self.begin()

    def begin(self, chain: str = CHAIN) -> None:
        """The process starts (again), after scans in which all was journalled."""
        for entry in self.cell.kept:
            self.journal.put(*entry)
        self.trust = Trust()
        for name, identity in KEYS.items():
            self.trust.add(name, identity.public_bytes, ("operator",) if name != "belt" else ())
        self.cell, self.rung = Shut(), 0
        self.admission = Admission(
            chain, KEYS["belt"], self.trust, self.journal.get(*BELONGING), cast(Cell, self.cell), self.ring
        )

    def ring(self) -> None:
        self.rung += 1


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Gateway]:
    made = Gateway(tmp_path)
    yield made
    made.journal.close()


def test_roles_are_the_chains_and_whom_it_never_had_is_known_by_the_file(gateway: Gateway) -> None:
    told: list[str] = []
    gateway.trust.watch(told.append)
    gateway.admission.learn(now(0, *ALL))
    assert gateway.trust.roles("anna") == {"commissioner"}
    assert gateway.trust.roles("carl") == {"operator"}  # a role of a later version is none
    assert gateway.trust.roles("virtual") == {"operator"}
    assert "anna" in told
    gateway.admission.learn(now(5, *ALL[:2], party("carl")))
    assert not gateway.trust.may("carl", "operator")
    assert gateway.trust.public_bytes("carl") is not None
    assert gateway.cell.why == []


def test_who_is_revoked_is_known_no_more_after_a_restart_either(gateway: Gateway) -> None:
    gateway.admission.learn(now(0, *ALL))
    gateway.admission.learn(now(7, *ALL[:2], gone=("carl",)))
    assert gateway.trust.public_bytes("carl") is None
    gateway.begin()
    assert gateway.trust.public_bytes("carl") is None
    gateway.admission.learn(now(0, *ALL))  # its copy of the chain was lost, and begins anew
    assert gateway.trust.public_bytes("carl") is None
    with pytest.raises(ValueError, match="revoked"):
        gateway.trust.add("carl", KEYS["carl"].public_bytes)


def test_another_key_is_the_chains_once_it_is_enrolled(gateway: Gateway) -> None:
    gateway.admission.learn(now(0, *ALL))
    gateway.admission.learn(now(3, ALL[0], ALL[2], gone=("anna",)))
    new = party("anna", "commissioner", public=OTHER.public_bytes)
    gateway.admission.learn(now(6, ALL[0], ALL[2], new))
    assert gateway.trust.public_bytes("anna") == OTHER.public_bytes
    gateway.begin()  # the trust file still has the old one
    assert gateway.trust.public_bytes("anna") == OTHER.public_bytes


def test_a_key_that_is_prepared_and_not_enrolled_yet_is_not_burnt(gateway: Gateway) -> None:
    gateway.trust.forget("anna")
    gateway.trust.add("anna", OTHER.public_bytes)
    gateway.admission.learn(now(0, *ALL))
    assert gateway.trust.public_bytes("anna") == KEYS["anna"].public_bytes
    gateway.admission.learn(now(3, ALL[0], ALL[2], gone=("anna",)))
    gateway.admission.learn(now(6, ALL[0], ALL[2], party("anna", public=OTHER.public_bytes)))
    assert gateway.trust.public_bytes("anna") == OTHER.public_bytes


@pytest.mark.parametrize(
    ("belonging", "why"),
    [
        (now(4, *ALL[1:], gone=("belt",)), "belt is revoked"),
        (now(4, *ALL[1:], party("belt", public=OTHER.public_bytes)), "belt has another key"),
    ],
)
def test_a_gateway_that_is_out_itself_ends_its_lease_also_after_a_restart(
    gateway: Gateway, belonging: Belonging, why: str
) -> None:
    gateway.admission.learn(now(0, *ALL))
    assert gateway.admission.problem == ""
    gateway.admission.learn(belonging)
    for _ in range(2):
        assert gateway.admission.problem.startswith(why)
        assert gateway.cell.why == [gateway.admission.problem]
        gateway.begin()


def test_a_gateway_that_came_back_by_another_key_is_in_again_once_its_copy_shows_that(
    gateway: Gateway,
) -> None:
    gateway.admission.learn(now(0, *ALL[1:], party("belt", public=OTHER.public_bytes)))
    assert len(gateway.cell.why) == 1
    gone = Belonging(CHAIN, 3, ALL[1:], {"belt": OTHER.public_bytes})
    gateway.admission.learn(gone)
    assert (gateway.admission.problem, gateway.cell.why) == ("", [])
    gateway.admission.learn(now(4, *ALL))
    assert gateway.cell.why == []


def test_what_is_learnt_is_journalled_with_the_next_scan(gateway: Gateway) -> None:
    """The disk may hang: whoever is told on the loop of the scan waits for none."""
    gateway.admission.learn(now(0, *ALL))
    assert gateway.journal.get(*BELONGING) is None
    assert [entry[:2] for entry in gateway.cell.kept] == [BELONGING]
    assert gateway.rung == 1


def test_who_is_revoked_is_not_heard_by_another_key_that_the_file_has(gateway: Gateway) -> None:
    gateway.admission.learn(now(3, *ALL[:1], ALL[2], gone=("anna",)))
    again = Trust()
    again.add("anna", OTHER.public_bytes, ("commissioner",))
    again.add("virtual", KEYS["virtual"].public_bytes, ("operator",))
    gateway.admission.above(again)
    assert again.public_bytes("anna") is None
    assert again.roles("virtual") == {"operator"}
    again.add("anna", OTHER.public_bytes)  # it may yet be enrolled


def test_who_was_never_enrolled_is_not_out(gateway: Gateway) -> None:
    gateway.admission.learn(now(9, *ALL[1:]))
    assert (gateway.admission.problem, gateway.cell.why) == ("", [])


def test_what_was_learnt_of_another_chain_means_nothing(gateway: Gateway) -> None:
    gateway.admission.learn(now(9, *ALL[1:], gone=("belt",)))
    gateway.begin("another-x")
    assert gateway.admission.problem == ""
    gateway.admission.learn(now(0, *ALL, chain="another-x"))
    assert gateway.trust.roles("anna") == {"commissioner"}


def test_it_is_as_the_chains_state_has_it() -> None:
    ledger = Ledger(genesis("abcde"))
    ledger.record("a", Revoked("e", "stolen"))
    ledger.decide()
    belonging = Belonging.of(ledger.chain.state)
    assert (belonging.chain, belonging.height, set(belonging.gone)) == (ledger.chain.id, 1, {"e"})
    assert [each.node for each in belonging.parties] == list("abcd")
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(belonging), type=Belonging) == belonging

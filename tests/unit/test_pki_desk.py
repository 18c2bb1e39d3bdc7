"""Who is let in: tokens once, renewals after an enrolment, nobody after a revocation."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import msgspec
import pytest
from desk_bench import INFEED, MINUTE, Bench, serials, why

from gateway.net.identity import Identity
from gateway.pki.certificates import DAY
from gateway.pki.credentials import enrolled
from gateway.pki.keys import make_next_keys, make_request
from gateway.pki.requests import CONTEXT, Answer, Asked, Request, read_request
from ledger import codec
from rig.pki.desk import Refused
from rig.pki.registry import FILE, Place


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with closing(Bench(tmp_path)) as found:
        yield found


def test_a_token_lets_one_node_in_once(bench: Bench) -> None:
    token = bench.token()
    first, second = bench.node("first"), bench.node("second")
    answer = bench.desk.enrol(make_request(first, token.secret))
    bench.install(first, answer)
    said = enrolled(first)
    assert said is not None
    assert (said.enrolment.kind, said.enrolment.roles) == ("gateway", ("viewer",))
    assert bench.desk.enrol(make_request(first, token.secret)) == answer  # the same keys: the same answer
    assert "used already, by other keys" in why(bench.desk.enrol(make_request(second, token.secret)))
    assert len(bench.registry.issued()) == 1


def test_the_same_answer_comes_after_the_token_ended_too(bench: Bench) -> None:
    token, folder = bench.token(), bench.node("infeed")
    answer = bench.desk.enrol(make_request(folder, token.secret))
    bench.now += 60 * MINUTE
    assert bench.desk.enrol(make_request(folder, token.secret)) == answer


def test_a_token_ends(bench: Bench) -> None:
    token = bench.token(valid=MINUTE)
    bench.now += MINUTE + 1
    said = why(bench.desk.enrol(make_request(bench.node("infeed"), token.secret)))
    assert "ended at 2027-01-15 08:01:00 UTC" in said
    assert "twinline pki enroll infeed" in said
    assert bench.registry.issued() == []
    assert bench.desk.invited() == []


@pytest.mark.parametrize(("node", "secret"), [("infeed", b"guessed it"), ("outfeed", None)])
def test_a_token_that_was_not_made_for_this_node_is_a_guess(
    bench: Bench, node: str, secret: bytes | None
) -> None:
    token = bench.token()
    refused = bench.desk.enrol(make_request(bench.node("other", node), secret or token.secret))
    assert isinstance(refused, Refused)
    assert refused.guess
    assert "not made here" in str(refused)
    assert bench.registry.issued() == []


def test_a_token_is_kept_as_its_hash_alone(bench: Bench) -> None:
    token = bench.token()
    bench.desk.enrol(make_request(bench.node("infeed"), token.secret))
    stored = b"".join(each.read_bytes() for each in bench.authority.folder.glob(f"{FILE}*"))
    assert token.hash in stored
    assert token.secret not in stored
    assert str(token).encode() not in stored


def test_a_place_is_taken_until_it_is_revoked(bench: Bench) -> None:
    early = bench.token()
    bench.enrol(bench.node("first"))
    assert "is enrolled until" in str(bench.desk.invite(INFEED, MINUTE))
    second = bench.node("second")
    assert "is enrolled until" in why(bench.desk.enrol(make_request(second, early.secret)))
    assert bench.desk.revoke("infeed", "card was swapped") == 1
    bench.enrol(second)


def test_who_is_revoked_gets_nothing_and_its_key_never_returns(bench: Bench) -> None:
    token, folder = bench.token(), bench.node("infeed", opcua=True)
    bench.install(folder, bench.desk.enrol(make_request(folder, token.secret)))
    open_one = bench.token(Place("outfeed", "gateway", "starter"))
    assert bench.desk.revoke("infeed", "stolen") == 1
    bench.desk.publish()
    assert bench.revoked() == serials(folder)
    assert "was revoked (stolen)" in why(bench.desk.enrol(make_request(folder, token.secret)))
    assert "was revoked (stolen)" in why(bench.desk.renew(bench.renewal(folder)))
    again = bench.token()
    assert "and revoked" in why(bench.desk.enrol(make_request(folder, again.secret)))
    # Nor as another node.
    Identity("outfeed", Identity.load(folder / "key.pem")._key).save(bench.folder / "moved.pem")
    moved = bench.node("moved", "outfeed")
    shutil.copy(bench.folder / "moved.pem", moved / "key.pem")
    assert "the key of infeed" in why(bench.desk.enrol(make_request(moved, open_one.secret)))


def test_a_revocation_withdraws_open_tokens(bench: Bench) -> None:
    token = bench.token()
    assert [place for place, _ in bench.desk.invited()] == [INFEED]
    assert bench.desk.revoke("infeed", "not needed") == 0
    assert bench.desk.invited() == []
    assert "not made here" in why(bench.desk.enrol(make_request(bench.node("infeed"), token.secret)))
    assert isinstance(bench.desk.revoke("infeed", "again"), Refused)


def test_a_renewal_keeps_the_keys_and_follows(bench: Bench) -> None:
    folder = bench.enrol(bench.node("infeed"))
    keys = {path: path.read_bytes() for path in folder.rglob("key.pem")}
    first = enrolled(folder)
    bench.now += 300 * DAY
    asked = bench.renewal(folder)
    answer = bench.desk.renew(asked)
    assert bench.desk.renew(bench.renewal(folder)) == answer  # asked again before it was put in place
    bench.install(folder, answer)
    second = enrolled(folder)
    assert first is not None
    assert second is not None
    assert second.enrolment.before - first.enrolment.before == 300 * DAY
    assert second.enrolment.roles == first.enrolment.roles
    assert {path: path.read_bytes() for path in folder.rglob("key.pem")} == keys
    assert bench.revoked() == set()
    assert bench.desk.renew(asked) == answer  # an old request brings nothing new


def test_a_renewal_with_new_keys_revokes_the_old_certificates(bench: Bench) -> None:
    folder = bench.enrol(bench.node("infeed", opcua=True))
    old, stolen = serials(folder), bench.folder / "stolen"
    shutil.copytree(folder, stolen)
    make_next_keys(folder)
    bench.install(folder, bench.desk.renew(bench.renewal(folder)))
    assert bench.revoked() == old
    assert serials(folder).isdisjoint(old)
    make_next_keys(stolen)  # the copied keys renew no more
    assert "not infeed as it is enrolled" in why(bench.desk.renew(bench.renewal(stolen)))


def test_a_renewal_is_signed_by_the_node_and_by_the_certificate_that_it_has(bench: Bench) -> None:
    folder = bench.enrol(bench.node("infeed"))
    other = bench.enrol(bench.node("outfeed", "outfeed"), Place("outfeed", "gateway", "starter"))
    read = read_request(bench.renewal(folder))
    assert isinstance(read, tuple)
    asked, request = read
    identity = Identity.load(folder / "key.pem")

    def ask(request: Request, signer: Identity, held: bytes) -> Answer | Refused:
        data = codec.encode(request)
        return bench.desk.renew(codec.encode(Asked(data, signer.sign(CONTEXT, data), held)))

    assert isinstance(ask(request, identity, asked.held), Answer)
    bench.now += DAY
    fresh = bench.desk.listed()[0].answer.enrolment.enrolment.serial
    later = msgspec.structs.replace(request, renews=fresh)
    assert "not infeed as it is" in why(ask(later, identity, b""))
    assert "not infeed as it is" in why(ask(later, identity, asked.held))  # of the first request
    stranger = Identity.load(other / "key.pem")
    assert "no request" in why(ask(later, stranger, asked.held))
    posing = msgspec.structs.replace(later, public=stranger.public_bytes)
    assert "not infeed as it is" in why(ask(posing, stranger, asked.held))


def test_a_renewal_comes_a_month_late_and_no_later(bench: Bench) -> None:
    folder = bench.enrol(bench.node("infeed"))
    bench.now += 366 * DAY
    assert isinstance(bench.desk.renew(bench.renewal(folder)), Answer)
    other = bench.folder / "other"
    shutil.copytree(folder, other)
    bench.install(folder, bench.desk.renew(bench.renewal(folder)))
    assert isinstance(bench.desk.renew(bench.renewal(other)), Answer)
    bench.now += 396 * DAY
    assert "its enrolment ended" in why(bench.desk.renew(bench.renewal(folder)))


def test_a_request_that_was_carried_by_hand(bench: Bench) -> None:
    folder = bench.node("infeed")
    data = make_request(folder)
    assert "has no token" in why(bench.desk.enrol(data))
    answer = bench.desk.enrol_by_hand(data, INFEED)
    bench.install(folder, answer)
    assert bench.desk.enrol_by_hand(data, INFEED) == answer
    assert "is of infeed" in why(bench.desk.enrol_by_hand(data, Place("outfeed", "gateway", "starter")))
    assert "is enrolled until" in why(bench.desk.enrol_by_hand(make_request(bench.node("b")), INFEED))


@pytest.mark.parametrize(
    ("place", "said"),
    [
        (Place("In Feed", "gateway", "starter"), "is not an id"),
        (Place("mosquitto", "broker", "starter"), "give --host"),
        (Place("infeed", "gateway", ""), "is no owner"),
    ],
)
def test_a_place_that_is_none(bench: Bench, place: Place, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        bench.desk.invite(place, MINUTE)


def test_what_is_no_request_issues_nothing(bench: Bench) -> None:
    data = make_request(bench.node("infeed"), bench.token().secret)
    for bad in (b"", b"x" * 100, data[:-1], data + b"\0", b"\xc1" * 40_000):
        assert "is no request" in why(bench.desk.enrol(bad))
    assert bench.registry.issued() == []

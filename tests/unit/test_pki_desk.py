"""Who is let in: tokens once, renewals after an enrolment, nobody after a revocation."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Collection, Iterator
from pathlib import Path

import msgspec
import pytest
from cryptography import x509

from gateway.errors import BadInput
from gateway.net.identity import Identity
from gateway.pki import certificates
from gateway.pki.certificates import DAY
from gateway.pki.credentials import enrolled, install
from gateway.pki.keys import make_keys, make_next_keys, make_request
from gateway.pki.requests import CONTEXT, Answer, Asked, Request, read_request
from gateway.pki.token import Token, read_token
from ledger import codec
from rig.pki.authority import CRL, Authority
from rig.pki.desk import Desk, Refused
from rig.pki.registry import FILE, Place, Registry

NOW = 1_800_000_000 * 10**9
MINUTE = 60 * 10**9
INFEED = Place("infeed", "gateway", "starter", ("viewer",))


class Bench:
    """An authority with its desk, and a clock that a test sets."""

    def __init__(self, folder: Path, made: Authority) -> None:
        self.folder, self.now = folder, NOW
        self.authority = Authority(folder / "authority", made.root, made.issuing, made._key)
        self.authority.folder.mkdir()
        self.registry = Registry(self.authority.folder)
        self.desk = Desk(self.authority, self.registry, lambda: self.now)
        self.desk.publish()

    def token(self, place: Place = INFEED, valid: int = 10 * MINUTE) -> Token:
        made = self.desk.invite(place, valid)
        assert isinstance(made, Token), made
        return made

    def node(self, name: str, node: str = "infeed", opcua: bool = False) -> Path:
        """A folder with new keys."""
        make_keys(self.folder / name, node, opcua)
        return self.folder / name

    def enrol(self, folder: Path, place: Place = INFEED) -> Path:
        answer = self.desk.enrol(make_request(folder, self.token(place).secret))
        self.install(folder, answer)
        return folder

    def install(self, folder: Path, answer: Answer | Refused) -> None:
        assert isinstance(answer, Answer), answer
        install(folder, answer, certificates.fingerprint(self.authority.root), self.now)

    def renewal(self, folder: Path) -> bytes:
        held = enrolled(folder)
        assert held is not None
        return make_request(folder, renews=held.enrolment.serial)

    def revoked(self) -> set[int]:
        found = x509.load_pem_x509_crl((self.authority.folder / CRL).read_bytes())
        return {each.serial_number for each in found}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.create(tmp_path_factory.mktemp("made"), "starter", None, now=NOW)


@pytest.fixture
def bench(tmp_path: Path, made: Authority) -> Iterator[Bench]:
    found = Bench(tmp_path, made)
    yield found
    found.registry.close()


def why(answer: Answer | Refused) -> str:
    assert isinstance(answer, Refused)
    return str(answer)


def serials(folder: Path) -> set[int]:
    leaf = certificates.read_certificates(folder / "tls/cert.pem")[0]
    own = x509.load_der_x509_certificate((folder / "opcua/cert.der").read_bytes())
    return {leaf.serial_number, own.serial_number}


def test_a_token_reads_back_however_it_is_typed() -> None:
    token = Token("infeed", bytes(range(16)), bytes(range(10)))
    text = str(token)
    assert len(text) == len("infeed.") + 45 + 8
    for typed in (text, f" {text.lower()} ", text.replace("-", ""), text.replace("O", "0")):
        assert read_token(typed) == token


def test_no_slip_in_a_token_goes_unnoticed() -> None:
    text = str(Token("infeed", bytes(range(16)), bytes(range(10))))
    assert "is no token" in _refusal(text[:-1])
    assert "is no token" in _refusal("infeed")
    assert "is no token" in _refusal(text.replace(".", ""))
    assert "is no token" in _refusal(text[:-1] + "!")
    assert "slip" in _refusal(text.replace("infeed", "infed"))
    start = text.index(".") + 1
    for at in range(start, len(text) - 1):  # the last letter has bits that stand for nothing
        if text[at] != "-":
            other = "A" if text[at] != "A" else "B"
            assert "slip" in _refusal(text[:at] + other + text[at + 1 :])


def _refusal(text: str) -> str:
    with pytest.raises(ValueError) as raised:
        read_token(text)
    return str(raised.value)


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


def test_two_at_once_get_one_certificate(bench: Bench) -> None:
    """Through connections of their own, as two processes of the authority would."""
    token = bench.token()
    requests = [make_request(bench.node(f"node-{at}"), token.secret) for at in range(4)]
    answers: list[Answer | Refused] = []
    together = threading.Barrier(len(requests))

    def ask(data: bytes) -> None:
        registry = Registry(bench.authority.folder)
        together.wait()
        answers.append(Desk(bench.authority, registry, lambda: NOW).enrol(data))
        registry.close()

    threads = [threading.Thread(target=ask, args=(data,)) for data in requests]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 4
    assert sum(isinstance(each, Answer) for each in answers) == 1
    assert len(bench.registry.issued()) == 1


def test_nothing_is_issued_where_the_disk_does_not_take_it(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    token, folder = bench.token(), bench.node("infeed")

    def fail(*_: object) -> None:
        raise OSError("disk full")

    with monkeypatch.context() as patched:
        patched.setattr(bench.registry, "use", fail)
        with pytest.raises(OSError, match="disk full"):
            bench.desk.enrol(make_request(folder, token.secret))
    assert bench.registry.issued() == []
    bench.install(folder, bench.desk.enrol(make_request(folder, token.secret)))


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


def test_a_registry_that_is_none_is_said_so(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"this is no database, and longer than its header" * 10)
    with pytest.raises(BadInput, match="file is not a database"):
        Registry(tmp_path)


def test_a_full_disk_is_said_and_changes_nothing(bench: Bench) -> None:
    """SQLite's own bound on the file's size gives the very error."""
    token, folder = bench.token(), bench.node("infeed", opcua=True)
    pages = bench.registry._db.execute("PRAGMA page_count").fetchone()[0]
    bench.registry._db.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(BadInput, match=r"full.*nothing was changed"):
        bench.desk.enrol(make_request(folder, token.secret))
    bench.registry._db.execute("PRAGMA max_page_count = 100000")
    assert bench.registry.issued() == []
    bench.install(folder, bench.desk.enrol(make_request(folder, token.secret)))


# --- beside other processes, and after what went wrong ------------------------------------------------------


def test_nobody_revokes_between_reading_and_writing_the_list(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As ``twinline pki serve`` and ``pki revoke`` in two processes: else the older list came back."""
    folder = bench.enrol(bench.node("infeed", opcua=True))
    registry = Registry(bench.authority.folder)
    registry._db.execute("PRAGMA busy_timeout = 0")
    beside = Desk(bench.authority, registry, lambda: bench.now)
    written = Authority.revoke

    def write(authority: Authority, serials: Collection[tuple[int, int]], *, now: int) -> None:
        with pytest.raises(BadInput, match="locked"):
            beside.revoke("infeed", "stolen")
        written(authority, serials, now=now)

    with monkeypatch.context() as patched:
        patched.setattr(Authority, "revoke", write)
        bench.desk.publish()
    assert beside.revoke("infeed", "stolen") == 1
    beside.publish()
    registry.close()
    assert bench.revoked() == serials(folder)


def test_a_list_that_was_not_written_is_written_when_the_node_asks_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = bench.enrol(bench.node("infeed", opcua=True))
    old = serials(folder)
    make_next_keys(folder)
    asked = bench.renewal(folder)

    def full(*_: object, **__: object) -> None:
        raise OSError("no space left")

    with monkeypatch.context() as patched:
        patched.setattr(Authority, "revoke", full)
        with pytest.raises(OSError, match="no space"):
            bench.desk.renew(asked)
    assert bench.revoked() == set()
    bench.install(folder, bench.desk.renew(asked))
    assert bench.revoked() == old


def test_by_hand_too(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    first = bench.node("first", opcua=True)
    bench.install(first, bench.desk.enrol_by_hand(make_request(first), INFEED))
    (second := bench.folder / "second").mkdir()
    shutil.copy(first / "key.pem", second / "key.pem")  # the same node, with other keys for TLS
    asked = make_request(bench.node("second", opcua=True))

    def full(*_: object, **__: object) -> None:
        raise OSError("no space left")

    with monkeypatch.context() as patched:
        patched.setattr(Authority, "revoke", full)
        with pytest.raises(OSError, match="no space"):
            bench.desk.enrol_by_hand(asked, INFEED)
    assert isinstance(bench.desk.enrol_by_hand(asked, INFEED), Answer)
    assert bench.revoked() == serials(first)


def test_who_serves_issues_under_the_certificate_that_came_meanwhile(tmp_path: Path) -> None:
    folder = tmp_path / "authority"
    Authority.create(folder, "starter", "a long passphrase", now=NOW)
    registry, now = Registry(folder), NOW + 700 * DAY
    desk = Desk(Authority.open(folder), registry, lambda: now)
    made = Authority.renew(folder, "a long passphrase", now=now)
    make_keys(tmp_path / "node", "infeed", opcua=False)
    answer = desk.enrol_by_hand(make_request(tmp_path / "node"), INFEED)
    assert isinstance(answer, Answer)
    assert answer.issuing == certificates.der(made.issuing)
    assert answer.enrolment.enrolment.before == now + 365 * DAY  # the old one ends in 30 days
    desk.publish()
    listed = x509.load_pem_x509_crl((folder / CRL).read_bytes())
    assert listed.next_update_utc == made.issuing.not_valid_after_utc
    registry.close()


@pytest.mark.parametrize("left", [None, b""], ids=["missing", "empty"])
def test_a_registry_that_is_gone_is_not_made_anew_beside_an_authority(
    tmp_path: Path, made: Authority, left: bytes | None
) -> None:
    folder = tmp_path / "authority"
    shutil.copytree(made.folder, folder)
    (folder / FILE).unlink()
    if left is not None:
        (folder / FILE).write_bytes(left)
    with pytest.raises(BadInput, match=r"missing or empty.*restore it from a backup"):
        Registry(folder)
    assert left is not None or not (folder / FILE).exists()

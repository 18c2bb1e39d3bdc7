"""The authority's desk beside other processes, on a disk that is full, and after what went wrong."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Collection, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from cryptography import x509
from desk_bench import INFEED, NOW, Bench, serials

from gateway.errors import BadInput
from gateway.pki import certificates
from gateway.pki.certificates import DAY
from gateway.pki.keys import make_keys, make_next_keys, make_request
from gateway.pki.requests import Answer
from rig.pki.authority import CRL, Authority
from rig.pki.desk import Desk, Refused
from rig.pki.registry import FILE, Registry


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with closing(Bench(tmp_path)) as found:
        yield found


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


def test_a_registry_that_is_none_is_said_so(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"this is no database, and longer than its header" * 10)
    with pytest.raises(BadInput, match="file is not a database"):
        Registry(tmp_path)


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


def test_one_of_a_request_by_hand_too(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
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
    tmp_path: Path, left: bytes | None
) -> None:
    folder = tmp_path / "authority"
    Authority.create(folder, "starter", None, now=NOW)
    (folder / FILE).unlink()
    if left is not None:
        (folder / FILE).write_bytes(left)
    with pytest.raises(BadInput, match=r"missing or empty.*restore it from a backup"):
        Registry(folder)
    assert left is not None or not (folder / FILE).exists()

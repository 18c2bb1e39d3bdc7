"""Lists of the revoked: made with the authority, brought to its nodes, never from elsewhere, never older."""

from __future__ import annotations

import shutil
import subprocess
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509

from gateway.errors import BadInput
from gateway.net.identity import Identity
from gateway.pki.certificates import DAY, moment, read_certificates
from gateway.pki.credentials import OpcuaFiles, TlsFiles, read_revoked, take_lists
from gateway.pki.keys import make_keys, make_request
from gateway.pki.revocation import List, overdue, read_lists, taken_back
from rig.pki.admission import admit
from rig.pki.authority import CRL, ISSUING_LASTS, ROOT_CRL, Authority
from rig.pki.desk import LATE, Desk
from rig.pki.registry import Place, Registry

NOW = time.time_ns()
OPENSSL = shutil.which("openssl")


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.create(tmp_path_factory.mktemp("line") / "authority", "starter", "secret", now=NOW)


def give(authority: Authority, folder: Path, node: str) -> x509.Certificate:
    admit(authority, folder / node, Identity.create(node), "gateway", now=NOW, opcua=True)
    return read_certificates(TlsFiles.of(folder / node / "tls").certificate)[0]


def in_opcua(folder: Path) -> list[List]:
    return [each for path in OpcuaFiles.of(folder / "opcua").ca.glob("*.crl")
            for each in read_lists(path.read_bytes())]  # fmt: skip


def test_a_new_authority_has_both_lists_and_they_last_as_long_as_it_does(authority: Authority) -> None:
    ends = authority.issuing.not_valid_after_utc
    for name, signer in ((CRL, authority.issuing), (ROOT_CRL, authority.root)):
        [found] = read_lists((authority.folder / name).read_bytes())
        assert found.is_signature_valid(signer.public_key())  # type: ignore[arg-type]
        assert (len(found), found.next_update_utc) == (0, ends)
    assert len(read_lists(authority.lists)) == 2


def test_a_node_gets_them_for_tls_and_opcua_and_newer_ones_in_their_place(
    authority: Authority, tmp_path: Path
) -> None:
    leaf, gone = give(authority, tmp_path, "infeed"), give(authority, tmp_path, "gone")
    folder = tmp_path / "infeed"
    assert [len(each) for each in read_revoked(TlsFiles.of(folder / "tls"))] == [0, 0]
    old = authority.lists
    authority.revoke([(gone.serial_number, NOW)], now=NOW + DAY)
    for data in (authority.lists, old):  # what is older does not undo it
        lists = take_lists(folder, data)
        assert taken_back(gone, [authority.root, authority.issuing], lists)
        assert not taken_back(leaf, [authority.root, authority.issuing], lists)
    assert sorted(len(each) for each in in_opcua(folder)) == [0, 1]


@pytest.mark.skipif(OPENSSL is None, reason="openssl is not installed")
def test_openssl_checks_the_whole_chain_by_them(authority: Authority, tmp_path: Path) -> None:
    """Which wants the list of every authority, the root's too."""
    give(authority, tmp_path, "fine")
    taken = give(authority, tmp_path, "taken")
    authority.revoke([(taken.serial_number, NOW)], now=NOW + 2 * DAY)

    def verify(node: str) -> str:
        tls = TlsFiles.of(tmp_path / node / "tls")
        take_lists(tmp_path / node, authority.lists)
        at = str(NOW // 10**9 + 3 * DAY // 10**9)
        command = [OPENSSL or "", "verify", "-attime", at, "-crl_check_all", "-CAfile", str(tls.ca)]
        done = subprocess.run(
            [*command, "-CRLfile", str(tls.revoked), str(tls.certificate)], capture_output=True, text=True
        )
        return done.stdout + done.stderr

    assert verify("fine").endswith("OK\n")
    assert "certificate revoked" in verify("taken")


def test_lists_of_another_authority_are_not_taken(authority: Authority, tmp_path: Path) -> None:
    give(authority, tmp_path, "outfeed")
    foreign = Authority.create(tmp_path / "foreign", "starter", None, now=NOW)
    before = TlsFiles.of(tmp_path / "outfeed/tls").revoked.read_bytes()
    for data, why in ((foreign.lists, "not signed by this line's authority"), (b"x", "no readable list")):
        with pytest.raises(BadInput, match=why):
            take_lists(tmp_path / "outfeed", data)
    assert TlsFiles.of(tmp_path / "outfeed/tls").revoked.read_bytes() == before


def test_reissuing_gives_both_more_time_and_forgets_nobody(tmp_path: Path) -> None:
    made = Authority.create(tmp_path / "authority", "starter", "secret", now=NOW)
    leaf = give(made, tmp_path, "gone")
    made.revoke([(leaf.serial_number, NOW)], now=NOW)
    later = NOW + ISSUING_LASTS - 30 * DAY
    past = datetime.fromtimestamp((NOW + ISSUING_LASTS + DAY) // 10**9, UTC)
    late = overdue(read_lists(made.lists), past)
    assert "starter issuing ran out on" in late
    assert "starter root ran out on" in late
    again = Authority.renew(made.folder, "secret", now=later)
    lists = read_lists(again.lists)
    assert overdue(lists, past) == ""
    assert {each.next_update_utc for each in lists} == {again.issuing.not_valid_after_utc}
    assert taken_back(leaf, [again.root, again.issuing], lists)


def test_a_list_does_not_grow_for_ever(tmp_path: Path) -> None:
    """Who has been refused for his certificate's time alone for long needs no entry."""
    made, now = Authority.create(tmp_path / "authority", "starter", None, now=NOW), NOW
    registry = Registry(made.folder)
    desk = Desk(made, registry, lambda: now)
    for node in ("one", "two"):
        folder = tmp_path / node
        make_keys(folder, node, opcua=False)
        assert not isinstance(desk.enrol_by_hand(make_request(folder), Place(node, "witness", "Ltd")), tuple)
        desk.revoke(node, "stolen")
        desk.publish()
        now += 200 * DAY
    assert len(read_lists((made.folder / CRL).read_bytes())[0]) == 2
    now = NOW + 365 * DAY + LATE + DAY
    desk.publish()
    [left] = read_lists((made.folder / CRL).read_bytes())
    assert [each.revocation_date_utc for each in left] == [moment(NOW + 200 * DAY)]
    registry.close()

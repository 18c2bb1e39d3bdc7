"""Nodes of the authority's own machine: let in once, again where what they have serves no more."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from cryptography import x509

from gateway.errors import BadInput
from gateway.net.identity import Identity
from gateway.pki import certificates
from gateway.pki.certificates import ASKS, DAY, SERVES
from gateway.pki.credentials import enrolled
from gateway.pki.keys import make_keys, make_next_keys
from rig.acl import Admitted, rights
from rig.pki.admission import admit
from rig.pki.authority import Authority
from rig.pki.desk import Desk
from rig.pki.registry import Registry
from rig.pki.roster import broker_at, roster

NOW = time.time_ns()


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.create(tmp_path_factory.mktemp("line"), "starter", None, now=NOW)


def revoke(authority: Authority, node: str) -> None:
    registry = Registry(authority.folder)
    Desk(authority, registry, lambda: NOW).revoke(node, "stolen")
    registry.close()


def test_what_serves_stays_and_what_ends_follows(authority: Authority, tmp_path: Path) -> None:
    folder, identity = tmp_path / "infeed", Identity.create("infeed")
    first = admit(authority, folder, identity, "gateway", now=NOW, opcua=True)
    assert admit(authority, folder, identity, "gateway", now=NOW, opcua=True) == first
    later = NOW + 340 * DAY
    second = admit(authority, folder, identity, "gateway", now=later, opcua=True)
    assert second.enrolment.before > first.enrolment.before
    assert second.enrolment.public == first.enrolment.public == identity.public_bytes
    registry = Registry(authority.folder)
    assert [each.place.node for each in registry.issued("infeed")] == ["infeed"] * 2
    registry.close()


def test_a_key_for_opcua_that_is_added_gets_its_certificate(authority: Authority, tmp_path: Path) -> None:
    folder, identity = tmp_path / "node", Identity.create("screw")
    admit(authority, folder, identity, "gateway", now=NOW)
    assert not (folder / "opcua").exists()
    admit(authority, folder, identity, "gateway", now=NOW, opcua=True)
    assert (folder / "opcua/cert.der").exists()


def test_a_broker_that_moves_gets_a_certificate_for_where_it_is(authority: Authority, tmp_path: Path) -> None:
    folder, identity = tmp_path / "broker", make_keys(tmp_path / "broker", "broker", opcua=False)
    for hosts in (["10.0.0.5"], ["10.0.0.6", "broker.works"]):
        admit(authority, folder, identity, "broker", now=NOW, hosts=hosts)
        leaf = certificates.read_certificates(folder / "tls/cert.pem")[0]
        assert all(host in str(leaf.extensions) for host in hosts)


def test_a_controller_is_reached_over_opcua_and_is_nobody_else(authority: Authority, tmp_path: Path) -> None:
    folder, identity = tmp_path / "plc", Identity.create("plc")
    with pytest.raises(ValueError, match="a controller needs the names by which it is reached"):
        admit(authority, folder, identity, "controller", now=NOW, opcua=True)
    held = admit(authority, folder, identity, "controller", now=NOW, hosts=["10.0.0.7"], opcua=True)
    own = x509.load_der_x509_certificate((folder / "opcua/cert.der").read_bytes())
    assert "10.0.0.7" in str(own.extensions)
    for purpose in (SERVES, ASKS):  # it polls what a gateway serves, too
        assert certificates.check(own, authority.issuing, authority.root, NOW, purpose) == ""
    tls = certificates.read_certificates(folder / "tls/cert.pem")[0]
    assert "not one to ask" in certificates.check(tls, authority.issuing, authority.root, NOW, ASKS)
    assert "10.0.0.7" not in str(tls.extensions)
    assert held.enrolment.roles == ()
    assert roster(authority, {}, NOW).public_bytes("plc") is None
    assert rights("starter", Admitted("plc", "controller")) == ((), ())


def test_other_roles_are_a_new_enrolment_of_the_same_key(authority: Authority, tmp_path: Path) -> None:
    folder, identity = tmp_path / "anna", Identity.create("anna")
    admit(authority, folder, identity, "operator", now=NOW, roles=["operator"])
    admit(authority, folder, identity, "operator", now=NOW, roles=["viewer"])
    held = enrolled(folder)
    assert held is not None
    assert held.enrolment.roles == ("viewer",)
    back = admit(authority, folder, identity, "operator", now=NOW, roles=["operator"])
    assert back.enrolment.roles == ("operator",)
    make_next_keys(folder)
    admit(authority, folder, identity, "operator", now=NOW, roles=["signer"])  # with new keys for TLS, too
    admit(authority, folder, identity, "operator", now=NOW, roles=["viewer"])
    registry = Registry(authority.folder)
    roles = [each.place.roles[0] for each in registry.issued("anna")]
    assert roles == ["operator", "viewer", "operator", "signer", "viewer"]
    registry.close()


def test_who_is_revoked_or_another_is_not_let_in(authority: Authority, tmp_path: Path) -> None:
    folder, identity = tmp_path / "glue", Identity.create("glue")
    admit(authority, folder, identity, "gateway", now=NOW)
    with pytest.raises(BadInput, match="glue is enrolled until"):
        admit(authority, tmp_path / "other", Identity.create("glue"), "gateway", now=NOW)
    revoke(authority, "glue")
    with pytest.raises(BadInput, match="revoked"):
        admit(authority, folder, identity, "gateway", now=NOW)
    assert admit(authority, tmp_path / "new", Identity.create("glue"), "gateway", now=NOW).enrolment.node


def test_a_roster_says_who_is_not_enrolled_all_at_once(authority: Authority, tmp_path: Path) -> None:
    paint, dry = Identity.create("paint"), Identity.create("dry")
    admit(authority, tmp_path / "paint", paint, "gateway", now=NOW)
    admit(authority, tmp_path / "dry", dry, "witness", now=NOW)
    admit(authority, tmp_path / "bert", Identity.create("bert"), "operator", now=NOW, roles=["viewer"])
    found = roster(authority, {"paint": "gateway", "bert": "operator"}, NOW)
    assert (found.public_bytes("paint"), found.roles("paint")) == (paint.public_bytes, frozenset())
    assert (found.roles("bert"), found.owner("bert")) == ({"viewer"}, "starter")
    assert found.public_bytes("dry") == dry.public_bytes  # all are known, not only who is asked for
    admit(authority, tmp_path / "bert", Identity.create("bert"), "operator", now=NOW, roles=["signer"])
    bert = found.public_bytes("bert")
    revoke(authority, "bert")
    found = roster(authority, {"paint": "gateway"}, NOW)
    assert found.public_bytes("bert") is None
    assert bert is not None
    with pytest.raises(ValueError, match="is revoked"):
        found.add("carl", bert)
    with pytest.raises(BadInput) as raised:
        roster(authority, {"nobody": "gateway", "bert": "operator", "dry": "gateway"}, NOW)
    said = [str(each) for each in raised.value.problems]
    assert any("nobody is not enrolled yet; twinline pki enroll nobody --as gateway --pki" in e for e in said)
    assert any("bert is revoked (stolen)" in each for each in said)
    assert any("dry is enrolled as witness, and the line needs a gateway" in each for each in said)
    with pytest.raises(BadInput, match="the enrolment of paint ended on"):
        roster(authority, {"paint": "gateway"}, NOW + 366 * DAY)
    admit(authority, tmp_path / "mqtt", Identity.create("mqtt"), "broker", now=NOW, hosts=["10.9.9.9"])
    assert broker_at(authority, "10.9.9.9", NOW) == "mqtt"
    with pytest.raises(BadInput, match=r"no broker is enrolled for 10\.9\.9\.8; twinline pki enroll broker"):
        broker_at(authority, "10.9.9.8", NOW)

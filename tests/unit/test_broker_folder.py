"""What a broker is told follows whom the authority has let in, and whom it has revoked since."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from cryptography import x509
from typer.testing import CliRunner

from gateway.errors import BadInput
from gateway.net.identity import Identity
from gateway.pki.certificates import DAY, read_certificates
from rig.brokercommand import app
from rig.brokerfiles import ACL, CONF, REVOKED, replaced
from rig.line import load_line
from rig.pki.admission import admit
from rig.pki.authority import Authority
from rig.pki.desk import Desk
from rig.pki.registry import Registry
from rig.prepare import AUTHORITY, BROKER, prepare, tls_of

BELT = Path(__file__).parents[1] / "e2e/data/belt/lines/one.yaml"


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    into = tmp_path_factory.mktemp("keys")
    list(prepare(load_line(BELT), into, ("mqtts://10.0.0.5:9883",), "anna", hosts=("broker.works",)))
    return into


def users(keys: Path) -> set[str]:
    said = (keys / BROKER / ACL).read_text().splitlines()
    return {line.removeprefix("user ") for line in said if line.startswith("user ")}


def test_prepared_brokers_know_everybody(keys: Path) -> None:
    assert users(keys) == {"anna", "belt", "inspector", "witness-1", "witness-2", "witness-3"}
    settings = (keys / BROKER / CONF).read_text().splitlines()
    for wanted in ("listener 9883", "require_certificate true", "allow_anonymous false", f"acl_file {ACL}"):
        assert wanted in settings
    files = tls_of(keys, BROKER)
    assert files is not None
    names = (
        read_certificates(files.certificate)[0]
        .extensions.get_extension_for_class(x509.SubjectAlternativeName)
        .value
    )
    assert [str(each) for each in names.get_values_for_type(x509.IPAddress)] == ["10.0.0.5"]
    assert names.get_values_for_type(x509.DNSName) == ["broker.works"]


def test_who_is_revoked_is_left_out(keys: Path) -> None:
    authority = Authority.open(keys / AUTHORITY)
    registry = Registry(authority.folder)
    desk = Desk(authority, registry, time.time_ns)
    desk.revoke("witness-3", "stolen")
    desk.publish()
    registry.close()
    done = CliRunner().invoke(app, [str(keys / BROKER), "--pki", str(keys / AUTHORITY), "--port", "9883"])
    assert done.exit_code == 0, done.output
    assert "witness-3" not in done.output
    assert users(keys) == {"anna", "belt", "inspector", "witness-1", "witness-2"}
    revoked = x509.load_pem_x509_crl((keys / BROKER / REVOKED).read_bytes())
    shown = read_certificates(keys / "witness-3/tls/cert.pem")[0]
    assert [each.serial_number for each in revoked] == [shown.serial_number]
    assert "restart it" not in done.output
    now = time.time_ns()
    admit(authority, keys / "anew", Identity.create("witness-3"), "witness", now=now)
    done = CliRunner().invoke(app, [str(keys / BROKER), "--pki", str(keys / AUTHORITY), "--port", "9883"])
    assert "restart it" in done.output
    assert "witness-3 got another certificate" in done.output
    assert replaced(authority, now + 366 * DAY) == {}  # the old one has ended by itself


def test_nothing_is_prepared_in_the_clear(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="everything in the clear to another machine"):
        list(prepare(load_line(BELT), tmp_path / "out", ("mqtt://10.0.0.5",), "anna"))
    assert not (tmp_path / "out").exists()

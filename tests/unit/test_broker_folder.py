"""What a broker is told follows whom the authority has let in, and whom it has revoked since."""

from __future__ import annotations

import socket
import time
from pathlib import Path

import pytest
from click.testing import Result
from cryptography import x509
from typer.testing import CliRunner

from gateway.errors import BadInput
from gateway.net.identity import Identity
from gateway.net.tls import LineContext, WrongPeer
from gateway.pki.certificates import DAY, read_certificates
from rig.brokercommand import app
from rig.brokerfiles import ACL, CONF, REVOKED, replaced
from rig.line import load_line
from rig.open import Options, broker_of
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


def config(keys: Path, node: str, pki: Path, *options: str) -> Result:
    return CliRunner().invoke(app, [str(keys / node), "--pki", str(pki), *options])


def listener(keys: Path) -> str:
    settings = (keys / BROKER / CONF).read_text().splitlines()
    return next(line for line in settings if line.startswith("listener"))


def test_made_anew_it_listens_where_it_did(keys: Path) -> None:
    pki = keys / AUTHORITY
    assert config(keys, BROKER, pki, "--port", "9884", "--at", "10.0.0.5").exit_code == 0
    assert listener(keys) == "listener 9884 10.0.0.5"
    assert "it listens at port 9884 of 10.0.0.5" in config(keys, BROKER, pki).output
    assert listener(keys) == "listener 9884 10.0.0.5"
    assert config(keys, BROKER, pki, "--port", "9883", "--at", "").exit_code == 0
    assert listener(keys) == "listener 9883"


def test_another_nodes_folder_and_another_authority_are_refused(keys: Path, tmp_path: Path) -> None:
    before = (keys / BROKER / ACL).read_text()
    for node, why in (("belt", "is the folder of belt, a gateway"), ("anna", "is the folder of anna")):
        refused = config(keys, node, keys / AUTHORITY)
        assert isinstance(refused.exception, BadInput)
        assert why in str(refused.exception)
        assert not (keys / node / ACL).exists()
    theirs = Authority.create(tmp_path / "theirs", "one", None, now=time.time_ns())
    refused = config(keys, BROKER, theirs.folder)
    assert isinstance(refused.exception, BadInput)
    assert "was enrolled by another authority" in str(refused.exception)
    assert Authority.open(keys / AUTHORITY).root_hex in str(refused.exception)
    assert (keys / BROKER / ACL).read_text() == before


def test_a_session_finds_the_broker_that_the_gateways_were_prepared_for(keys: Path, tmp_path: Path) -> None:
    line, options = load_line(BELT), Options(BELT, keys=keys)
    assert broker_of(line, options) == "mqtts://10.0.0.5:9883"
    assert broker_of(line, options._replace(broker="mqtts://other")) == "mqtts://other"
    assert broker_of(line, options._replace(keys=tmp_path)) == ""
    assert broker_of(line, options._replace(keys=None)) == ""


def test_nothing_is_said_to_a_broker_by_a_key_that_others_can_read(keys: Path) -> None:
    files = tls_of(keys, "anna")
    assert files is not None
    files.key.chmod(0o644)
    here, there = socket.socketpair()
    with there, pytest.raises(WrongPeer, match="others can read this private key; run chmod 600"):
        LineContext(files, print).wrap_socket(here, "broker.works")
    files.key.chmod(0o600)

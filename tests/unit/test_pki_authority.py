"""An authority, what it issues, and what holds up to its root and what does not; OpenSSL judges, too."""

from __future__ import annotations

import os
import shutil
import ssl
import subprocess
import time
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

from gateway.errors import BadInput
from gateway.net.identity import Identity
from gateway.pki import certificates, credentials, enrolment
from gateway.pki.certificates import ASKS, DAY, SERVES
from gateway.pki.credentials import OpcuaFiles, TlsFiles
from gateway.pki.enrolment import Signed
from gateway.pki.keys import make_keys, make_next_keys, make_request
from gateway.pki.requests import Answer, Request, read_request
from rig.pki.admission import admit
from rig.pki.authority import CRL, ISSUING_LASTS, ROOT_KEY, Authority
from rig.pki.sealed import seal, unseal

NOW = time.time_ns()
OPENSSL = shutil.which("openssl")


class Made(NamedTuple):
    """An authority, and the folder of a gateway and a broker that it enrolled."""

    authority: Authority
    gateway: Path
    broker: Path

    @property
    def root(self) -> bytes:
        return certificates.fingerprint(self.authority.root)


def make(authority: Authority, folder: Path) -> Made:
    gateway, broker = folder / "infeed", folder / "mosquitto"
    infeed, mosquitto = Identity.create("infeed"), Identity.create("mosquitto")
    admit(authority, gateway, infeed, "gateway", now=NOW, roles=["viewer"], opcua=True)
    admit(authority, broker, mosquitto, "broker", now=NOW, hosts=["localhost", "127.0.0.1"])
    return Made(authority, gateway, broker)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("line")
    return make(Authority.create(folder / "authority", "starter", None, now=NOW, owner="Ltd"), folder)


@pytest.fixture(scope="module")
def foreign(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Another authority, of the same name."""
    folder = tmp_path_factory.mktemp("foreign")
    return make(Authority.create(folder / "authority", "starter", None, now=NOW), folder)


def leaf(folder: Path) -> x509.Certificate:
    return certificates.read_certificates(TlsFiles.of(folder / "tls").certificate)[0]


def opcua_leaf(folder: Path) -> x509.Certificate:
    return x509.load_der_x509_certificate(OpcuaFiles.of(folder / "opcua").certificate.read_bytes())


def signed(folder: Path) -> Signed:
    found = credentials.enrolled(folder)
    assert found is not None
    return found


def answer(made: Made, **changes: object) -> Answer:
    """The authority's answer to the gateway, issued anew."""
    read = read_request(make_request(made.gateway))
    assert isinstance(read, tuple)
    return issue(made.authority, read[1], **changes)


def issue(authority: Authority, request: Request, **changes: object) -> Answer:
    assert request.opcua is not None
    keys = certificates.requested(request.tls), certificates.requested(request.opcua)
    said = {"node": request.node, "public": request.public, "now": NOW, **changes}
    return authority.issue(said.pop("node"), "gateway", said.pop("public"), *keys, **said)  # type: ignore[arg-type]


def test_an_enrolment_binds_all_keys_and_certificates(made: Made) -> None:
    held = signed(made.gateway)
    assert enrolment.check(held, made.authority.issuing, made.authority.root) == ""
    said = held.enrolment
    assert (said.line, said.node, said.kind, said.owner) == ("starter", "infeed", "gateway", "Ltd")
    assert said.roles == ("viewer",)
    assert said.public == Identity.load(made.gateway / "key.pem").public_bytes
    assert said.tls == certificates.fingerprint(leaf(made.gateway))
    assert said.opcua == certificates.fingerprint(opcua_leaf(made.gateway))
    assert [enrolment.late(said, each) for each in (0, NOW, NOW + 366 * DAY)] == [None, False, True]


@pytest.mark.parametrize(
    "changed",
    [
        {"node": "outfeed"}, {"roles": ("commissioner",)}, {"line": "other"}, {"kind": "operator"},
        {"owner": "Inc"}, {"public": bytes(32)}, {"tls": bytes(32)}, {"opcua": None}, {"serial": bytes(16)},
        {"after": 0}, {"before": 2**62},
    ],
    ids=lambda changed: next(iter(changed)),
)  # fmt: skip
def test_no_field_of_an_enrolment_can_be_changed(made: Made, changed: dict[str, object]) -> None:
    held = signed(made.gateway)
    forged = msgspec.structs.replace(held, enrolment=msgspec.structs.replace(held.enrolment, **changed))
    assert "was changed" in enrolment.check(forged, made.authority.issuing, made.authority.root)


def test_an_enrolment_is_good_under_its_own_root_alone(made: Made, foreign: Made) -> None:
    held = signed(made.gateway)
    theirs = foreign.authority
    assert "another root" in enrolment.check(held, made.authority.issuing, theirs.root)
    assert "not signed" in enrolment.check(held, theirs.issuing, theirs.root)


def test_the_file_of_an_enrolment_reads_back_and_says_what_is_wrong(made: Made) -> None:
    data = (made.gateway / "enrolment.json").read_bytes()
    assert enrolment.enrolment_bytes(enrolment.read_enrolment(data)) == data
    for change, why in (
        ((b"enrolment 1", b"enrolment 2"), "enrolment 2"),
        ((b'"infeed"', b'"In Feed"'), "Expected"),
        ((b'"gateway"', b'"god"'), "god"),
        ((b'"serial"', b'"cereal"'), "serial"),
        ((b'"starter"', b"7"), "Expected"),
    ):
        with pytest.raises(ValueError, match=why):
            enrolment.read_enrolment(data.replace(*change, 1))


def test_whom_a_certificate_names(made: Made) -> None:
    assert certificates.subject_of(leaf(made.gateway)) == ("starter", "gateway", "infeed")
    assert certificates.owner_of(leaf(made.gateway)) == "Ltd"
    names = opcua_leaf(made.gateway).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.UniformResourceIdentifier) == ["urn:twinline:starter:infeed"]
    assert names.get_values_for_type(x509.DNSName) == ["infeed"]


def test_a_certificate_holds_for_its_purpose_time_and_root(made: Made, foreign: Made) -> None:
    ours, theirs = made.authority, foreign.authority
    gateway, broker = leaf(made.gateway), leaf(made.broker)
    assert certificates.check(gateway, ours.issuing, ours.root, NOW, ASKS) == ""
    assert certificates.check(broker, ours.issuing, ours.root, NOW, SERVES) == ""
    assert "not one to serve" in certificates.check(gateway, ours.issuing, ours.root, NOW, SERVES)
    assert "not one to ask" in certificates.check(broker, ours.issuing, ours.root, NOW, ASKS)
    assert "another" in certificates.check(gateway, theirs.issuing, theirs.root, NOW, ASKS)
    assert "another" in certificates.check(gateway, ours.issuing, theirs.root, NOW, ASKS)
    early, late = NOW - DAY, NOW + 366 * DAY
    assert "set this clock" in certificates.check(gateway, ours.issuing, ours.root, early, ASKS)
    assert "renew it" in certificates.check(gateway, ours.issuing, ours.root, late, ASKS)
    assert certificates.days_left(gateway, NOW + DAY) == 363


def test_a_node_cannot_issue(made: Made) -> None:
    ours = made.authority
    assert certificates.check(ours.issuing, gateway := leaf(made.gateway), ours.root, NOW, ASKS) != ""
    assert not gateway.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert ours.issuing.extensions.get_extension_for_class(x509.BasicConstraints).value.path_length == 0


def test_a_leaf_ends_with_the_authority_that_issued_it(made: Made) -> None:
    late = NOW + ISSUING_LASTS - 10 * DAY
    found = x509.load_der_x509_certificate(answer(made, now=late).tls)
    assert certificates.ends(found) == certificates.ends(made.authority.issuing)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"node": "outfeed"}, "another node"),
        ({"public": bytes(32)}, "another key"),
        ({"now": NOW + DAY}, "set this clock, or the authority's"),
    ],
)
def test_an_answer_that_is_not_for_this_node_changes_nothing(
    made: Made, changes: dict[str, object], why: str
) -> None:
    before = {path: path.read_bytes() for path in made.gateway.rglob("*") if path.is_file()}
    with pytest.raises(BadInput, match=why):
        credentials.install(made.gateway, answer(made, **changes), made.root, NOW)
    assert {path: path.read_bytes() for path in made.gateway.rglob("*") if path.is_file()} == before


def test_an_answer_of_another_authority_changes_nothing(made: Made, foreign: Made) -> None:
    good = answer(made)
    read = read_request(make_request(made.gateway))
    assert isinstance(read, tuple)
    theirs = issue(foreign.authority, read[1])
    mixed = msgspec.structs.replace(theirs, root=good.root)
    swapped = msgspec.structs.replace(good, tls=answer(made).tls)
    stripped = msgspec.structs.replace(good, opcua=None)
    for bad, why in (
        (theirs, "its root"),
        (mixed, "another root"),
        (swapped, "belong"),
        (stripped, "missing"),
    ):
        with pytest.raises(BadInput, match=why):
            credentials.install(made.gateway, bad, made.root, NOW)


def test_private_keys_are_their_owners_alone(made: Made) -> None:
    for path in ("key.pem", "tls/key.pem", "opcua/key.pem"):
        assert (made.gateway / path).stat().st_mode & 0o777 == 0o600
    assert (made.authority.folder / "issuing.key.pem").stat().st_mode & 0o777 == 0o600


def test_a_renewal_with_new_keys_is_finished_after_a_kill(
    tmp_path: Path, made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However far it came, the key and the certificate belong together once it is finished."""

    class Killed(Exception):
        pass

    steps = 0
    while True:  # killed before the first write, before the second, ...
        folder = tmp_path / str(steps)
        shutil.copytree(made.gateway, folder)
        make_next_keys(folder)
        read = read_request(make_request(folder, renews=signed(folder).enrolment.serial))
        assert isinstance(read, tuple)
        given = issue(made.authority, read[1])
        left = steps

        def write(path: Path, data: bytes, mode: int = 0o644) -> None:
            nonlocal left
            if left == 0:
                raise Killed
            left -= 1
            path.write_bytes(data)
            os.chmod(path, mode)

        with monkeypatch.context() as patched:
            patched.setattr(credentials, "write_atomically", write)
            try:
                credentials.install(folder, given, made.root, NOW)
                killed = False
            except Killed:
                killed = True
        assert credentials.finish(folder) == (killed and steps > 0)
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(*TlsFiles.of(folder / "tls")[1:])
        now_there = signed(folder).enrolment.tls
        assert now_there == certificates.fingerprint(leaf(folder))
        assert (now_there == given.enrolment.enrolment.tls) == (steps > 0)
        if not killed:
            break
        steps += 1
    assert steps > 5


def test_keys_are_made_once_and_for_one_node(tmp_path: Path) -> None:
    first = make_keys(tmp_path / "infeed", "infeed", opcua=False)
    assert make_keys(tmp_path / "infeed", "infeed", opcua=False).public_bytes == first.public_bytes
    with pytest.raises(ValueError, match="keys of infeed, not of outfeed"):
        make_keys(tmp_path / "infeed", "outfeed")


def test_a_request_is_signed_with_every_key_that_it_names(made: Made) -> None:
    data = make_request(made.gateway)
    for byte in range(0, len(data), 7):
        changed = bytearray(data)
        changed[byte] ^= 1
        read = read_request(bytes(changed))
        assert not isinstance(read, tuple)
    other = certificates.request(certificates.new_tls_key(), "infeed")
    forged = bytearray(other)
    forged[-1] ^= 1
    with pytest.raises(ValueError, match="signed with the key"):
        certificates.requested(bytes(forged))
    with pytest.raises(ValueError, match="not used here"):
        certificates.requested(certificates.request(generate_private_key(65537, 1024), "infeed"))
    with pytest.raises(ValueError, match="no certificate signing request"):
        certificates.requested(b"nothing")


def test_the_root_opens_with_its_passphrase_alone(tmp_path: Path) -> None:
    folder = tmp_path / "authority"
    first = Authority.create(folder, "starter", "horse battery", now=NOW)
    text = (folder / ROOT_KEY).read_text()
    assert "ENCRYPTED" in text
    with pytest.raises(BadInput, match="the passphrase does not open it"):
        Authority.renew(folder, "horse", now=NOW)
    later = NOW + 300 * DAY
    renewed = Authority.renew(folder, "horse battery", now=later)
    assert certificates.days_left(renewed.issuing, later) == ISSUING_LASTS // DAY - 1
    assert Authority.open(folder).issuing == renewed.issuing
    # What the first one issued holds under the second.
    key = certificates.new_tls_key().public_key()
    held = x509.load_der_x509_certificate(first.issue("infeed", "gateway", bytes(32), key, now=NOW).tls)
    assert certificates.check(held, renewed.issuing, renewed.root, later, ASKS) == ""
    (folder / ROOT_KEY).unlink()
    with pytest.raises(BadInput, match="bring it back"):
        Authority.renew(folder, "horse battery", now=NOW)
    assert Authority.open(folder).line == "starter"  # which needs no root


def test_an_authority_is_made_once(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="holds no authority"):
        Authority.open(tmp_path)
    Authority.create(tmp_path, "starter", None, now=NOW)
    with pytest.raises(BadInput, match="already"):
        Authority.create(tmp_path, "starter", None, now=NOW)
    assert not (tmp_path / ROOT_KEY).exists()
    with pytest.raises(ValueError, match="is not an id"):
        Authority.create(tmp_path / "b", "The Line", None, now=NOW)


def openssl(*arguments: str) -> str:
    done = subprocess.run(["openssl", *arguments], capture_output=True, text=True, timeout=60, check=False)
    return f"{done.returncode}\n{done.stdout}{done.stderr}"


@pytest.mark.skipif(OPENSSL is None, reason="openssl is not installed")
def test_openssl_agrees(tmp_path: Path, made: Made, foreign: Made) -> None:
    ours = made.authority
    root, issuing = ours.folder / "root.pem", ours.folder / "issuing.pem"
    tls = TlsFiles.of(made.gateway / "tls")
    own = tmp_path / "opcua.pem"
    own.write_bytes(certificates.pem(opcua_leaf(made.gateway)))
    verify = ("verify", "-x509_strict", "-CAfile", str(root), "-untrusted", str(issuing))
    broker = str(TlsFiles.of(made.broker / "tls").certificate)
    assert openssl(*verify, "-purpose", "sslclient", str(tls.certificate)).startswith("0\n")
    assert openssl(*verify, "-purpose", "sslclient", str(own)).startswith("0\n")
    reached = ("-purpose", "sslserver", "-verify_hostname")
    assert openssl(*verify, *reached, "localhost", broker).startswith("0\n")
    assert "hostname mismatch" in openssl(*verify, *reached, "elsewhere", broker)
    assert "unsuitable certificate purpose" in openssl(*verify, "-purpose", "sslserver", str(tls.certificate))
    theirs = str(TlsFiles.of(foreign.gateway / "tls").certificate)
    assert openssl(*verify, theirs).startswith("2\n")

    revoked = [(leaf(made.gateway).serial_number, NOW)]
    ours.revoke(revoked, now=NOW)
    crl = ("-crl_check", "-CRLfile", str(ours.folder / CRL))
    assert "certificate revoked" in openssl(*verify, *crl, str(tls.certificate))
    assert openssl(*verify, *crl, broker).startswith("0\n")


@pytest.mark.skipif(OPENSSL is None, reason="openssl is not installed")
def test_openssl_opens_a_sealed_key(tmp_path: Path) -> None:
    key = generate_private_key(65537, 2048)
    sealed = tmp_path / "key.pem"
    sealed.write_bytes(seal(key, "horse battery"))
    assert unseal(sealed.read_bytes(), "horse battery").private_numbers() == key.private_numbers()
    opened = openssl("pkey", "-in", str(sealed), "-passin", "pass:horse battery", "-noout", "-check")
    assert opened.startswith("0\nKey is valid")
    assert openssl("pkey", "-in", str(sealed), "-passin", "pass:horse", "-noout").startswith("1\n")
    said = openssl("asn1parse", "-in", str(sealed))
    assert "scrypt" in said
    assert "aes-256-cbc" in said

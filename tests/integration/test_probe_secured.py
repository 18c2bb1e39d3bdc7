"""`twinline probe --security` against asyncua's own server, which takes none whose certificate is unknown."""

from __future__ import annotations

import asyncio
import stat
import struct
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from drivers_support import listening, process, run

from gateway.field.opcua.trust import split
from gateway.field.probe.opcua_security import credentials, read_security
from gateway.field.probe.probe import probe
from gateway.field.probe.report import Report
from gateway.field.security import POLICIES

CERTIFICATE, KEY = "cert.der", "key.pem"
TIMEOUT_NS = 5_000_000_000

SERVER = """
import asyncio, logging, pathlib, sys, tempfile
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID
from asyncua import Server, ua
from asyncua.common.utils import ServiceError
from asyncua.crypto.cert_gen import generate_private_key, generate_self_signed_app_certificate
logging.disable(logging.CRITICAL)
trusted = pathlib.Path(sys.argv[1])
async def only_known(certificate, description):
    known = [each.read_bytes() for each in trusted.iterdir()]
    if certificate.public_bytes(Encoding.DER) not in known:
        raise ServiceError(ua.StatusCodes.BadCertificateUntrusted)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    if description.ApplicationUri not in names.get_values_for_type(x509.UniformResourceIdentifier):
        raise ServiceError(ua.StatusCodes.BadCertificateUriInvalid)
async def main():
    server = Server()
    await server.init()
    key = generate_private_key()
    certificate = generate_self_signed_app_certificate(
        key, "Press", {}, [x509.UniformResourceIdentifier("urn:press")], [ExtendedKeyUsageOID.SERVER_AUTH])
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    await server.set_application_uri("urn:press")
    await server.load_certificate(certificate.public_bytes(Encoding.DER), "der")
    await server.load_private_key(pem, None, "pem")
    server.set_certificate_validator(only_known)
    server.set_security_policy([
        ua.SecurityPolicyType.Basic256Sha256_Sign, ua.SecurityPolicyType.Basic256Sha256_SignAndEncrypt,
        ua.SecurityPolicyType.Aes256Sha256RsaPss_SignAndEncrypt])
    server.set_endpoint("opc.tcp://127.0.0.1:0")
    space = await server.register_namespace("urn:test")
    press = await server.nodes.objects.add_object(ua.NodeId(1, space), ua.QualifiedName("Press: left"))
    words = ua.Variant([0, 0x4148], ua.VariantType.UInt16)
    await press.add_variable(ua.NodeId(2, space), ua.QualifiedName("words", space), words)
    swapped = ua.Variant(0x0000_4148, ua.VariantType.UInt32)
    await press.add_variable(ua.NodeId(3, space), ua.QualifiedName("swapped", space), swapped)
    raw = b"\\x01\\x41\\x48\\x00\\x00"
    await press.add_variable(ua.NodeId(4, space), ua.QualifiedName("bytes", space), raw)
    await press.add_variable(ua.NodeId(5, space), ua.QualifiedName("REAL", space), 12.5)
    tenths = ua.Variant(125, ua.VariantType.Int16)
    await press.add_variable(ua.NodeId(6, space), ua.QualifiedName("tenths", space), tenths)
    await server.start()
    print(server.bserver._server.sockets[0].getsockname()[1], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    await server.stop()
asyncio.run(main())
"""
PRESS = "/Objects/Press&: left"


@pytest.fixture(scope="module")
def press(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    trusted = tmp_path_factory.mktemp("trusted")
    with process(sys.executable, "-c", SERVER, str(trusted)) as (_, port):
        yield f"opc.tcp://127.0.0.1:{port}", trusted


def ask(url: str, folder: Path, security: str, *expected: str) -> Report:
    return run(probe(url, expected, TIMEOUT_NS, security=security, certificates=folder))


def trust(folder: Path, trusted: Path) -> None:
    own = credentials(folder, datetime.now(UTC))
    (trusted / f"{folder.name}.der").write_bytes(own.der)


def column(report: Report, section: str, *names: str) -> list[tuple[Any, ...]]:
    return [tuple(record[name] for name in names) for record in report.sections[section]]


def test_without_security_it_says_which_ways_there_are(press: tuple[str, Path], tmp_path: Path) -> None:
    report = ask(press[0], tmp_path, "")
    assert report.answered
    assert report.reason == "no session: no endpoint takes an anonymous user without security"
    assert set(column(report, "endpoints", "policy", "mode")) == {
        ("Basic256Sha256", "Sign"),
        ("Basic256Sha256", "SignAndEncrypt"),
        ("Aes256_Sha256_RsaPss", "SignAndEncrypt"),
    }
    assert "connect with --security Basic256Sha256" in report.advice
    assert "connect with --security Aes256_Sha256_RsaPss" in report.advice


def test_an_unknown_certificate_is_said_with_what_to_do_and_taken_once_it_is_trusted(
    press: tuple[str, Path], tmp_path: Path
) -> None:
    url, trusted = press
    refused = ask(url, tmp_path, "Basic256Sha256")
    assert refused.answered
    assert "BadCertificateUntrusted" in refused.reason
    here, there = refused.advice
    assert str(tmp_path / CERTIFICATE) in there
    assert "trusted" in there
    [kept] = (tmp_path / "rejected").iterdir()
    assert here.endswith(f"mv {kept} {tmp_path / 'trusted'}/")
    assert kept.stem in column(refused, "security", "says")[5]
    before = (tmp_path / CERTIFICATE).read_bytes()
    trust(tmp_path, trusted)
    kept.rename(tmp_path / "trusted" / kept.name)
    taken = ask(url, tmp_path, "Basic256Sha256")
    assert taken.reason == ""
    assert taken.advice == []
    assert ("server's is trusted here", "yes") in column(taken, "security", "what", "says")
    assert (tmp_path / CERTIFICATE).read_bytes() == before
    assert ("mode", "SignAndEncrypt") in column(taken, "security", "what", "says")
    assert any("CN=Press" in str(says) for (says,) in column(taken, "security", "says"))
    assert ("state", "Running") in column(taken, "server", "what", "says")


@pytest.mark.parametrize("security", ["aes256sha256rsapss", "Basic256Sha256/Sign"])
def test_each_policy_and_mode_reads(press: tuple[str, Path], tmp_path: Path, security: str) -> None:
    url, trusted = press
    trust(tmp_path, trusted)
    report = ask(url, tmp_path, security, f"{PRESS}/2:REAL=12.5")
    assert report.reason == ""
    mode = "Sign" if security.endswith("Sign") else "SignAndEncrypt"
    assert ("mode", mode) in column(report, "security", "what", "says")
    assert column(report, "expected", "held", "value") == [("Double", 12.5)]


def test_a_policy_that_is_not_offered_is_said(press: tuple[str, Path], tmp_path: Path) -> None:
    report = ask(press[0], tmp_path, "Aes256Sha256RsaPss/Sign")
    assert report.reason == "no session: no endpoint has Aes256_Sha256_RsaPss in the mode asked for"
    assert not (tmp_path / KEY).exists()


def test_browse_paths_lead_to_values_and_raw_words_are_put_in_order(
    press: tuple[str, Path], tmp_path: Path
) -> None:
    url, trusted = press
    trust(tmp_path, trusted)
    report = ask(
        url, tmp_path, "Basic256Sha256",
        f"{PRESS}/2:words:REAL=12.5", f"{PRESS}/2:swapped:REAL=12.5", f"{PRESS}/2:bytes:REAL=12.5",
        f"{PRESS}/2:tenths=12.5", f"{PRESS}/2:gone=1", "/Objects/2:Press=1",
    )  # fmt: skip
    assert column(report, "expected", "held", "at", "type", "order", "factor") == [
        ("UInt16 array of 2", 0, "REAL", "CDAB", 1),
        ("UInt32", None, "REAL", "CDAB", 1),
        ("ByteString of 5", 1, "REAL", "ABCD", 1),
        ("Int16", None, "INT", "ABCD", 10),
    ]
    assert report.advice[1:] == [
        f"{PRESS}/2:gone=1: there is no 2:gone in {PRESS}",
        "/Objects/2:Press=1: there is no 2:Press in /Objects",
    ]
    paths = [path for (path,) in column(report, "tree", "path")]
    assert f"{PRESS}/2:tenths" in paths


def tell_and_close(status: bytes) -> Any:
    """A server that shows a secured endpoint and ends each secured channel with ``status``, or wordless."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await reader.readexactly(8):
            body = await reader.readexactly(int.from_bytes(head[4:], "little") - 8)
            assert head[:3] == b"HEL" or b"#Basic256Sha256" in body
            if head[:3] == b"HEL":
                writer.write(struct.pack("<4sI5I", b"ACKF", 28, 0, 65535, 65535, 0, 0))
                continue
            if status:
                writer.write(struct.pack("<4sI", b"ERRF", 16) + status + struct.pack("<i", -1))
            return

    return serve


@pytest.mark.parametrize(
    ("status", "said", "advised"),
    [
        (0x80130000, "BadSecurityChecksFailed", "the server does not trust the certificate"),
        (0x80140000, "BadCertificateTimeInvalid", "set the server's clock"),
        (0x80170000, "BadCertificateUriInvalid", "a new certificate"),
        (0, "", "a server may close without a word where the server does not trust"),
    ],
)
def test_what_a_server_says_to_the_channel_is_told(
    tmp_path: Path, press: tuple[str, Path], status: int, said: str, advised: str
) -> None:
    """The channel of a server that refuses there, as most do that are no asyncua."""

    async def work() -> Report:
        from gateway.field.probe import opcua_session

        code = status.to_bytes(4, "little") if status else b""
        report = Report(press[0], "opcua")
        session = opcua_session.Session(report, TIMEOUT_NS)
        await session.call(session.client.connect_sessionless())
        endpoints = await session.call(session.client.get_endpoints())
        async with listening(tell_and_close(code)) as port:
            report.url = f"opc.tcp://127.0.0.1:{port}"
            assert not await session.begin_secured(endpoints, read_security("Basic256Sha256", tmp_path))
            await session.close()
        return report

    report = run(work())
    assert said in report.reason
    assert any(advised in line for line in report.advice), report.advice


def test_a_certificate_is_kept_until_it_has_run_out_and_its_key_is_its_owners(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "one"
    made = credentials(folder, datetime.now(UTC))
    now = datetime.now(UTC)  # to make its key takes a while, and before that it is not valid
    assert credentials(folder, now).der == made.der
    assert stat.S_IMODE((folder / KEY).stat().st_mode) == 0o600
    names = x509.load_der_x509_certificate(made.der).extensions.get_extension_for_class(
        x509.SubjectAlternativeName
    )
    assert names.value.get_values_for_type(x509.UniformResourceIdentifier) == [made.uri]
    assert credentials(folder, now + timedelta(days=1900)).der != made.der


def test_the_first_certificate_of_a_chain_is_the_servers(tmp_path: Path) -> None:
    one, other = (credentials(tmp_path / name, datetime.now(UTC)).der for name in "ab")
    assert split(one) == [one]
    assert split(one + other) == [one, other]
    assert split(b"") == []


@pytest.mark.parametrize("text", ["Basic256", "none", "Basic256Sha256/Plain", "/Sign"])
def test_what_is_no_security_says_what_there_is(text: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="; write Basic256Sha256"):
        read_security(text, tmp_path)
    assert set(POLICIES) == {"Basic256Sha256", "Aes128_Sha256_RsaOaep", "Aes256_Sha256_RsaPss"}


def test_other_protocols_have_no_security(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="Modbus TCP has none; leave it out"):
        ask("modbus://127.0.0.1", tmp_path, "Basic256Sha256")

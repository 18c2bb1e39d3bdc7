"""Sessions over secured OPC UA with asyncua's own server, and who tries to make them less than that."""

from __future__ import annotations

import asyncio
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from drivers_support import PATIENT_NS, run, tags_for
from secured_support import BEST, SECRET, Between, Secured, access, authority, enrol, server, trust

from gateway.errors import ConnectionLost, DeviceRefused, GatewayError
from gateway.field.drivers.base import Driver, open_driver
from gateway.field.opcua import folder as folder_module
from gateway.field.opcua.channel import Unsecured
from gateway.field.opcua.folder import REJECTED
from gateway.field.scan import DeviceLink, LinkState
from gateway.field.security import Access
from gateway.pki.credentials import OpcuaFiles
from rig.pki.authority import Authority

INPUTS = {"number": ("LREAL", "ns=2;s=number"), "text": ("STRING[40]", "ns=2;s=text")}
OUTPUTS = {"shown": ("LREAL", "ns=2;s=shown")}
PLAIN = b"SecurityPolicy#None"
BOTH = ("Basic256Sha256_SignAndEncrypt", "Basic256Sha256_Sign", "Aes256Sha256RsaPss_SignAndEncrypt")


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def press(line: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    """It serves security and, as many do, a way without."""
    folder = tmp_path_factory.mktemp("press")
    there = enrol(line, folder, "press", "127.0.0.1")
    own = enrol(line, folder, "gateway")
    trust(there, own)
    with server(there, "urn:twinline:press-line:press", "NoSecurity", *BOTH) as (_, port):
        yield Secured(port, there, own, line)


def driver(url: str, how: Access) -> Driver:
    return open_driver(url, tags_for("opcua", INPUTS, OUTPUTS), PATIENT_NS, access=how)


def refused(url: str, how: Access) -> DeviceRefused:
    """What a connection is refused with."""

    async def work() -> DeviceRefused:
        made = driver(url, how)
        try:
            await made.connect()
        except DeviceRefused as error:
            assert made.lost.is_set()
            return error
        finally:
            await made.close()
        raise AssertionError("it is connected")

    return run(work())


@pytest.mark.parametrize("security", [BEST, "Basic256Sha256/Sign", "Aes256_Sha256_RsaPss/SignAndEncrypt"])
def test_values_travel_each_way_and_nobody_in_between_reads_them(press: Secured, security: str) -> None:
    async def work() -> Between:
        between = Between(press.port)
        async with between.listening() as url:
            made = driver(url, access(press.own, security))
            await made.connect()
            assert await made.read() == {"shown": 7.5}
            await made.write({"number": 12.5, "text": SECRET})
            assert await made.read_back(INPUTS) == {"number": 12.5, "text": SECRET}
            await made.close()
        return between

    between = run(work())
    asked, secured = between.heard
    assert PLAIN in asked[0], "the endpoints are asked for without security"
    assert PLAIN not in secured[0]
    signed_only = security.endswith("/Sign")
    assert all((SECRET.encode() in said) is signed_only for said in secured)


def test_a_server_that_offers_no_security_gets_no_session(line: Authority, tmp_path: Path) -> None:
    there, own = enrol(line, tmp_path, "open", "127.0.0.1"), enrol(line, tmp_path, "gateway")
    with server(there, "urn:twinline:press-line:open", "NoSecurity") as (_, port):

        async def work() -> tuple[str, Between]:
            between = Between(port)
            async with between.listening() as url:
                made = driver(url, access(own))
                with pytest.raises(Unsecured) as error:
                    await made.connect()
                await made.close()
            return str(error.value), between

        why, between = run(work())
    assert "BadSecurityPolicyRejected: the server offers no Basic256Sha256/SignAndEncrypt, only None" in why
    assert len(between.heard) == 1, "it asked for the endpoints, and never came again"


def test_a_list_without_the_secured_endpoint_leads_to_no_session(press: Secured) -> None:
    """Somebody in between renames what is secured: what is left is an endpoint without."""

    async def work() -> tuple[str, int]:
        between = Between(press.port)
        between.change = lambda number, data: data.replace(b"#Basic256Sha256", b"#Basic256ShaXXX")
        async with between.listening() as url:
            made = driver(url, access(press.own))
            with pytest.raises(Unsecured) as error:
                await made.connect()
            await made.close()
        return str(error.value), len(between.heard)

    why, connections = run(work())
    assert "offers no Basic256Sha256/SignAndEncrypt, only Aes256_Sha256_RsaPss/SignAndEncrypt, " in why
    assert connections == 1


def test_a_channel_that_is_answered_without_security_ends_there(press: Secured) -> None:
    """Who answers the secured opening with one that is not is told nothing more."""

    async def work() -> Between:
        between = Between(press.port)
        first = bytearray()

        def change(number: int, data: bytes) -> bytes:
            if number == 0:
                first.extend(data)
                return data
            at = bytes(first).index(b"OPNF")  # the answer to the opening without security, said again
            size = int.from_bytes(first[at + 4 : at + 8], "little")
            return data if data.startswith(b"ACKF") else bytes(first[at : at + size])

        between.change = change
        async with between.listening() as url:
            made = driver(url, access(press.own))
            with pytest.raises(GatewayError):
                await made.connect()
            assert made.lost.is_set()
            await made.close()
        return between

    _, secured = run(work()).heard
    assert b"MSGF" not in secured[0], "after its opening it said nothing"


def test_another_certificate_in_the_list_is_not_taken(press: Secured, tmp_path: Path) -> None:
    """Somebody in between shows a certificate of an authority of their own, for the same host and name."""
    mine = OpcuaFiles.of(press.folder).certificate.read_bytes()
    theirs_folder = enrol(authority(tmp_path / "foreign"), tmp_path, "press", "127.0.0.1")
    theirs = OpcuaFiles.of(theirs_folder).certificate.read_bytes()

    async def work() -> str:
        between = Between(press.port)

        def change(number: int, data: bytes) -> bytes:
            for each in (mine, theirs):
                assert len(each) < 2**16
            found = data.replace(
                len(mine).to_bytes(4, "little") + mine, len(theirs).to_bytes(4, "little") + theirs
            )
            grown = len(found) - len(data)
            if grown and data[:3] == b"MSG":
                size = int.from_bytes(found[4:8], "little") + grown
                found = found[:4] + size.to_bytes(4, "little") + found[8:]
            return found

        between.change = change
        async with between.listening() as url:
            made = driver(url, access(press.own))
            with pytest.raises(Unsecured) as error:
                await made.connect()
            await made.close()
        return str(error.value)

    why = run(work())
    assert "BadCertificateUntrusted" in why
    assert "no authority known here" in why


def test_a_certificate_that_is_not_sound_is_a_connection_that_cannot_be(press: Secured) -> None:
    """The list is asked for before anybody is known: who stands in between shows what no decoder foresaw."""
    mine = OpcuaFiles.of(press.folder).certificate.read_bytes()
    unsound = mine.replace(bytes.fromhex("a003020102"), bytes.fromhex("a003020105"))  # of no version
    assert unsound != mine

    async def work() -> str:
        between = Between(press.port)
        between.change = lambda number, data: data.replace(mine, unsound)
        async with between.listening() as url:
            seen: asyncio.Queue[LinkState] = asyncio.Queue()
            link = DeviceLink(url, {}, PATIENT_NS, None, seen.put_nowait, access(press.own))
            living = asyncio.create_task(link.run())
            while await seen.get() != "backing off":
                pass
            why = link.problem
            assert not living.done()
            await link.close()
        return why

    assert "BadCertificateInvalid: the server's certificate" in run(work())


def test_what_is_kept_for_a_person_is_written_apart_from_the_scan(
    press: Secured, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each file is synced twice."""
    own, wrote = tmp_path / "gateway" / "opcua", list[threading.Thread]()
    shutil.copytree(press.own, own, ignore=shutil.ignore_patterns("ca", REJECTED))
    written = folder_module.write_atomically

    def write(path: Path, data: bytes) -> None:
        wrote.append(threading.current_thread())
        written(path, data)

    monkeypatch.setattr(folder_module, "write_atomically", write)
    assert refused(press.url, access(own)).code == "BadCertificateUntrusted"
    assert len(wrote) == 1
    assert wrote[0] is not threading.main_thread()


def test_a_server_is_trusted_once_a_person_has_looked_at_its_certificate(
    press: Secured, tmp_path: Path
) -> None:
    """A gateway with a certificate but without its server's authority: as beside a PLC that made its own."""
    own = tmp_path / "gateway" / "opcua"
    shutil.copytree(press.own, own)
    for each in ("ca", REJECTED):
        shutil.rmtree(own / each, ignore_errors=True)
    error = refused(press.url, access(own))
    assert error.code == "BadCertificateUntrusted"
    [kept] = (own / REJECTED).iterdir()
    assert kept.read_bytes() == OpcuaFiles.of(press.folder).certificate.read_bytes()
    assert f"mv {kept} {own / 'trusted'}/" in error.change
    assert refused(press.url, access(own)).code == "BadCertificateUntrusted"
    assert len(list((own / REJECTED).iterdir())) == 1
    kept.rename(own / "trusted" / kept.name)

    async def work() -> None:
        made = driver(press.url, access(own))
        await made.connect()
        assert made.refused == {}
        await made.close()

    run(work())


def test_a_server_that_does_not_trust_us_is_told_with_what_to_do(press: Secured, tmp_path: Path) -> None:
    stranger = enrol(press.authority, tmp_path, "stranger")
    error = refused(press.url, access(stranger))
    assert error.code == "BadCertificateUntrusted"
    assert str(OpcuaFiles.of(stranger).certificate) in error.change
    assert "TIA Portal" in error.change
    assert "CODESYS" in error.change


def test_a_fault_in_place_of_a_channel_is_understood(press: Secured, tmp_path: Path) -> None:
    banned = enrol(press.authority, tmp_path, "banned")
    (press.folder / "banned").mkdir()
    shutil.copy(OpcuaFiles.of(banned).certificate, press.folder / "banned")
    error = refused(press.url, access(banned))
    assert error.code == "BadCertificateRevoked"
    assert f"have a new certificate made in place of {OpcuaFiles.of(banned).certificate}" in error.change


def test_another_host_with_a_certificate_of_the_line_is_not_this_server(
    press: Secured, tmp_path: Path
) -> None:
    """The certificate names 127.0.0.1; who is reached as localhost is another."""
    error = refused(press.url.replace("127.0.0.1", "localhost"), access(press.own))
    assert error.code == "BadCertificateHostNameInvalid"
    assert "is not that of localhost; the hosts it names: 127.0.0.1" in str(error)


def test_a_renewed_certificate_is_shown_at_the_next_connection(press: Secured, tmp_path: Path) -> None:
    own = tmp_path / "renewed" / "opcua"
    shutil.copytree(press.own, own)
    fresh = enrol(press.authority, tmp_path / "again", "gateway")
    trust(press.folder, fresh)
    before, after = (OpcuaFiles.of(each).certificate.read_bytes() for each in (own, fresh))

    async def work() -> list[tuple[bytearray, bytearray]]:
        between = Between(press.port)
        async with between.listening() as url:
            made = driver(url, access(own))
            await made.connect()
            await made.close()
            for name in ("cert.der", "key.pem"):
                shutil.copy(fresh / name, own / name)
            await made.connect()
            await made.close()
        return between.heard

    _, first, _, second = run(work())
    assert before in first[0]
    assert after not in first[0]
    assert after in second[0]
    assert before not in second[0]


@pytest.mark.parametrize("broken", ["cert.der", "key.pem", "trusted/bad.der", "ca/bad.der"])
def test_without_a_sound_folder_nothing_is_connected(press: Secured, tmp_path: Path, broken: str) -> None:
    own = tmp_path / "opcua"
    shutil.copytree(press.own, own)
    (own / broken).write_bytes(b"nothing of the kind")
    if broken.startswith("trusted"):  # listed is what it is: it trusts nobody
        (own / "ca").rename(own / "elsewhere")
        assert refused(press.url, access(own)).code == "BadCertificateUntrusted"
        return
    error = refused(press.url, access(own))
    assert isinstance(error, Unsecured)
    assert broken.rpartition("/")[2] in str(error)
    (own / broken).unlink()
    if not broken.startswith("ca"):
        assert "No such file" in str(refused(press.url, access(own)))


def test_the_key_of_another_certificate_is_noticed(press: Secured, tmp_path: Path) -> None:
    own = tmp_path / "opcua"
    shutil.copytree(press.own, own)
    shutil.copy(press.folder / "key.pem", own / "key.pem")
    assert "is not the RSA key of" in str(refused(press.url, access(own)))


def test_who_closes_without_a_word_is_said_to_mistrust_us(press: Secured) -> None:
    async def work() -> str:
        between = Between(press.port)
        async with between.listening() as url:
            made = driver(url, access(press.own))

            def change(number: int, data: bytes) -> bytes:
                if number:
                    raise ConnectionError
                return data

            between.change = change
            with pytest.raises(ConnectionLost) as error:
                await made.connect()
            await made.close()
        return str(error.value)

    assert "may close without a word where the server does not trust the certificate" in run(work())

"""The virtual controller over secured OPC UA: whom it lets in, and who tries to come in otherwise."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from asyncua import Client, ua
from asyncua.ua.uaerrors import UaError
from cryptography import x509
from drivers_support import PATIENT_NS, run, tags_for
from secured_support import BEST, SECRET, Between, Secured, access, authority, enrol, trust
from serve_support import STILL, WITHIN_S, serving

from gateway.controller.serve import main
from gateway.errors import ConnectionLost, DeviceRefused, GatewayError
from gateway.field.drivers.base import Driver, open_driver
from gateway.field.security import Access
from gateway.field.serving.opcua_security import Doorkeeper
from gateway.pki.credentials import OpcuaFiles, take_lists

INPUTS = {"count": ("INT", "ns=2;s=Still.m_int")}
OUTPUTS = {"level": ("REAL", "ns=2;s=Still.level")}


@pytest.fixture(scope="module")
def still(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    """It takes the user ada, and her alone."""
    folder = tmp_path_factory.mktemp("still")
    line = authority(folder / "authority")
    there, own = enrol(line, folder, "still", "127.0.0.1"), enrol(line, folder, "gateway")
    how = access(there, user="ada", password=SECRET)
    options = ("--security", BEST, "--certificates", str(there), "--user", "ada")
    with serving(STILL, "opc.tcp", "", *options, "--password-file", how.password_file) as (port, _):
        yield Secured(port, there, own, line)


def driver(still: Secured, how: Access) -> Driver:
    return open_driver(still.url, tags_for("opcua", INPUTS, OUTPUTS), PATIENT_NS, access=how)


def ada(folder: Path, security: str = BEST) -> Access:
    return access(folder, security, "ada", SECRET)


async def fails(made: Driver) -> GatewayError:
    try:
        with pytest.raises(GatewayError) as error:
            await made.connect()
        return error.value
    finally:
        await made.close()


async def meets(still: Secured, how: Access) -> None:
    """It comes in."""
    made = driver(still, how)
    await made.connect()
    await made.close()


def test_a_gateway_of_the_line_reads_and_writes(still: Secured) -> None:
    async def work() -> None:
        made = driver(still, ada(still.own))
        identity = await made.connect()
        assert identity.program == "Still"
        assert await made.read() == {"level": 2.5}
        await made.write({"count": 7})
        assert await made.read_back(["count"]) == {"count": 7}
        await made.close()

    run(work())


def test_another_policy_or_mode_is_not_served(still: Secured) -> None:
    for security in ("Basic256Sha256/Sign", "Aes256_Sha256_RsaPss/SignAndEncrypt"):
        error = run(fails(driver(still, ada(still.own, security)._replace(user=""))))
        assert f"offers no {security}, only {BEST};" in str(error)


def test_no_one_comes_in_without_the_users_password(still: Secured) -> None:
    for how in (
        access(still.own),
        access(still.own, user="ada", password="Bern-1848x"),
        access(still.own, user="admin", password=SECRET),
    ):
        error = run(fails(driver(still, how)))
        assert isinstance(error, DeviceRefused)
        assert error.code in ("BadUserAccessDenied", "BadIdentityTokenRejected")
        assert "check the user" in str(error)
        assert SECRET not in str(error)
        assert "Bern-1848x" not in str(error)


def test_a_password_that_others_may_read_is_not_sent(still: Secured) -> None:
    how = access(still.own, user="ada", password=SECRET)
    os.chmod(how.password_file, 0o640)
    assert "others may read it; chmod 600" in str(run(fails(driver(still, how))))
    os.unlink(how.password_file)
    assert "No such file" in str(run(fails(driver(still, how))))


def test_a_password_may_stand_in_the_environment(still: Secured, monkeypatch: pytest.MonkeyPatch) -> None:
    how = access(still.own, user="ada")._replace(variable="TWINLINE_PASSWORD_GLUE_PLC")
    assert "set TWINLINE_PASSWORD_GLUE_PLC" in str(run(fails(driver(still, how))))
    monkeypatch.setenv("TWINLINE_PASSWORD_GLUE_PLC", SECRET)
    run(meets(still, how))


def test_nobody_in_between_sees_the_password(still: Secured) -> None:
    async def work() -> Between:
        between = Between(still.port)
        async with between.listening() as url:
            made = open_driver(url, tags_for("opcua", INPUTS, OUTPUTS), PATIENT_NS, access=ada(still.own))
            await made.connect()
            await made.close()
        return between

    heard = run(work()).heard
    assert len(heard) == 2
    for said in heard:
        assert SECRET.encode() not in said[0] + said[1]


def test_a_stranger_is_not_even_given_a_channel_and_comes_in_once_trusted(
    still: Secured, tmp_path: Path
) -> None:
    """By an authority of their own, which knows the server's: only the server can refuse them."""
    stranger = enrol(authority(tmp_path / "foreign"), tmp_path, "gateway")
    trust(stranger, still.folder)
    error = run(fails(driver(still, ada(stranger))))
    assert isinstance(error, ConnectionLost)
    assert "does not trust the certificate" in str(error)
    trust(still.folder, stranger)
    run(meets(still, ada(stranger)))


def test_a_crowd_of_strangers_writes_no_file_each(tmp_path: Path) -> None:
    """Each would hold up the scan; who was kept is named again."""
    own = enrol(authority(tmp_path / "line"), tmp_path, "tool")
    foreign = authority(tmp_path / "foreign")
    strangers = [enrol(foreign, tmp_path, name) for name in ("one", "two")]
    ders = [OpcuaFiles.of(each).certificate.read_bytes() for each in strangers]
    keeper = Doorkeeper(access(own))
    for der in (*ders, *ders):
        assert not keeper.admit(der)
    assert [path.read_bytes() for path in (own / "rejected").iterdir()] == ders[:1]
    assert "put it into" in keeper.turned_away
    assert not keeper.admit(ders[0])
    assert f"mv {own / 'rejected'}" in keeper.turned_away
    for nothing in (b"", b"nothing"):
        assert not keeper.admit(nothing)


def test_a_node_that_is_revoked_stays_out(still: Secured, tmp_path: Path) -> None:
    node = enrol(still.authority, tmp_path, "gone")
    run(meets(still, ada(node)))
    serial = x509.load_der_x509_certificate(OpcuaFiles.of(node).certificate.read_bytes()).serial_number
    now = time.time_ns()
    still.authority.revoke([(serial, now)], now=now)
    take_lists(still.folder.parent, still.authority.lists)
    assert isinstance(run(fails(driver(still, ada(node)))), ConnectionLost)
    run(meets(still, ada(still.own)))


@pytest.mark.parametrize("anonymous", [True, False])
def test_without_security_only_the_endpoints_are_told(still: Secured, anonymous: bool) -> None:
    """The library's own client, which asks for no security, and for a session all the same."""

    async def work() -> list[str]:
        client = Client(still.url, timeout=WITHIN_S)
        await client.connect_sessionless()
        told = [f"{each.SecurityPolicyUri}" for each in await client.get_endpoints()]
        who = (None, None) if anonymous else ("ada", SECRET)
        for refused in (client.create_session(), client.activate_session(*who)):
            with contextlib.suppress(UaError):
                await refused
        with pytest.raises((UaError, ConnectionError)):
            await client.get_node("ns=2;s=Still.m_int").write_value(ua.Variant(9, ua.VariantType.Int16))
        client.disconnect_socket()
        return told

    assert [each.rpartition("#")[2] for each in run(work())] == ["Basic256Sha256"]


def test_the_token_of_a_live_session_opens_nothing(still: Secured) -> None:
    """Tokens are small numbers; who tries them all on a channel of their own gets no session by it."""

    async def work() -> None:
        made = driver(still, ada(still.own))
        await made.connect()
        await made.write({"count": 7})
        client = Client(still.url, timeout=WITHIN_S)
        await client.connect_sessionless()
        for number in range(1000, 1040):
            client.uaclient.session.restore_authentication_token(ua.NodeId(number))
            with pytest.raises(UaError):
                await client.activate_session("ada", SECRET)
            with pytest.raises(UaError):
                await client.get_node("ns=2;s=Still.m_int").write_value(ua.Variant(9, ua.VariantType.Int16))
        client.disconnect_socket()
        assert await made.read_back(["count"]) == {"count": 7}, "and the session lives on"
        await made.close()

    run(work())


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--security", BEST), "give --certificates"),
        (("--user", "ada"), "are for --security"),
        (("--security", "Basic256"), "is no security spoken here"),
        (("--security", "Basic256Sha256/Sign", "--certificates", ".", "--user", "ada"), "sends a password"),
        (("--security", BEST, "--certificates", "/nowhere"), "/nowhere/cert.der: No such file"),
    ],
)
def test_options_that_make_no_secured_server_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: tuple[str, ...], said: str
) -> None:
    program = tmp_path / "program.st"
    program.write_text(STILL)
    assert main([str(program), "--address", "opc.tcp://127.0.0.1:0", *options]) == 2
    assert said in capsys.readouterr().err

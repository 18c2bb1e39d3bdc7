"""Certificates, those of OPC UA servers and the one that we show them: whether they are valid today."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from gateway.device import Device
from gateway.errors import BadInput, GatewayError
from gateway.local.checks.finding import Finding, ok, unseen, wrong
from gateway.local.checks.line import CONNECT_S
from gateway.net.link import broker_address
from gateway.net.tls import BRING, LineContext, WrongPeer, explain
from gateway.pki.certificates import der, read_certificates, read_der
from gateway.pki.credentials import OpcuaFiles, TlsFiles, read_revoked
from gateway.pki.revocation import overdue

SOON_DAYS = 14
_THEIRS = "make a new one in the server's settings, download it, and trust it wherever it was trusted"
_RENEW = "renew it; the gateway takes it at the next connection"
_OURS = "delete it: the next 'probe --security' makes a new one, which the server must trust anew"


def own(now: datetime, folder: str) -> list[Finding]:
    """Of the one that a gateway shows, in ``folder``; without, of the probe's, where it has made one."""
    from gateway.field.probe.opcua_security import default_folder

    path = OpcuaFiles.of(Path(folder) if folder else default_folder()).certificate
    try:
        found = path.read_bytes()
    except OSError as error:
        if not folder:
            return []
        return [wrong("certificate ours", f"{path}: {error.strerror}", "enrol this gateway: docs/opcua.md")]
    return [judge("certificate ours", found, now, _RENEW if folder else _OURS, str(path))]


def of_brokers(files: TlsFiles, brokers: Sequence[str], now: datetime) -> Iterator[Finding]:
    """Of the one that a gateway shows brokers, and of those that they show; bounded by ``CONNECT_S`` each."""
    try:
        shown = read_certificates(files.certificate)[0]
    except BadInput as bad:
        yield wrong("certificate broker", f"ours: {bad}", "enrol this gateway: docs/broker.md")
        return
    yield judge("certificate broker", der(shown), now, _RENEW, "ours")
    yield _revoked(files, now)
    for url in brokers:
        host, port, secured = broker_address(url)
        if not secured:
            continue
        context = LineContext(files, lambda error: None)
        try:
            with (
                socket.create_connection((host, port), CONNECT_S) as plain,
                context.wrap_socket(plain, host) as sock,
            ):
                sock.do_handshake()
                theirs = sock.getpeercert(True)
        except (ssl.SSLError, WrongPeer) as error:
            yield wrong("certificate broker", f"{url}: {explain(error, files)}", "")
        except OSError as error:
            yield unseen("certificate broker", f"{url}: {explain(error, files)}")
        else:
            assert theirs is not None, "it was checked"
            yield judge("certificate broker", theirs, now, "renew it at the broker, then SIGHUP", url)


def _revoked(files: TlsFiles, now: datetime) -> Finding:
    """Of the lists of the revoked by which brokers are judged; one that is overdue stops no line."""
    check = "revocation lists"
    try:
        lists = read_revoked(files)
    except BadInput as bad:
        return wrong(check, str(bad), BRING)
    if not lists:
        return unseen(check, f"there are none: a broker that was revoked is not known as one; {BRING}")
    if late := overdue(lists, now):
        return unseen(check, f"{late}; whom it names stays out, who was revoked since is not known; {BRING}")
    latest = max(each.last_update_utc for each in lists)
    return ok(check, f"{sum(map(len, lists))} revoked, as of {latest:%Y-%m-%d}")


def protection(device: Device) -> Finding | None:
    """How ``device`` is protected on its way; None where its protocol has no choice."""
    if not device.protection:
        return None
    check = f"security {device.name}"
    if not device.exposed:
        return ok(check, device.protection)
    return unseen(
        check,
        "not signed, not encrypted: whoever is on the way to it reads and changes all; give security: "
        "in the station file (docs/opcua.md), or security: None where that is meant",
    )


async def server(what: str, url: str, timeout_ns: int, now: datetime) -> Finding:
    """Of the OPC UA server of the device ``what`` at ``url``; it is asked for its endpoints, no more."""
    from gateway.field.opcua.trust import split
    from gateway.field.probe.opcua_session import Session
    from gateway.field.probe.report import Report

    check = f"certificate {what}"
    session = Session(Report(url, "opcua"), timeout_ns)
    try:
        async with asyncio.timeout(4 * timeout_ns / 1e9):
            await session.call(session.client.connect_sessionless())
            endpoints = await session.call(session.client.get_endpoints())
    except (GatewayError, TimeoutError) as error:
        return unseen(check, f"the server does not tell its endpoints: {error}")
    finally:
        await session.close()
    found = next((each.ServerCertificate for each in endpoints if each.ServerCertificate), None)
    if not found:
        return ok(check, "the server has none: it speaks without security")
    return judge(check, split(found)[0], now, _THEIRS, "the server's certificate")


def judge(check: str, der: bytes, now: datetime, do: str, name: str) -> Finding:
    """Whether the certificate ``der`` is valid ``now`` (UTC)."""
    try:
        held = read_der(der)
    except ValueError as error:
        return wrong(check, f"{name} cannot be read: {error}", do)
    begins, ends = held.not_valid_before_utc, held.not_valid_after_utc
    if now < begins:
        day = f"valid from {_day(begins)} on, and today is {_day(now)} here"
        return wrong(check, f"{name} is not valid yet: {day}", "set the clock that is wrong")
    if now > ends:
        return wrong(check, f"{name} expired on {_day(ends)}; today is {_day(now)} here", do)
    if (ends - now).days < SOON_DAYS:
        return wrong(check, f"{name} expires on {_day(ends)}", do)
    return ok(check, f"{name} is valid until {_day(ends)}")


def _day(when: datetime) -> str:
    return when.astimezone(UTC).date().isoformat()

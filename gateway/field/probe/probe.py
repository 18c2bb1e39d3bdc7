"""Probes the device at a URL: bounded in time and requests, on one connection at a time, which it frees."""

from __future__ import annotations

import asyncio
import importlib
import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from gateway.errors import BadInput, ConnectionLost, GatewayError, Problem, ProtocolViolation
from gateway.field.addresses import Protocol
from gateway.field.drivers.base import open_driver
from gateway.field.probe.asking import Stopped
from gateway.field.probe.expect import read_expectation
from gateway.field.probe.report import Report, show
from gateway.reach import cut_off
from gateway.units import duration

WITHIN_S = 60.0
_PROTOCOLS: dict[str, Protocol] = {"modbus": "modbus", "opc.tcp": "opcua", "s7": "s7"}
_NAMES = {"modbus": "Modbus TCP", "opcua": "OPC UA", "s7": "S7"}
ANSWERED, REFUSED = 0, 1


async def probe(
    url: str,
    expected: Sequence[str],
    timeout_ns: int,
    within_s: float = WITHIN_S,
    security: str = "",
    certificates: Path | None = None,
) -> Report:
    """Ask the device at ``url`` all there is to ask, and compare with the values ``expected`` of it.

    One answer may take ``timeout_ns``, the whole ``within_s``. ``security`` is how to connect to an OPC UA
    server (``Basic256Sha256``, ``Basic256Sha256/Sign``; "": without), with the certificate that is kept in
    the folder ``certificates``. Raises ValueError("what; hint") for a URL, an expectation or a security that
    cannot be read, OSError where the certificate cannot be kept, nothing else.
    """
    driver = open_driver(url, {}, timeout_ns)
    protocol = _PROTOCOLS[urlsplit(url).scheme]
    expectations = [read_expectation(protocol, text) for text in expected]
    examine = importlib.import_module(f"gateway.field.probe.{protocol}").examine
    if security:
        if protocol != "opcua":
            raise ValueError(f"--security: {_NAMES[protocol]} has none; leave it out")
        from gateway.field.probe.opcua_security import default_folder, read_security

        examine = partial(examine, security=read_security(security, certificates or default_folder()))
    report = Report(url, protocol)
    try:
        async with asyncio.timeout(within_s):
            await examine(driver, timeout_ns, expectations, report)
    except TimeoutError:
        report.reason = f"stopped after {within_s:g} s"
    except ProtocolViolation as error:
        name = "breaks the protocol" if report.answered else f"something answers, but not {_NAMES[protocol]}"
        report.reason = f"{name}: {error}"
    except ConnectionLost as error:
        report.reason = ("" if report.answered else await asyncio.to_thread(cut_off, url)) or str(error)
    except (GatewayError, Stopped) as error:
        report.reason = str(error)
    finally:
        await driver.close()
    report.count(driver.statistics.requests, driver.statistics.slowest_ns)
    return report


def command(
    url: str,
    expected: Sequence[str],
    timeout: str,
    as_json: bool,
    say: Callable[[str], None],
    security: str = "",
    certificates: Path | None = None,
) -> int:
    """Probe and ``say`` the report, as a table or as JSON; exit status 0 answered, 1 not. Raises BadInput."""
    try:
        timeout_ns = duration(timeout)
        if timeout_ns <= 0:
            raise ValueError(f"{timeout!r} is no time to wait; write for example 2 s")
        report = asyncio.run(probe(url, expected, timeout_ns, security=security, certificates=certificates))
    except OSError as error:  # no device's: those are in the report
        text = f"cannot keep the certificate: {error}"
        raise BadInput([Problem("", 0, 0, text, "name a folder with --certificates")]) from None
    except ValueError as error:
        what, _, hint = str(error).partition("; ")
        raise BadInput([Problem("", 0, 0, what, hint)]) from None
    if as_json:
        say(json.dumps(msgspec.to_builtins(report), indent=2))
    else:
        for line in show(report):
            say(line)
    return ANSWERED if report.answered else REFUSED

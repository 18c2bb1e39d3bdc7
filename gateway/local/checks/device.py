"""A device: what its link says; where it is not connected, what a probe of its own finds out."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from pathlib import Path

from gateway.device import Device
from gateway.field.drivers.stream import UNSERVED
from gateway.field.probe.probe import probe
from gateway.field.s7family import PROTECTED, family, slot_of
from gateway.field.tags import Tag
from gateway.field.types import Value
from gateway.local.checks.finding import Finding, ok, unseen, wrong
from gateway.local.checks.words import swapped
from gateway.local.messages import DeviceShown
from gateway.local.table import times

TIMEOUT_NS = 2_000_000_000
WITHIN_S = 20.0
_CODE = re.compile(r"refused with (?P<code>[^;]+)(?:; (?P<do>.*))?", re.DOTALL)
_ADDRESS = (
    "read the address off the device, and correct it in the line or station file (gateway.json: addresses)"
)


def connection(device: Device, folder: str, shown: DeviceShown | None) -> Finding:
    """Whether ``device`` is connected; ``shown`` is what the agent knows, None where it is not. It is probed
    by the security that the station file asks for, with the certificate in ``folder``."""
    name, role, address = device.name, device.role, device.address
    check = f"device {name}"
    if shown is not None and shown.ready:
        took = (
            f", answers in {shown.mean / 1e6:.1f} ms, {shown.slowest / 1e6:.1f} at most" if shown.mean else ""
        )
        lost = f"; it was lost {times(shown.losses)}" if shown.losses else ""
        return ok(check, f"{address} is connected{took}{lost}")
    if role == "served":
        if shown is None:
            return unseen(check, f"the gateway serves it at {address} only while it runs")
        do = "give the controller this gateway's address as that of its remote I/O, and start it"
        return wrong(check, shown.problem, do)
    security = str(device.security) if device.secured else ""
    work = probe(address, (), TIMEOUT_NS, WITHIN_S, security, Path(folder) if folder else None)
    try:
        report = asyncio.run(work)
    except OSError as error:
        return unseen(check, f"not looked at: {folder}: {error.strerror}")
    if report.answered:
        if shown is None:
            return ok(check, f"{address} answers")
        return wrong(check, f"{address} answers a probe, but {shown.problem}", "see plc and logs")
    if report.advice:
        return wrong(check, report.reason, "; ".join(report.advice))
    if UNSERVED in report.reason:
        return wrong(check, report.reason, f"start what answers there, or the port is wrong: {_ADDRESS}")
    return wrong(check, report.reason, f"if the device is on, the address is wrong: {_ADDRESS}")


def refusals(shown: DeviceShown) -> list[Finding]:
    """What the device refuses, once for each reason it gives."""
    by_code: dict[str, list[tuple[str, str]]] = {}
    for tag, why in shown.refused:
        match = _CODE.search(why)
        code, do = (match["code"], match["do"] or "") if match else (why, "")
        by_code.setdefault(code, []).append((tag, do))
    return [_refusal(shown, code, tags) for code, tags in by_code.items()]


def _refusal(shown: DeviceShown, code: str, tags: list[tuple[str, str]]) -> Finding:
    first, do = tags[0]
    which = first if len(tags) == 1 else f"{first} and {len(tags) - 1} more"
    if shown.protocol == "s7" and code in PROTECTED:
        cpu = family(shown.who, slot_of(shown.address))
        return wrong(f"tags {shown.name}", f"the CPU refuses {which}: {code}; {cpu.disabled}", cpu.access)
    return wrong(f"tags {shown.name}", f"{which} refused: {code}", do or "see plc")


def order(name: str, tags: Mapping[str, Tag], values: Mapping[str, Value]) -> Finding | None:
    """Whether the numbers of the device ``name`` make sense; None where it tells none of several words."""
    mine = [tag for tag in tags.values() if tag.device == name and tag.direction == "output"]
    many = [tag for tag in mine if tag.is_number and tag.type.bits > 16]
    if not many:
        return None
    found = swapped(many, values)
    if found is None:
        said = "1 number makes" if len(many) == 1 else f"{len(many)} numbers make"
        return ok(f"words {name}", f"{said} sense as read, of two words or more")
    more = f" ({found.others} more alike)" if found.others else ""
    what = (
        f"{found.tag.name} shows {found.value:.4g}; in the order {found.order} it is {found.meant:.6g}{more}"
    )
    do = f"write order: {found.order} for the device {name} (or the tag) in the station file, docs/tags.md"
    return wrong(f"words {name}", f"the words of its numbers are swapped: {what}", do)

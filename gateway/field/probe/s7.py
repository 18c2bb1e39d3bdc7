"""What an S7 CPU serves: identity, message size, data blocks and areas with sizes, and what it refuses."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.errors import ConnectionLost, DeviceRefused
from gateway.field.addresses import S7Address
from gateway.field.drivers.base import Driver, open_driver
from gateway.field.drivers.blocks import Area
from gateway.field.drivers.s7 import S7Driver
from gateway.field.probe.asking import Asking
from gateway.field.probe.expect import Expectation, bits, readings
from gateway.field.probe.extent import extent
from gateway.field.probe.report import Report
from gateway.field.s7family import PROTECTED, family

BLOCKS = 64
"""So many data blocks are asked for, from DB1."""
PLACES = ((0, 1), (0, 0), (0, 2), (0, 3))
"""Rack and slot, where CPUs usually are: S7-1200 and S7-1500, also 1200, S7-300, S7-400."""
AREAS = {"I": "inputs", "Q": "outputs", "M": "memory"}
_LAST = 65535


async def examine(
    driver: Driver, timeout_ns: int, expectations: Sequence[Expectation], report: Report
) -> None:
    """Fill ``report``; raises GatewayError where no one is there, Stopped where a bound is reached."""
    assert isinstance(driver, S7Driver)
    try:
        await driver.open()
    except (ConnectionLost, DeviceRefused) as error:
        if driver.stream is None:
            raise  # there is no one at all
        await driver.close()
        await _elsewhere(driver, timeout_ns, str(error), report)
        return
    report.answered = True
    asking = Asking(driver)
    await _identity(asking, report)
    report.add("limits", what="bytes of data a read", value=driver.read_limit(Area("DB", 1)))
    for kind, holds in AREAS.items():
        await _area(asking, Area(kind), holds, report)
    for number in range(1, BLOCKS + 1):
        await _area(asking, Area("DB", number), "data block", report)
    for expectation in expectations:
        await _compare(asking, expectation, report)
    _advise(asking, report)


async def _elsewhere(driver: S7Driver, timeout_ns: int, said: str, report: Report) -> None:
    """The port is open, but not this rack and slot: try the usual ones, one after the other."""
    report.reason = f"{said}; rack and slot may be wrong, or all of the CPU's connections in use"
    base = report.url.partition("://")[2].partition("/")[0]
    for rack, slot in PLACES:
        url = f"s7://{base}/{rack}/{slot}"
        other = open_driver(url, {}, timeout_ns)
        assert isinstance(other, S7Driver)
        if other.place == driver.place:
            continue
        try:
            await other.open()
        except (ConnectionLost, DeviceRefused):
            continue
        else:
            report.advice.append(f"rack {rack}, slot {slot} answers: write {url}")
            return
        finally:
            await other.close()
            report.count(other.statistics.requests, other.statistics.slowest_ns)


async def _identity(asking: Asking[S7Driver], report: Report) -> None:
    identity = await asking.ask(asking.driver.identify)
    if isinstance(identity, str):
        return
    known = {"vendor": identity.vendor, "product": identity.product, "version": identity.version}
    known |= {"program": identity.program, "program's SHA-256": identity.program_sha256}
    for what, says in (known | identity.details).items():
        if says:
            report.add("identity", what=what, says=says)


async def _area(asking: Asking[S7Driver], area: Area, holds: str, report: Report) -> None:
    if isinstance(await asking.read(area, 0), str):
        return
    _, last = await extent(asking.answers(area), 0, 0, _LAST)
    name = f"{area.kind}{area.number or ''}"
    report.add("areas", area=name, holds=holds, bytes=last + 1)


async def _compare(asking: Asking[S7Driver], wanted: Expectation, report: Report) -> None:
    address = wanted.address
    assert isinstance(address, S7Address)
    area = Area(address.area, address.db)
    sizes = (4, 8) if address.width == 32 else (address.width // 8,)
    raw = await asking.read_some(area, address.byte, (8, 4, 2, 1))
    if isinstance(raw, str):
        report.advice.append(f"{wanted.text}: {raw}")
        return
    found = bits(raw[0] >> address.bit, wanted) if address.bit >= 0 else readings(raw, wanted, sizes)
    otherwise = f"no type and order holds the value; found {raw[:8].hex(' ')}"
    report.judge(wanted.text, [each._asdict() for each in found], otherwise)


def _advise(asking: Asking[S7Driver], report: Report) -> None:
    said = ", ".join(f"{code}: {times} times" for code, times in asking.refusals.items())
    blocks = sum(str(record["area"]).startswith("DB") for record in report.sections.get("areas", ()))
    report.add("limits", what="data blocks asked for", value=f"DB1 to DB{BLOCKS}, {blocks} answered")
    report.add("limits", what="refusals", value=said or "none")
    known = [str(each["says"]) for each in report.sections.get("identity", ()) if each["what"] == "product"]
    found = family(" ".join(known), asking.driver.place[1])
    if any(code in asking.refusals for code in PROTECTED):
        report.advice.append(found.access)
    if not blocks:
        report.advice.append(found.block)

"""What a Modbus TCP device serves: units, identity, tables with their ends, the longest read, word order."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.field.addresses import ModbusAddress
from gateway.field.drivers.base import Driver
from gateway.field.drivers.blocks import Area
from gateway.field.drivers.modbus import ModbusDriver
from gateway.field.probe.asking import SILENT, Asking
from gateway.field.probe.expect import Expectation, Reading, bits, readings
from gateway.field.probe.extent import extent, largest
from gateway.field.probe.report import Record, Report

TABLES = {"hr": "holding registers", "ir": "input registers", "coil": "coils", "di": "discrete inputs"}
ANCHORS = (0, 1, 100, 1000, 1024, 2048, 4096, 8192, 10000, 16384, 20000, 30000, 32768, 40000, 50000, 65535)
"""Where devices' tables usually begin; a stretch without any of them goes unfound."""
UNITS = (1, 2, 3, 10, 247, 255, 0)
_LAST = 65535
_ABSENT = ("gateway path unavailable", "gateway target device failed to respond")
_NO_TABLE = "illegal function"
_NEAR = {  # the numbering of a manual may begin at 1
    0: "",
    -1: "one lower than expected",
    1: "one higher than expected",
}


async def examine(
    driver: Driver, timeout_ns: int, expectations: Sequence[Expectation], report: Report
) -> None:
    """Fill ``report``; raises GatewayError where no one is there, Stopped where a bound is reached."""
    assert isinstance(driver, ModbusDriver)
    await driver.open()
    asking, unit = Asking(driver), driver.unit
    said = await asking.read(Area("hr"), 0)
    report.answered = _is_there(said)
    if not report.answered:
        others = await _units(asking, [other for other in (1, 255, 0) if other != unit])
        report.reason = f"unit {unit} does not answer ({asking.loss if said == SILENT else str(said)})"
        report.advice += [f"unit {other} answers: write {_with_unit(report.url, other)}" for other in others]
        if said == SILENT and not others:
            report.reason += "; the port is open, but nothing there answers Modbus TCP"
        return
    await _identity(asking, report)
    for table in TABLES:
        await _table(asking, table, expectations, report)
    for expectation in expectations:
        await _compare(asking, expectation, report)
    for other in await _units(asking, [each for each in UNITS if each != unit]):
        report.add("other units that answer", unit=other)


def _with_unit(url: str, unit: int) -> str:
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.partition('/')[0]}/{unit}"


def _is_there(answer: bytes | str) -> bool:
    return answer != SILENT and answer not in _ABSENT


async def _units(asking: Asking[ModbusDriver], units: Sequence[int]) -> list[int]:
    """Which of ``units`` answer; after the first that is silent no more are asked."""
    found, before = [], asking.driver.unit
    try:
        for unit in units:
            asking.driver.unit = unit
            answer = await asking.read(Area("hr"), 0)
            if answer == SILENT:
                break
            if _is_there(answer):
                found.append(unit)
    finally:
        asking.driver.unit = before
    return found


async def _identity(asking: Asking[ModbusDriver], report: Report) -> None:
    identity = await asking.ask(asking.driver.identify)
    if isinstance(identity, str) or len(identity.details) < 2:
        report.add("identity", what="device identification", says="not served (function 43/14)")
        return
    for key, text in identity.details.items():
        report.add("identity", what=key, says=text)


async def _table(
    asking: Asking[ModbusDriver], table: str, expectations: Sequence[Expectation], report: Report
) -> None:
    """One record for each stretch of the table that is found, or for the table that has none."""
    area, answers = Area(table), asking.answers(Area(table))
    asked = [
        each.address.index
        for each in expectations
        if isinstance(each.address, ModbusAddress) and each.address.table == table
    ]
    found: list[tuple[int, int]] = []
    codes: dict[str, int] = {}
    for anchor in (*asked, *ANCHORS):
        if any(first <= anchor <= last for first, last in found):
            continue
        answer = await asking.read(area, anchor)
        if isinstance(answer, str):
            codes[answer] = codes.get(answer, 0) + 1
            if answer in (_NO_TABLE, SILENT):
                break
            continue
        first, last = await extent(answers, anchor, 0, _LAST)
        found.append((first, last))
        limit = asking.driver.read_limit(area)
        span = min(last - first + 1, limit)
        most = await largest(asking.accepts(area, first), span)
        per_read = str(most) if most < span or span == limit else f"at least {most}"
        report.add(
            "tables", table=table, holds=TABLES[table], first=first, last=last, cells_per_read=per_read
        )
    if not found:
        said = "; ".join(f"{code}, {times} times" for code, times in codes.items())
        text = "not served: illegal function" if _NO_TABLE in codes else f"none found: {said}"
        report.add("tables", table=table, holds=text, first=None, last=None, cells_per_read=None)


async def _compare(asking: Asking[ModbusDriver], wanted: Expectation, report: Report) -> None:
    """What holds the value at the address, the one before and the one after."""
    address = wanted.address
    assert isinstance(address, ModbusAddress)
    area = Area(address.table)
    if address.width == 1:
        raw = await asking.read(area, address.index)
        held = int.from_bytes(raw, "big") >> max(address.bit, 0) if isinstance(raw, bytes) else 0
        fitting = bits(held, wanted) if isinstance(raw, bytes) else []
        otherwise = raw if isinstance(raw, str) else f"the bit is {bool(held & 1)}"
        report.judge(wanted.text, [_match(each, address, "") for each in fitting], otherwise)
        return
    found: list[Record] = []
    for near, note in _NEAR.items():
        if not 0 <= address.index + near <= _LAST:
            continue
        at = ModbusAddress(address.table, address.index + near)
        raw = await asking.read_some(area, at.index, (min(4, _LAST + 1 - at.index), 2, 1))
        fit = readings(raw, wanted, (2, 4, 8)) if isinstance(raw, bytes) else ()
        # Scaled and elsewhere would be guessing.
        found += [_match(each, at, note) for each in fit if near == 0 or each.factor == 1]
    report.judge(wanted.text, found, "no type and order at or beside this address holds the value")


def _match(reading: Reading, at: ModbusAddress, note: str) -> Record:
    where = f"{at.table}:{at.index}" + (f".{at.bit}" if at.bit >= 0 else "")
    return {"address": where, **reading._asdict(), "note": note}

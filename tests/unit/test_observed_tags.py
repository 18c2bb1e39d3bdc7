"""Tags as shadow mode reads them: every input where the controller has it, and none that could be written."""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit

import pytest

from gateway.field.addresses import ModbusAddress, Protocol, S7Address
from gateway.field.drivers.modbus import open_url
from gateway.field.entries import Dialect, TagEntry, compile_tags
from gateway.field.observed import observed
from gateway.field.tags import Tag


def compiled(
    *entries: TagEntry,
    protocols: dict[str, Protocol] | None = None,
    dialects: dict[str, Dialect] | None = None,
) -> tuple[dict[str, Tag], list[str]]:
    said: list[str] = []
    tags = compile_tags(
        entries,
        protocols or {"plc": "modbus"},
        lambda line, what, hint: said.append(f"{what}; {hint}"),
        dialects,
        controller="plc",
    )
    return tags, said


def an_input(name: str, kind: str = "BOOL", address: str = "coil:9", **more: str) -> TagEntry:
    return TagEntry("input", kind, address, safe="false" if kind == "BOOL" else "0", name=name, **more)  # type: ignore[arg-type]


def test_an_input_is_read_at_its_address_or_where_it_says_real() -> None:
    tags, said = compiled(an_input("here"), an_input("there", address="coil:10", real="di:3"))
    assert not said
    seen = observed(tags, ())
    assert {tag.direction for tag in seen.values()} == {"output"}
    assert seen["here"].address == ModbusAddress("coil", 9)
    assert (seen["there"].address, seen["there"].text) == (ModbusAddress("di", 3), "di:3")
    assert tags["there"].address == ModbusAddress("coil", 10), "where the gateway writes stays as it was"


def test_real_is_on_the_controller_also_for_what_is_wired_or_polled() -> None:
    tags, said = compiled(
        an_input("wired", "INT", "hr:4", device="rio", real="%IW4"),
        an_input("polled", "INT", "ir:5", device="own"),
        protocols={"plc": "s7", "rio": "modbus", "own": "modbus"},
        dialects={"own": Dialect(served=True)},
    )
    assert not said
    seen = observed(tags, {"own"})
    assert (seen["wired"].device, seen["wired"].address) == ("plc", S7Address("I", 0, 4, -1, 16))
    assert seen["polled"] is tags["polled"], "what the gateway serves is there for the controller alone"


def test_base_and_order_are_the_controllers() -> None:
    tags, said = compiled(
        an_input("far", "DINT", "hr:4", device="rio", real="ir:1"),
        protocols={"plc": "modbus", "rio": "modbus"},
        dialects={"plc": Dialect(base=1, order="CDAB"), "rio": Dialect()},
    )
    assert not said
    far = observed(tags, ())["far"]
    assert far.address == ModbusAddress("ir", 0)
    assert (far.type.order, tags["far"].type.order) == ("CDAB", "ABCD")


@pytest.mark.parametrize(
    ("entry", "wanted"),
    [
        (an_input("a", real="nowhere"), "a: real: 'nowhere' is not a Modbus address"),
        (an_input("a", real="ir:3"), "a: real: type BOOL does not fit address ir:3"),
        (TagEntry("output", "BOOL", "coil:0", name="a", real="di:0"), "a: an output has no real"),
    ],
)
def test_what_is_wrong_with_it_is_said(entry: TagEntry, wanted: str) -> None:
    _, said = compiled(entry)
    assert len(said) == 1
    assert said[0].startswith(wanted)


def test_a_driver_of_such_tags_knows_no_way_to_write_them() -> None:
    tags, _ = compiled(an_input("a"))
    driver = open_url(urlsplit("modbus://127.0.0.1:1/1"), ("127.0.0.1", 1), observed(tags, ()), 10**9, {})
    with pytest.raises(KeyError):
        asyncio.run(driver.write({"a": True}))

"""What an S7 CPU is told to change: by its order number, else by the slot in which it answers."""

from __future__ import annotations

import pytest

from gateway.field.drivers.s7 import S7Driver
from gateway.field.s7family import CLASSIC, NEW, Family, family, slot_of
from gateway.local.checks.device import refusals
from gateway.local.messages import DeviceShown


@pytest.mark.parametrize(
    ("product", "slot", "found"),
    [
        ("", 0, NEW), ("", 1, NEW), ("", 2, CLASSIC), ("", 3, CLASSIC), ("Original Siemens", 2, CLASSIC),
        ("6ES7 315-2EH14-0AB0", 1, CLASSIC), ("6ES7 416-3XR05-0AB0", 3, CLASSIC),
        ("6ES7151-8AB01", 2, CLASSIC),
        ("6ES7 214-1AG40-0XB0", 1, NEW), ("6ES7 511-1AK02-0AB0", 1, NEW), ("6ES7 672-5DC00", 2, NEW),
        ("Siemens 6ES7 516-3AN01-0AB0 V2.8.3", 2, NEW),
    ],
)  # fmt: skip
def test_the_family(product: str, slot: int, found: Family) -> None:
    assert family(product, slot) is found


def test_the_slot_of_an_address() -> None:
    assert [slot_of(f"s7://10.0.0.7{rest}") for rest in ("", "/", ":102", "/0/2", ":102/0/2/")] == [
        1,
        1,
        1,
        2,
        2,
    ]


@pytest.mark.parametrize(("slot", "found", "other"), [(1, NEW, CLASSIC), (2, CLASSIC, NEW)])
def test_a_cpu_is_told_what_it_has(slot: int, found: Family, other: Family) -> None:
    driver = S7Driver(("10.0.0.7", 102), {}, 1, {}, slot=slot)
    for code, short in (("access not allowed", "short_access"), ("object does not exist", "short_block")):
        assert driver.advice(code, "level") == getattr(found, short).format("level")
    assert driver.advice("hardware error", "level") == "look at the CPU's diagnostic buffer"
    why = "level at DB1.DBW0: refused with access not allowed; x"
    shown = DeviceShown(
        "plc", "controller", "s7", f"s7://h/0/{slot}", "ready", True, refused=(("level", why),)
    )
    (said,) = refusals(shown)
    assert (found.disabled in said.text, said.do) == (True, found.access)
    assert "PUT/GET" not in CLASSIC.access + CLASSIC.short_access + CLASSIC.disabled
    assert "ptimized" not in CLASSIC.short_block + CLASSIC.block

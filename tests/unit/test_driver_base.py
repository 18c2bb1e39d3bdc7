"""Which driver an address means, which tags a refusal is about, and the life of a link as a table."""

from __future__ import annotations

import asyncio
import itertools
import subprocess
import sys
from collections.abc import Sequence
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import DeviceRefused
from gateway.field.drivers.base import PROBES, find_refused, open_driver
from gateway.field.entries import TagEntry, compile_tags
from gateway.field.scan import TRANSITIONS, Backoff, LinkEvent, LinkState
from gateway.field.tags import Tag


@pytest.mark.parametrize(
    "address",
    ["http://plc", "modbus://", "modbus://plc:99999", "modbus:///1", "opc.tcp://plc:0", "plc:502", ""],
)
def test_an_address_of_nothing_says_what_would_be_one(address: str) -> None:
    with pytest.raises(ValueError, match="is not a device's address; write modbus://host:port/unit"):
        open_driver(address, {}, 1)


@pytest.mark.parametrize(
    ("address", "hint"),
    [
        ("modbus://plc/256", "with 0 to 255"),
        ("modbus://plc/one", "with 0 to 255"),
        ("s7://plc/1", "not rack and slot; write"),
        ("s7://plc/0/77", "not rack and slot; write"),
        ("s7://plc/8/1", "not rack and slot; write"),
    ],
)
def test_a_path_of_the_wrong_kind_says_what_would_be_right(address: str, hint: str) -> None:
    with pytest.raises(ValueError, match=hint):
        open_driver(address, {}, 1)


def test_a_protocol_is_imported_only_where_it_is_spoken() -> None:
    script = (
        "import sys; from gateway.field.drivers.base import open_driver; import gateway.field.scan\n"
        "libraries = {'pymodbus', 'asyncua', 'snap7'}\n"
        "assert not libraries & set(sys.modules)\n"
        "open_driver('modbus://plc', {}, 1)\n"
        "assert libraries & set(sys.modules) == {'pymodbus'}\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, cwd=".")


# --- which tags are at fault -----------------------------------------------------------------------------


def some_tags(count: int) -> list[Tag]:
    entries = [TagEntry("output", "INT", f"hr:{n}", name=f"t{n}") for n in range(count)]
    tags = compile_tags(entries, {"plc": "modbus"}, lambda *problem: pytest.fail(str(problem)))
    return list(tags.values())


@given(st.integers(1, 200), st.data())
def test_the_tags_at_fault_are_found_in_a_bounded_number_of_probes(count: int, data: st.DataObject) -> None:
    tags = some_tags(count)
    bad = data.draw(st.sets(st.sampled_from([tag.name for tag in tags]), max_size=4))
    probes = 0

    async def attempt(group: Sequence[Tag]) -> None:
        nonlocal probes
        probes += 1
        if bad & {tag.name for tag in group}:
            raise DeviceRefused("no", "there")

    found, refusal = asyncio.run(find_refused(tags, attempt))
    assert probes <= PROBES
    assert (refusal is None) == (not bad)
    names = [tag.name for tag in found]
    assert set(names) >= bad
    if probes < PROBES:
        assert set(names) == bad
    assert names == [tag.name for tag in tags if tag.name in set(names)]


# --- the life of a link ----------------------------------------------------------------------------------

STATES, EVENTS = get_args(LinkState), get_args(LinkEvent)
TABLE = {
    "closed": {"open": "connecting"},
    "connecting": {"connected": "ready", "lost": "backing off", "close": "closing"},
    "ready": {"lost": "backing off", "close": "closing"},
    "backing off": {"retry": "connecting", "close": "closing"},
    "closing": {"ended": "closed"},
}


@pytest.mark.parametrize(("state", "event"), [*itertools.product(STATES, EVENTS)])
def test_the_life_of_a_link_is_this_table(state: LinkState, event: LinkEvent) -> None:
    assert TRANSITIONS.get((state, event)) == TABLE[state].get(event)


def test_a_back_off_doubles_up_to_its_bound_and_begins_anew() -> None:
    backoff = Backoff(100, 1000)
    assert [backoff.wait() for _ in range(6)] == [100, 200, 400, 800, 1000, 1000]
    backoff.reset()
    assert backoff.wait() == 100

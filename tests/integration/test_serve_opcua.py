"""The virtual controller over OPC UA, before asyncua's client. One server serves the whole module."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, NamedTuple

import pytest
from asyncua import Client, ua
from hypothesis import given, settings
from hypothesis import strategies as st
from serve_support import ECHO, STILL, WITHIN_S, serving

from gateway.controller.compile import compile_program
from gateway.controller.mapping import Loopback
from gateway.controller.runtime import VirtualController
from gateway.errors import DeviceRefused
from gateway.field.addresses import OpcUaAddress
from gateway.field.types import OPCUA_TYPES, TYPES, DataType, Value


class Rig(NamedTuple):
    """A client of the still program on a loop of its own, and that program in loopback."""

    run: Callable[[Awaitable[Any]], Any]
    client: Client
    loopback: Loopback
    said: dict[str, Any]


@pytest.fixture(scope="module")
def rig() -> Iterator[Rig]:
    controller = VirtualController(compile_program(STILL))
    controller.scan(0)
    loopback = Loopback("opcua", controller.program, controller.memory)
    with serving(STILL, "opc.tcp", "") as (port, said), asyncio.Runner() as runner:
        client = Client(f"opc.tcp://127.0.0.1:{port}", timeout=WITHIN_S)
        runner.run(client.connect())
        yield Rig(runner.run, client, loopback, said)  # type: ignore[arg-type]
        runner.run(client.disconnect())


def variant(kind: DataType, value: Value) -> ua.Variant:
    return ua.Variant(value, ua.VariantType[OPCUA_TYPES[kind.name]])


def test_says_who_it_is(rig: Rig) -> None:
    async def ask() -> tuple[Any, ...]:
        name = await rig.client.get_node("ns=2;s=Controller.ProgramName").read_value()
        digest = await rig.client.get_node("ns=2;s=Controller.ProgramHash").read_value()
        build = await rig.client.get_node(ua.ObjectIds.Server_ServerStatus_BuildInfo).read_value()
        return name, digest, build.ManufacturerName, build.ProductName

    assert rig.run(ask()) == ("Still", rig.said["sha256"], "Twinline", "virtual controller")


def test_variables_lie_in_a_folder_named_after_the_program(rig: Rig) -> None:
    async def browse() -> dict[str, tuple[str, bool]]:
        folder = await rig.client.nodes.objects.get_child("2:Still")
        found = {}
        for child in await folder.get_children():
            name, kind = (await child.read_browse_name()).Name, await child.read_data_type_as_variant_type()
            found[name] = kind.name, ua.AccessLevel.CurrentWrite in await child.get_access_level()
        return found

    found = rig.run(browse())
    assert found.pop("lamp") == ("Boolean", False)
    assert found.pop("speed") == ("Int16", False)
    assert found.pop("level") == ("Float", False)
    assert found.pop("sensor") == ("Boolean", False)
    assert found.pop("raw") == ("UInt16", False)
    assert found == {f"m_{name.lower()}": (kind, True) for name, kind in OPCUA_TYPES.items()}


def test_one_write_request_is_latched_by_one_scan_and_a_subscription_sees_it() -> None:
    """Also: each value that a subscription brings has the time of its scan, and none is missed."""

    async def drive(port: int) -> None:
        class Changes:
            def __init__(self) -> None:
                self.queue: asyncio.Queue[tuple[int, Any]] = asyncio.Queue()

            def datachange_notification(self, node: Any, value: int, data: Any) -> None:
                self.queue.put_nowait((value, data.monitored_item.Value.SourceTimestamp))

        async with Client(f"opc.tcp://127.0.0.1:{port}", timeout=WITHIN_S) as client:
            inputs = [client.get_node(f"ns=2;s=Echo.{name}") for name in "abcd"]
            changes = Changes()
            subscription = await client.create_subscription(10, changes)
            await subscription.subscribe_data_change(client.get_node("ns=2;s=Echo.echo"))
            last, since = await asyncio.wait_for(changes.queue.get(), WITHIN_S)
            assert last == 0
            async with Client(f"opc.tcp://127.0.0.1:{port}", timeout=WITHIN_S) as other:
                outputs = [
                    other.get_node(f"ns=2;s=Echo.{name}") for name in ("first", "scans2", "last", "torn")
                ]
                for number in range(1, 101):
                    await client.write_values(inputs, [ua.Variant(number, ua.VariantType.Int16)] * 4)
                    value, at = await asyncio.wait_for(changes.queue.get(), WITHIN_S)
                    assert value == number
                    assert at > since
                    since = at
                    first, second, third, torn = await other.read_values(outputs)
                    assert first == second == third
                    assert torn == 0, "the program saw a torn write"
            await subscription.delete()

    with serving(ECHO, "opc.tcp", "", "--scan", "2 ms") as (port, _):
        asyncio.run(drive(port))


@pytest.mark.parametrize(
    ("node", "value", "says"),
    [
        ("Still.m_int", ua.Variant(1, ua.VariantType.Int32), "BadTypeMismatch"),
        ("Still.m_int", ua.Variant([1], ua.VariantType.Int16), "BadTypeMismatch"),
        ("Still.m_int", ua.Variant(), "BadTypeMismatch"),
        ("Still.speed", ua.Variant(1, ua.VariantType.Int16), "BadNotWritable"),
        ("Still.raw", ua.Variant(1, ua.VariantType.UInt16), "BadNotWritable"),
        ("Still.nothing", ua.Variant(1, ua.VariantType.Int16), "BadNodeIdUnknown"),
        ("Controller.ProgramHash", ua.Variant("0"), "BadNotWritable"),
    ],
)
def test_refusals(rig: Rig, node: str, value: ua.Variant, says: str) -> None:
    with pytest.raises(ua.UaStatusCodeError) as raised:
        rig.run(rig.client.get_node(f"ns=2;s={node}").write_value(ua.DataValue(value)))
    assert type(raised.value).__name__ == says


def test_only_values_can_be_written(rig: Rig) -> None:
    node = rig.client.get_node("ns=2;s=Still.m_int")
    name = ua.DataValue(ua.Variant(ua.LocalizedText("else")))
    with pytest.raises(ua.uaerrors.BadNotWritable):
        rig.run(node.write_attribute(ua.AttributeIds.DisplayName, name))


def test_part_of_a_value_cannot_be_written(rig: Rig) -> None:
    write = ua.WriteValue(
        ua.NodeId.from_string("ns=2;s=Still.m_int"),
        ua.AttributeIds.Value,
        "0:1",
        ua.DataValue(ua.Variant(1, ua.VariantType.Int16)),
    )
    codes = rig.run(rig.client.uaclient.write(ua.WriteParameters([write])))
    assert [code.name for code in codes] == ["BadNotWritable"]


def test_each_item_of_a_request_is_refused_by_itself(rig: Rig) -> None:
    nodes = [rig.client.get_node(f"ns=2;s=Still.{name}") for name in ("m_int", "speed", "m_uint")]
    values = [ua.Variant(-7, ua.VariantType.Int16)] * 2 + [ua.Variant(8, ua.VariantType.UInt16)]
    codes = rig.run(rig.client.write_values(nodes, values, raise_on_partial_error=False))
    assert [code.name for code in codes] == ["Good", "BadNotWritable", "Good"]
    assert rig.run(rig.client.read_values(nodes)) == [-7, -5, 8]


# The loopback answers as the server does.

NAMES = ["lamp", "speed", "level", "sensor", "raw", "nothing", *(f"m_{name.lower()}" for name in OPCUA_TYPES)]


@st.composite
def accesses(draw: st.DrawFn) -> tuple[str, DataType, Value | None]:
    """A node, often a type that is its own, and a value to write or None to read."""
    name = draw(st.sampled_from(NAMES))
    own = name.removeprefix("m_").upper()
    kinds = list(TYPES.values())
    kind = draw(st.sampled_from(kinds) | st.just(TYPES.get(own, kinds[0])))
    if kind.kind == "bool":
        values: st.SearchStrategy[Value] = st.booleans()
    elif kind.kind == "real":
        values = st.floats(width=32 if kind.bits == 32 else 64, allow_nan=False)
    else:
        values = st.integers(int(kind.low), int(kind.high))
    return f"ns=2;s=Still.{name}", kind, draw(st.none() | values)


async def over_the_wire(client: Client, node: str, kind: DataType, value: Value | None) -> Value | str | None:
    """What a client gets: a value, None for a write that was done, or the refusal's name."""
    try:
        if value is not None:
            await client.get_node(node).write_value(ua.DataValue(variant(kind, value)))
            return None
        found = (await client.get_node(node).read_data_value()).Value
    except ua.UaStatusCodeError as error:
        return type(error).__name__
    assert found is not None
    right = found.VariantType.name == OPCUA_TYPES[kind.name]
    return found.Value if right else "BadTypeMismatch"


@settings(max_examples=100, deadline=None)
@given(st.lists(accesses(), max_size=12))
def test_loopback_and_server_agree(rig: Rig, sequence: list[tuple[str, DataType, Value | None]]) -> None:
    async def compare() -> None:
        for kind in TYPES.values():  # the same start for each example
            node = f"ns=2;s=Still.m_{kind.name.lower()}"
            zero = kind.unpack(bytes(kind.bits // 8 or 1))
            await rig.client.get_node(node).write_value(ua.DataValue(variant(kind, zero)))
            rig.loopback.write(OpcUaAddress(node), kind, zero)
        for node, kind, value in sequence:
            wire = await over_the_wire(rig.client, node, kind, value)
            address = OpcUaAddress(node)
            try:
                loop: Value | str | None = rig.loopback.read(address, kind) if value is None else None
                if value is not None:
                    rig.loopback.write(address, kind, value)
            except DeviceRefused as refused:
                loop = refused.code
            assert wire == loop

    rig.run(compare())

"""OPC UA against asyncua's own server: types, limits, refusals by name, and what is not OPC UA."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from asyncua import Client, ua
from drivers_support import (
    BRISK_NS,
    PATIENT_NS,
    asyncua_server,
    babbling,
    listening,
    read_until,
    run,
    tags_for,
)

from gateway.errors import GatewayError
from gateway.field.drivers.base import TagsRefused, open_driver
from gateway.field.types import Value

TYPES = {
    "bool": ("BOOL", "Boolean", True), "byte": ("BYTE", "Byte", 255), "sint": ("SINT", "SByte", -128),
    "int": ("INT", "Int16", -32768), "word": ("WORD", "UInt16", 0xFFFF), "dint": ("DINT", "Int32", -(2**31)),
    "udint": ("UDINT", "UInt32", 2**32 - 1), "real": ("REAL", "Float", 0.15625),
    "lreal": ("LREAL", "Double", 1e300),
}  # fmt: skip


@pytest.fixture(scope="module")
def asyncua() -> Iterator[int]:
    with asyncua_server() as (_, port):
        yield port


def node(name: str) -> str:
    return f"ns=2;s={name}"


def test_every_type_in_as_many_requests_as_the_server_allows(asyncua: int) -> None:
    """The server says that it takes 3 nodes in a read and 2 in a write."""
    inputs = {name: (kind, node(variable)) for name, (kind, variable, _) in TYPES.items()}
    values = {name: value for name, (_, _, value) in TYPES.items()}

    async def work() -> None:
        writer = open_driver(f"opc.tcp://127.0.0.1:{asyncua}", tags_for("opcua", inputs, {}), PATIENT_NS)
        reader = open_driver(f"opc.tcp://127.0.0.1:{asyncua}", tags_for("opcua", {}, inputs), PATIENT_NS)
        await writer.connect()
        await reader.connect()
        assert (await reader.read()).keys() == values.keys()
        before = writer.statistics.requests, reader.statistics.requests
        await writer.write(values)
        image: dict[str, object] = {}
        await read_until(reader, image, values)  # type: ignore[arg-type]  # of values
        after = writer.statistics.requests, reader.statistics.requests
        assert (after[0] - before[0], after[1] - before[1]) == (5, 3)
        assert await reader.read() == {}
        assert await writer.read_back(values) == values
        await writer.close()
        await reader.close()

    run(work())


def test_what_cannot_be_read_is_named_and_the_rest_is_read(asyncua: int) -> None:
    outputs = {
        "good": ("INT", node("fixed")), "gone": ("INT", node("nothing")), "words": ("INT", node("text")),
        "many": ("INT", node("array")), "sick": ("INT", node("doubt")),
    }  # fmt: skip
    said = {
        "gone": "BadNodeIdUnknown; check the node id",
        "words": "BadTypeMismatch; the server's variable holds String, INT is Int16",
        "many": "BadTypeMismatch; the server's variable holds Int16 array of 2, INT is Int16",
        "sick": "BadSensorFailure",
    }

    async def work() -> None:
        driver = open_driver(f"opc.tcp://127.0.0.1:{asyncua}", tags_for("opcua", {}, outputs), PATIENT_NS)
        await driver.connect()
        with pytest.raises(TagsRefused) as caught:
            await driver.read()
        assert set(caught.value.tags) == set(said)
        assert caught.value.values == {"good": 7}
        for name, words in said.items():
            assert words in str(driver.refused[name])
            assert str(driver.refused[name]).startswith(f"{name} at ns=2;s=")
        assert await driver.read() == {}  # told once
        assert not driver.lost.is_set()
        await driver.close()

    run(work())


def test_what_the_server_doubts_is_read_and_said_to_be_uncertain(asyncua: int) -> None:
    async def work() -> None:
        tags = tags_for("opcua", {}, {"good": ("INT", node("fixed")), "unsure": ("INT", node("unsure"))})
        driver = open_driver(f"opc.tcp://127.0.0.1:{asyncua}", tags, PATIENT_NS)
        await driver.connect()
        for _ in range(2):  # the second time by the plan of the first answer
            await driver.read()
            assert driver.uncertain == {"unsure"}
        assert await driver.read_back(["good", "unsure"]) == {"good": 7, "unsure": 7}
        assert driver.refused == {}
        await driver.close()

    run(work())


def test_browse_paths_lead_to_nodes_and_a_broken_one_says_where_it_ends(asyncua: int) -> None:
    at = {"good": ("INT", "/Objects/fixed"), "far": ("INT", "/Objects/Server/2:x/2:y"),
          "none": ("INT", "/Objects/2:nothing"), "id": ("INT", node("fixed"))}  # fmt: skip
    into = {"held": ("INT", "/0:Objects/Int16"), "lost": ("INT", "/Things/2:Int16")}

    async def work() -> None:
        driver = open_driver(f"opc.tcp://127.0.0.1:{asyncua}", tags_for("opcua", into, at), PATIENT_NS)
        for _ in range(2):  # each connection looks them up
            await driver.connect()
            assert await driver.read() == {"good": 7, "id": 7}
            assert await driver.read() == {}
            said = {name: str(error) for name, error in driver.refused.items()}
            assert said.keys() == {"far", "none", "lost"}
            assert "there is no 2:x in /Objects/Server" in said["far"]
            assert "there is no 2:nothing in /Objects" in said["none"]
            assert "there is no Things in /;" in said["lost"]
            await driver.write({"held": 11})
            assert await driver.read_back(["held"]) == {"held": 11}
            with pytest.raises(TagsRefused, match="lost at /Things/2:Int16: refused with BadNoMatch"):
                await driver.write({"held": 12, "lost": 1})
            assert await driver.read_back(["held"]) == {"held": 12}
            with pytest.raises(TagsRefused, match="BadNoMatch"):
                await driver.read_back(["held", "lost"])
            await driver.close()

    run(work())


def test_the_sources_time_comes_with_a_value(asyncua: int) -> None:
    at = {"number": ("INT", node("Int16")), "other": ("DINT", node("Int32"))}
    stamps = [datetime(2026, 1, 2, 3, 4, second, 678_900, tzinfo=UTC) for second in range(4)]

    async def work() -> None:
        url = f"opc.tcp://127.0.0.1:{asyncua}"
        driver = open_driver(url, tags_for("opcua", {}, at), PATIENT_NS)
        await driver.connect()
        async with Client(url) as writer:
            for turn, stamp in enumerate(stamps):
                value = ua.DataValue(ua.Variant(100 + turn, ua.VariantType.Int16), SourceTimestamp=stamp)
                await writer.get_node(node("Int16")).write_attribute(ua.AttributeIds.Value, value)
                assert (await driver.read())["number"] == 100 + turn
                assert driver.times["number"] == int(stamp.timestamp()) * 10**9 + 678_900_000
            for turn, never in enumerate((datetime.max, datetime.max, datetime(1601, 1, 1))):
                stamp = never.replace(tzinfo=UTC)
                value = ua.DataValue(ua.Variant(200 + turn, ua.VariantType.Int16), SourceTimestamp=stamp)
                await writer.get_node(node("Int16")).write_attribute(ua.AttributeIds.Value, value)
                assert (await driver.read())["number"] == 200 + turn
                assert "number" not in driver.times  # the server knows none, and says so thus
        await driver.close()

    run(work())


def test_texts_and_arrays_both_ways(asyncua: int) -> None:
    at = {"words": ("STRING[20]", node("words")), "rows": ("INT[2]", node("rows"))}
    short = {"rows": ("INT[3]", node("rows"))}

    async def work() -> None:
        url = f"opc.tcp://127.0.0.1:{asyncua}"
        writer = open_driver(url, tags_for("opcua", at, {}), PATIENT_NS)
        reader = open_driver(url, tags_for("opcua", {}, at), PATIENT_NS)
        await writer.connect()
        await reader.connect()
        await reader.read()
        turns: list[dict[str, Value]] = [
            {"words": "Grüße", "rows": (-1, 32767)},
            {"words": "", "rows": (0, 5)},
        ]
        for values in turns:
            await writer.write(values)
            assert await writer.read_back(values) == values
            assert await reader.read() == values
            assert await reader.read() == {}
        wrong = open_driver(url, tags_for("opcua", {}, short), PATIENT_NS)
        await wrong.connect()
        with pytest.raises(TagsRefused, match=r"holds Int16 array of 2, ARRAY.* is Int16 array of 3"):
            await wrong.read()
        for driver in (writer, reader, wrong):
            await driver.close()

    run(work())


def test_a_type_of_another_width_is_named_with_both_types(asyncua: int) -> None:
    async def work() -> None:
        tags = tags_for("opcua", {}, {"wide": ("DINT", node("fixed"))})
        driver = open_driver(f"opc.tcp://127.0.0.1:{asyncua}", tags, PATIENT_NS)
        await driver.connect()
        with pytest.raises(TagsRefused, match=r"wide at .* holds Int16, DINT is Int32"):
            await driver.read()
        await driver.close()

    run(work())


def test_what_cannot_be_written_is_named_and_the_rest_is_written(asyncua: int) -> None:
    inputs = {
        "fixed": ("INT", node("fixed")), "gone": ("INT", node("nothing")), "real": ("INT", node("Float")),
        "good": ("INT", node("Int16")),
    }  # fmt: skip

    async def work() -> None:
        driver = open_driver(f"opc.tcp://127.0.0.1:{asyncua}", tags_for("opcua", inputs, {}), PATIENT_NS)
        await driver.connect()
        with pytest.raises(TagsRefused) as caught:
            await driver.write({"fixed": 1, "gone": 2, "real": 3, "good": 4})
        assert set(caught.value.tags) == {"fixed", "gone", "real"}
        codes = {name: error.code for name, error in driver.refused.items()}
        assert codes == {
            "fixed": "BadUserAccessDenied",
            "gone": "BadUserAccessDenied",
            "real": "BadTypeMismatch",
        }
        assert await driver.read_back(["good"]) == {"good": 4}
        await driver.close()

    run(work())


def test_what_is_no_opc_ua_at_all() -> None:
    async def work() -> None:
        async with listening(babbling) as port:
            tags = tags_for("opcua", {}, {"good": ("INT", node("fixed"))})
            driver = open_driver(f"opc.tcp://127.0.0.1:{port}", tags, BRISK_NS)
            with pytest.raises(GatewayError, match=f"127.0.0.1:{port}"):
                await driver.connect()
            assert driver.lost.is_set()

    run(work())

"""The plan that takes numbers out of OPC UA answers, held against the library's own decoder."""

from __future__ import annotations

import datetime
import math
from typing import Any

import pytest
from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.ua.ua_binary import struct_from_binary, struct_to_binary
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.field.drivers.opcua import _held as held
from gateway.field.drivers.opcua import _limit as limit
from gateway.field.drivers.opcua_read import Encoded, PreparedRead, Shape, results_of
from gateway.net.messages import decode, encode
from gateway.net.reports import Image

LIMITS = {"SByte": 8, "Int16": 16, "Int32": 32, "Int64": 64}
WHOLE = {name: st.integers(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) for name, bits in LIMITS.items()}
WHOLE |= {
    name: st.integers(0, 2**bits - 1)
    for name, bits in (("Byte", 8), ("UInt16", 16), ("UInt32", 32), ("UInt64", 64))
}
NUMBERS: dict[str, st.SearchStrategy[Any]] = WHOLE | {
    "Boolean": st.booleans(), "Float": st.floats(width=32), "Double": st.floats(),
}  # fmt: skip
TIMES = st.none() | st.integers(0, 10**6).map(
    lambda s: datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC) + datetime.timedelta(seconds=s)
)


def numbers(name: str) -> st.SearchStrategy[ua.Variant]:
    return NUMBERS[name].map(lambda value: ua.Variant(value, ua.VariantType[name]))


variants = st.one_of(
    st.sampled_from(sorted(NUMBERS)).flatmap(numbers),
    st.text(max_size=5).map(lambda text: ua.Variant(text, ua.VariantType.String)),
    st.lists(st.integers(-5, 5), max_size=4).map(
        lambda row: ua.Variant(row, ua.VariantType.Int16, is_array=True)
    ),
)
states = st.sampled_from([None, ua.StatusCode(0), ua.StatusCode(ua.StatusCodes.BadSensorFailure)])
nodes = st.builds(
    lambda value, state, source, server: ua.DataValue(
        value, StatusCode=state, SourceTimestamp=source, ServerTimestamp=server
    ),
    variants, states, TIMES, TIMES,
)  # fmt: skip


def encoded(answers: list[ua.DataValue]) -> bytes:
    return results_of(Buffer(struct_to_binary(ua.ReadResponse(Results=answers))))


def same(one: Any, other: Any) -> bool:
    return one == other or (isinstance(one, float) and math.isnan(one) and math.isnan(other))


@given(st.lists(nodes, min_size=2, max_size=12), st.randoms(use_true_random=False))
@settings(max_examples=300)
def test_what_differs_in_numbers_alone_is_read_as_the_library_reads_it(
    answers: list[ua.DataValue], chance: Any
) -> None:
    shape = Shape.of(encoded(answers), len(answers))
    assert shape is not None
    for turn in range(3):
        for answer in answers:
            assert answer.Value is not None
            name = answer.Value.VariantType.name
            if turn and name in WHOLE and not answer.Value.is_array:
                answer.Value = ua.Variant(chance.choice((0, 1, 100)), answer.Value.VariantType)
        found = shape.read(encoded(answers))
        assert found is not None
        assert len(found.numbers) == len(answers)
        buffer = Buffer(struct_to_binary(ua.ReadResponse(Results=answers)))
        whole = struct_from_binary(ua.ReadResponse, buffer).Results
        for node, (number, read) in enumerate(zip(found.numbers, whole, strict=True)):
            if read.Value.VariantType.name in NUMBERS and not read.Value.is_array:
                assert same(number, read.Value.Value)
            stamp = answers[node].SourceTimestamp
            assert found.time_of(node) == (stamp and int(stamp.timestamp()) * 10**9)


def value(number: Any, name: str = "Int16", state: int = 0) -> ua.DataValue:
    return ua.DataValue(ua.Variant(number, ua.VariantType[name]), StatusCode=ua.StatusCode(state))


@pytest.mark.parametrize(
    "other",
    [
        [value(1), value(2, "UInt16")],
        [value(1), value(2, state=ua.StatusCodes.BadSensorFailure)],
        [value(1), ua.DataValue(ua.Variant(2, ua.VariantType.Int16), StatusCode=None)],
        [value(1)],
        [value(1), value(2), value(3)],
        [value(1), ua.DataValue(ua.Variant([2], ua.VariantType.Int16, is_array=True))],
    ],
    ids=["another type", "another state", "no state", "one fewer", "one more", "an array"],
)
def test_an_answer_of_another_shape_is_left_to_the_library(other: list[ua.DataValue]) -> None:
    shape = Shape.of(encoded([value(1), value(2)]), 2)
    assert shape is not None
    found = shape.read(encoded([value(7), value(-8)]))
    assert found is not None
    assert found.numbers == (7, -8)
    assert shape.read(encoded(other)) is None


def test_another_text_of_the_same_length_is_another_shape() -> None:
    shape = Shape.of(encoded([value(1), value("abc", "String")]), 2)
    assert shape is not None
    assert shape.read(encoded([value(2), value("abc", "String")])) is not None
    assert shape.read(encoded([value(2), value("abd", "String")])) is None


@given(st.binary(max_size=200))
def test_any_bytes_of_the_right_length_are_another_shape_or_numbers(noise: bytes) -> None:
    like = encoded([value(1), value(2.0, "Double"), value(True, "Boolean")])
    shape = Shape.of(like, 3)
    assert shape is not None
    found = shape.read(noise.ljust(len(like), b"\0")[: len(like)])
    assert found is None or len(found.numbers) == 3


def test_a_prepared_request_is_encoded_like_the_library_s_own() -> None:
    wanted = ua.ReadParameters(
        TimestampsToReturn=ua.TimestampsToReturn.Neither,
        NodesToRead=[ua.ReadValueId(ua.NodeId(f"tag{n}", 2), ua.AttributeIds.Value) for n in range(3)],
    )
    header = ua.RequestHeader(RequestHandle=7, TimeoutHint=100)
    ours = struct_to_binary(PreparedRead(RequestHeader=header, Parameters=Encoded(struct_to_binary(wanted))))
    assert ours == struct_to_binary(ua.ReadRequest(RequestHeader=header, Parameters=wanted))


def test_a_text_that_is_no_utf_8_can_be_told_on() -> None:
    row = ua.Variant(["ab", None, "ok"], ua.VariantType.String, is_array=True)
    sent = encoded([ua.DataValue(ua.Variant("ab", ua.VariantType.String)), ua.DataValue(row)])
    spoilt = Buffer(struct_to_binary(ua.ReadResponse())[:-8] + sent.replace(b"ab", b"\xffb"))
    one, many = struct_from_binary(ua.ReadResponse, spoilt).Results
    assert one.Value.Value == "\udcffb"  # half a character, as the library takes it
    assert held(one.Value) == "\ufffdb"
    assert held(many.Value) == ("\ufffdb", "", "ok")
    body = Image(True, True, {"text": held(one.Value), "row": held(many.Value)})
    assert decode(encode(body), Image) == body


@pytest.mark.parametrize(
    ("said", "taken"), [(3, 3), (10**6, 1000), (0, 1000), (-1, 1000), ("5", 1000), (None, 1000), ([7], 1000)]
)
def test_a_limit_that_is_no_number_is_none(said: object, taken: int) -> None:
    assert limit(said) == taken

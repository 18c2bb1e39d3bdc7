"""One batch of OPC UA nodes: asked by a request encoded once, decoded by a plan made from the last answer.

The library spends some 8 µs a node on building objects and taking them apart. But an answer mostly has the
shape of the one before: the same types and states in the same places. Then one precompiled struct takes out
what may differ. An answer of another shape is decoded by the library, and a new plan is made from it.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from operator import itemgetter
from typing import Any, NamedTuple

from asyncua import ua
from asyncua.client.ua_client import UASocketProtocol
from asyncua.common.utils import Buffer
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.ua_binary import Primitives, nodeid_from_binary, struct_from_binary, struct_to_binary

import gateway.field.drivers.opcua_bounds  # noqa: F401  # before anything is decoded

_CODES = {1: "?", 2: "b", 3: "B", 4: "h", 5: "H", 6: "i", 7: "I", 8: "q", 9: "Q", 10: "f", 11: "d"}
_STRING, _ARRAY, _DIMENSIONS = 12, 0x80, 0x40
_VALUE, _STATUS = 1, 2  # in a DataValue's mask
_COUNT = struct.Struct("<i")
_SOURCE_TIME = 4
_OTHER_TIMES = ((16, 2), (8, 8), (32, 2))  # of the mask, bytes: the source's fraction, the server's time
_BEGIN = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH, _TICK = 116_444_736_000_000_000, 100  # 1970 in ticks since 1601, and a tick in ns


class Encoded(bytes):
    """Bytes that go into a message as they are: one more primitive for the library's encoder."""

    @staticmethod
    def pack(value: bytes) -> bytes:
        """As they are."""
        return value


setattr(Primitives, Encoded.__name__, Encoded)  # it looks its primitives up by name


@dataclass(slots=True)
class PreparedRead(ua.ReadRequest):
    """A ReadRequest whose parameters are encoded already."""

    Parameters: Encoded = field(default_factory=Encoded)


class Answer(NamedTuple):
    """``numbers`` has an item a node, see ``Found`` (None: no plan could be made).

    ``decoded`` is None where all but numbers and times is as in the answer before. ``time_of`` gives the
    source's time of a node, UTC ns, or None where the server tells none.
    """

    numbers: tuple[Any, ...] | None
    decoded: list[ua.DataValue] | None
    time_of: Callable[[int], int | None]


class Batch:
    """Reads the values of ``nodes`` with one request."""

    def __init__(self, nodes: Sequence[ua.NodeId]) -> None:
        wanted = ua.ReadParameters(
            TimestampsToReturn=ua.TimestampsToReturn.Source,
            NodesToRead=[ua.ReadValueId(node, AttributeIds.Value) for node in nodes],
        )
        self._parameters = Encoded(struct_to_binary(wanted))
        self._shape: Shape | None = None
        self.size = len(nodes)

    async def read(self, protocol: UASocketProtocol) -> Answer:
        """Ask the server; raises what the library raises."""
        answer: Buffer = await protocol.send_request(PreparedRead(Parameters=self._parameters))
        results = results_of(answer)
        if self._shape is not None and (found := self._shape.read(results)) is not None:
            return Answer(found.numbers, None, found.time_of)
        decoded: list[ua.DataValue] = struct_from_binary(ua.ReadResponse, answer).Results
        self._shape = Shape.of(results, len(decoded))
        first = self._shape.read(results) if self._shape is not None else None
        numbers = None if first is None else first.numbers
        return Answer(numbers, decoded, lambda node: _nanoseconds(decoded[node]))


def _nanoseconds(value: ua.DataValue) -> int | None:
    """The source's time, UTC."""
    if value.SourceTimestamp is None:
        return None
    stamp: datetime = value.SourceTimestamp
    since = (stamp if stamp.tzinfo is not None else stamp.replace(tzinfo=UTC)) - datetime.fromtimestamp(
        0, UTC
    )
    return _told(since // timedelta(microseconds=1) * 1_000)


def _told(time: int) -> int | None:
    """``time``, UTC ns; None where a server says by its first or last instant that it knows none."""
    return time if 0 < time < 2**63 else None


def results_of(answer: Buffer) -> bytes:
    """The bytes of the results in a ReadResponse; raises where the service as a whole failed."""
    rest = answer.copy()
    nodeid_from_binary(rest)
    struct_from_binary(ua.ResponseHeader, rest).ServiceResult.check()
    return bytes(rest)


class Found(NamedTuple):
    """The number of each node (the same bytes again for a text, an array or none), and a node's time."""

    numbers: tuple[Any, ...]
    time_of: Callable[[int], int | None]


class Shape:
    """Where the numbers lie in results of which all else but time stamps is as in those it was made from."""

    def __init__(self, walk: _Walk, results: bytes) -> None:
        self._layout = struct.Struct("<" + "".join(walk.layout))
        self._fixed, self._values = itemgetter(*walk.constants), itemgetter(*walk.values)
        self._expected = self._fixed(self._layout.unpack(results))
        self._times = walk.times

    @classmethod
    def of(cls, results: bytes, count: int) -> Shape | None:
        """The shape of the ``results`` of ``count`` nodes (at least 2); None where a plan is not worth it."""
        if count < 2:
            return None
        walk = _Walk(results)
        walk.fixed(_COUNT.size)
        for _ in range(count):
            if not walk.node():
                return None
        walk.fixed(len(results) - walk.at)  # diagnostics
        return cls(walk, results)

    def read(self, results: bytes) -> Found | None:
        """What differs in ``results``; None where they are of another shape."""
        if len(results) != self._layout.size:
            return None
        found = self._layout.unpack(results)
        if self._fixed(found) != self._expected:
            return None

        def time_of(node: int) -> int | None:
            item = self._times[node]
            return None if item is None else _told((found[item] - _EPOCH) * _TICK)

        return Found(self._values(found), time_of)


class _Walk:
    """Goes through results node by node and notes a struct's ``layout``, and which of its items are what."""

    def __init__(self, results: bytes) -> None:
        self.layout: list[str] = []
        self.constants: list[int] = []
        self.values: list[int] = []
        self.times: list[int | None] = []
        self.at = 0
        self._results = results
        self._items = 0
        self._open = 0  # bytes of the constant item that is growing, the last of the layout

    def fixed(self, size: int) -> None:
        """The next ``size`` bytes do not differ."""
        if self._open:
            self.layout.pop()
        elif size:
            self.constants.append(self._items)
            self._items += 1
        self._open += size
        if self._open:
            self.layout.append(f"{self._open}s")
        self.at += size

    def node(self) -> bool:
        """One DataValue; False where its value is of a kind that is left to the library."""
        mask = self._results[self.at]
        self.fixed(1)
        if mask & _VALUE and not self._variant():
            return False
        self.values.append(self._items - 1)
        if mask & _STATUS:
            self.fixed(4)
        self.times.append(self._items if mask & _SOURCE_TIME else None)
        if mask & _SOURCE_TIME:
            self._number("q")
        for bit, size in _OTHER_TIMES:
            if mask & bit:
                self._skip(size)
        return True

    def _variant(self) -> bool:
        """The item that comes last now is the number, or holds the text or array."""
        kind = self._results[self.at]
        self.fixed(1)
        if kind in _CODES:
            self._number(_CODES[kind])
            return True
        element = kind & ~_ARRAY
        if kind & _DIMENSIONS or (element not in _CODES and kind != _STRING):
            return False
        length = max(_COUNT.unpack_from(self._results, self.at)[0], 0)
        width = 1 if kind == _STRING else struct.calcsize("<" + _CODES[element])
        self.fixed(_COUNT.size + length * width)
        return True

    def _number(self, code: str) -> None:
        self.layout.append(code)
        self.at += struct.calcsize("<" + code)
        self._items, self._open = self._items + 1, 0

    def _skip(self, size: int) -> None:
        self.layout.append(f"{size}x")
        self.at, self._open = self.at + size, 0

"""OPC UA: one batched Read and Write for a station's nodes, over asyncua."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import SplitResult

from asyncua import ua
from asyncua.client.client import Client
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.uaerrors import UaError

from gateway.errors import DeviceRefused, ProtocolViolation
from gateway.field.addresses import OpcUaAddress
from gateway.field.compound import ArrayType
from gateway.field.drivers.base import Identity, TagsRefused
from gateway.field.drivers.opcua_connection import Connection
from gateway.field.drivers.opcua_paths import resolve
from gateway.field.drivers.opcua_read import Batch
from gateway.field.security import Access
from gateway.field.tags import Tag
from gateway.field.types import OPCUA_TYPES, Value

MAX_NODES = 1000
"""In one request, where the server names no limit of its own."""
MAX_PATHS = 100
"""Browse paths in one request."""
VARIANTS = {name: ua.VariantType[known] for name, known in OPCUA_TYPES.items()}
_HINTS = {
    "BadNodeIdUnknown": "check the node id of {} in the station file; the server does not know it",
    "BadNodeIdInvalid": "check the node id of {} in the station file; the server cannot read it",
    "BadTypeMismatch": "give {} in the station file the type that the server's variable has",
    "BadOutOfRange": "check the range of {} in the station file",
    "BadNotWritable": "make the variable of {} writable in the controller's OPC UA settings",
    "BadWriteNotSupported": "make the variable of {} writable in the controller's OPC UA settings",
    "BadUserAccessDenied": "give the user that logs in access to {} in the controller's OPC UA settings",
    "BadNotReadable": "make the variable of {} readable in the controller's OPC UA settings",
}
_ASKED = {  # of the standard address space, but for the two that our virtual controller adds
    "manufacturer": "i=2263",
    "product": "i=2261",
    "version": "i=2264",
    "build": "i=2265",
    "program": "ns=2;s=Controller.ProgramName",
    "sha256": "ns=2;s=Controller.ProgramHash",
    "reads": "i=11705",
    "writes": "i=11707",
}


def open_url(
    url: SplitResult,
    endpoint: tuple[str, int],
    tags: Mapping[str, Tag],
    timeout_ns: int,
    initial: Mapping[str, Value],
    access: Access | None = None,
) -> OpcUaDriver:
    """The driver for ``opc.tcp://host:port/path``."""
    url = url._replace(netloc=f"{endpoint[0]}:{endpoint[1]}")
    return OpcUaDriver(url.geturl(), tags, timeout_ns, access)


class OpcUaDriver:
    """One OPC UA session with the server at ``url``, as ``access`` says, else without security."""

    def __init__(
        self, url: str, tags: Mapping[str, Tag], timeout_ns: int, access: Access | None = None
    ) -> None:
        self._link = Connection(url, timeout_ns, access)
        self.lost, self.statistics = self._link.lost, self._link.statistics
        self.refused: dict[str, DeviceRefused] = {}
        self.uncertain: set[str] = set()
        self.times: dict[str, int] = {}
        self._url = url
        self._tags = tags
        self._paths = {tag.name: path for tag in tags.values() if (path := _address(tag).path)}
        self._ids = {tag.name: _node(tag) for tag in tags.values() if tag.name not in self._paths}
        self._nodes = dict(self._ids)
        self._lost_paths: dict[str, TagsRefused] = {}  # of tags whose path leads nowhere
        self._outputs = [tag for tag in tags.values() if tag.direction == "output"]
        self._last: dict[str, Value] = {}
        self._batches: list[tuple[Batch, Sequence[Tag]]] = []  # that read the outputs
        self._held: dict[Batch, tuple[Any, ...]] = {}  # what the outputs of a batch held last
        self._read_limit = self._write_limit = MAX_NODES

    async def connect(self) -> Identity:
        await self.close()
        self._last.clear()
        self._held.clear()
        self.refused.clear()
        self.uncertain.clear()
        self.times.clear()
        try:
            client = await self._link.open()
            identity = await self._identify()
            await self._follow_paths(client)
            there = [tag for tag in self._outputs if tag.name in self._nodes]
            self._batches = [
                (Batch([self._nodes[tag.name] for tag in part]), part)
                for first in range(0, len(there), self._read_limit)
                if (part := there[first : first + self._read_limit])
            ]
            return identity
        except BaseException:
            await self.close()
            raise

    async def _follow_paths(self, client: Client) -> None:
        """The nodes of this connection; what is not there is refused for as long as it lasts."""

        async def translate(paths: list[ua.BrowsePath]) -> list[ua.BrowsePathResult]:
            results: list[ua.BrowsePathResult] = await self._link.call(
                client.uaclient.translate_browsepaths_to_nodeids(paths)
            )
            self._check_count(len(results), len(paths))
            return results

        found, missing = await resolve(self._paths, translate, MAX_PATHS)
        self._nodes = self._ids | found
        self._lost_paths = {
            name: TagsRefused("BadNoMatch", [self._tags[name]], f"{what}; check the path in the station file")
            for name, what in missing.items()
        }
        self.refused.update(self._lost_paths)

    async def _identify(self) -> Identity:
        answers = await self._read_nodes([ua.NodeId.from_string(node) for node in _ASKED.values()])
        known = {
            key: answer.Value.Value
            for key, answer in zip(_ASKED, answers, strict=True)
            if answer.Value is not None and (answer.StatusCode is None or answer.StatusCode.is_good())
        }
        self._read_limit, self._write_limit = _limit(known.get("reads")), _limit(known.get("writes"))
        said = {key: _text(str(known.get(key) or "")) for key in _ASKED}
        details = {"url": self._url} | ({"build": said["build"]} if said["build"] else {})
        return Identity(
            "opcua", said["manufacturer"], said["product"], said["version"], said["program"], said["sha256"],
            details,
        )  # fmt: skip

    async def read(self) -> Mapping[str, Value]:
        protocol: Any = self._link.client.uaclient.protocol
        answers = [
            (batch, tags, await self._link.call(batch.read(protocol))) for batch, tags in self._batches
        ]
        changes: dict[str, Value] = {}
        refused: dict[str, TagsRefused] = {}
        for batch, tags, (numbers, decoded, time_of) in answers:
            if decoded is None:
                told = self._differences(batch, tags, numbers)
            else:
                self._check_count(len(decoded), batch.size)
                values, bad = self._judge(tags, decoded)
                told = {
                    name: value
                    for name, value in values.items()
                    if name not in self._last or not _same(self._last[name], value)
                }
                for tag in tags:
                    self._last.pop(tag.name, None)
                self._last |= values
                refused |= {name: error for name, error in bad.items() if name not in self.refused}
                self._keep(tags, bad)
            if numbers is not None:
                self._held[batch] = numbers
            changes |= told
            for node, tag in enumerate(tags if told else ()):
                if tag.name in told:
                    self._stamp(tag.name, time_of(node))
        if refused:
            first = next(iter(refused.values()))
            fresh = [tag for tag in self._outputs if tag.name in refused]
            raise TagsRefused(first.code, fresh, first.change, changes)
        return changes

    def _stamp(self, name: str, time: int | None) -> None:
        if time is None:
            self.times.pop(name, None)
        else:
            self.times[name] = time

    def _differences(
        self, batch: Batch, tags: Sequence[Tag], numbers: tuple[Any, ...] | None
    ) -> dict[str, Value]:
        """What changed in a batch of which all but the numbers is as it was: who is served well still is."""
        held = self._held[batch]
        if numbers is None or numbers == held:
            return {}
        changes = {
            tag.name: tag.from_device(new)
            for tag, new, old in zip(tags, numbers, held, strict=True)
            if new != old and tag.name in self._last and not _same(new, old)
        }
        self._last |= changes
        return changes

    async def read_back(self, names: Iterable[str]) -> dict[str, Value]:
        tags = [self._tags[name] for name in names]
        _raise_any(tags, self._lost_paths)
        values, refused = self._judge(tags, await self._read_nodes([self._nodes[tag.name] for tag in tags]))
        _raise_any(tags, refused)
        return values

    async def write(self, values: Mapping[str, Value]) -> None:
        asked = [self._tags[name] for name in values]
        tags = [tag for tag in asked if tag.name in self._nodes]
        refused = {name: self._lost_paths[name] for name in values if name in self._lost_paths}
        for first in range(0, len(tags), self._write_limit):
            part = tags[first : first + self._write_limit]
            parameters = ua.WriteParameters(
                NodesToWrite=[self._to_write(tag, tag.to_device(values[tag.name])) for tag in part]
            )
            client = self._link.client
            codes: list[ua.StatusCode] = await self._link.call(client.uaclient.write(parameters))
            self._check_count(len(codes), len(part))
            refused |= {
                tag.name: _refusal(tag, code.name)
                for tag, code in zip(part, codes, strict=True)
                if not code.is_good()
            }
        self._keep(tags, refused)
        _raise_any(asked, refused)

    def _to_write(self, tag: Tag, value: Value) -> ua.WriteValue:
        """Only the value: many servers refuse a status or a time stamp with it."""
        row = isinstance(value, tuple)
        variant = ua.Variant(list(value) if isinstance(value, tuple) else value, _variant(tag), is_array=row)
        data = ua.DataValue(variant, StatusCode=None)
        return ua.WriteValue(self._nodes[tag.name], AttributeIds.Value, Value=data)

    def _judge(
        self, tags: Sequence[Tag], answers: Sequence[ua.DataValue]
    ) -> tuple[dict[str, Value], dict[str, TagsRefused]]:
        """Engineering values of the tags that the server serves well, and what it said to the others."""
        values: dict[str, Value] = {}
        refused: dict[str, TagsRefused] = {}
        for tag, answer in zip(tags, answers, strict=True):
            variant, status = answer.Value, answer.StatusCode
            doubted = status is not None and _is_uncertain(status)
            (self.uncertain.add if doubted else self.uncertain.discard)(tag.name)
            if status is not None and not status.is_good() and not doubted:
                refused[tag.name] = _refusal(tag, status.name)
            elif variant is None or not _is_of(variant, tag):
                change = f"the server's variable holds {_shape(variant)}, {tag.type.name} is {_shape(tag)}"
                refused[tag.name] = TagsRefused("BadTypeMismatch", [tag], change)
            else:
                values[tag.name] = tag.from_device(_held(variant))
        return values, refused

    async def _read_nodes(self, nodes: Sequence[ua.NodeId]) -> list[ua.DataValue]:
        answers: list[ua.DataValue] = []
        for first in range(0, len(nodes), self._read_limit):
            part = nodes[first : first + self._read_limit]
            parameters = ua.ReadParameters(
                TimestampsToReturn=ua.TimestampsToReturn.Neither,
                NodesToRead=[ua.ReadValueId(node, AttributeIds.Value) for node in part],
            )
            client = self._link.client
            found: list[ua.DataValue] = await self._link.call(client.uaclient.read(parameters))
            self._check_count(len(found), len(part))
            answers += found
        return answers

    def _keep(self, tags: Iterable[Tag], refused: Mapping[str, DeviceRefused]) -> None:
        for tag in tags if self.refused else ():
            self.refused.pop(tag.name, None)
        self.refused.update(refused)

    async def close(self) -> None:
        await self._link.close()

    def _check_count(self, found: int, asked: int) -> None:
        if found != asked:
            raise self._link.drop(
                ProtocolViolation(f"{self._url}: answered {found} nodes, asked were {asked}")
            )


def _variant(tag: Tag) -> ua.VariantType:
    """The server's type of the tag, or of its elements."""
    return ua.VariantType.String if tag.plain.kind == "string" else VARIANTS[tag.plain.name]


def _is_uncertain(status: ua.StatusCode) -> bool:
    """Whether the server tells a value and doubts it: its severity is the highest two bits."""
    return int(status.value) >> 30 == 1


def _is_of(variant: ua.Variant, tag: Tag) -> bool:
    """Whether the server's value is of the tag's type; a text may be null."""
    count = tag.type.count if isinstance(tag.type, ArrayType) else None
    if variant.VariantType is not _variant(tag) or bool(variant.is_array) != (count is not None):
        return False
    return count is None or (variant.Value is not None and len(variant.Value) == count)


def _held(variant: ua.Variant) -> Value:
    """The server's value, of a tag's type; a text that is null is empty."""
    if variant.VariantType is ua.VariantType.String:
        return tuple(map(_text, variant.Value)) if variant.is_array else _text(variant.Value)
    held: Value = tuple(variant.Value) if variant.is_array else variant.Value
    return held


def _text(text: str | None) -> str:
    """What can be told on of a text, which the library takes though it is no UTF-8: each byte that is none
    comes as half a character, and no encoder takes that."""
    return (text or "").encode(errors="surrogateescape").decode(errors="replace")


def _limit(said: object) -> int:
    """How many nodes go into one request, where the server says ``said``: what is no number is no limit."""
    return min(said, MAX_NODES) if isinstance(said, int) and said > 0 else MAX_NODES


def _shape(what: ua.Variant | Tag | None) -> str:
    """A type as the server names it."""
    if what is None:
        return "nothing"
    if isinstance(what, Tag):
        return _variant(what).name + (
            f" array of {what.type.count}" if isinstance(what.type, ArrayType) else ""
        )
    return str(what.VariantType.name) + (f" array of {len(what.Value or ())}" if what.is_array else "")


def _address(tag: Tag) -> OpcUaAddress:
    assert isinstance(tag.address, OpcUaAddress), f"{tag.name} is no OPC UA tag"
    return tag.address


def _node(tag: Tag) -> ua.NodeId:
    try:
        return ua.NodeId.from_string(_address(tag).node)
    except (UaError, ValueError) as error:
        raise ValueError(f"{tag.name}: {tag.text!r} is not a node id ({error}); write ns=2;s=Name") from None


def _refusal(tag: Tag, code: str) -> TagsRefused:
    return TagsRefused(code, [tag], _HINTS.get(code, "see the server's diagnosis").format(tag.name))


def _raise_any(tags: Iterable[Tag], refused: Mapping[str, TagsRefused]) -> None:
    """One refusal that names all the refused tags of the first code, the others by their own."""
    bad = [tag for tag in tags if tag.name in refused]
    if bad:
        first = refused[bad[0].name]
        raise TagsRefused(first.code, bad, first.change)


def _same(one: Value, other: Value) -> bool:
    return one == other or (one != one and other != other)

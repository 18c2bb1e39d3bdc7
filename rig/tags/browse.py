"""The variables of a running OPC UA server, as a list of signals."""

from __future__ import annotations

import asyncio
from typing import Any

from asyncua import ua
from asyncua.client.client import Client
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.object_ids import ObjectIds
from asyncua.ua.uaerrors import UaError

from gateway.errors import BadInput, GatewayError, Problem
from gateway.field.drivers.opcua_connection import Connection
from gateway.field.security import Access
from rig.tags.nodeset import DATA_TYPES
from rig.tags.rows import MAX_TAGS, Cell, Listing, Row

OBJECTS = "i=85"
MAX_NODES = 5 * MAX_TAGS
TIMEOUT = 120.0  # s, for all of it
ANSWER = 10_000_000_000  # ns, for one answer
_BATCH = 200
_SERVER = ua.NodeId(ua.Int32(ObjectIds.Server))
_PROPERTY = ua.NodeId(ua.Int32(ObjectIds.HasProperty))
_HIERARCHICAL = ua.NodeId(ua.Int32(ObjectIds.HierarchicalReferences))
_RANGE, _UNITS = "EURange", "EngineeringUnits"
_Path = tuple[str, ...]


def browse(url: str, under: str, listing: Listing, access: Access | None = None) -> None:
    """Add the variables below node ``under``, as ``access`` says; without, in the clear. BadInput where the
    server is not there, refuses, or is not one to trust."""

    async def bounded() -> None:
        link = Connection(url, ANSWER, access)
        try:
            async with asyncio.timeout(TIMEOUT):
                client = await link.open()
                await _Browser(client, listing).all(ua.NodeId.from_string(under))
        finally:
            await link.close()

    hint = "check that it runs; 'twinline probe' shows what it offers"
    if access is None:
        hint = (
            "check that it runs; where it wants security, ask with --security, and --user if it wants one: "
            "'twinline probe' shows what it offers"
        )
    try:
        asyncio.run(bounded())
    except GatewayError as error:
        what, _, change = str(error).removeprefix(f"{url}: ").partition("; ")
        change = hint if access is None or not change else change
        raise BadInput([Problem(url, 0, 0, f"cannot be browsed: {what}", change)]) from None
    except (OSError, TimeoutError, asyncio.CancelledError, UaError, ValueError) as error:
        what = f"cannot be browsed: {type(error).__name__}{f': {error}' if str(error) else ''}"
        raise BadInput([Problem(url, 0, 0, what, hint)]) from None


class _Browser:
    def __init__(self, client: Client, listing: Listing) -> None:
        self.client, self.listing = client, listing
        self.variables: dict[ua.NodeId, _Path] = {}
        self.properties: dict[ua.NodeId, dict[str, ua.NodeId]] = {}

    async def all(self, start: ua.NodeId) -> None:
        seen: set[ua.NodeId] = {start, _SERVER}
        level: list[tuple[ua.NodeId, _Path]] = [(start, ())]
        while level:
            below: list[tuple[ua.NodeId, _Path]] = []
            for begin in range(0, len(level), _BATCH):
                below += await self.children(level[begin : begin + _BATCH], seen)
            level = below
        await self.read()

    async def children(
        self, parents: list[tuple[ua.NodeId, _Path]], seen: set[ua.NodeId]
    ) -> list[tuple[ua.NodeId, _Path]]:
        """The objects and variables below ``parents`` that were not seen yet."""
        found = []
        for (parent, path), references in zip(
            parents, await self.references([node for node, _ in parents]), strict=True
        ):
            for each in references:
                node = each.NodeId
                if node in seen:
                    continue
                seen.add(node)
                if len(seen) > MAX_NODES:
                    what = f"has more than {MAX_NODES} nodes"
                    hint = "begin lower with --under, such as --under 'ns=3;s=Machine'"
                    raise BadInput([Problem(self.listing.file, 0, 0, what, hint)])
                name = each.BrowseName.Name or node.to_string()
                if each.ReferenceTypeId == _PROPERTY:
                    self.properties.setdefault(parent, {})[name] = node
                    continue
                if each.NodeClass == ua.NodeClass.Variable:
                    self.variables[node] = (*path, name)
                found.append((node, (*path, name)))
        return found

    async def references(self, nodes: list[ua.NodeId]) -> list[list[Any]]:
        """The hierarchical references of each node, asked for in one request and to their end."""
        wanted = []
        for node in nodes:
            one = ua.BrowseDescription()
            one.NodeId = node
            one.BrowseDirection = ua.BrowseDirection.Forward
            one.ReferenceTypeId = _HIERARCHICAL
            one.IncludeSubtypes = True
            one.NodeClassMask = ua.NodeClass.Object | ua.NodeClass.Variable
            one.ResultMask = ua.BrowseResultMask.All
            wanted.append(one)
        asked = ua.BrowseParameters()
        asked.NodesToBrowse = wanted
        results = await self.client.uaclient.browse(asked)
        found = []
        for result in results:
            references = list(result.References)
            while result.ContinuationPoint and len(references) < MAX_NODES:
                more = ua.BrowseNextParameters()
                more.ContinuationPoints = [result.ContinuationPoint]
                result = (await self.client.uaclient.browse_next(more))[0]
                references += result.References
            found.append(references)
        return found

    async def read(self) -> None:
        """Types, ranks and rights of the variables, and the ranges and units that some have."""
        nodes = list(self.variables)
        types = await self.attribute(nodes, AttributeIds.DataType)
        ranks = await self.attribute(nodes, AttributeIds.ValueRank)
        rights = await self.attribute(nodes, AttributeIds.UserAccessLevel)
        described = [(node, name) for node in nodes for name in self.properties.get(node, {})]
        wanted = [(node, name) for node, name in described if name in (_RANGE, _UNITS)]
        values = await self.attribute(
            [self.properties[node][name] for node, name in wanted], AttributeIds.Value
        )
        extras = dict(zip(wanted, values, strict=True))
        for node, kind, rank, right in zip(nodes, types, ranks, rights, strict=True):
            name = ".".join(self.variables[node])
            if rank is not None and rank >= 0:
                self.listing.leave(name, "is an array", 0)
                continue
            texts = {
                "name": name,
                "type": _type(kind),
                "node": node.to_string(),
                "access": "ReadWrite" if (right or 0) & 2 else "Read",
            }
            span, unit = extras.get((node, _RANGE)), extras.get((node, _UNITS))
            if isinstance(span, ua.Range) and span.Low < span.High:
                texts |= {"low": repr(span.Low), "high": repr(span.High)}
            if isinstance(unit, ua.EUInformation):
                texts["unit"] = unit.DisplayName.Text or ""
            cells = {field: Cell(text) for field, text in texts.items() if text}
            self.listing.add(Row(self.listing.file, 0, cells, self.variables[node]))

    async def attribute(self, nodes: list[ua.NodeId], which: AttributeIds) -> list[Any]:
        """One attribute of every node; None where the server does not give it."""
        values: list[Any] = []
        for begin in range(0, len(nodes), _BATCH):
            answers = await self.client.uaclient.read_attributes(nodes[begin : begin + _BATCH], which)
            values += [each.Value.Value if each.Value is not None else None for each in answers]
        return values


def _type(kind: Any) -> str:
    """The name of a built-in type, the node id of another; "unknown" where the server gives none."""
    if not isinstance(kind, ua.NodeId):
        return "unknown"
    built_in = DATA_TYPES.get(int(kind.Identifier)) if str(kind.Identifier).isdecimal() else None
    return built_in if built_in and kind.NamespaceIndex == 0 else kind.to_string()

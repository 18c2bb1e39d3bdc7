"""What an OPC UA server offers: endpoints and their security, who it is, its limits, and what it holds."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any

from asyncua import ua

from gateway.field.addresses import OpcUaAddress
from gateway.field.drivers.base import Driver
from gateway.field.drivers.opcua_paths import Names, path_text
from gateway.field.opcua.channel import POLICIES, policy_of
from gateway.field.probe.expect import Expectation
from gateway.field.probe.opcua_security import Wanted
from gateway.field.probe.opcua_session import Answer, Session, hello
from gateway.field.probe.opcua_value import holdings, shape
from gateway.field.probe.report import Report

DEPTH, NODES = 3, 60
"""The tree is shown so deep, and so many nodes of it."""
_OBJECTS_PATH: Names = ((0, "Objects"),)
_OBJECTS, _HIERARCHY = (ua.NodeId.from_string(text) for text in ("i=85", "i=33"))
_FACTS = {
    "manufacturer": 2263, "product": 2261, "product URI": 2262, "version": 2264, "build": 2265,
    "started": 2257, "server's clock": 2258,
}  # fmt: skip
_STATE, _NAMESPACES = 2259, 2255
_LIMITS = {
    "MaxNodesPerRead": 11705, "MaxNodesPerWrite": 11707, "MaxNodesPerBrowse": 11710,
    "MaxNodesPerTranslateBrowsePathsToNodeIds": 11712, "MaxMonitoredItemsPerCall": 11714,
    "MaxNodesPerMethodCall": 11709, "MaxNodesPerRegisterNodes": 11711, "MaxArrayLength": 11549,
    "MaxStringLength": 11550, "MinSupportedSampleRate": 2272, "MaxBrowseContinuationPoints": 2735,
}  # fmt: skip


async def examine(
    driver: Driver,
    timeout_ns: int,
    expectations: Sequence[Expectation],
    report: Report,
    security: Wanted | None = None,
) -> None:
    """Fill ``report``; raises GatewayError where no one is there, OSError where no certificate is kept."""
    await hello(timeout_ns, report)
    session = Session(report, timeout_ns)
    try:
        await session.call(session.client.connect_sessionless())
        endpoints = await session.call(session.client.get_endpoints())
        report.answered = True
        for each in endpoints:
            report.add(
                "endpoints", url=each.EndpointUrl, policy=policy_of(each),
                mode=each.SecurityMode.name.rstrip("_"), users=_users(each), level=each.SecurityLevel,
            )  # fmt: skip
        if security is None:
            if not any(_is_open(each) for each in endpoints):
                report.reason = "no session: no endpoint takes an anonymous user without security"
                report.advice += _ways_in(endpoints)
                return
            await session.begin()
            report.add("security", what="policy", says="None: neither signed nor encrypted")
        elif not await session.begin_secured(endpoints, security):
            return
        await _identity(session, report)
        await _browse(session, report)
        for expectation in expectations:
            await _compare(session, expectation, report)
    finally:
        await session.close()


def _ways_in(endpoints: Sequence[ua.EndpointDescription]) -> list[str]:
    """What to do where no endpoint is open."""
    offered = dict.fromkeys(name for each in endpoints if (name := policy_of(each)) in POLICIES)
    return [
        *(f"connect with --security {name}" for name in offered),
        "enable an endpoint with security policy None and the anonymous user in the server's settings",
    ]


def _users(endpoint: ua.EndpointDescription) -> str:
    """The ways to log in."""
    return ", ".join(token.TokenType.name for token in endpoint.UserIdentityTokens) or "-"


def _is_open(endpoint: ua.EndpointDescription) -> bool:
    anonymous = any(t.TokenType == ua.UserTokenType.Anonymous for t in endpoint.UserIdentityTokens)
    return bool(endpoint.SecurityMode == ua.MessageSecurityMode.None_ and anonymous)


async def _identity(session: Session, report: Report) -> None:
    """BuildInfo, state and name spaces; and the operation limits, of which the first bounds what follows."""
    most = _plain((await session.read([_node(_LIMITS["MaxNodesPerRead"])]))[0])
    session.most = min(most, NODES) if isinstance(most, int) and most > 0 else NODES
    facts = await session.read([_node(number) for number in (_STATE, *_FACTS.values())])
    with contextlib.suppress(ValueError, TypeError):
        state = _plain(facts[0])
        report.add("server", what="state", says=ua.ServerState(state).name)
    for what, fact in zip(_FACTS, facts[1:], strict=True):
        if text := str(_plain(fact) or ""):
            report.add("server", what=what, says=text)
    [spaces] = await session.read([_node(_NAMESPACES)])
    for index, uri in enumerate(_plain(spaces) or ()):
        report.add("name spaces", ns=f"ns={index}", uri=str(uri))
    for what, limit in zip(_LIMITS, await session.read([_node(n) for n in _LIMITS.values()]), strict=True):
        value = _plain(limit)
        if isinstance(value, int | float):
            report.add("limits", what=what, value=value or "no limit")


def _node(number: int) -> ua.NodeId:
    return ua.NodeId.from_string(f"i={number}")


def _plain(answer: Answer) -> Any:
    """The value, where there is a good one."""
    return answer.Value if isinstance(answer, ua.Variant) else None


async def _browse(session: Session, report: Report) -> None:
    """The nodes below Objects, but for the standard's own, as a tree; values of variables beside them."""
    found: list[tuple[Names, ua.ReferenceDescription]] = []
    seen: set[ua.NodeId] = set()

    async def below(node: ua.NodeId, path: Names) -> None:
        wanted = ua.BrowseDescription(
            NodeId=node, BrowseDirection=ua.BrowseDirection.Forward, ReferenceTypeId=_HIERARCHY,
            IncludeSubtypes=True, NodeClassMask=ua.NodeClass.Object | ua.NodeClass.Variable,
            ResultMask=ua.BrowseResultMask.All,
        )  # fmt: skip
        parameters = ua.BrowseParameters(
            View=ua.ViewDescription(), RequestedMaxReferencesPerNode=NODES, NodesToBrowse=[wanted]
        )
        [result] = await session.call(session.client.uaclient.browse(parameters))
        for reference in result.References or ():
            target = ua.NodeId(
                reference.NodeId.Identifier, reference.NodeId.NamespaceIndex, reference.NodeId.NodeIdType
            )
            standard = path == _OBJECTS_PATH and target.NamespaceIndex == 0
            known = target in seen or standard
            if known or len(found) >= NODES:
                continue
            seen.add(target)
            reference.NodeId = target
            named = reference.BrowseName
            here = (*path, (named.NamespaceIndex, named.Name or ""))
            found.append((here, reference))
            if len(here) - len(_OBJECTS_PATH) < DEPTH:
                await below(target, here)

    await below(_OBJECTS, _OBJECTS_PATH)
    variables = [each.NodeId for _, each in found if each.NodeClass == ua.NodeClass.Variable]
    values = dict(zip(variables, await session.read(variables), strict=True))
    for path, each in found:
        answer = values.get(each.NodeId)
        kind = answer.VariantType.name if isinstance(answer, ua.Variant) else answer
        shown = str(_plain(answer))[:40] if isinstance(answer, ua.Variant) else None
        name = "  " * (len(path) - len(_OBJECTS_PATH) - 1) + (
            each.DisplayName.Text or each.BrowseName.Name or "?"
        )
        node = each.NodeId.to_string()
        report.add("tree", name=name, node=node, type=kind, value=shown, path=path_text(path))
    if len(found) >= NODES:
        more = f"(more: {NODES} nodes are shown)"
        report.add("tree", name=more, node=None, type=None, value=None, path=None)


async def _compare(session: Session, wanted: Expectation, report: Report) -> None:
    assert isinstance(wanted.address, OpcUaAddress)
    node, missing = await session.find(wanted.address)
    if node is None:
        report.advice.append(f"{wanted.text}: {missing}")
        return
    [answer] = await session.read([node])
    if isinstance(answer, str):
        report.advice.append(f"{wanted.text}: {answer}")
        return
    held = shape(answer)
    found = [{"held": held, "at": at, **each._asdict()} for at, each in holdings(answer, wanted)]
    report.judge(wanted.text, found, f"the variable is {held} {str(answer.Value)[:40]}")

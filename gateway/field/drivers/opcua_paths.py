"""Browse paths (/Objects/2:Machine/2:Door) made into node ids, and which element of one is not there."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from asyncua import ua

Names = tuple[tuple[int, str], ...]
"""A path from the root folder: namespace and name of each element."""

Translate = Callable[[list[ua.BrowsePath]], Awaitable[list[ua.BrowsePathResult]]]
_ROOT, _HIERARCHICAL = ua.NodeId.from_string("i=84"), ua.NodeId.from_string("i=33")
_STRUCTURE = re.compile("[/:&]")
_ELEMENT: Any = ua.RelativePathElement  # the library's types say Boolean, which is no bool to a checker


async def resolve(
    paths: Mapping[str, Names], translate: Translate, limit: int
) -> tuple[dict[str, ua.NodeId], dict[str, str]]:
    """The node of each path, and of each that has none what is missing, by the same keys.

    ``translate`` is the server's service, asked for at most ``limit`` paths at once.
    """
    wanted = sorted(set(paths.values()))
    found = dict(zip(wanted, await _ask(wanted, translate, limit), strict=True))
    broken = [path for path in wanted if found[path] is None]
    beginnings = sorted({path[:size] for path in broken for size in range(1, len(path))})
    there = {()} | {
        path
        for path, node in zip(beginnings, await _ask(beginnings, translate, limit), strict=True)
        if node is not None
    }
    nodes: dict[str, ua.NodeId] = {}
    missing: dict[str, str] = {}
    for key, path in paths.items():
        node = found[path]
        if node is not None:
            nodes[key] = node
            continue
        reached = max(size for size in range(len(path)) if path[:size] in there)
        missing[key] = (
            f"there is no {path_text(path[reached : reached + 1])[1:]} in {path_text(path[:reached]) or '/'}"
        )
    return nodes, missing


async def _ask(paths: Sequence[Names], translate: Translate, limit: int) -> list[ua.NodeId | None]:
    nodes: list[ua.NodeId | None] = []
    for first in range(0, len(paths), limit):
        part = paths[first : first + limit]
        for result in await translate([_request(path) for path in part]):
            whole = [each.TargetId for each in result.Targets or () if each.RemainingPathIndex == 0xFFFF_FFFF]
            nodes.append(_local(whole[0]) if result.StatusCode.is_good() and whole else None)
    return nodes


def _request(path: Names) -> ua.BrowsePath:
    elements = [
        _ELEMENT(_HIERARCHICAL, False, True, ua.QualifiedName(name, namespace)) for namespace, name in path
    ]
    return ua.BrowsePath(_ROOT, ua.RelativePath(elements))


def _local(node: ua.NodeId) -> ua.NodeId:
    return ua.NodeId(node.Identifier, node.NamespaceIndex, node.NodeIdType)


def path_text(path: Names) -> str:
    """The path as an address is written, with ``&`` before what would be read as its structure."""
    return "".join(
        f"/{namespace}:{escaped}" if namespace else f"/{escaped}"
        for namespace, name in path
        for escaped in [_STRUCTURE.sub(r"&\g<0>", name)]
    )

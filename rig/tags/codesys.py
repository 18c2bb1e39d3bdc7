"""CODESYS symbol configurations: symbols with their types, reached by the runtime's OPC UA server."""

from __future__ import annotations

import itertools
import math
from typing import NamedTuple

from rig.tags.rows import MAX_ELEMENTS, Cell, Listing, Row
from rig.tags.xmltree import Element

MAX_DEPTH = 32
NAMESPACE = 4  # where CODESYS runtimes put their symbols


def is_codesys(root: Element) -> bool:
    """Whether ``root`` is a symbol configuration."""
    return root.name == "Symbolconfiguration"


def read_codesys(root: Element, listing: Listing, device: str | None) -> None:
    """Add every symbol; ``device`` is the runtime's name on its OPC UA server, if not the file's."""
    project = root.first("Header", "ProjectInfo")
    named = project.get("devicename") if project else ""
    reader = _Reader(root, listing, device or named or "Device")
    if device is None:
        hint = "if the runtime's server calls itself otherwise, say it with --codesys-device"
        listing.note(project.line if project else 1, f"node ids begin with |var|{reader.device}", hint)
    nodes = root.first("NodeList")
    if nodes is None:
        listing.bad(root.line, 0, "has no NodeList", "export the symbol configuration after a build")
        return
    for node in nodes.all("Node"):
        reader.node(node, ())


class _Said(NamedTuple):
    """What is said of a symbol, and of its parts that say nothing themselves."""

    comment: str
    access: str


class _Reader:
    def __init__(self, root: Element, listing: Listing, device: str) -> None:
        self.listing, self.device = listing, device
        known = root.first("TypeList")
        self.types = {each.get("name"): each for each in (known.children if known else ())}

    def node(self, node: Element, path: tuple[str, ...]) -> None:
        """A symbol, or the application, program or list that holds some."""
        path = (*path, node.get("name"))
        if len(path) > MAX_DEPTH:
            self.listing.leave(".".join(path), "is nested too deeply", node.line)
        elif node.get("type"):
            self.symbol(node, path, node.get("type"), _Said(node.value("Comment"), node.get("access")), 0)
        else:
            for child in node.all("Node"):
                self.node(child, path)

    def symbol(self, node: Element, path: tuple[str, ...], kind: str, said: _Said, depth: int) -> None:
        """One variable, or those of its array or structure."""
        found = self.types.get(kind)
        name = ".".join(path)
        if depth > MAX_DEPTH:
            self.listing.leave(name, "is nested too deeply", node.line)
        elif found is None or found.name == "TypeSimple":
            self.leaf(node, path, found.get("iecname") if found else kind.removeprefix("T_"), said)
        elif found.name == "TypeArray":
            self.array(node, path, found, said, depth)
        elif found.get("typeclass") == "Enum":
            base = self.types.get(found.get("basetype"))
            self.leaf(node, path, base.get("iecname") if base else "INT", said)
        elif found.name != "TypeUserDef":
            self.listing.leave(name, f"is a {found.name.removeprefix('Type').lower()}", node.line)
        elif found.get("pouclass") not in ("", "STRUCTURE", "UNION"):
            self.listing.leave(name, f"is a {found.get('pouclass')} {found.get('iecname')}", node.line)
        else:
            for part in found.all("UserDefElement"):
                below = (*path, part.get("iecname"))
                own = _Said(part.value("Comment") or said.comment, part.get("access") or said.access)
                self.symbol(node, below, part.get("type"), own, depth + 1)

    def array(self, node: Element, path: tuple[str, ...], found: Element, said: _Said, depth: int) -> None:
        bounds = []
        for dimension in found.all("ArrayDim"):
            try:
                bounds.append((int(dimension.get("minrange")), int(dimension.get("maxrange"))))
            except ValueError:
                what = f"type {found.get('iecname')!r} has a dimension without numbers"
                self.listing.bad(dimension.line, 0, what, 'write minrange="0" maxrange="9"')
                return
        count = math.prod(max(last - first + 1, 0) for first, last in bounds)
        if count > MAX_ELEMENTS:
            what = f"is an array of {count} elements; at most {MAX_ELEMENTS} are taken"
            self.listing.leave(".".join(path), what, node.line)
            return
        for indices in itertools.product(*(range(first, last + 1) for first, last in bounds)):
            below = (*path[:-1], f"{path[-1]}[{','.join(map(str, indices))}]")
            self.symbol(node, below, found.get("basetype"), said, depth + 1)

    def leaf(self, node: Element, path: tuple[str, ...], kind: str, said: _Said) -> None:
        texts = {
            "name": ".".join(path[1:] or path),  # without the application
            "type": kind,
            "node": f"ns={NAMESPACE};s=|var|{self.device}.{'.'.join(path)}",
            "access": said.access,
            "comment": " ".join(said.comment.split()),
            "direction": _direction(node.get("directaddress")),
        }
        cells = {field: Cell(text, node.line) for field, text in texts.items() if text}
        self.listing.add(Row(self.listing.file, node.line, cells, path))


def _direction(direct: str) -> str:
    """What a variable at ``%IX0.0`` or ``%QW4`` is; "" for one in memory."""
    return {"%I": "input", "%Q": "output"}.get(direct[:2].upper(), "")

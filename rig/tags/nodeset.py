"""OPC UA node sets (NodeSet2): the variables of objects, with their ranges and units."""

from __future__ import annotations

import re
from collections.abc import Mapping

from rig.tags.rows import Cell, Listing, Row
from rig.tags.xmltree import Element

MAX_DEPTH = 64
# Built-in types by their node id in namespace 0.
DATA_TYPES = {
    1: "BOOL", 2: "SINT", 3: "BYTE", 4: "INT", 5: "UINT", 6: "DINT", 7: "UDINT", 8: "INT64", 9: "UINT64",
    10: "REAL", 11: "LREAL", 12: "String", 13: "DateTime", 14: "Guid", 15: "ByteString", 21: "LocalizedText",
}  # fmt: skip
_PARENTS = {"HasComponent", "HasProperty", "Organizes", "HasOrderedComponent", "i=47", "i=46", "i=35", "i=49"}
_CLASSES = ("UAObject", "UAVariable", "UAObjectType", "UAVariableType", "UADataType", "UAMethod", "UAView")
_READ, _WRITE = 1, 2
_INDEX = re.compile(r"ns=(\d{1,5});")
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?\Z")


def is_nodeset(root: Element) -> bool:
    """Whether ``root`` is a node set."""
    return root.name == "UANodeSet"


def read_nodeset(root: Element, listing: Listing, namespaces: Mapping[int, int]) -> None:
    """Add the variables; ``namespaces`` are indices in the file -> indices at the server."""
    uris = [uri.text.strip() for uri in (root.first("NamespaceUris") or root).all("Uri")]
    for index, uri in enumerate(uris, 1):
        if index not in namespaces:
            what = f"ns={index} is {uri}"
            listing.note(
                root.line, what, f"if the server counts otherwise, say it with --namespace {index}=4"
            )
    _NodeSet(root, listing, namespaces).read()


def at_server(node: str, namespaces: Mapping[int, int]) -> str:
    """A node id with the server's namespace index."""
    return _INDEX.sub(lambda match: f"ns={namespaces.get(int(match[1]), int(match[1]))};", node, count=1)


def _length(node: Element) -> str:
    """``[4]`` for an array of one dimension whose length is known; "" for another, and for what is none."""
    length = node.get("ArrayDimensions")
    known = node.get("ValueRank") == "1" and length.isdecimal() and length.strip("0")
    return f"[{int(length)}]" if known else ""


class _NodeSet:
    def __init__(self, root: Element, listing: Listing, namespaces: Mapping[int, int]) -> None:
        self.listing, self.namespaces = listing, namespaces
        aliases = root.first("Aliases")
        self.aliases = {
            each.get("Alias"): each.text.strip() for each in (aliases.children if aliases else ())
        }
        self.nodes = {each.get("NodeId"): each for each in root.children if each.name in _CLASSES}
        self.parents: dict[str, str] = {}
        self.properties: dict[str, dict[str, Element]] = {}
        for identity, node in self.nodes.items():
            self.relate(identity, node)

    def relate(self, identity: str, node: Element) -> None:
        """Note the node's parent, which its own references or its parent's say."""
        if node.get("ParentNodeId"):
            self.parents.setdefault(identity, node.get("ParentNodeId"))
        references = node.first("References")
        for each in references.all("Reference") if references else ():
            kind, target = each.get("ReferenceType"), each.text.strip()
            if self.aliases.get(kind, kind) not in _PARENTS and kind not in _PARENTS:
                continue
            child, parent = (identity, target) if each.get("IsForward") == "false" else (target, identity)
            self.parents.setdefault(child, parent)
            if kind in ("HasProperty", "i=46") and child in self.nodes:
                name = self.nodes[child].get("BrowseName").rpartition(":")[2]
                self.properties.setdefault(parent, {})[name] = self.nodes[child]

    def read(self) -> None:
        owned = {id(node) for each in self.properties.values() for node in each.values()}
        for identity, node in self.nodes.items():
            if node.name != "UAVariable" or id(node) in owned:
                continue
            path, kinds = self.ancestry(identity)
            name = ".".join(path)
            if not identity.startswith("ns="):
                self.listing.leave(name, "belongs to OPC UA itself (namespace 0)", node.line)
            elif any(kind.endswith("Type") for kind in kinds):
                self.listing.leave(name, "is declared by a type; only objects have values", node.line)
            elif node.get("ValueRank") not in ("", "-1", "-2", "-3") and not _length(node):
                self.listing.leave(name, "is an array whose length is not in the file", node.line)
            else:
                self.variable(identity, node, path)

    def ancestry(self, identity: str) -> tuple[tuple[str, ...], list[str]]:
        """The names from the outermost node of this set, and the classes of those nodes."""
        path: list[str] = []
        kinds: list[str] = []
        here = identity
        while here in self.nodes and len(path) < MAX_DEPTH:
            node = self.nodes[here]
            path.insert(0, node.get("BrowseName").partition(":")[2] or node.get("BrowseName") or here)
            kinds.append(node.name)
            here = self.parents.get(here, "")
        return tuple(path), kinds

    def variable(self, identity: str, node: Element, path: tuple[str, ...]) -> None:
        level = node.get("AccessLevel") or "1"
        bits = int(level) if level.isdecimal() and len(level) < 10 else _READ
        texts = {
            "name": ".".join(path),
            "type": self.data_type(node.get("DataType")) + _length(node),
            "node": at_server(identity, self.namespaces),
            "access": "ReadWrite" if bits & _WRITE else "Read",
            "comment": node.value("Description"),
        }
        properties = self.properties.get(identity, {})
        if "EURange" in properties:
            values = {
                e.name: e.text.strip() for e in properties["EURange"].walk() if e.name in ("Low", "High")
            }
            texts |= {
                field: values[key]
                for field, key in (("low", "Low"), ("high", "High"))
                if _NUMBER.match(values.get(key, ""))
            }
        if "EngineeringUnits" in properties:
            names = [
                e for e in properties["EngineeringUnits"].walk() if e.name == "DisplayName" and e.children
            ]
            texts["unit"] = names[-1].value("Text") if names else ""
        cells = {field: Cell(" ".join(text.split()), node.line) for field, text in texts.items() if text}
        self.listing.add(Row(self.listing.file, node.line, cells, path))

    def data_type(self, text: str) -> str:
        """The type's name; of an enumeration, INT32, which stands on the wire."""
        identity = self.aliases.get(text, text)
        for _ in range(MAX_DEPTH):
            if match := re.match(r"(?:ns=0;)?i=(\d{1,6})\Z", identity):
                number = int(match[1])
                return "DINT" if number == 29 else DATA_TYPES.get(number, text)
            node = self.nodes.get(identity)
            if node is None:
                break
            identity = self.supertype(node)
        return text

    def supertype(self, node: Element) -> str:
        references = node.first("References")
        for each in references.all("Reference") if references else ():
            if each.get("ReferenceType") in ("HasSubtype", "i=45") and each.get("IsForward") == "false":
                return self.aliases.get(each.text.strip(), each.text.strip())
        return ""

"""YAML nodes merged key by key, and built from plain data with the place they stand for; pure.

What is merged or built here is converted afterwards by the one loader, so that every complaint about it
names a file and a line that a person wrote.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence

from gateway.yamlfile import MappingNode, Mark, Node, ScalarNode, SequenceNode

Plain = str | bool | int | float | Mapping[str, "Plain"] | Sequence["Plain"]
_NULL = "tag:yaml.org,2002:null"


def merge(base: Node, over: Node) -> Node:
    """``over`` over ``base``: mappings key by key, where a null removes; all else is replaced."""
    if not (isinstance(base, MappingNode) and isinstance(over, MappingNode)):
        return over
    pairs = {key.value: (key, value) for key, value in base.value}
    for key, value in over.value:
        if is_null(value):
            pairs.pop(key.value, None)
        elif key.value in pairs:
            pairs[key.value] = (key, merge(pairs[key.value][1], value))
        else:
            pairs[key.value] = (key, value)
    return MappingNode(
        over.tag, list(pairs.values()), over.start_mark, over.end_mark, base.flow_style and over.flow_style
    )


def is_null(node: Node) -> bool:
    """Whether nothing is written there: ``key:``, ``key: ~`` or ``key: null``."""
    return isinstance(node, ScalarNode) and node.tag == _NULL


def child(node: Node, key: str) -> Node | None:
    """The value under ``key``; None where there is none."""
    pairs = node.value if isinstance(node, MappingNode) else ()
    return next((value for name, value in pairs if name.value == key), None)


def only(node: Node, keys: Container[str], wanted: bool = True) -> MappingNode:
    """The mapping ``node`` with those of its keys alone, or (not ``wanted``) with all others."""
    assert isinstance(node, MappingNode), "only a mapping has keys"
    pairs = [(key, value) for key, value in node.value if (key.value in keys) == wanted]
    return MappingNode(node.tag, pairs, node.start_mark, node.end_mark, node.flow_style)


def canonical(node: Node) -> str:
    """The same text for the same content, whatever its layout, quotes and comments were."""
    if isinstance(node, MappingNode):
        return "{" + ",".join(f"{canonical(key)}:{canonical(value)}" for key, value in node.value) + "}"
    if isinstance(node, SequenceNode):
        return "[" + ",".join(map(canonical, node.value)) + "]"
    return repr(node.value)


def build(value: Plain, mark: Mark, depth: int = 0) -> Node:
    """``value`` as nodes at ``mark``; from the third level on each on one line."""
    if isinstance(value, Mapping):
        pairs = [(build(key, mark), build(each, mark, depth + 1)) for key, each in value.items()]
        return MappingNode("tag:yaml.org,2002:map", pairs, mark, mark, depth > 1)
    if isinstance(value, str):
        return ScalarNode("tag:yaml.org,2002:str", value, mark, mark)
    if isinstance(value, Sequence):
        items = [build(each, mark, depth + 1) for each in value]
        return SequenceNode("tag:yaml.org,2002:seq", items, mark, mark, depth > 1)
    if isinstance(value, bool):
        return ScalarNode("tag:yaml.org,2002:bool", str(value).lower(), mark, mark)
    text = f"{value:.12g}"
    kind = "int" if text.lstrip("-").isdigit() else "float"
    return ScalarNode(f"tag:yaml.org,2002:{kind}", text, mark, mark)


def at(mark: Mark, pairs: Mapping[str, Node]) -> MappingNode:
    """A mapping at ``mark`` of nodes that are there already."""
    named = [(build(key, mark), value) for key, value in pairs.items()]
    return MappingNode("tag:yaml.org,2002:map", named, mark, mark, False)

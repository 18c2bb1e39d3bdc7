"""What one tag names of another: its observer, its jog, an element or a bit of it; pure."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping

from gateway.checked import wrong_of
from gateway.field.compound import ArrayType
from gateway.field.refs import TagRef
from gateway.field.tags import Complain, Tag
from gateway.field.types import TYPES, DataType


def check_ref(
    ref: TagRef, tags: Mapping[str, Tag], line: int, what: str, complain: Complain, boolean: bool = False
) -> Tag | None:
    """The tag behind ``ref``, or None with a complaint; ``what`` begins the message. Of a tag that is wrong
    itself all has been said."""
    tag = tags.get(ref.tag)
    if ref.tag in wrong_of(tags):
        return None
    if tag is None:
        complain(line, f"{what} {ref} is not a tag of this station", known(ref.tag, tags))
        return None
    if ref.element >= 0 and (wrong := _no_element(ref, tag.type)):
        complain(line, f"{what} {ref}: {wrong[0]}", wrong[1])
        return None
    kind = tag.part(ref).type
    unsigned = kind.kind in ("bits", "int") and kind.low == 0  # a sign is no bit to set alone
    if ref.bit >= 0 and not (unsigned and ref.bit < kind.bits):
        complain(line, f"{what} {ref}: {kind.name} has no bit {ref.bit}", "name a bit of a WORD")
        return None
    if boolean and ref.bit < 0 and kind.kind != "bool":
        complain(line, f"{what} {ref} is a {kind.name}", "name a BOOL or one bit, such as command.0")
        return None
    return tag


def _no_element(ref: TagRef, kind: DataType) -> tuple[str, str] | None:
    """Why a type has no such element, and what would be right."""
    if not isinstance(kind, ArrayType):
        return f"{kind.name} has no elements", f"write {ref.tag}"
    if kind.first:
        short = f"{kind.element.name}[{kind.count}]"
        what = f"{kind.name} counts from {kind.first}, and elements are named from 0"
        return what, f"write its type as {short}, and {ref.tag}[0] for the first"
    if ref.element >= kind.count:
        return f"{kind.name} has no element {ref.element}", f"use {ref.tag}[0] to {ref.tag}[{kind.count - 1}]"
    return None


def check_references(tags: Mapping[str, Tag], complain: Complain) -> None:
    """Observers are outputs and jogs inputs, each of the tag's own kind."""
    for tag in tags.values():
        for key, ref, wanted in (("observer", tag.observer, "output"), ("jog", tag.jog, "input")):
            if ref is None:
                continue
            other = check_ref(ref, tags, tag.line, f"{tag.name}: {key}", complain)
            if other is None:
                continue
            if other.direction != wanted:
                complain(tag.line, f"{tag.name}: {key} {ref} is an {other.direction}", f"name an {wanted}")
            seen = TYPES["BOOL"] if ref.bit >= 0 else other.part(ref).type
            if _family(seen) != _family(tag.type):
                what = f"{tag.name}: {key} {ref} is a {seen.name}, the tag a {tag.type.name}"
                complain(tag.line, what, "match them")


def _family(kind: DataType) -> tuple[str, int]:
    """What can follow what: a BOOL a BOOL, a number a number, a row of them one as long."""
    plain, count = (kind.element, kind.count) if isinstance(kind, ArrayType) else (kind, 0)
    return plain.kind if plain.kind in ("bool", "string") else "number", count


def known(name: str, declared: Iterable[str]) -> str:
    """What would be right for ``name``, which is none of these."""
    names = list(declared)
    near = difflib.get_close_matches(name, names, 1, 0.5)
    return f"did you mean {near[0]!r}?" if near else "declared are " + (", ".join(names) or "none")

"""TIA Portal's XML: tag tables of the editor and of Openness, and global data blocks."""

from __future__ import annotations

import re
from collections.abc import Mapping

from rig.tags.dbsource import place_blocks
from rig.tags.dbtree import MAX_DEPTH, Block, Member
from rig.tags.rows import Cell, Listing, Row
from rig.tags.xmltree import Element

_ARRAY = re.compile(r"\s*Array\s*\[([^\]]*)\]\s*of\s+(.+)\Z", re.IGNORECASE | re.DOTALL)
_BOUNDS = re.compile(r"\s*(-?\d{1,9})\s*\.\.\s*(-?\d{1,9})\s*\Z")


def is_tia(root: Element) -> bool:
    """Whether ``root`` is a tag table or an Openness export."""
    if root.name in ("Tagtable", "Tagtables"):
        return True
    return root.name == "Document" and any(child.name.startswith("SW.") for child in root.children)


def read_tia(root: Element, listing: Listing, offsets: bool, numbers: Mapping[str, int]) -> None:
    """Add the tags of every table and block below ``root``; ``offsets`` and ``numbers`` as for sources."""
    blocks: list[Block] = []
    types: dict[str, list[Member]] = {}
    for element in root.walk():
        if element.name == "Tag":
            texts = {
                "name": element.text.strip(),
                "type": element.get("type"),
                "address": element.get("addr"),
            }
            _tag(element, {**texts, "comment": element.get("remark")}, listing)
        elif element.name == "SW.Tags.PlcTag":
            of = element.first("AttributeList") or element
            texts = {"name": of.value("Name"), "type": of.value("DataTypeName")}
            texts |= {"address": of.value("LogicalAddress"), "comment": _comment(element)}
            _tag(element, texts, listing)
        elif element.name in ("Constant", "SW.Tags.PlcUserConstant"):
            name = element.text.strip() or element.value("AttributeList", "Name")
            listing.leave(name, "is a constant", element.line)
        elif element.name in ("SW.Blocks.GlobalDB", "SW.Types.PlcStruct"):
            of = element.first("AttributeList") or element
            members = _sections(of, listing)
            if element.name == "SW.Types.PlcStruct":
                types[of.value("Name").upper()] = members
                continue
            number = of.value("Number")
            blocks.append(
                Block(
                    of.value("Name"),
                    int(number) if number.isdecimal() and len(number) < 6 else 0,
                    of.value("MemoryLayout") != "Standard",
                    members,
                    element.line,
                )
            )
        elif element.name.startswith("SW.Blocks.") and element.first("AttributeList") is not None:
            name = element.value("AttributeList", "Name")
            if name:
                listing.leave(name, "is not a global data block", element.line)
    place_blocks(blocks, types, listing, offsets, numbers)


def _tag(element: Element, texts: dict[str, str], listing: Listing) -> None:
    name = texts["name"]
    if not name:
        listing.bad(element.line, 0, "a tag has no name", "export the tag table again")
        return
    texts["node"] = f'ns=3;s="{name}"'
    cells = {field: Cell(" ".join(text.split()), element.line) for field, text in texts.items() if text}
    listing.add(Row(listing.file, element.line, cells, (name,)))


def _comment(element: Element) -> str:
    """The comment in English where there is one, else in the first language that has one."""
    texts: dict[str, str] = {}
    for child in element.walk():
        if child.name == "MultilingualTextItem":
            of = child.first("AttributeList") or child
            texts.setdefault(of.value("Culture"), of.value("Text"))
        elif child.name == "MultiLanguageText":  # how members of blocks have it
            texts.setdefault(child.get("Lang"), child.text.strip())
    english = [text for culture, text in texts.items() if culture.lower().startswith("en") and text]
    return next(iter([*english, *(text for text in texts.values() if text)]), "")


def _sections(of: Element, listing: Listing) -> list[Member]:
    interface = of.first("Interface")
    return _within(interface, listing, 0) if interface else []


def _within(of: Element, listing: Listing, depth: int) -> list[Member]:
    """The members in all sections of an element."""
    sections = of.first("Sections")
    found = sections.all("Section") if sections else ()
    return [_member(each, listing, depth) for section in found for each in section.all("Member")]


def _member(element: Element, listing: Listing, depth: int) -> Member:
    kind = element.get("Datatype")
    bounds: tuple[tuple[int, int], ...] = ()
    if match := _ARRAY.match(kind):
        kind, bounds = match[2].strip(), _bounds(match[1])
        if not bounds:
            what = f"the bounds of array {element.get('Name')!r} are not numbers: [{match[1]}]"
            listing.bad(
                element.line, 0, what, "write the numbers; the value of a constant is not in the file"
            )
    kind = re.sub(r"\s", "", kind) if '"' not in kind else kind
    inner = None
    if kind.upper() == "STRUCT":
        below = element.all("Member") if depth < MAX_DEPTH else ()
        inner = [_member(each, listing, depth + 1) for each in below]
    elif kind.startswith('"') and depth < MAX_DEPTH:  # an export may have the type's members here
        within = _within(element, listing, depth + 1)
        inner = within or None
    comment = element.first("Comment")
    text = _comment(comment) if comment else ""
    return Member(element.get("Name"), kind.strip('"').upper(), element.line, text, bounds, inner)


def _bounds(text: str) -> tuple[tuple[int, int], ...]:
    found = [_BOUNDS.match(part) for part in text.split(",")]
    pairs = [(int(match[1]), int(match[2])) for match in found if match]
    return tuple(pairs) if len(pairs) == len(found) and all(low <= high for low, high in pairs) else ()

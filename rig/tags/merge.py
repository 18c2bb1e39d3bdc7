"""What an import would do to a station's tags: added, changed, kept, left out; pure.

The file decides on direction, type and address (or on the fields a person names); a field that the
station has not is filled in; every other difference is the person's hand and stays. What the file does
not mention stays.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from gateway.field.compound import read_type
from gateway.field.entries import TagEntry
from gateway.field.tags import Range
from rig.tags.found import KEYS, Found, Target, alone, off, text_of
from rig.tags.naming import candidates, is_id, slug, unique
from rig.tags.rows import Listing, Row

DECIDED_BY_FILE = frozenset({"direction", "type", "address"})
_BELOW = 1_000_000_000  # added tags come after every line of a station file
_ROUNDS = 1000


class Added(NamedTuple):
    """A new tag; ``check`` are the fields that the import chose itself."""

    tag: str
    entry: TagEntry
    check: tuple[str, ...]
    row: Row


class Difference(NamedTuple):
    """One field of a tag: what the station has, what the file has; "" where it has none."""

    tag: str
    key: str
    old: str
    new: str
    row: Row
    check: bool = False


class Plan(msgspec.Struct):
    """The import, not yet done. ``entries`` are the station's tags as they would be, ``wired`` the number
    of inputs that are left out because only the controller's terminals write there."""

    added: list[Added] = []
    changed: list[Difference] = []
    kept: list[Difference] = []
    unchanged: list[str] = []
    untouched: list[str] = []
    wired: int = 0
    entries: dict[str, TagEntry] = {}

    @property
    def differs(self) -> bool:
        """Whether the import would change the station."""
        return bool(self.added or self.changed)


def plan_import(
    tags: Mapping[str, TagEntry],
    found: Sequence[Found],
    target: Target,
    take: frozenset[str],
    listing: Listing,
) -> Plan:
    """Compare ``found`` with the station's ``tags``; what cannot become a tag goes to ``listing``.

    ``take`` are the fields where the file beats what the station has.
    """
    of_device = {
        name: entry for name, entry in tags.items() if (entry.device or target.device) == target.device
    }
    pairs = _match(of_device, found, target)
    matched = set(pairs.values())
    plan = Plan(entries=dict(tags), untouched=[name for name in tags if name not in matched])
    for index, name in sorted(pairs.items()):
        _compare(plan, name, tags[name], found[index], target, take)
    wanted = candidates([each.row.path for each in found])
    new: list[tuple[str, Found]] = []
    for index, each in enumerate(found):
        if index in pairs:
            continue
        if each.wired:
            plan.wired += 1
            listing.leave(each.row.name, each.wired, each.row.line, each.row.file)
        elif each.certainty == "unknown":
            why = "has no direction; give --direction input or output, or a column that says it"
            listing.leave(each.row.name, why, each.row.line, each.row.file)
        else:
            new.append((wanted[index], each))
    for name, (_, each) in zip(unique([want for want, _ in new], tags), new, strict=True):
        plan.added.append(_added(name, each, target))
    _drop_overlaps(plan, target, listing)
    plan.entries |= {each.tag: each.entry for each in plan.added}
    return plan


def _match(tags: Mapping[str, TagEntry], found: Sequence[Found], target: Target) -> dict[int, str]:
    """Index of the found -> tag, by ever weaker likeness; only where it is one to one."""

    def address(entry: TagEntry) -> Hashable:
        try:
            return target.place(entry.address)
        except ValueError:
            return entry.address

    def original(title: str) -> str:
        return title.partition(": ")[0]

    likenesses: tuple[tuple[Callable[[Found], Hashable], Callable[[str, TagEntry], Hashable]], ...] = (
        (lambda f: (address(f.entry), original(f.row.name)), lambda _, e: (address(e), original(e.title))),
        (lambda f: f.row.name, lambda name, _: name),
        (lambda f: original(f.row.name), lambda _, e: original(e.title) or None),
        (lambda f: slug(f.row.path[-1]), lambda name, _: name),
        # One address and the other direction is another signal, and lies on the tag by mistake.
        (
            lambda f: (address(f.entry), f.entry.direction) if f.certainty == "said" else None,
            lambda _, e: (address(e), e.direction),
        ),
        (lambda f: None if f.certainty == "said" else address(f.entry), lambda _, e: address(e)),
    )
    pairs: dict[int, str] = {}
    for of_found, of_tag in likenesses:
        taken = set(pairs.values())
        ours = _once((of_tag(name, e), name) for name, e in tags.items() if name not in taken)
        theirs = _once((of_found(each), index) for index, each in enumerate(found) if index not in pairs)
        pairs |= {index: ours[key] for key, index in theirs.items() if key is not None and key in ours}
    return pairs


def _once(pairs: Any) -> dict[Any, Any]:
    """Key -> value for the keys that are there once."""
    seen: dict[Any, Any] = {}
    twice = set()
    for key, value in pairs:
        if key in seen:
            twice.add(key)
        seen[key] = value
    return {key: value for key, value in seen.items() if key not in twice}


def _compare(
    plan: Plan, name: str, entry: TagEntry, each: Found, target: Target, take: frozenset[str]
) -> None:
    changes: dict[str, Any] = {}
    differs = False
    for key in KEYS:
        new = text_of(each.entry, key)
        if not new or key == "device" or (key == "direction" and each.certainty != "said"):
            continue
        if key == "address" and each.wired and entry.direction == "input":
            continue  # the station has it where the program reads it
        old = text_of(entry, key)
        if _same(key, entry, each.entry, target) or (key == "title" and old == _title(each, name)):
            continue
        differs = True
        difference = Difference(name, key, old, new, each.row)
        if not old or key in take:
            plan.changed.append(difference)
            changes[key] = getattr(each.entry, key)
        else:
            plan.kept.append(difference)
    result = msgspec.structs.replace(entry, **changes)
    if result.direction == "input" and result.safe is None and not result.safety:
        safe = off(target.kind(result), result.range)
        plan.changed.append(Difference(name, "safe", "", safe, each.row, check=True))
        result, differs = msgspec.structs.replace(result, safe=safe), True
    plan.entries[name] = result
    if not differs:
        plan.unchanged.append(name)


def _same(key: str, ours: TagEntry, theirs: TagEntry, target: Target) -> bool:
    old, new = text_of(ours, key), text_of(theirs, key)
    if old == new:
        return True
    with contextlib.suppress(ValueError):
        if key == "address":
            return target.place(old) == target.place(new)
        if key == "type":
            return read_type(old).name == read_type(new).name
        if key == "safe":
            return _value(target, ours, old) == _value(target, theirs, new)
    return key == "title" and old.split() == new.split()


def _value(target: Target, entry: TagEntry, text: str) -> object:
    """A value as it is written; numbers are compared as numbers."""
    try:
        return float(text)
    except ValueError:
        return target.kind(entry).parse(text)


def _title(each: Found, name: str) -> str:
    """The found title; with the source's own name where the tag could not have it, though it is an id."""
    own = each.row.name
    if own == name or not is_id(own) or "title" in each.row.cells:
        return each.entry.title
    return ": ".join(part for part in (own, each.entry.title) if part)


def _added(name: str, each: Found, target: Target) -> Added:
    entry, check = msgspec.structs.replace(each.entry, title=_title(each, name)), []
    if each.certainty == "guessed":
        check.append("direction")
    if entry.direction == "input" and entry.safe is None and not entry.safety:
        kind = target.kind(entry)
        safe = off(kind, entry.range or Range(kind.low, kind.high))
        entry = msgspec.structs.replace(entry, safe=safe)
        check.append("safe")
    device = target.device if len(target.protocols) > 1 else None
    return Added(name, msgspec.structs.replace(entry, name=name, device=device), tuple(check), each.row)


def _drop_overlaps(plan: Plan, target: Target, listing: Listing) -> None:
    """Leave out what would lie on another tag, or put an input beside an output in one byte.

    Tables overlap on purpose (``%IB0`` and ``%I0.0``): the station's tags stay, and of the file's the first.
    """
    for _ in range(_ROUNDS):
        complaints: dict[int, str] = {}

        def complain(line: int, what: str, hint: str = "", into: dict[int, str] = complaints) -> None:
            if line >= _BELOW:
                into.setdefault(line - _BELOW, what)

        entries = [alone(msgspec.structs.replace(e, name=name)) for name, e in plan.entries.items()]
        entries += [
            alone(msgspec.structs.replace(each.entry, line=_BELOW + index))
            for index, each in enumerate(plan.added)
        ]
        target.compile(entries, complain)
        if not complaints:
            return
        for index, what in complaints.items():
            row = plan.added[index].row
            listing.leave(row.name, what.partition(" (line ")[0], row.line, row.file)
        plan.added = [each for index, each in enumerate(plan.added) if index not in complaints]
    listing.bad(0, 0, f"more than {_ROUNDS} tags share bytes with others", "divide the file with --only")


def check_references(plan: Plan, target: Target, listing: Listing) -> None:
    """Add to ``listing.problems`` what is wrong with the observers, jogs and formulas of added tags."""

    def complain(line: int, what: str, hint: str = "") -> None:
        if line >= _BELOW:
            row = plan.added[line - _BELOW].row
            field = what.removeprefix(f"{plan.added[line - _BELOW].tag}: ").partition(" ")[0].rstrip(":")
            listing.problems.append(row.problem(field, what, hint))

    new = {each.tag: index for index, each in enumerate(plan.added)}
    entries = [
        msgspec.structs.replace(e, name=name, line=_BELOW + new[name] if name in new else e.line, real=None)
        for name, e in plan.entries.items()
    ]
    target.compile(entries, complain)

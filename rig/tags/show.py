"""The difference that an import would make, as lines of text; pure."""

from __future__ import annotations

from collections.abc import Iterator

from rig.report.wording import one_line
from rig.tags.found import KEYS, text_of
from rig.tags.merge import Plan
from rig.tags.rows import LeftOut, Listing, Row


def difference(plan: Plan, listing: Listing, station: str) -> Iterator[str]:
    """``+`` added, ``~`` changed, ``=`` kept as the station has it, ``!`` left out; a summary at the end."""
    for note in listing.notes:
        yield one_line(f"note: {note}")
    for added in plan.added:
        entry = added.entry
        rest = [f"{key} {text}" for key in KEYS[3:] if (text := text_of(entry, key))]
        check = f"  (check {', '.join(added.check)})" if added.check else ""
        head = f"+ {added.tag}: {entry.direction} {entry.type} {entry.address}"
        yield one_line(", ".join([head, *rest]) + check + f"  [{_place(added.row)}]")
    for change in plan.changed:
        check = "  (check)" if change.check else ""
        old = change.old or "(none)"
        place = _place(change.row)
        yield one_line(f"~ {change.tag}: {change.key} {old} -> {change.new}{check} [{place}]")
    for kept in plan.kept:
        other = f"the file has {kept.new} (--take {kept.key})"
        yield one_line(f"= {kept.tag}: {kept.key} stays {kept.old}; {other} [{_place(kept.row)}]")
    yield from left_out(listing.left_out)
    changed = len({change.tag for change in plan.changed})
    yield (
        f"{station}: {len(plan.added)} added, {changed} changed, {len(plan.unchanged)} unchanged, "
        f"{len(plan.untouched)} not in the file (kept), {len(listing.left_out)} left out"
    )


def left_out(things: list[LeftOut]) -> Iterator[str]:
    """One line for each reason, with everything that it leaves out."""
    reasons: dict[str, list[str]] = {}
    for each in things:
        reasons.setdefault(each.why, []).append(f"{each.name} ({each.file.rpartition('/')[2]}:{each.line})")
    for why, names in reasons.items():
        yield one_line(f"! left out {len(names)}: {why}: {', '.join(names)}")


def _place(row: Row) -> str:
    return f"{row.file.rpartition('/')[2]}:{row.line}"

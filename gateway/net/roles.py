"""What a person may do on a line: four roles, of which the commissioner's holds the operator's, and that the
viewer's; pure."""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal, get_args

Role = Literal["viewer", "operator", "commissioner", "signer"]
ROLES: tuple[Role, ...] = get_args(Role)
ALL: tuple[Role, ...] = ("commissioner", "signer")  # with what they hold

_HELD_BY: dict[str, frozenset[str]] = {
    "viewer": frozenset(("viewer", "operator", "commissioner")),
    "operator": frozenset(("operator", "commissioner")),
    "commissioner": frozenset(("commissioner",)),
    "signer": frozenset(("signer",)),
}


def holds(roles: Collection[str], wanted: Role) -> bool:
    """Whether one of ``roles`` is or holds the role ``wanted``."""
    return not _HELD_BY[wanted].isdisjoint(roles)


def role(text: str) -> str:
    """``text``, which is a role; else ValueError."""
    if text not in ROLES:
        raise ValueError(f"{text!r} is no role; allowed are {', '.join(ROLES)}")
    return text

"""Things of a person's file by name, and the names of the wrong ones, so that each is said once; pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TypeVar

T = TypeVar("T")


class Checked(dict[str, T]):
    """What was read by name; ``wrong`` are names that stand in the file and of which something was said.

    ``""`` among them stands for one whose name is not known.
    """

    def __init__(self, things: Mapping[str, T], wrong: Collection[str]) -> None:
        super().__init__(things)
        self.wrong = frozenset(wrong)


def unsaid(name: str, things: Mapping[str, object]) -> bool:
    """Whether ``name`` is none of ``things``, and nothing was said of it when they were read."""
    wrong = wrong_of(things)
    return name not in things and name not in wrong and "" not in wrong


def wrong_of(things: Mapping[str, object]) -> frozenset[str]:
    """The names of which something was said when ``things`` were read; none where all was right."""
    return things.wrong if isinstance(things, Checked) else frozenset()

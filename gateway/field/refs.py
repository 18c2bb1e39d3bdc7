"""References to a tag, to an element of an array, or to one bit of either; pure."""

from __future__ import annotations

import re
from typing import Annotated, NamedTuple

from gateway.field.types import Value


class TagRef(NamedTuple):
    """A tag, an element of an array, or one bit: ``seen``, ``torques[2]``, ``seen.3``, ``words[0].3``.

    ``bit`` and ``element``, which counts from 0, are -1 for the whole.
    """

    tag: str
    bit: int = -1
    element: int = -1

    def __str__(self) -> str:
        whole = self.tag if self.element < 0 else f"{self.tag}[{self.element}]"
        return whole if self.bit < 0 else f"{whole}.{self.bit}"

    def of(self, value: Value) -> Value:
        """This reference's part of the tag's value."""
        if self.element >= 0:
            assert isinstance(value, tuple), f"{value!r} has no elements"
            value = value[self.element]
        if self.bit < 0:
            return value
        assert isinstance(value, int), f"{value!r} has no bits"
        return bool(value >> self.bit & 1)

    def into(self, value: Value, part: Value) -> Value:
        """The tag's value with this reference's part replaced."""
        if self.element >= 0:
            assert isinstance(value, tuple), f"{value!r} has no elements"
            new = TagRef(self.tag, self.bit).into(value[self.element], part)
            assert not isinstance(new, tuple), f"{new!r} is no element"
            return (*value[: self.element], new, *value[self.element + 1 :])
        if self.bit < 0:
            return part
        assert isinstance(value, int), f"{value!r} has no bits"
        mask = 1 << self.bit
        return int(value | mask if part else value & ~mask)


_REF = re.compile(r"([^.\[\]]+)(?:\[([0-9]{1,5})\])?(?:\.([0-9]{1,2}))?\Z")


def read_ref(text: str) -> TagRef:
    """Read ``tag``, ``tag.bit``, ``tag[index]`` or ``tag[index].bit``."""
    match = _REF.match(text)
    if match is None or int(match[3] or 0) > 63:
        what = f"{text!r} does not name a tag or its bit"
        raise ValueError(f"{what}; write seen.3 or row[2]")
    return TagRef(match[1], int(match[3] or -1), int(match[2] or -1))


Ref = Annotated[TagRef, read_ref]

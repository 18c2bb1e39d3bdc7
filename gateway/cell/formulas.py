"""Values that follow from other tags: computed as raw numbers are read, turned round to be written; pure."""

from __future__ import annotations

import math
from collections.abc import Mapping

from gateway.field.derive import in_order, operands
from gateway.field.tags import Tag
from gateway.field.types import Value


class Formulas:
    """The formulas of a station's ``tags`` over ``values``, which the cell keeps up to date."""

    def __init__(self, tags: Mapping[str, Tag], values: Mapping[str, Value]) -> None:
        ordered = in_order(tag for tag in tags.values() if tag.formula is not None)
        self._read = [tag for tag in ordered if tag.direction == "output"]
        self._written = [tag for tag in ordered if tag.direction == "input"]
        self._values = values
        self._raw: dict[str, Value] = {}

    @property
    def any(self) -> bool:
        """Whether there are any."""
        return bool(self._read or self._written)

    def read(self, image: Mapping[str, Value]) -> Mapping[str, Value]:
        """``image`` with values for raw numbers, also of tags whose operands alone have changed.

        A tag with an operand that is not known yet is left out.
        """
        if not self._read:
            return image
        self._raw.update((tag.name, image[tag.name]) for tag in self._read if tag.name in image)
        found = {name: value for name, value in image.items() if name not in self._raw}
        for tag in self._read:
            assert tag.formula is not None
            known = {"raw": self._raw.get(tag.name)}
            known |= {name: found.get(name, self._values.get(name)) for name in operands(tag)}
            there = {name: value for name, value in known.items() if value is not None}
            if len(there) == len(known):
                value = tag.formula.of(there)
                if value != self._values.get(tag.name):
                    found[tag.name] = value
        return found

    def value(self, tag: Tag, raw: Value) -> Value:
        """Of what a driver says of ``tag``, which is a number where the tag has a formula."""
        if tag.formula is None:
            return raw
        known = {name: self._values.get(name, math.nan) for name in operands(tag)}
        return tag.formula.of(known | {"raw": raw})

    def written(self, wanted: Mapping[str, Value]) -> Mapping[str, Value]:
        """``wanted`` inputs with raw numbers for values; what has none at present is not written."""
        if not self._written:
            return wanted
        raw = dict(wanted)
        for tag in self._written:
            if tag.name not in raw:
                continue
            assert tag.inverse is not None
            known = {name: wanted.get(name, self._values.get(name, math.nan)) for name in operands(tag)}
            number = tag.inverse.of(known | {"value": raw.pop(tag.name)})
            if math.isfinite(number):
                raw[tag.name] = number
        return raw

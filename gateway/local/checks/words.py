"""The order of a number's words: values that make no sense as read, and would in another order; pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import msgspec

from gateway.field.tags import Tag
from gateway.field.types import DataType, Order, Value

ORDERS: tuple[Order, ...] = ("ABCD", "CDAB", "DCBA", "BADC")
TINY, HUGE = 1e-6, 1e7  # a REAL beyond these is odd; odd alone is not wrong: another order must make sense


class Swapped(NamedTuple):
    """``tag`` shows ``value``, and in ``order`` would show ``meant``; ``others`` are as many more like it."""

    tag: Tag
    value: float
    order: Order
    meant: float
    others: int


def swapped(tags: Iterable[Tag], values: Mapping[str, Value]) -> Swapped | None:
    """The order that makes sense of one device's ``values`` (engineering, by tag); None where they make
    sense as they are, or in no order.

    Zero reads alike in every order and tells nothing. What makes sense now must do so in the other order,
    too, or the device has no order at all that is wrong.
    """
    telling = {tag.name: (tag, value) for tag in tags if (value := _number(tag, values)) is not None}
    odd = {name: each for name, each in telling.items() if not _sense(*each)}
    sane = [each for name, each in telling.items() if name not in odd]
    for order in ORDERS:
        meant = {name: _read_as(tag, value, order) for name, (tag, value) in odd.items()}
        if not odd or not all(_sense(tag, meant[name]) for name, (tag, _) in odd.items()):
            continue
        if not all(_sense(tag, _read_as(tag, value, order)) for tag, value in sane):
            continue
        tag, value = next(iter(odd.values()))
        return Swapped(tag, value, order, meant[tag.name], len(odd) - 1)
    return None


def _number(tag: Tag, values: Mapping[str, Value]) -> float | None:
    """What ``tag`` shows, where it is a number of two words or more that tells something."""
    value = values.get(tag.name)
    if tag.type.kind not in ("int", "real", "time") or tag.type.bits < 32 or tag.formula is not None:
        return None
    if isinstance(value, bool | str | tuple) or value is None or value == 0:
        return None
    return value


def _read_as(tag: Tag, value: float, order: Order) -> float:
    """What the device's bytes mean where the tag's type had ``order``."""
    raw = tag.type.pack(tag.to_device(value))
    other: DataType = msgspec.structs.replace(tag.type, order=order)
    meant = tag.from_device(other.unpack(raw))
    assert isinstance(meant, int | float), f"{meant!r} is no number"
    return meant


def _sense(tag: Tag, value: float) -> bool:
    """Whether a machine may show that: within the tag's range, and no number of torn bytes."""
    if not math.isfinite(value) or not tag.in_range(value):
        return False
    if tag.type.kind == "real":
        return value == 0 or TINY <= abs(value) <= HUGE
    held = tag.to_device(value)
    assert isinstance(held, int), f"{held!r} is no whole number"
    return held % 65536 != 0  # nothing in the low word: a small number, its words swapped

"""How an OPC UA variable holds a value that a person sees: in its own type, or as raw words in some order."""

from __future__ import annotations

from typing import NamedTuple

from asyncua import ua

from gateway.field.probe.expect import Expectation, Reading, bits, readings
from gateway.field.types import OPCUA_TYPES, TYPES

_OWN = {OPCUA_TYPES[name]: kind for name, kind in TYPES.items() if kind.kind in ("int", "real")}
"""The numbers' types by their names in OPC UA."""


class Held(NamedTuple):
    """The value lies in the variable from element ``at`` (None: it is no array), read as ``reading``."""

    at: int | None
    reading: Reading


def shape(variant: ua.Variant) -> str:
    """Type and size as a person would say them: ``Float``, ``UInt16 array of 2``, ``ByteString of 4``."""
    name = str(variant.VariantType.name)
    if variant.is_array:
        return f"{name} array of {len(variant.Value or ())}"
    return f"{name} of {len(variant.Value or b'')}" if name == "ByteString" else name


def holdings(variant: ua.Variant, wanted: Expectation) -> list[Held]:
    """Where and how ``variant`` holds the value; the type that it has itself goes before any other.

    A gateway may serve a device's registers as they are: words in an array or a whole number, in any order.
    """
    value = variant.Value
    if isinstance(value, bool):
        return [Held(None, each) for each in bits(value, wanted)]
    if isinstance(value, bytes):
        return [
            Held(at, each) for at in range(len(value)) for each in readings(value[at:], wanted, (2, 4, 8))
        ]
    kind = _OWN.get(str(variant.VariantType.name))
    if kind is None:
        return []
    elements = value if variant.is_array else [value]
    if not isinstance(elements, list) or not all(isinstance(each, int | float) for each in elements):
        return []
    size = kind.bits // 8
    raw = b"".join(map(kind.pack, elements))
    found: list[Held] = []
    for at in range(len(elements)):
        data = raw[at * size :]
        own = wanted._replace(type=wanted.type or kind)
        plain = [each for each in readings(data, own, ()) if each.type == kind.name and each.order == "ABCD"]
        others = readings(data, wanted, (2, 4, 8) if variant.is_array else (size,))
        found += [Held(at if variant.is_array else None, each) for each in plain or others]
    return found

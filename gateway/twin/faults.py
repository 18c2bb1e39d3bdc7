"""Faults of a sensor's wire, the same for every sensor port of every component; pure.

A component's own faults are named ``component.fault``; these are named ``component.port.fault``.
"""

from __future__ import annotations

from gateway.field.tags import Tag
from gateway.field.types import Scalar

WIRE_FAULTS = {
    "stuck-on": "the sensor shows true whatever happens (BOOL)",
    "stuck-off": "the sensor shows false whatever happens (BOOL)",
    "stuck": "the sensor keeps the value it has at this moment",
    "broken-wire": "no signal arrives: false, or the raw zero of an analog input",
    "short-circuit": "full signal arrives: true, or the upper end of an analog input",
}


def arrives(fault: str, tag: Tag, held: Scalar) -> Scalar:
    """What arrives over a wire with ``fault``; ``held`` is the value the sensor had when it began."""
    boolean = tag.type.kind == "bool"
    if fault == "stuck":
        return held
    if fault in ("stuck-on", "short-circuit"):
        return True if boolean else tag.range.high
    if tag.formula is not None:
        return tag.range.low
    nothing = False if boolean else tag.from_device(0)
    assert not isinstance(nothing, str | tuple), f"{tag.name} is wired to no sensor"
    return nothing


def fits(fault: str, tag: Tag) -> bool:
    """Whether ``fault`` makes sense on ``tag``: an analog value is not on or off."""
    return tag.type.kind == "bool" or fault not in ("stuck-on", "stuck-off")

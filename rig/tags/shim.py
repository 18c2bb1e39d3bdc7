"""The shim of a station as a source file, in the language of its controller; pure."""

from __future__ import annotations

from gateway.errors import BadInput, Problem
from rig.tags import shimscl, shimst
from rig.tags.shimplan import Plan


def generate(plan: Plan, language: str | None = None, memory: shimst.Memory | None = None) -> str:
    """The text: SCL for S7, else Structured Text, unless ``language`` says scl or st; BadInput."""
    device = plan.station.controller
    language = language or ("scl" if device.protocol == "s7" else "st")
    if language not in ("scl", "st"):
        raise BadInput([Problem("", 0, 0, f"--language {language!r} is not known", "write scl or st")])
    if language == "st":
        return shimst.render(plan, memory)
    if device.protocol != "s7":
        what = f"{device.name} at {device.address} has no S7 addresses, which SCL needs"
        raise BadInput([Problem(plan.station.file, device.line, 0, what, "use --language st")])
    return shimscl.render(plan)

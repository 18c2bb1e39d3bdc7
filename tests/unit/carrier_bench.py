"""What the tests of carriers share: a running belt, and what stands on a carrier."""

from __future__ import annotations

from twin_bench import Bench

from gateway.twin.carrier import Carrier
from gateway.twin.components.transport import BeltConveyor


def belt(bench: Bench, to: Carrier | None = None, **params: float) -> BeltConveyor:
    """1 m at 500 mm/s, running."""
    links = {} if to is None else {"to": to}
    made = bench.add(BeltConveyor, {"length": 1000, "speed": 500, **params}, **links)
    made.drive("run", True)
    return made


def ids(carrier: Carrier) -> list[str]:
    return [workpiece.id for workpiece in carrier.contents()]

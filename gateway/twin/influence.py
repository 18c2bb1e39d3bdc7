"""Which components may be another way after something happened to one of them; pure.

What happens to a component goes on along links, either way: to what it acts on, and to what watches it.
Only a supply of air or power is not changed by those that it feeds.
"""

from __future__ import annotations

from collections.abc import Mapping

from gateway.twin.component import Component
from gateway.twin.components.electrics import Power
from gateway.twin.components.pneumatics import AirSupply


def influence(components: Mapping[str, Component]) -> dict[str, frozenset[str]]:
    """For each component by name, those that an event of it may change, itself among them."""
    beside: dict[str, set[str]] = {name: set() for name in components}
    for name, component in components.items():
        for other in component.links.values():
            beside[other.name].add(name)
            if not isinstance(other, AirSupply | Power):
                beside[name].add(other.name)
    return {name: frozenset(_reached(name, beside)) for name in components}


def _reached(start: str, beside: Mapping[str, set[str]]) -> set[str]:
    reached, ahead = {start}, [start]
    while ahead:
        further = beside[ahead.pop()] - reached
        reached |= further
        ahead += further
    return reached

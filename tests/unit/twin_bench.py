"""A few components on one kernel, driven by hand at stated milliseconds."""

from __future__ import annotations

from typing import TypeVar

from gateway.twin.component import Component, Surroundings
from gateway.twin.kernel import Kernel
from gateway.twin.workpiece import Workpiece

MS = 1_000_000
START = 5_000_000_123  # no component may rely on time beginning at 0
C = TypeVar("C", bound=Component)


class Bench:
    """Times are ms since the bench began."""

    def __init__(self) -> None:
        self.kernel = Kernel(START)
        self.surroundings = Surroundings(self.kernel)
        self.components: list[Component] = []

    def add(
        self,
        family: type[C],
        params: dict[str, float] | None = None,
        words: dict[str, str] | None = None,
        **links: Component,
    ) -> C:
        """A started component; parameters that are not given take their defaults."""
        given = params or {}
        assert given.keys() <= {param.name for param in family.PARAMS}
        filled = {param.name: given.get(param.name, param.default) for param in family.PARAMS}
        assert None not in filled.values()
        name = f"{family.__name__.lower()}-{len(self.components)}"
        component = family(name, self.surroundings, filled, links, words)  # type: ignore[arg-type]  # asserted
        self.kernel.handlers[name] = component.on
        component.start()
        self.components.append(component)
        return component

    def to(self, ms: float) -> None:
        """Let time pass until ``ms``."""
        self.kernel.advance(START + round(ms * MS))

    def fault(self, component: Component, fault: str, active: bool = True) -> None:
        """Inject or clear a fault, as the twin does."""
        (component.faults.add if active else component.faults.discard)(fault)
        size = next(each.size for each in component.FAULTS if each.name == fault)
        if active and size is not None and size.default is not None:
            component.sizes[fault] = size.default
        else:
            component.sizes.pop(fault, None)
        component.fault_changed(fault, active)

    def told(self) -> list[tuple[float, str, str, str]]:
        """(ms, kind, workpiece, detail) of what happened so far."""
        return [
            (round((each.time - START) / MS, 3), each.kind, each.workpiece, each.detail)
            for each in self.surroundings.happenings
        ]


def part(name: str = "a", length: float = 150.0) -> Workpiece:
    """A workpiece."""
    return Workpiece(name, "phone", length)

"""Whether a force holds: what the device has at forced inputs, held against what was written there; pure.

A program that overwrites its own input wins at each of its scans. So a force that does not hold is told, and
not written again until somebody forces anew: to fight with a program would show now one value, now the other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from gateway.cell.gate import Gate
from gateway.field.tags import Tag, TagRef
from gateway.field.types import Value
from gateway.scenario import show


class ReadBack:
    """Of the forces at ``gate``. ``value`` makes a value of what a driver says of a tag, ``tell`` gets what
    is to be told, in words."""

    def __init__(self, gate: Gate, value: Callable[[Tag, Value], Value], tell: Callable[[str], None]) -> None:
        self._gate, self._value, self._tell = gate, value, tell

    @property
    def asked(self) -> list[str]:
        """The tags to be read back: those that are forced and written."""
        gate = self._gate
        return list(dict.fromkeys(ref.tag for ref in gate.forces if ref.tag in gate.written))

    def expected(self, held: Mapping[str, Value]) -> bool:
        """Whether there is nothing to do about ``held``."""
        gate = self._gate
        return not gate.overwritten and all(gate.written.get(tag) == held[tag] for tag in held)

    def look(self, held: Mapping[str, Value]) -> dict[str, Value]:
        """This is what the devices hold (as their drivers say it) at tags that are ``asked`` for; gives the
        values of those at which a force does not hold."""
        gate = self._gate
        found: dict[str, Value] = {}
        for ref, forced in gate.forces.items():
            tag = ref.tag
            if tag not in held or tag not in gate.written:
                continue
            if _same(gate.inputs[tag], ref, held[tag], gate.written[tag]):
                if gate.overwritten.pop(ref, None) is not None:
                    self._tell(f"{ref} is held at {show(forced)} again")
                continue
            found[tag] = self._value(gate.inputs[tag], held[tag])
            if ref not in gate.overwritten:
                there = show(ref.of(found[tag]))
                self._tell(f"{ref} is forced to {show(forced)} and does not hold: overwritten with {there}")
            gate.overwritten[ref] = ref.of(found[tag])
        return found


def _same(tag: Tag, ref: TagRef, held: Value, written: Value) -> bool:
    """Whether a device that was given ``written`` has it at ``ref`` where it has ``held``."""
    if ref.bit >= 0:
        return ref.of(held) == ref.of(written)
    part = tag.part(ref)
    there, given = (part.type.pack(part.to_device(ref.of(each))) for each in (held, written))
    return there == given

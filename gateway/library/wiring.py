"""The signals of a composed station, and what jogs and shows which; pure.

Every sensor is an input that is seen in an echo; every actuator an output with a jog. Command words hold
manual mode, acknowledge and the jogs of switches, echo words what was seen of switches; a number has a jog
and an echo of its own. Hand-over signals and the fault lamp are the station's own.
"""

from __future__ import annotations

import msgspec

from gateway.library.check import TYPES
from gateway.library.composition import Composition, Unit
from gateway.library.library import GroupPort
from gateway.library.nodes import Plain
from gateway.library.signals import DOUBLE, WORD, Bit, Signal, Words


class Wiring(msgspec.Struct, frozen=True):
    """Which bit or signal jogs an actuator and shows a sensor, by tag; jogs of numbers are signals."""

    jogs: dict[str, Bit | str]
    seen: dict[str, Bit | str]
    manual: Bit
    acknowledge: Bit


def signals_of(composition: Composition) -> tuple[list[Signal], Wiring]:
    """Every signal of the station, and what jogs and shows which."""
    units = list(composition.units.values())
    takes, readies = list(composition.takes().values()), list(composition.readies().values())
    switches = [u.tag(p.name) for u in units for p in u.group.actuators if p.port.kind == "bool"]
    jogged = len(switches) + len(takes) + 1
    command = Words("command", WORD if jogged + 2 <= WORD else DOUBLE)
    manual, acknowledge = command.take(), command.take()
    jogs: dict[str, Bit | str] = {tag: command.take() for tag in (*switches, *takes, "lamp-fault")}
    seen: dict[str, Bit | str] = {}
    echo = Words("seen", WORD)
    inputs: list[Signal] = []
    outputs: list[Signal] = []
    echoes: list[Signal] = []

    def shown(tag: str, about: dict[str, Plain]) -> None:
        bit = seen[tag] = echo.take()
        entry: dict[str, Plain] = {"safe": False, "observer": str(bit)}
        inputs.append(Signal(tag, "input", "BOOL", entry | about))

    def numbered(tag: str, kind: str, about: dict[str, Plain], safe: Plain) -> None:
        seen[tag] = f"seen-{tag}"
        entry: dict[str, Plain] = {"safe": safe, "observer": f"seen-{tag}"}
        inputs.append(Signal(tag, "input", kind, about | entry))
        echoes.append(Signal(f"seen-{tag}", "output", kind, about))

    for unit in units:
        for port in unit.group.ports.values():
            tag = unit.tag(port.name)
            about = _about(port)
            if port.port.kind == "bool":
                if port.port.direction == "sensor":
                    safe: Plain = port.safe.lower() == "true" if port.safe else bool(port.port.safe)
                    shown(tag, {"safe": safe} | about)
                else:
                    outputs.append(Signal(tag, "output", "BOOL", {"jog": str(jogs[tag])} | about))
                continue
            kind = TYPES[port.port.kind]
            about |= _range(unit, port)
            if port.port.direction == "sensor":
                numbered(tag, kind, about, _safe(unit, port))
            else:
                jogs[tag] = f"jog-{tag}"
                jog: dict[str, Plain] = {"safe": _safe(unit, port), "observer": tag}
                inputs.append(Signal(f"jog-{tag}", "input", kind, about | jog))
                outputs.append(Signal(tag, "output", kind, {**about, "jog": f"jog-{tag}"}))
    for tag in readies:
        shown(tag, {"title": "the next station takes a workpiece"})
    outputs += [
        Signal(tag, "output", "BOOL", {"jog": str(jogs[tag]), "title": "a workpiece may come"})
        for tag in takes
    ]
    outputs.append(Signal("lamp-fault", "output", "BOOL", {"jog": str(jogs["lamp-fault"])}))
    width = "WORD" if command.size == WORD else "DWORD"
    for word in command.names:
        title = "manual mode, acknowledge and jogs" if word == "command" else "jogs"
        seen[word] = f"seen-{word}"
        inputs.append(Signal(word, "input", width, {"safe": 0, "observer": f"seen-{word}", "title": title}))
        echoes.append(Signal(f"seen-{word}", "output", width))
    echoes += [Signal(word, "output", "WORD") for word in echo.names]
    return [*inputs, *outputs, *echoes], Wiring(jogs, seen, manual, acknowledge)


def _about(port: GroupPort) -> dict[str, Plain]:
    return {"title": port.title} if port.title else {}


def _ends(unit: Unit, port: GroupPort) -> tuple[str, str]:
    if not port.range:
        return f"{port.port.low:.12g}", f"{port.port.high:.12g}"
    low, _, high = port.range.partition("..")
    return (_number(unit.value(low.strip())), _number(unit.value(high.strip())))


def _range(unit: Unit, port: GroupPort) -> dict[str, Plain]:
    low, high = _ends(unit, port)
    span: dict[str, Plain] = {"range": f"{low}..{high}"}
    return span if port.port.unit == "1" else span | {"unit": port.port.unit}


def _safe(unit: Unit, port: GroupPort) -> Plain:
    """0, held within the range, where nothing else is said."""
    low, high = (float(end) for end in _ends(unit, port))
    wanted = float(_number(unit.value(port.safe))) if port.safe else float(port.port.safe)
    held = min(max(wanted, low), high)
    return round(held) if port.port.kind == "int" else held


def _number(text: str) -> str:
    return text.partition(" ")[0]

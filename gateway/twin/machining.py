"""Cutting: force, power, energy, tool life and roughness from the parameters of a cut; pure.

Kienzle: F = kc1.1 b h^(1-mc), b width and h thickness of the chip (Kienzle 1952; kc1.1 is the force on a
chip of 1 mm by 1 mm, and depends on the material alone). Taylor: vc T^n = C (Taylor 1907). Feed marks:
Rt = f² / (8 r). A worn flank raises the force and moves the edge back by VB tan(clearance). Units: mm, N,
m/min, min, kW; Toenshoff and Denkena, Basics of Cutting and Abrasive Processes.
"""

from __future__ import annotations

import math

import msgspec

WORN = 0.3  # mm: flank wear at the end of a tool's life (ISO 3685)
WORN_FORCE = 1.3  # the force then, as multiple of that of a sharp tool
CLEARANCE = math.tan(math.radians(7))  # of the edge


class Material(msgspec.Struct, frozen=True):
    """What is cut: Kienzle's ``kc11`` N/mm2 and ``mc``, Taylor's ``taylor_c`` m/min and ``taylor_n``."""

    kc11: float
    mc: float
    taylor_c: float
    taylor_n: float


class Cut(msgspec.Struct, frozen=True):
    """One pass of a sharp tool: what the machine feels, how long it takes, and what it leaves."""

    force: float  # N, along the cutting speed
    power: float  # kW, at the edge
    minutes: float
    speed: float  # m/min, of the edge
    peak: float  # um, height of the feed marks


def kienzle(material: Material, width: float, thickness: float) -> float:
    """Force in N on a chip of ``width`` by ``thickness`` mm."""
    return float(material.kc11 * width * thickness ** (1 - material.mc))


def edge_speed(diameter: float, revolutions: float) -> float:
    """Cutting speed in m/min at ``diameter`` mm and ``revolutions`` per min."""
    return math.pi * diameter * revolutions / 1000


def edge_power(force: float, speed: float) -> float:
    """Cutting power in kW: ``force`` N at ``speed`` m/min."""
    return force * speed / 60_000


def tool_life(material: Material, speed: float) -> float:
    """Minutes of cutting at ``speed`` m/min until the tool is worn."""
    return float((material.taylor_c / speed) ** (1 / material.taylor_n))


def feed_marks(feed: float, radius: float) -> float:
    """Height in um of the marks that ``feed`` mm per revolution leaves with a corner of ``radius`` mm."""
    return feed**2 / (8 * radius) * 1000


def worn_force(wear: float) -> float:
    """How many times the force of a sharp tool, at ``wear`` (0 sharp, 1 at the end of its life)."""
    return 1 + (WORN_FORCE - 1) * wear


def set_back(wear: float) -> float:
    """How far in mm the edge of a tool at ``wear`` stands back."""
    return WORN * wear * CLEARANCE


def turn(
    material: Material,
    *,
    diameter: float,
    depth: float,
    feed: float,
    revolutions: float,
    length: float,
    corner: float,
) -> Cut:
    """Turning ``length`` mm at ``depth`` mm and ``feed`` mm per revolution; the edge leads by 90 deg."""
    force = kienzle(material, depth, feed)
    speed = edge_speed(diameter, revolutions)
    minutes = length / (feed * revolutions)
    return Cut(force, edge_power(force, speed), minutes, speed, feed_marks(feed, corner))


def mill(
    material: Material, *, diameter: float, teeth: float, depth: float, width: float, feed: float,
    revolutions: float, length: float, corner: float,
) -> Cut:  # fmt: skip
    """Milling ``length`` mm, ``depth`` mm deep and ``width`` mm wide, at ``feed`` mm per tooth.

    The chip's mean thickness over the arc of contact phi is f_z 2 a_e / (D phi), and z phi / 2 pi teeth cut
    at a time.
    """
    arc = math.acos(1 - 2 * min(width / diameter, 1.0))
    thickness = feed * 2 * min(width, diameter) / (diameter * arc)
    force = kienzle(material, depth, thickness) * teeth * arc / (2 * math.pi)
    speed = edge_speed(diameter, revolutions)
    minutes = (length + diameter) / (feed * teeth * revolutions)  # it runs in and out
    return Cut(force, edge_power(force, speed), minutes, speed, feed_marks(feed, corner))


def drill(
    material: Material,
    *,
    diameter: float,
    feed: float,
    revolutions: float,
    depth: float,
    point: float = 118.0,
) -> Cut:
    """Drilling ``depth`` mm deep at ``feed`` mm per revolution with two edges of a ``point`` in deg.

    Each edge takes half of the feed, and its force acts at a quarter of the diameter, so half of the speed
    at the rim.
    """
    lean = math.sin(math.radians(point / 2))
    force = 2 * kienzle(material, diameter / 2 / lean, feed / 2 * lean)
    speed = edge_speed(diameter, revolutions)
    minutes = (depth + diameter / 2 / math.tan(math.radians(point / 2))) / (feed * revolutions)
    return Cut(force, edge_power(force, speed / 2), minutes, speed, feed_marks(feed, diameter / 2))


def erode(*, height: float, length: float, rate: float, power: float, peak: float) -> Cut:
    """Wire cutting of ``length`` mm through ``height`` mm at ``rate`` mm2/min: no force, a set ``power``."""
    return Cut(0.0, power, height * length / rate, 0.0, peak)

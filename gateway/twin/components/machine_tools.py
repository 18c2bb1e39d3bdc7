"""Lathe, mill, drill and wire cutter: the machine tools by the cut that their parameters describe; pure."""

from __future__ import annotations

from gateway.twin.component import Param
from gateway.twin.components.machine_tool import SPINDLE, MachineTool
from gateway.twin.machining import Cut, drill, erode, mill, turn

STEEL = (
    Param("kc11", "N/mm2", 1, 10_000, 1_700, "Kienzle: specific cutting force"),
    Param("mc", "1", 0, 0.9, 0.25, "Kienzle: rise"),
    Param("taylor-c", "m/min", 1, 10_000, 300, "Taylor: speed for a life of one minute"),
    Param("taylor-n", "1", 0.05, 1, 0.25, "Taylor: exponent"),
)
TURNS = Param("revolutions", "/min", 1, 200_000)


class Lathe(MachineTool):
    """Turns the held workpiece; a worn edge stands back on both sides of the diameter."""

    ABOUT = "lathe"
    EDGE = 2.0
    PARAMS = (
        *SPINDLE, *STEEL, TURNS,
        Param("depth", "mm", 0.01, 20, 1, "of cut"),
        Param("feed", "mm", 0.001, 5, 0.2, "per revolution"),
        Param("length", "mm", 0.1, 10_000, 30, "of cut"),
        Param("corner", "mm", 0.01, 10, 0.8, "radius of the tool's corner"),
    )  # fmt: skip

    def plan(self) -> Cut:
        p = self.params
        return turn(
            self.material(), diameter=p["size"], depth=p["depth"], feed=p["feed"],
            revolutions=p["revolutions"], length=p["length"], corner=p["corner"],
        )  # fmt: skip


class Mill(MachineTool):
    """Mills the held workpiece; a worn edge stands back on one side."""

    ABOUT = "milling machine"
    EDGE = 1.0
    PARAMS = (
        *SPINDLE, *STEEL, TURNS,
        Param("diameter", "mm", 0.1, 500, 10, "of the tool"),
        Param("teeth", "1", 1, 50, 4),
        Param("depth", "mm", 0.01, 100, 2, "of cut"),
        Param("width", "mm", 0.01, 500, 5, "of cut"),
        Param("feed", "mm", 0.001, 5, 0.05, "per tooth"),
        Param("length", "mm", 0.1, 10_000, 60, "of cut"),
        Param("corner", "mm", 0.01, 50, 0.8, "radius of the tool's corner"),
    )  # fmt: skip

    def plan(self) -> Cut:
        p = self.params
        return mill(
            self.material(), diameter=p["diameter"], teeth=p["teeth"], depth=p["depth"], width=p["width"],
            feed=p["feed"], revolutions=p["revolutions"], length=p["length"], corner=p["corner"],
        )  # fmt: skip


class Drill(MachineTool):
    """Drills a hole of ``size`` into the held workpiece; a worn drill makes it narrower."""

    ABOUT = "drilling machine"
    EDGE = -2.0
    PARAMS = (
        *SPINDLE, *STEEL, TURNS,
        Param("feed", "mm", 0.001, 5, 0.1, "per revolution"),
        Param("depth", "mm", 0.1, 1_000, 10, "of the hole"),
    )  # fmt: skip

    def plan(self) -> Cut:
        p = self.params
        return drill(
            self.material(),
            diameter=p["size"],
            feed=p["feed"],
            revolutions=p["revolutions"],
            depth=p["depth"],
        )


class WireCutter(MachineTool):
    """Cuts with a wire by erosion: its spindle is the wire's feed, and there is no force."""

    ABOUT = "wire cutting machine"
    PARAMS = (
        *SPINDLE,
        Param("height", "mm", 0.1, 1_000, 20, "of the workpiece"),
        Param("length", "mm", 0.1, 10_000, 50, "of cut"),
        Param("rate", "mm2/min", 0.1, 10_000, 200, "area cut"),
        Param("erosion", "kW", 0.001, 100, 1.5, "power of the generator"),
        Param("peak", "um", 0.01, 100, 8, "height of the craters"),
        Param("wire", "min", 1, 1_000_000, 1_200, "how long a spool lasts"),
    )

    def plan(self) -> Cut:
        p = self.params
        return erode(
            height=p["height"], length=p["length"], rate=p["rate"], power=p["erosion"], peak=p["peak"]
        )

    def life(self) -> float:
        return self.params["wire"]

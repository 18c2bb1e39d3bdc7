"""The body: a box that a mover carries through the station, so that collisions are seen; pure."""

from __future__ import annotations

from gateway.twin.component import Component, Link, Param
from gateway.twin.envelope import AXES, Box, Envelope, Guided, Slide, Swing

FAR = 1_000_000


class Body(Component):
    """Where nothing has moved yet it begins at ``x``, ``y``, ``z``. Without links it stands still.

    ``along-x`` and so on name what moves it, by ``x-stroke`` mm for each mm of an axis, or for the whole
    stroke of a cylinder; ``turns`` names what turns it, about the vertical through the pivot.
    """

    ABOUT = "body that may collide"
    PARAMS = (
        Param("x", "mm", -FAR, FAR, 0, "where it begins, in the station"),
        Param("y", "mm", -FAR, FAR, 0),
        Param("z", "mm", -FAR, FAR, 0),
        Param("length", "mm", 0.1, FAR, about="along x"),
        Param("width", "mm", 0.1, FAR, about="along y"),
        Param("height", "mm", 0.1, FAR, about="along z"),
        Param("x-stroke", "mm", -FAR, FAR, 1, "how far along x, negative: the other way"),
        Param("y-stroke", "mm", -FAR, FAR, 1),
        Param("z-stroke", "mm", -FAR, FAR, 1),
        Param("pivot-x", "mm", -FAR, FAR, 0),
        Param("pivot-y", "mm", -FAR, FAR, 0),
        Param("degrees", "deg", -FAR, FAR, 1, "how far it turns for each deg, or for the whole stroke"),
    )
    LINKS = (
        *(Link(f"along-{axis}", Guided, optional=True) for axis in AXES),
        Link("turns", Guided, optional=True),
    )

    def envelope(self) -> Envelope:
        """The space it takes up, now and as its movers go on."""
        corner = tuple(self.params[axis] for axis in AXES)
        size = tuple(self.params[side] for side in ("length", "width", "height"))
        slides = tuple(
            Slide(index, self.link(f"along-{axis}", Guided).way(), self.params[f"{axis}-stroke"])
            for index, axis in enumerate(AXES)
            if f"along-{axis}" in self.links
        )
        swing = None
        if "turns" in self.links:
            swing = Swing(
                self.link("turns", Guided).way(),
                self.params["pivot-x"],
                self.params["pivot-y"],
                self.params["degrees"],
            )
        x, y, z = corner
        return Envelope(Box((x, y, z), (x + size[0], y + size[1], z + size[2])), slides, swing)

"""A belt between two neighbours, and what these say to it."""

from __future__ import annotations

from cell_support import Bench, hello

from gateway.cell.couplings import Neighbours
from gateway.net.messages import MAIN, Accept, Coupling, Offer
from gateway.twin.workpiece import Workpiece

MIDDLE = Neighbours(
    {"up": {MAIN: MAIN}}, {MAIN: "down"}, {"down": {"next": "take"}}, {"up": ("ready",), "down": ()}
)
OURS = "epoch"  # of the bench's journal


def middle(entries: dict[tuple[str, str], bytes] | None = None) -> Bench:
    """A belt that runs, between two neighbours."""
    bench = Bench(MIDDLE, entries)
    bench.step({"run": True, "ready": False})
    bench.step()
    return bench


def onwards(bench: Bench, count: int, *messages: tuple[str, Coupling]) -> None:
    """Scan on, while downstream says that it is there; ``messages`` come at the first scan."""
    for n in range(count):
        bench.step(coupled=[("down", hello()), *(messages if n == 0 else ())])


def arrived(bench: Bench, *workpieces: Workpiece) -> Bench:
    """Upstream hands ``workpieces`` over, and each comes to the outlet."""
    for number, workpiece in enumerate(workpieces, 1):
        onwards(bench, 60, ("up", Offer("u", number, workpiece)))
        assert Accept("u", number) in bench.accepts()
    return bench

"""Stations in shadow on real processes: a plant, the controller wired to it, and a gateway that watches.

Faults are injected into the plant by its console, as a machine has them; the gateway names the signal and the
component. Nothing else is told over many cycles.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from running import until
from site_modes import ModesSite, line_file

from gateway.field.tags import TagRef
from gateway.net.messages import Force, Pause
from gateway.twin.discrepancy import Discrepancy
from gateway.twin.faults import check_fault
from rig.backend import RigFault, Script

SECOND = 1_000_000_000
TRIES = 4
FED = "mode: shadow, serve: true, feed: 4 s"


class ShadowSite(ModesSite):
    """A line of one station in shadow."""

    def type(self, station: str, command: str) -> None:
        """Type ``command`` at the console of its plant; a fault is one that it has."""
        words = command.partition(" ")
        if words[0] == "inject":
            spec = self.line.stations[station].station
            assert not check_fault(words[2], spec.twin, spec.tags)
        plant = next(child for child in self._children if child.name == f"plant {station}")
        assert plant.process.stdin is not None
        plant.process.stdin.write(f"{command}\n".encode())
        plant.process.stdin.flush()

    def watch(self, station: str, seconds: int) -> None:
        """Let so much time pass on its gateway."""
        trace = self.backend.run({station: Script((Pause(seconds * SECOND),))})[station]
        assert trace.ended == "done"

    def lasting(self, station: str) -> list[Discrepancy]:
        return [each for each in self.backend.differences(station) if each.end is None]


@pytest.fixture(params=["infeed", "glue", "screw"])
def watched(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, ShadowSite]]:
    name = request.param
    file = line_file(tmp_path, f"  - {{station: ../stations/{name}.yaml, {FED}}}\n")
    site = ShadowSite(file, tmp_path / "run")
    site.start()
    try:
        yield name, site
    finally:
        site.backend.close()
        site.stop()


FAULTS = {
    "infeed": [
        ("stopper.stuck", {"stop-closed", "stop-opened"}, "stopper"),
        ("belt.speed.broken-wire", {"belt-speed"}, "belt"),
        ("eye-leaving.sees.stuck-off", {"part-leaving"}, "eye-leaving"),
    ],
    "glue": [
        ("lift.slow", {"lift-up", "lift-down"}, "lift"),
        ("axis.position.drift 20 mm", {"axis-position"}, "axis"),
    ],
    "screw": [
        ("driver.torque.broken-wire", {"torque"}, "driver"),
        ("press.slow", {"press-down", "press-up"}, "press"),
    ],
}


@pytest.mark.long
def test_faults_of_the_machine_are_told_with_signal_and_component_and_nothing_else(
    watched: tuple[str, ShadowSite],
) -> None:
    name, site = watched
    until("the link", lambda: site.linked(name))
    with pytest.raises(RigFault, match="nothing is written"):
        site.backend.run({name: Script((Force(TagRef("command"), 1),))})
    quiet(site, name, 13)
    assert len(site.told(name, "finished")) >= 2, "workpieces pass through the twin"
    for fault, tags, suspect in FAULTS[name]:
        before = len(site.backend.differences(name))
        site.type(name, f"inject {fault}")
        until(fault, lambda before=before: len(site.backend.differences(name)) > before)
        first = site.backend.differences(name)[before]
        site.type(name, f"clear {fault.partition(' ')[0]}")
        assert first.tag in tags, site.backend.differences(name)
        assert first.suspect == suspect, site.backend.differences(name)
        quiet(site, name, 5)
    assert site.backend.unheard(name) == ""


def quiet(site: ShadowSite, name: str, seconds: int) -> None:
    """Over so long, of cycles of 4 s, nothing is told.

    Three processes share this machine with others: where one of them had no time, the gateway sees a machine
    that is late, and it is tried again.
    """
    for _ in range(TRIES):
        before = len(site.backend.differences(name))
        site.watch(name, seconds)
        if len(site.backend.differences(name)) == before and not site.lasting(name):
            return
    pytest.fail(f"something is told at each try: {site.backend.differences(name)}")

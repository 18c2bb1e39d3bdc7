"""A line of several modes whose gateways are killed in mid-flow: every workpiece comes out once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from running import until
from site_modes import ModesSite, Watcher, line_file, running

STATIONS = """\
  - {station: ../stations/infeed.yaml, mode: virtual}
  - {station: ../stations/glue.yaml, mode: ril, serve: true}
  - {station: ../stations/screw.yaml, mode: hil, serve: true}
"""
COUPLINGS = """\
  - {from: infeed, to: glue, signals: {glue.take: infeed.next-ready}}
  - {from: glue, to: screw, signals: {screw.take: glue.next-ready}}
"""
NAMES = ("infeed", "glue", "screw")
ALL = tuple(f"w-{n}" for n in range(5))


@pytest.fixture
def site(tmp_path: Path) -> Iterator[ModesSite]:
    with running(ModesSite(line_file(tmp_path, STATIONS, COUPLINGS), tmp_path / "run")) as made:
        yield made


def test_every_workpiece_comes_out_once_and_the_plant_stands_while_nobody_drives_it(site: ModesSite) -> None:
    site.lead(*NAMES)
    site.feed("infeed", *ALL)
    until("a workpiece is glued", lambda: site.told("glue", "entered"))
    plant = Watcher(site, "glue")
    plant.wait("belt-run", True)

    site.kill("glue")
    for actuator in ("belt-run", "lift-raise", "valve-open"):
        plant.wait(actuator, False)
    assert site.journalled("glue") == set(site.told("glue", "entered")) - set(site.told("glue", "left"))
    site.revive("glue")
    site.lead("glue")
    until("it is at the screw", lambda: site.told("screw", "entered"))
    site.kill("screw")
    site.revive("screw")
    site.lead("screw")

    def out() -> bool:
        """A program that was in the middle of a cycle when its gateway went may have stopped."""
        if set(site.told("screw", "finished")) != set(ALL):
            site.heal(*NAMES)
        return set(site.told("screw", "finished")) == set(ALL)

    until("all are out", out, 120)
    assert Counter(site.told("screw", "finished")) == Counter(ALL)
    plant.close()
    site.backend.close()
    for name in NAMES[1:]:
        until("the safe state", lambda name=name: "the safe state is driven" in site.log(name))
        site.kill(name)
        assert site.journalled(name) == set()

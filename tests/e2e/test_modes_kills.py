"""The line of all four modes, whose gateways are killed in mid-flow: every workpiece comes out once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from running import ROOT, until
from site_modes import ModesSite, Watcher, running

LINE = ROOT / "config" / "lines" / "modes.yaml"
LED, WATCHED = ("infeed", "glue", "seal"), "screw"
SAFE = "the safe state is driven"
ALL = tuple(f"w-{n}" for n in range(5))


@pytest.fixture
def site(tmp_path: Path) -> Iterator[ModesSite]:
    with running(ModesSite(LINE, tmp_path / "run")) as made:
        yield made


def test_every_workpiece_comes_out_once_and_the_plant_stands_while_nobody_drives_it(site: ModesSite) -> None:
    modes = {name: each.mode for name, each in site.line.stations.items()}
    assert modes == {"infeed": "virtual", "glue": "ril", "seal": "hil", "screw": "shadow"}
    site.lead(*LED)
    site.feed("infeed", *ALL)
    until("a workpiece on the real plant", lambda: site.told("glue", "entered"))
    plant = Watcher(site, "glue")
    plant.wait("belt-run", True)

    site.kill("glue")
    for actuator in ("belt-run", "lift-raise", "valve-open"):
        plant.wait(actuator, False)
    assert site.journalled("glue") == set(site.told("glue", "entered")) - set(site.told("glue", "left"))
    site.revive("glue")
    site.lead("glue")

    def on_the_machine() -> bool:
        if not taken(site):
            site.tend(*LED)
        return bool(taken(site))

    until("one on the machine that runs by itself", on_the_machine, 120)
    site.kill(WATCHED)
    assert site.journalled(WATCHED) >= taken(site) - finished(site).keys()
    site.revive(WATCHED)
    site.kill("seal")
    site.revive("seal")
    site.lead("seal")

    def out() -> bool:
        if finished(site).keys() != set(ALL):
            site.tend(*LED)
        return finished(site).keys() == set(ALL)

    until("all are out", out, 120)
    assert finished(site) == Counter(ALL)
    assert "entered" in site.log(WATCHED)
    plant.close()
    before = {name: site.log(name).count(SAFE) for name in ("glue", "seal")}
    site.backend.close()
    for name, count in before.items():
        until("the safe state", lambda name=name, count=count: site.log(name).count(SAFE) > count)
        site.kill(name)
        assert site.journalled(name) == set()
    assert not any(word in site.log(WATCHED) for word in ("lease", "safe state", "force"))


def taken(site: ModesSite) -> set[str]:
    """The workpieces that the machine in shadow has taken from its neighbour: it has some of its own."""
    return {each for each in site.told(WATCHED, "entered") if each in ALL}


def finished(site: ModesSite) -> Counter[str]:
    return Counter(each for each in site.told(WATCHED, "finished") if each in ALL)

"""A played controller on a plant that is a process: whatever is killed or lost, its actuators drop."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from running import until
from site_modes import ModesSite, Watcher, line_file, running

from gateway.field.tags import TagRef
from gateway.net.messages import Inject, Pause
from rig.backend import RigFault, Script

BELT = "belt-run"


@pytest.fixture
def site(tmp_path: Path) -> Iterator[ModesSite]:
    file = line_file(tmp_path, "  - {station: ../stations/infeed.yaml, mode: ril, serve: true}\n")
    with running(ModesSite(file, tmp_path / "run")) as made:
        yield made


@pytest.fixture
def plant(site: ModesSite) -> Iterator[Watcher]:
    watcher = Watcher(site, "infeed")
    yield watcher
    watcher.close()


def test_it_moves_under_a_lease_alone_and_stands_when_that_is_given_back(
    site: ModesSite, plant: Watcher
) -> None:
    until("the link", lambda: site.linked("infeed"))
    assert not plant.on(BELT)
    site.lead("infeed")
    plant.wait(BELT, True)
    site.backend.close()
    plant.wait(BELT, False)
    until("what the gateway says", lambda: "the safe state is driven" in site.log("infeed"))


@pytest.mark.parametrize("gone", ["rig", "broker"])
def test_who_goes_without_a_word(site: ModesSite, plant: Watcher, gone: str) -> None:
    site.lead("infeed")
    plant.wait(BELT, True)
    if gone == "rig":
        site.backend.bus.close()
    else:
        site.kill_broker()
    plant.wait(BELT, False)
    until("what the gateway says", lambda: "the safe state is driven" in site.log("infeed"))
    log = site.log("infeed")
    assert log.index("lease of rig ran out") < log.index("the safe state is driven")


def test_a_gateway_that_is_told_to_end_makes_the_plant_safe_itself(site: ModesSite, plant: Watcher) -> None:
    site.lead("infeed")
    plant.wait(BELT, True)
    assert site.end("infeed") == 0
    assert not plant.on(BELT)
    assert "lease: the gateway ends" in site.log("infeed")


def test_a_gateway_that_is_killed(site: ModesSite, plant: Watcher) -> None:
    site.lead("infeed")
    plant.wait(BELT, True)
    site.kill("infeed")
    plant.wait(BELT, False)  # by the plant's own watchdog: nobody else is there
    site.revive("infeed")
    until("the safe state", lambda: "restarted while driving: safe state" in site.log("infeed"))
    until("the link", lambda: site.linked("infeed"))
    assert not plant.on(BELT)
    site.lead("infeed")
    plant.wait(BELT, True)


def test_a_plant_that_is_lost_and_comes_back(site: ModesSite, plant: Watcher) -> None:
    site.lead("infeed")
    plant.wait(BELT, True)
    begun = site.backend.begin({"infeed": Script((Pause(60_000_000_000),))})
    site.kill_plant("infeed")
    trace = site.backend.finish(begun)["infeed"]
    assert trace.ended == "link"
    assert trace.lost.keys() == {"plant"}
    until("what the gateway says", lambda: "the plant is not connected" in site.log("infeed"))
    found = site.backend.identify("infeed")[0].devices
    assert (found["plc"].ready, found["plant"].ready, found["plant"].role) == (True, False, "plant")
    until("the loss in its heartbeat", lambda: not site.linked("infeed"))
    site.revive_plant("infeed")
    with contextlib.closing(Watcher(site, "infeed")) as again:
        site.lead("infeed")
        again.wait(BELT, True)


def test_a_fault_cannot_be_injected_and_a_scan_is_never_left_out(site: ModesSite) -> None:
    site.lead("infeed")
    with pytest.raises(RigFault, match="the plant is real, no fault can be injected into it"):
        site.backend.run({"infeed": Script((Inject("belt.trip"),))})
    trace = site.backend.run({"infeed": Script((Pause(2_000_000_000),), (str(TagRef(BELT)),))})["infeed"]
    late = sum(late for _, late in trace.overruns)
    assert trace.scans >= (trace.duration - late) // 10_000_000 - 2 * len(trace.overruns) - 2

"""Gateways on networks of their own, a slow and lossy link to the broker: the same verdicts, nothing lost.

``OUTAGE=60`` is for how long the link is cut, in seconds.
"""

from __future__ import annotations

import os
import statistics
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from running import Run, Starter, secured, until, witnesses
from site_line import LineSite
from wan import WAN, Denied, Link, Namespace, Weather, namespaces

NAMES = ("first", "second")
OUTAGE = float(os.environ.get("OUTAGE") or 3)


class WanSite(LineSite):
    """A row of belts, each in a namespace of its own."""

    link: Link
    machines: dict[str, Namespace]


@pytest.fixture
def site(tmp_path: Path, start: Starter) -> Iterator[WanSite]:
    try:
        with namespaces(len(NAMES)) as made, secured(tmp_path) as broker:
            link = Link(broker.port)
            link.start()
            machines = dict(zip(NAMES, made, strict=True))
            brokers = {name: f"mqtts://{each.here}:{link.port}" for name, each in machines.items()}
            wraps = {name: each.wrap for name, each in machines.items()}
            line = WanSite(tmp_path, NAMES, start, brokers, broker, wraps)
            line.link, line.machines = link, machines
            for name in NAMES:
                line.gateway(name)
            for name in NAMES:
                line.ready(name)
            witnesses(tmp_path, line.keys, start)
            try:
                yield line
            finally:
                line.close()
                link.close()
    except Denied as why:
        pytest.skip(f"no network namespace can be made here (root and iproute2 are needed): {why}")


def session(site: WanSite, folder: str) -> Run:
    """Commission the line over the link, in ``folder``."""
    broker = site.backend.bus.brokers
    run = site.start.session(
        site.folder / folder, site.file, "--keys", str(site.keys), "--operator", "anna",
        "--broker", next(iter(broker)), "-k", "connect or passing or tripped or workpieces",
    )  # fmt: skip
    assert run.wait() == 0, run.shown
    return run


def test_a_session_far_away_has_the_same_verdicts(site: WanSite) -> None:
    near = session(site, "near").record("PASS", complete=True)
    site.link.weather = WAN
    run = session(site, "far")
    far = run.record("PASS", complete=True)
    assert {step.id: step.verdict for step in far.steps} == {step.id: step.verdict for step in near.steps}
    assert near.flow is not None
    assert far.flow is not None
    # Offer and answer each cross two links, to the broker and from it.
    assert statistics.median(near.flow.coupling) < statistics.median(far.flow.coupling)
    assert min(far.flow.coupling) > 4 * (WAN.delay - WAN.jitter) * 1e9
    flow = next(step for step in far.steps if step.phase == "flow")
    shown = {each.name for each in flow.measurements}
    assert {"coupling p50", "coupling p99"} <= shown
    assert not any(each.name.endswith("pulses missed") for step in far.steps for each in step.measurements)
    assert run.run is not None
    assert "Coupling" in (run.run / "report.html").read_text()


@pytest.mark.long
def test_an_outage_and_another_address_lose_nothing(site: WanSite) -> None:
    site.link.weather = WAN
    site.backend.start()
    site.lead(*NAMES)
    site.feed("w-0", "w-1", "w-2")
    until("one has passed", lambda: "w-0" in site.told("second", "entered"))
    site.link.cut()
    for name in NAMES:  # with no help from outside
        until("safe", lambda name=name: "the safe state is driven" in site.runs[name][-1].shown)
    time.sleep(OUTAGE)  # the link stays cut for as long as that, whatever happens
    site.link.mend()
    site.lead(*NAMES)
    site.machines["second"].move(77)
    site.lead(*NAMES)
    site.link.weather = Weather()

    fed = set(site.told("first", "entered"))
    site.feed(*(each for each in ("w-0", "w-1", "w-2", "w-3") if each not in fed))

    def out() -> bool:
        if len(site.told("second", "finished")) < 4:
            site.bring_up(*NAMES)
        return len(site.told("second", "finished")) >= 4

    until("all are out", out, 120)
    assert Counter(site.told("second", "finished")) == Counter(("w-0", "w-1", "w-2", "w-3"))

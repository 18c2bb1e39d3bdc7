"""SIGKILL to gateways and to the broker in mid-flow: every workpiece comes out once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from running import Starter, secured, until
from site_line import LineSite

from rig.broker import Broker

NAMES = ("first", "second", "third")
ALL = tuple(f"w-{n}" for n in range(8))


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    with secured(tmp_path) as running:
        yield running


@pytest.fixture
def site(tmp_path: Path, start: Starter, broker: Broker) -> Iterator[LineSite]:
    made = LineSite(tmp_path, NAMES, start, dict.fromkeys(NAMES, broker.url), broker)
    for name in NAMES:
        made.gateway(name)
    for name in NAMES:
        made.ready(name)
    made.backend.start()
    try:
        yield made
    finally:
        made.close()


def test_every_workpiece_comes_out_once(site: LineSite, broker: Broker) -> None:
    site.lead(*NAMES)
    known: set[str] = set()

    def feed(count: int) -> str:
        """The next ones; gives the last of them."""
        coming = [each for each in ALL if each not in known][:count]
        site.feed(*coming)
        return coming[-1]

    def comes(workpiece: str, name: str) -> None:
        until(f"{workpiece} in {name}", lambda: workpiece in site.told(name, "entered"))

    def revive(*names: str) -> None:
        site.kill(*names)
        if NAMES[0] in names:
            known.update(site.journalled(NAMES[0]))
        for name in names:
            site.gateway(name)
        for name in names:
            site.ready(name)
        site.lead(*names)
        known.update(site.told(NAMES[0], "entered"))

    comes(feed(2), "first")
    known.update(site.told("first", "entered"))
    comes("w-0", "second")
    revive("second")
    comes(feed(2), "first")
    revive("first")
    comes("w-0", "third")
    revive("third")

    comes(feed(1), "first")
    broker.kill()
    broker.start()
    site.lead(*NAMES)
    known.update(site.told("first", "entered"))
    comes(feed(2), "first")
    revive("first", "second")
    while missing := [each for each in ALL if each not in known]:
        comes(feed(len(missing)), "first")
        known.update(site.told("first", "entered"))

    def out() -> bool:
        """A part that came to stand between the eyes of a belt is seen by none of them: jog it on."""
        if set(site.told("third", "finished")) != set(ALL):
            site.bring_up(*NAMES)
        return set(site.told("third", "finished")) == set(ALL)

    until("all are out", out, 120)
    assert Counter(site.told("third", "finished")) == Counter(ALL)
    assert all(not site.told(name, "finished") for name in NAMES[:2])
    site.close()
    assert not any(site.journalled(name) for name in NAMES)

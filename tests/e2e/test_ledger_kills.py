"""Kills, lost and old disks, brokers away: nothing final is lost, nobody signs twice, all agree.

``KILLS`` is how many times each fault is tried (make soak: more).
"""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from running import MOSQUITTO, Starter, starter
from site_chain import NODES, OPERATOR, ChainSite

from rig.broker import Broker

TIMES = int(os.environ.get("KILLS", "1"))
pytestmark = pytest.mark.skipif(MOSQUITTO is None, reason="mosquitto is not installed")


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    with Broker(tmp_path_factory.mktemp("broker"), kind="mosquitto") as running:
        yield running


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, broker: Broker) -> Iterator[ChainSite]:
    """All nodes run; each test leaves it so."""
    with starter() as start:
        made = ChainSite(
            tmp_path_factory.mktemp("site"), start, {name: [broker.url] for name in (*NODES, OPERATOR)}
        )
        try:
            made.run(*NODES)
            yield made
            made.end()
        finally:
            made.close()


@pytest.mark.parametrize("name", NODES * TIMES)
def test_a_node_that_is_killed_is_not_missed_and_comes_back(site: ChainSite, name: str) -> None:
    site.settle()
    site.kill(name)
    site.settle(2)
    site.run(name)
    site.settle()
    site.together(*NODES)
    site.assert_sound()


@pytest.mark.parametrize("time", range(TIMES))
def test_all_are_killed_at_once_and_what_was_accepted_becomes_final(site: ChainSite, time: int) -> None:
    session = site.record()
    site.kill(*NODES)
    site.run(*NODES)
    site.ear.until(f"{session} is final", lambda: session in site.final)
    site.together(*NODES)
    site.assert_sound()


@pytest.mark.parametrize("time", range(TIMES))
def test_the_broker_is_killed_and_what_was_recorded_meanwhile_becomes_final(
    site: ChainSite, broker: Broker, time: int
) -> None:
    broker.kill()
    session = site.record()
    broker.start()
    site.ear.until(f"{session} is final", lambda: session in site.final)
    site.together(*NODES)
    site.assert_sound()


@pytest.mark.parametrize("name", NODES[:1] * TIMES)
def test_a_disk_put_back_to_an_earlier_copy_signs_nothing_twice(
    site: ChainSite, tmp_path: Path, name: str
) -> None:
    site.settle()
    site.kill(name)
    copy = shutil.copytree(site.state(name), tmp_path / "copy", ignore=shutil.ignore_patterns("*.sock"))
    site.run(name)
    site.settle(3)
    site.kill(name)
    assert site.log(name).read_bytes() != (copy / site.log(name).name).read_bytes()
    shutil.rmtree(site.state(name))
    shutil.copytree(copy, site.state(name))
    site.start_again(name)
    site.settle(4)
    site.votes(name)
    site.together(*NODES)
    site.assert_sound()


@pytest.mark.parametrize("name", NODES[-1:] * TIMES)
def test_a_disk_that_is_lost_signs_nothing_twice(site: ChainSite, name: str) -> None:
    site.settle()
    site.kill(name)
    shutil.rmtree(site.state(name))
    site.start_again(name)
    site.settle(4)
    site.votes(name)
    site.together(*NODES)
    site.assert_sound()


@pytest.mark.parametrize("name", NODES[1:2] * TIMES)
def test_a_torn_last_write_is_as_if_it_was_not_written(site: ChainSite, name: str) -> None:
    site.settle(2)
    site.kill(name)
    torn = random.Random(len(site.final)).randint(1, 5_000)
    whole = site.log(name).read_bytes()
    assert len(whole) > torn
    site.log(name).write_bytes(whole[:-torn])
    site.start_again(name)
    site.settle(4)
    site.votes(name)
    site.together(*NODES)
    site.assert_sound()


def test_brokers_come_and_go_and_a_side_without_a_quorum_decides_nothing(
    tmp_path: Path, start: Starter
) -> None:
    """Of the nodes one is on the first broker, one on the second, and two on both."""
    with Broker(tmp_path / "a", kind="mosquitto") as a, Broker(tmp_path / "b", kind="mosquitto") as b:
        both = [a.url, b.url]
        reaches = dict(zip((*NODES, OPERATOR), ([a.url], both, both, [b.url], both), strict=True))
        site = ChainSite(tmp_path, start, reaches)
        try:
            site.run(*NODES)
            for broker in (a, b):
                site.settle()
                site.together(*NODES)
                broker.kill()
                site.settle(2)
                broker.start()
            site.together(*NODES)
            a.kill()
            site.kill(NODES[1])
            waiting = site.record()
            site.told_often(*NODES[2:])
            assert waiting not in site.final
            a.start()
            site.run(NODES[1])
            site.ear.until(f"{waiting} is final", lambda: waiting in site.final)
            site.together(*NODES)
            site.end()
        finally:
            site.close()

"""A neighbour that the chain has revoked is not heard any more, over a real broker: a closed door."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from gateway.belonging import Belonging, follow
from gateway.hearing import Hearing
from gateway.net import topics
from gateway.net.bus import Bus
from gateway.net.identity import Identity, Trust
from gateway.net.messages import Coupled, Identified, Moment, Signals, encode
from ledger.records import Party
from rig.broker import Broker

WITHIN = 60.0
BOOT = "00" * 8
NAMES = ("belt", "left", "right", "apart")


def unasked() -> Identified:
    raise AssertionError("nobody asks who this is")


class Line:
    """``belt`` between two neighbours, each on a bus of its own."""

    def __init__(self, url: str, open_until: ExitStack) -> None:
        self.identities = {name: Identity.create(name) for name in NAMES}
        self.trust = Trust()
        follow(self.trust, self.belonging())
        self.rung = threading.Event()
        self.buses = {
            name: Bus(name, [url], identity=identity, trust=self.trust)
            for name, identity in self.identities.items()
        }
        self.hearing = Hearing(
            "one", "belt", BOOT, self.buses["belt"], self.trust, unasked, str, self.rung.set,
            ("left", "right"),
        )  # fmt: skip
        self.hearing.start()
        for bus in self.buses.values():
            open_until.enter_context(bus)
            assert bus.wait_ready(WITHIN)

    def belonging(self, *gone: str) -> Belonging:
        """As the chain has it once these are revoked."""
        parties = {name: Party(name, each.public_bytes, "one") for name, each in self.identities.items()}
        revoked = {name: parties.pop(name).public for name in gone}
        return Belonging("one-x", len(gone), tuple(parties.values()), revoked)

    def say(self, name: str, *heard: Moment) -> None:
        topic = topics.couple("one", name, "belt")
        heard = heard or (Moment(BOOT, time.monotonic_ns()),)
        self.buses[name].publish(topic, "couple", encode(Coupled(Signals({}), heard)), qos=1, sign=True)

    def heard(self, name: str, *before: Moment) -> list[str]:
        """Who is heard once what ``name`` says has come."""
        bus = self.buses["belt"]
        came = bus.counters.received
        self.say(name, *before)
        deadline = time.monotonic() + WITHIN
        while bus.counters.received == came:
            assert time.monotonic() < deadline, "it does not come"
            time.sleep(0.01)
        # The handler ends before the next message is looked at.
        self.say("right")
        found: list[str] = []
        while "right" not in found:
            assert self.rung.wait(WITHIN)
            self.rung.clear()
            found += [sender for sender, _ in self.hearing.take()[1]]
        return found


@pytest.fixture
def line(tmp_path: Path) -> Iterator[Line]:
    with Broker(tmp_path / "broker") as broker, ExitStack() as open_until:
        yield Line(broker.url, open_until)


def test_who_is_revoked_is_a_closed_door(line: Line) -> None:
    assert line.heard("left") == ["left", "right"]
    follow(line.trust, line.belonging("left"))
    assert line.heard("left") == ["right"]


def test_a_gateway_of_the_line_that_is_no_neighbour_is_not_even_brought(line: Line) -> None:
    """Else its signatures would be checked where commands come in."""
    line.say("apart")
    assert line.heard("left") == ["left", "right"]
    assert line.buses["belt"].counters.received == 2


def test_what_a_neighbour_said_in_another_life_of_ours_is_not_heard(line: Line) -> None:
    """As a broker brings it that had kept it: signed, and new to who has just started."""
    assert line.heard("left", Moment("11" * 8, time.monotonic_ns())) == ["right"]
    assert line.heard("left") == ["left", "right"]

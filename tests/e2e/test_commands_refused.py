"""Somebody sits on the broker: what is recorded, forged, late or poured in does nothing, and is counted."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import tape as tapes
from running import MOSQUITTO, WITHIN, Memory, Starter, belt, memory, until
from site_alone import Site
from tape import Message, Tape

from gateway.agentfile import AgentConfig
from gateway.cell.admission import EACH, LONGEST
from gateway.field.tags import TagRef
from gateway.net import topics
from gateway.net.bus import Bus, Delivery
from gateway.net.envelope import Envelope, open_envelope, seal
from gateway.net.identity import Identity
from gateway.net.messages import (
    Acquire,
    Ask,
    Command,
    Force,
    Identify,
    Refused,
    Renew,
    Reply,
    decode,
    encode,
)
from gateway.net.reports import State
from rig.backend import GatewayGone, Script
from rig.broker import Broker
from rig.remote import BusBackend

pytestmark = pytest.mark.skipif(MOSQUITTO is None, reason="mosquitto is not installed")
SECOND = 1_000_000_000
GOOD = LONGEST - SECOND  # as long as a busy machine may take to bring a command
HOLDS = (Force(TagRef("command"), 32), Force(TagRef("part-leaves"), True))
REST = (Force(TagRef("command"), 7),)


@pytest.fixture
def site(tmp_path: Path, start: Starter) -> Iterator[Site]:
    made = belt(tmp_path, serve=False)
    start.controller(tmp_path, made)
    with Broker(tmp_path / "broker", kind="mosquitto") as broker:
        yield Site(tmp_path, made, start, broker, ("anna", "berta"))


@pytest.fixture
def tape(site: Site) -> Iterator[Tape]:
    made = Tape(site.broker.port)
    yield made
    made.close()


@pytest.fixture
def watched(site: Site) -> Iterator[Memory]:
    with memory(site.made.port) as client:
        yield client


class Beats:
    """The gateway's heartbeats, as anybody hears them."""

    def __init__(self, site: Site) -> None:
        self.last: State | None = None
        self.bus = Bus("desk", [site.broker.url], trust=site.trust)
        self.bus.subscribe(topics.state("one", "belt"), self._on_state)
        self.bus.start()

    def _on_state(self, delivery: Delivery) -> None:
        if delivery.verified is True:
            self.last = decode(delivery.envelope.body, State)

    @property
    def refused(self) -> dict[str, int]:
        return self.last.refused if self.last is not None else {}

    def next(self) -> State:
        """One that tells how it is now."""
        for _ in range(2):
            self.last = None
            until("a heartbeat", lambda: self.last is not None)
        assert self.last is not None
        return self.last


@pytest.fixture
def beats(site: Site) -> Iterator[Beats]:
    made = Beats(site)
    yield made
    made.bus.close()


def test_a_session_that_is_played_again(site: Site, tape: Tape, beats: Beats, watched: Memory) -> None:
    gateway = site.gateway()
    with site.operator("anna") as anna:
        anna.identify("belt")
        anna.hold("belt")
        anna.run({"belt": Script(HOLDS, keep=True)})
        watched.wait(Memory.HELD)
        until("renewals", lambda: len(tape.commands("anna")) > 12)
    watched.wait(Memory.SAFE)
    recorded = tape.commands("anna")
    kinds = {type(decode(opened(each).body, Ask).command).__name__ for each in recorded}
    assert kinds == {"Identify", "Acquire", "Run", "Renew", "Release"}

    with site.operator("berta") as berta:  # while somebody else works
        berta.hold("belt")
        berta.run({"belt": Script(REST, keep=True)})
        until("what she holds", lambda: watched.read()[0] == 7)
        held = watched.read()
        tape.play(list(tape.messages))
        until("that all were counted", lambda: beats.refused.get("replayed", 0) >= len(recorded))
        assert watched.read() == held
        assert beats.next().holder == "berta"
        berta.run({"belt": Script((), keep=True)})  # and she is heard
        assert "anna holds the lease, token 1" in gateway.shown
        assert "anna holds the lease, token 2" not in gateway.shown

        gateway.process.kill()  # and with the gateway all that it remembers
        gateway.wait()
        again = site.gateway()
        watched.wait(Memory.SAFE)
        tape.play([*recorded, *recorded])
        asked = [each for each in recorded if not isinstance(command_of(each), Identify)]
        until("that all were counted", lambda: beats.refused.get("other boot", 0) >= len(asked))
        assert beats.next().holder == ""
        assert watched.read() == Memory.SAFE
        assert "holds the lease" not in again.shown
        berta.hold("belt")  # a rig that was there before is heard
    with site.operator("anna") as anna:  # and one that has just been started
        anna.hold("belt")
        anna.run({"belt": Script(HOLDS, keep=True)})
        watched.wait(Memory.HELD)
    again.assert_no_traceback()


def opened(message: Message) -> Envelope:
    envelope = open_envelope(message.payload)
    assert isinstance(envelope, Envelope)
    return envelope


def command_of(message: Message) -> Command:
    command: Command = decode(opened(message).body, Ask).command
    return command


class Hand:
    """Makes commands as somebody with the key of ``identity`` can; ``life`` is the gateway's."""

    def __init__(self, identity: Identity, life: str) -> None:
        self.identity, self.life = identity, life
        self.seq = 0

    def command(
        self, command: Command, good: int = GOOD, signed: bool = True, request: int = 1, **changes: Any
    ) -> Message:
        """One that is right but for ``changes``: of its topic, its envelope or itself."""
        self.seq += 1
        name, now = self.identity.node, time.monotonic_ns()
        ask = Ask(request, command, "s", changes.pop("life", self.life), now + good)
        topic = topics.command("one", "belt", changes.pop("on", name))
        sealed = Envelope(1, name, b"handmade", self.seq, time.time_ns(), now, "ask", encode(ask))
        sealed = msgspec.structs.replace(sealed, **changes)
        return Message(topic, seal(topic, sealed, self.identity if signed else None))


def test_each_way_round_the_rules(site: Site, tape: Tape, beats: Beats, watched: Memory) -> None:
    vera, mallory = Identity.create("vera"), Identity.create("mallory")
    site.trust.add("vera", vera.public_bytes, ("viewer",))
    site.trust.save(site.config.parent / "trust.yaml")
    gateway = site.gateway()
    life = beats.next().boot
    lease = Acquire(SECOND)
    anna, eve = Hand(site.operators["anna"], life), Hand(mallory, life)
    recorded = anna.command(Identify())
    early = anna.command(lease)  # kept back
    tape.play([
        eve.command(lease),
        eve.command(lease, sender="anna", on="anna"),
        eve.command(lease, on="anna"),
        eve.command(lease, on="anna", signed=False, sender="anna"),
        anna.command(lease, good=-1, request=2),
        anna.command(lease, good=2 * LONGEST, request=3),
        anna.command(lease, life="00" * 8, request=4),
        anna.command(lease, life="", request=5),
        anna.command(Renew(1), request=6),  # in order: the cell refuses it, since nobody holds the lease
        anna.command(lease, body=b"nonsense"),
        Hand(vera, life).command(lease, request=7),
        Hand(vera, life).command(Identify(), request=8, seq=9),
        recorded,
        recorded,
    ])  # fmt: skip
    others = {"unknown": 1, "forged": 1, "foreign topic": 1, "unsigned": 1, "late": 1, "early": 1}
    others |= {"other boot": 2, "unreadable": 1, "role": 1, "replayed": 1, "by the cell": 1}
    until("that all were counted", lambda: beats.refused == others)
    tape.play([anna.command(Renew(1), request=9), early])  # renewals are in an order of their own
    # It lasts for a second: between two heartbeats, maybe, and the log has it all the same.
    until("the lease", lambda: gateway.shown.count("anna holds the lease, token") == 1)
    until("its end", lambda: gateway.shown.count("lease of anna ran out") == 1)
    late = anna.command(lease, request=10)
    tape.play([anna.command(lease, request=11), late])
    others |= {"reordered": 1, "by the cell": 2}
    until("that it was counted", lambda: beats.refused == others)
    until("another lease", lambda: gateway.shown.count("anna holds the lease, token") == 2)
    until("its end", lambda: gateway.shown.count("lease of anna ran out") == 2)
    assert beats.next().holder == ""
    assert watched.read() == Memory.SAFE

    replies = tape.sent(lambda topic: "/reply/" in topic)
    assert {each.topic.rpartition("/")[2] for each in replies} == {"anna", "vera"}
    bodies = {(body := decode(opened(each).body, Reply)).request: body.body for each in replies}
    why = {request: body.why for request, body in bodies.items() if isinstance(body, Refused)}
    for request, words in {
        2: "too late",
        3: "good for more than 10 s",
        4: "an earlier life of the gateway",
        5: "does not say for which life",
        6: "nobody holds the lease",
        7: "vera has not the role operator here; it has viewer",
        10: "after a later one",
    }.items():
        assert words in why[request]
    assert bodies[8].station == "belt"
    assert gateway.shown.count("mallory is refused (unknown)") == 1
    shell = site.start(
        site.folder, sys.executable, "-m", "gateway.local", str(site.config.parent), "-c", "net"
    )
    assert shell.wait() == 0, shell.shown
    for cause, count in others.items():
        assert f"{count} {cause}" in shell.said
    gateway.assert_no_traceback()


def test_a_copy_that_another_broker_brings_is_no_replay(site: Site, watched: Memory) -> None:
    with Broker(site.folder / "second", kind="mosquitto") as second:
        brokers = (site.broker.url, second.url)
        config = msgspec.json.decode(site.config.read_bytes(), type=AgentConfig)
        site.config.write_bytes(msgspec.json.encode(msgspec.structs.replace(config, brokers=brokers)))
        site.gateway()
        tapes = [Tape(site.broker.port), Tape(second.port)]
        beats = Beats(site)
        anna = BusBackend("one", ["belt"], list(brokers), site.operators["anna"], site.trust)
        try:
            anna.start()
            assert anna.bus.wait_ready(WITHIN, every=True)
            anna.hold("belt")
            anna.run({"belt": Script(HOLDS, keep=True)})
            watched.wait(Memory.HELD)
            until("renewals", lambda: all(len(each.commands("anna")) > 6 for each in tapes))
            assert beats.next().refused == {}
            tapes[1].play([tapes[1].commands("anna")[0]])
            until("that it was counted", lambda: beats.refused == {"replayed": 1})
            assert beats.next().holder == "anna"
        finally:
            anna.close()
            beats.bus.close()
            for each in tapes:
                each.close()


@pytest.mark.parametrize("rate", [4 * EACH, pytest.param(100 * EACH, marks=pytest.mark.long)])
def test_a_flood_by_one_does_not_keep_another_from_being_heard(
    rate: int, site: Site, beats: Beats, watched: Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For longer than a lease lasts that is not renewed; it lasts longer than usual, for a busy machine."""
    monkeypatch.setattr("rig.remote.LEASE_TTL", 3 * SECOND)
    gateway = site.gateway()
    berta, count = Hand(site.operators["berta"], beats.next().boot), 16 * EACH
    flood = [berta.command(Renew(99), request=0) for _ in range(count)]
    (site.folder / "flood").write_bytes(msgspec.msgpack.encode(flood))
    pouring = (sys.executable, tapes.__file__, str(site.broker.port), str(site.folder / "flood"), str(rate))
    with site.operator("anna") as anna:
        anna.hold("belt")
        anna.run({"belt": Script(HOLDS, keep=True)})
        watched.wait(Memory.HELD)
        poured = site.start(site.folder, *pouring)
        while poured.process.poll() is None:
            anna.run({"belt": Script((), keep=True)})  # answered meanwhile
        assert poured.wait() == 0, poured.shown
        until("that they were counted", lambda: beats.refused.get("too many", 0) > EACH // 2)
        assert watched.read() == Memory.HELD
        assert beats.next().holder == "anna"
        assert gateway.shown.count("anna holds the lease, token") == 1
        with site.operator("berta") as calm:  # whose own fault it was is heard a little later
            until("an answer", lambda: heard(calm))
    gateway.assert_no_traceback()


def heard(backend: BusBackend) -> bool:
    """Whether the gateway answers it."""
    try:
        backend.identify("belt")
    except GatewayGone:
        return False
    return True

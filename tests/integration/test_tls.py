"""Who gets in at the line's broker, what each may say and hear there, whom a gateway takes for a broker."""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from tls_support import ADMITTED, WITHIN_S, LineOf, Peer, answer_without, false_broker, until

from gateway.net import topics
from gateway.net.bus import Bus
from gateway.pki.certificates import DAY, read_certificates
from gateway.pki.credentials import TlsFiles, take_lists
from rig import brokerfiles
from rig.acl import NO_ACL
from rig.broker import HOST, Broker

INSTALLED = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin") is not None
mosquitto = pytest.mark.skipif(not INSTALLED, reason="mosquitto is not installed")
KINDS = [pytest.param("mosquitto", marks=mosquitto), "embedded"]
YEAR = 365 * DAY


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> LineOf:
    """The line one, with credentials for all that are admitted, and one revoked."""
    made = LineOf(tmp_path_factory.mktemp("one"))
    for each in ADMITTED:
        made.give(each.node, each.kind, each.roles)
    made.give("gone")
    made.revoke("gone")
    return made


@pytest.fixture(scope="module")
def brokers(line: LineOf) -> Iterator[dict[str, Broker]]:
    """One of each kind, running."""
    with ExitStack() as stack:
        yield {
            kind: stack.enter_context(line.broker(kind))
            for kind in ("mosquitto", "embedded")
            if kind == "embedded" or INSTALLED
        }


@pytest.fixture(params=KINDS)
def broker(request: pytest.FixtureRequest, brokers: dict[str, Broker]) -> Broker:
    return brokers[request.param]


@pytest.fixture
def ruled(brokers: dict[str, Broker]) -> Broker:
    """The one that has access lists."""
    if not INSTALLED:
        pytest.skip("mosquitto is not installed")
    return brokers["mosquitto"]


def files_of(line: LineOf, node: str) -> TlsFiles:
    return TlsFiles.of(line.folder / node / "tls")


def refusal(url: str, files: TlsFiles | None) -> str:
    """Why a bus with these does not come up at ``url``, as it tells a person; empty where it does."""
    with Bus("belt", [url], tls=files) as bus:
        until("an answer", lambda: bus.problems or bus.wait_ready(0))
        return bus.problems.get(url, "")


def said(broker: Broker, why: str) -> str:
    """``why`` where the broker tells it: the embedded one just ends the connection."""
    return (
        why if broker.kind == "mosquitto" else "the broker ended the connection: it refuses our certificate"
    )


# --- who gets in ---------------------------------------------------------------------------------------


def test_who_is_admitted_gets_in(line: LineOf, broker: Broker) -> None:
    """Else the tests below show nothing."""
    heard: list[bytes] = []
    anna = Bus("anna", [broker.url], tls=files_of(line, "anna"))
    anna.subscribe(topics.state("one", topics.ANY), lambda delivery: heard.append(delivery.envelope.body))
    with anna, Bus("belt", [broker.url], tls=files_of(line, "belt")) as belt:
        assert anna.wait_ready(WITHIN_S)
        assert belt.wait_ready(WITHIN_S)
        assert belt.problems == {}
        belt.publish(topics.state("one", "belt"), "state", b"there", qos=1)
        until("the state", lambda: heard == [b"there"])


def test_nobody_without_a_certificate(line: LineOf, broker: Broker) -> None:
    assert answer_without(broker, files_of(line, "belt").ca) == b""


def test_nobody_in_the_clear(broker: Broker) -> None:
    with Bus("belt", [f"mqtt://{HOST}:{broker.port}"]) as bus:
        assert not bus.wait_ready(1.0)


def test_nobody_whom_another_authority_admitted(line: LineOf, broker: Broker, tmp_path: Path) -> None:
    """Not even one who trusts the right broker, and names the right line."""
    foreign = LineOf(tmp_path).give("belt")
    foreign.ca.write_bytes(files_of(line, "belt").ca.read_bytes())
    assert said(broker, "does not know the authority of our certificate") in refusal(broker.url, foreign)


def test_nobody_whose_certificate_has_expired(line: LineOf, broker: Broker) -> None:
    files = line.give("old", now=time.time_ns() - YEAR, lasts=30 * DAY)
    why = refusal(broker.url, files)
    assert "our certificate was valid until" in why
    assert "renew it, or set this clock" in why


def test_nobody_whose_certificate_is_not_valid_yet(line: LineOf, broker: Broker) -> None:
    assert refusal(broker.url, line.give("early", now=time.time_ns() + 30 * DAY))


def test_nobody_who_is_revoked(line: LineOf, broker: Broker) -> None:
    assert said(broker, "our certificate is revoked") in refusal(broker.url, files_of(line, "gone"))


def test_a_renewed_certificate_is_taken_without_a_restart(line: LineOf, broker: Broker) -> None:
    files = line.give(f"renewed-{broker.kind}", now=time.time_ns() - YEAR, lasts=30 * DAY)
    with Bus("renewed", [broker.url], tls=files) as bus:
        until("a refusal", lambda: bus.problems)
        line.give(f"renewed-{broker.kind}")
        assert bus.wait_ready(WITHIN_S)
        assert bus.problems == {}


def test_the_embedded_one_says_that_it_has_no_access_lists(brokers: dict[str, Broker]) -> None:
    assert NO_ACL in brokers["embedded"].log.read_text()


# --- what each may say and hear ---------------------------------------------------------------------------


def test_nobody_speaks_for_another(line: LineOf, ruled: Broker) -> None:
    """Each with a certificate of the line, and a client that does as it likes."""
    with ExitStack() as stack:
        peers = {each.node: Peer(ruled, files_of(line, each.node), f"liar-{each.node}") for each in ADMITTED}
        for peer in peers.values():
            stack.callback(peer.close)
        listeners = [peers["anna"], peers["weld"], peers["belt"]]
        for peer in listeners:
            peer.subscribe("tl/#")
        about = topics.about("one", "weld")
        lies = {
            "belt": [
                topics.state("one", "weld"),
                about,
                topics.command("one", "weld", "anna"),
                topics.command("one", "weld", "belt"),
                topics.reply("one", "weld", "anna"),
                topics.couple("one", "witness-1", "weld"),
                topics.chain("one", "weld"),
                topics.pool("one", "all", "weld"),
                topics.state("two", "belt"),
            ],
            "witness-1": [topics.state("one", "witness-1"), topics.couple("one", "witness-1", "weld")],
            "anna": [topics.command("one", "weld", "vera"), topics.state("one", "weld"), "tl/1/other"],
            "vera": [topics.command("one", "weld", "anna"), topics.pool("one", "all", "anna")],
        }
        for node, all_lies in lies.items():
            for topic in all_lies:
                peers[node].say(topic, "a lie")
                if topics.retainable(topic):
                    peers[node].say(topic, "a lie", retain=True)
        # What may be said comes, and after all of the above.
        peers["anna"].say(topics.command("one", "weld", "anna"), "truth")
        peers["belt"].say(topics.state("one", "belt"), "truth")
        peers["belt"].say(topics.couple("one", "belt", "weld"), "truth")
        peers["witness-1"].say(topics.pool("one", "all", "witness-1"), "truth")
        truths = {
            "weld": [
                topics.command("one", "weld", "anna"),
                topics.state("one", "belt"),
                topics.couple("one", "belt", "weld"),
                topics.pool("one", "all", "witness-1"),
            ],
            "anna": [topics.state("one", "belt"), topics.pool("one", "all", "witness-1")],
            "belt": [topics.state("one", "belt"), topics.pool("one", "all", "witness-1")],
        }
        for node, expected in truths.items():
            wanted = [f"{topic} truth" for topic in expected]
            until(f"what {node} hears", lambda node=node, wanted=wanted: wanted == peers[node].heard)
        late = Peer(ruled, files_of(line, "anna"), "late")  # who comes later is told no lie that was kept
        stack.callback(late.close)
        late.subscribe(about)
        late.subscribe(topics.state("one", "belt"))
        peers["belt"].say(topics.state("one", "belt"), "after")
        until("what comes", lambda: late.heard)
        assert late.heard == [f"{topics.state('one', 'belt')} after"]


def test_nobody_hears_what_is_for_another(line: LineOf, ruled: Broker) -> None:
    with ExitStack() as stack:
        peers = {each.node: Peer(ruled, files_of(line, each.node), f"ear-{each.node}") for each in ADMITTED}
        for peer in peers.values():
            stack.callback(peer.close)
        for node in ("belt", "witness-1", "vera"):
            for pattern in (
                "#",
                topics.command("one", topics.ANY, topics.ANY),
                topics.reply("one", "weld", "+"),
            ):
                peers[node].subscribe(pattern)
        secret = [
            ("anna", topics.command("one", "weld", "anna")),
            ("weld", topics.reply("one", "weld", "anna")),
            ("weld", topics.couple("one", "weld", "anna")),
        ]
        for node, topic in secret:
            peers[node].say(topic, "secret")
        peers["weld"].say(topics.pool("one", "to-belt", "weld"), "for belt")
        peers["weld"].say(topics.pool("one", "all", "weld"), "for all")
        last = f"{topics.pool('one', 'all', 'weld')} for all"
        for node in ("belt", "witness-1"):
            until("what is for all", lambda node=node: last in peers[node].heard)
        assert not [
            said for node in ("belt", "witness-1", "vera") for said in peers[node].heard if "secret" in said
        ]
        assert set(peers["witness-1"].heard) == {last}
        assert f"{topics.pool('one', 'to-belt', 'weld')} for belt" in peers["belt"].heard


@mosquitto
def test_whom_the_line_revokes_is_heard_no_more(tmp_path: Path) -> None:
    """Neither on the connection that he has, nor on a new one, nor does he hear; nobody else is disturbed."""
    line = LineOf(tmp_path)
    for each in ADMITTED:
        line.give(each.node, each.kind, each.roles)
    with line.broker("mosquitto") as broker:
        weld, anna = (Peer(broker, files_of(line, node), node) for node in ("weld", "anna"))
        try:
            anna.subscribe("tl/#")
            weld.subscribe("tl/#")
            weld.say(topics.event("one", "weld"), "before")
            anna.say(topics.command("one", "weld", "anna"), "before")
            until("what is said before", lambda: anna.heard == [f"{topics.event('one', 'weld')} before"])
            until("what he hears before", lambda: weld.heard)
            line.revoke("weld")
            rest = [each for each in ADMITTED if each.node != "weld"]
            brokerfiles.refresh(broker.folder, line.authority, rest)
            broker.reload()
            until("refused", lambda: "revoked" in refusal(broker.url, files_of(line, "weld")))
            weld.say(topics.event("one", "weld"), "after")
            anna.say(topics.command("one", "belt", "anna"), "still there")
            belt = Peer(broker, files_of(line, "belt"), "belt")
            belt.say(topics.event("one", "belt"), "still there")
            belt.say(topics.state("one", "belt"), "not for him", retain=True)
            anna.say(topics.command("one", "weld", "anna"), "not for him")
            belt.close()
            weld.subscribe("tl/1/line/one/st/+/state")  # what is kept is told to nobody who asks for it now
            weld.subscribe("#")
            until("the rest", lambda: f"{topics.event('one', 'belt')} still there" in anna.heard)
            assert not [said for said in anna.heard if "after" in said]
            assert weld.heard == [f"{topics.command('one', 'weld', 'anna')} before"]
        finally:
            weld.close()
            anna.close()


@mosquitto
def test_a_connection_by_an_old_certificate_lasts_until_the_broker_is_restarted(tmp_path: Path) -> None:
    """Where the node was enrolled anew: mosquitto goes by the name, and asks for the certificate once."""
    line = LineOf(tmp_path)
    belt, weld = line.give("belt"), line.give("weld")
    stolen = TlsFiles.of(shutil.copytree(weld.ca.parent, tmp_path / "stolen"))
    serial = read_certificates(stolen.certificate)[0].serial_number
    with line.broker("mosquitto") as broker:
        thief, ended = Peer(broker, stolen, "thief"), threading.Event()
        try:
            thief.client.on_disconnect = lambda *_: ended.set()
            thief.subscribe("tl/#")
            line.give("weld")
            line.authority.revoke([(serial, time.time_ns())], now=time.time_ns())
            brokerfiles.refresh(broker.folder, line.authority, ADMITTED)
            broker.reload()
            until("refused", lambda: "revoked" in refusal(broker.url, stolen))
            friend = Peer(broker, belt, "friend")
            friend.say(topics.state("one", "belt"), "overheard")
            overheard = [f"{topics.state('one', 'belt')} overheard"]
            until("what the old one hears", lambda: thief.heard == overheard)
            friend.close()
            broker.stop()
            assert ended.wait(WITHIN_S)
            broker.start()
            assert refusal(broker.url, weld) == ""  # the node itself, by its new one
            assert "our certificate is revoked" in refusal(broker.url, stolen)
            assert not thief.client.is_connected()
        finally:
            thief.close()


# --- whom a gateway takes for a broker ----------------------------------------------------------------------


def talked(certificate: Path, key: Path, files: TlsFiles) -> str:
    """Why a gateway does not talk to who serves with these; not a byte of MQTT was said."""
    with false_broker(certificate, key) as (port, said):
        why = refusal(f"mqtts://{HOST}:{port}", files)
        until("who came", lambda: said)
        assert set(said) == {b""}
        return why


def test_no_client_of_the_line_is_its_broker(line: LineOf) -> None:
    ours, theirs = files_of(line, "belt"), files_of(line, "weld")
    assert "not one to serve with" in talked(theirs.certificate, theirs.key, ours)


def test_no_opcua_certificate_is_a_brokers(line: LineOf) -> None:
    """It may serve, for this host, and the line's authority gave it."""
    line.give("press", opcua=True)
    assert "no broker's: it names no node" in talked(*line.opcua("press"), files_of(line, "belt"))


def test_no_broker_of_another_authority(line: LineOf, tmp_path: Path) -> None:
    false = LineOf(tmp_path).give("broker", "broker")
    assert "another authority's" in talked(false.certificate, false.key, files_of(line, "belt"))


def test_no_broker_of_another_line(line: LineOf, tmp_path: Path) -> None:
    """Not even where its authority is trusted."""
    other = LineOf(tmp_path, "two").give("broker", "broker")
    files = LineOf(tmp_path / "ours").give("belt")
    files.ca.write_bytes(files.ca.read_bytes() + other.ca.read_bytes())
    assert "this is the broker of line two, ours is one" in talked(other.certificate, other.key, files)


def test_no_broker_for_another_host(line: LineOf, broker: Broker) -> None:
    why = refusal(f"mqtts://localhost:{broker.port}", files_of(line, "belt"))
    assert "the broker's certificate is for another host" in why


def test_no_broker_that_speaks_in_the_clear(line: LineOf, tmp_path: Path) -> None:
    with Broker(tmp_path) as plain:
        why = refusal(f"mqtts://{HOST}:{plain.port}", files_of(line, "belt"))
    assert "that speaks TLS?" in why


def test_no_broker_whose_certificate_has_expired(line: LineOf) -> None:
    stale = line.give("stale", "broker", now=time.time_ns() - YEAR, lasts=30 * DAY)
    assert "the broker's certificate has expired" in talked(
        stale.certificate, stale.key, files_of(line, "belt")
    )


@pytest.mark.parametrize("late", [False, True], ids=["in time", "overdue"])
def test_no_broker_that_was_revoked(line: LineOf, late: bool, caplog: pytest.LogCaptureFixture) -> None:
    """By a list that is overdue as by one in time; that it is, is said, and keeps nobody else out."""
    which = "late" if late else "now"
    belt = line.give(f"belt-{which}")
    gone, stays = (line.give(f"{node}-{which}", "broker") for node in ("taken", "stays"))
    if late:
        belt.revoked.write_bytes(line.overdue("taken-late"))
    else:
        line.revoke("gone", "taken-now")
        take_lists(belt.ca.parents[1], line.authority.lists)
    assert f"the certificate of broker taken-{which} is revoked" in talked(gone.certificate, gone.key, belt)
    with false_broker(stays.certificate, stays.key) as (port, said):
        why = refusal(f"mqtts://{HOST}:{port}", belt)
        until("what was said", lambda: any(said))  # MQTT
    assert "revoked" not in why
    assert ("the list of the revoked of one issuing ran out on" in caplog.text) is late


def test_what_is_missing_here_is_said(line: LineOf, broker: Broker) -> None:
    assert "cannot be read" in refusal(broker.url, TlsFiles.of(line.folder / "nobody"))
    with pytest.raises(ValueError, match="wants a certificate of us"):
        Bus("belt", [broker.url])

"""Rights at a broker: nobody may write on a topic that has another's name in it, whatever kind of node."""

from __future__ import annotations

import itertools
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from gateway.net import topics
from gateway.net.roles import ROLES
from gateway.pki.enrolment import KINDS
from rig.acl import Admitted, matches, mosquitto_acl, rights

NODES = ("anna", "belt", "weld", "witness-1")
ALL = [
    *(each("one", node) for each in (topics.state, topics.about, topics.chain, topics.image, topics.event)
      for node in NODES),
    *(each("one", a, b) for each in (topics.command, topics.reply, topics.couple)
      for a, b in itertools.product(NODES, NODES)),
    *(topics.pool("one", kind, node) for node in NODES
      for kind in (topics.ALL, *map(topics.to, NODES))),
]  # fmt: skip
admitted = st.builds(
    Admitted, st.sampled_from(NODES), st.sampled_from(KINDS), st.sets(st.sampled_from(ROLES)).map(tuple)
)


def may(patterns: tuple[str, ...], topic: str) -> bool:
    return any(matches(pattern, topic) for pattern in patterns)


@given(admitted, st.sampled_from(ALL))
def test_a_node_writes_under_its_own_name_alone(who: Admitted, topic: str) -> None:
    if may(rights("one", who).writes, topic):
        assert topics.topic_sender(topic) == who.node


@given(admitted, st.sampled_from(ALL))
def test_another_line_is_another_world(who: Admitted, topic: str) -> None:
    if "/line/one/" in topic:
        allowed = rights("two", who)
        assert not may(allowed.writes, topic)
        assert not may(allowed.reads, topic)


@given(admitted, st.sampled_from(NODES), st.sampled_from(NODES))
def test_a_reply_is_for_one(who: Admitted, station: str, requester: str) -> None:
    allowed = rights("one", who)
    if may(allowed.reads, topics.reply("one", station, requester)):
        assert requester == who.node
    if may(allowed.reads, topics.command("one", station, requester)):
        assert (station, who.kind) == (who.node, "gateway")


def test_each_has_what_it_works_with() -> None:
    gateway = rights("one", Admitted("belt", "gateway"))
    for topic in ALL:
        own = topics.topic_sender(topic) == "belt" and "/cmd/" not in topic
        assert may(gateway.writes, topic) == own, topic
    anna = rights("one", Admitted("anna", "operator", ("operator",)))
    assert may(anna.writes, topics.command("one", "belt", "anna"))
    assert may(anna.reads, topics.image("one", "belt"))
    assert may(anna.reads, topics.reply("one", "belt", "anna"))
    bare = rights("one", Admitted("anna", "party", ("signer",)))  # signs off on the chain, and sees no tag
    assert may(bare.writes, topics.pool("one", topics.ALL, "anna"))
    assert not may(bare.reads, topics.image("one", "belt"))
    assert not may(bare.writes, topics.command("one", "belt", "anna"))


def test_who_is_not_named_has_nothing() -> None:
    said = mosquitto_acl("one", [Admitted("belt", "gateway"), Admitted("broker", "broker")])
    assert said.count("user ") == 1
    before, _, own = said.partition("user belt\n")
    assert "topic" not in before  # a rule above the first name would be everybody's
    for rule in own.splitlines():
        word, access, pattern = rule.split()
        assert (word, access in ("read", "write")) == ("topic", True)
        assert "#" not in pattern
    # A topic without a name may be read; none may be written that has not the own name as a whole part.
    assert all("belt" in rule.split("/") for rule in own.splitlines() if " write " in rule)


def test_the_document_states_the_same_rules() -> None:
    said = (Path(__file__).parents[2] / "docs/broker.md").read_text()
    rows = [
        Admitted("id", "gateway"), Admitted("id", "witness"), Admitted("id", "operator", ("viewer",)),
        Admitted("id", "party"),
    ]  # fmt: skip
    for admitted, row in zip(rows, said.split("| who |")[1].splitlines()[2:], strict=False):
        _, who, *cells, _ = row.split("|")
        assert admitted.kind in who
        allowed = rights("line", admitted)
        for patterns, cell in zip((allowed.writes, allowed.reads), cells, strict=True):
            stated = [each.strip(" `") for each in cell.split("<br>")]
            full = [f"tl/1/{each}".replace("LINE", "line").replace("ID", "id") for each in stated]
            assert full == list(patterns)

"""The shell's protocol: what travels comes back as it was, and nothing else is taken."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import BadInput
from gateway.field.refs import TagRef
from gateway.local.access import OPERATOR, Peer, called, group_id, peer_of, refuses
from gateway.local.follow import Follower
from gateway.local.framing import Broken, frame, read_answer, read_request
from gateway.local.messages import (
    MAX_ANSWER,
    MAX_REQUEST,
    AskLogs,
    AskStatus,
    Change,
    Changes,
    Follow,
    LeaseShown,
    Request,
    Tags,
    TagShown,
    Welcome,
)
from gateway.local.place import CONFIG, VARIABLE, find, reachable
from gateway.local.plain import as_json, plain
from gateway.net.messages import (
    Acquire,
    Force,
    Free,
    Refused,
    Release,
    Renew,
    Run,
)
from gateway.net.reports import State
from gateway.yamlfile import identifier

ODD = TagShown("level", "output", "plc", "REAL", "hr:2", "Cel", (1, 2.5, True), "good", False, 0.0, 1.0)


def read(data: bytes) -> Request | None:
    async def work() -> Request | None:
        reader = asyncio.StreamReader()
        reader.feed_data(data)
        reader.feed_eof()
        return await read_request(reader)

    return asyncio.run(work())


def answered(data: bytes) -> object:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.sendall(data)
        ours.shutdown(socket.SHUT_WR)
        return read_answer(theirs)


@pytest.mark.parametrize(
    "request_",
    [
        AskStatus(), AskLogs(7), Follow(("a", "b")), Acquire(10**9), Renew(3), Release(3),
        Run(3, (Force(TagRef("a", 2), True), Free(TagRef("b", -1, 1))), keep=True),
    ],
)  # fmt: skip
def test_a_request_comes_as_it_was_sent(request_: Request) -> None:
    assert read(frame(request_)) == request_


@pytest.mark.parametrize(
    "answer",
    [
        Welcome(1, "cell", "local-ada-1"), Tags((ODD,)), Changes((Change(5, "a", "text"),), 2), Refused("no"),
        LeaseShown("", 4, 0, "closed", {"a.3": True}, False), State(True, "ab"),
    ],
)  # fmt: skip
def test_an_answer_comes_as_it_was_sent_and_nothing_else_is_one(answer: Changes | State) -> None:
    if isinstance(answer, State):  # a body, but no answer
        with pytest.raises(Broken):
            answered(frame(answer))
    else:
        assert answered(frame(answer)) == answer


def test_what_is_too_long_is_not_read() -> None:
    with pytest.raises(Broken, match=f"{MAX_REQUEST + 1} bytes"):
        read(struct.pack(">I", MAX_REQUEST + 1))
    with pytest.raises(Broken, match=f"{MAX_ANSWER + 1} bytes"):
        answered(struct.pack(">I", MAX_ANSWER + 1))


@given(st.binary(max_size=64))
def test_any_bytes_are_a_request_an_end_or_broken(data: bytes) -> None:
    with contextlib.suppress(Broken):
        request = read(data)
        assert request is None or frame(request) == data[: len(frame(request))]


def test_a_torn_message_is_the_end() -> None:
    whole = frame(AskStatus())
    assert all(read(whole[:at]) is None for at in range(len(whole)))
    assert answered(frame(Refused("x"))[:-1]) is None


# --- who may -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("peer", "group", "may"),
    [
        (Peer(9, 4000, frozenset({4000})), None, True),  # the same user
        (Peer(9, 0, frozenset({0})), None, True),
        (Peer(9, 4001, frozenset({4001})), None, False),
        (Peer(9, 4001, frozenset({4001, 50})), 50, True),
        (Peer(9, 4001, frozenset({4001})), 50, False),
        (Peer(9, 4001, frozenset({4000})), None, False),  # the user's group is not the user
    ],
)
def test_who_may_use_the_shell(peer: Peer, group: int | None, may: bool) -> None:
    why = refuses(peer, 4000, group)
    assert (why == "") is may
    if not may:
        assert "4001" in why
        assert "4000" in why


def test_the_kernel_says_who_is_there() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        peer = peer_of(ours)
    assert (peer.pid, peer.uid) == (os.getpid(), os.getuid())
    assert peer.groups == {os.getgid(), *os.getgroups()}


def test_as_whom_a_shell_writes_is_an_id_that_no_operator_has() -> None:
    for uid in (0, 4001):
        name = called(Peer(1, uid, frozenset()), 17)
        assert identifier(name) == name
        assert name.startswith(OPERATOR)
        assert name.endswith("-17")
        assert called(Peer(1, uid, frozenset()), 18) != name


def test_a_group_that_is_none_is_said() -> None:
    assert group_id("") is None
    with pytest.raises(BadInput, match="no group 'no-such-group'"):
        group_id("no-such-group")


# --- where it is ---------------------------------------------------------------------------------------


def test_the_configuration_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BadInput, match=VARIABLE):
        find(None)
    file = tmp_path / "gw" / CONFIG
    file.parent.mkdir()
    file.touch()
    assert find(file) == find(file.parent) == file
    monkeypatch.setenv(VARIABLE, str(file.parent))
    assert find(None) == file


@pytest.mark.parametrize("length", [10, 200])
def test_a_socket_can_be_reached_however_long_its_path_is(tmp_path: Path, length: int) -> None:
    folder = tmp_path / ("x" * length)
    folder.mkdir()
    with socket.socket(socket.AF_UNIX) as server, socket.socket(socket.AF_UNIX) as client:
        with reachable(folder / "shell.sock") as short:
            server.bind(short)
        server.listen()
        with reachable(folder / "shell.sock") as short:
            client.connect(short)
    assert (folder / "shell.sock").is_socket()


# --- what is followed, what is shown -----------------------------------------------------------------------


def test_a_follower_keeps_changes_of_its_tags_in_order_and_counts_what_does_not_fit() -> None:
    rang: list[bool] = []
    follower = Follower(("a", "b"), lambda: rang.append(True), most=3)
    follower.changed(1, {"c": True})
    assert rang == []
    for n in range(5):
        follower.changed(n, {"a": n, "c": n})
    assert follower.take() == Changes(tuple(Change(n, "a", n) for n in range(3)), 2)
    assert follower.take() == Changes((), 0)
    follower.changed(9, {"b": True})
    assert follower.take() == Changes((Change(9, "b", True),), 0)
    follower.changed(10, {"b": False, "a": 1})  # in the order in which they were named
    assert [change.tag for change in follower.take().changes] == ["a", "b"]


def test_an_answer_as_json_has_its_fields_by_name() -> None:
    shown = plain(Tags((ODD,)))
    assert shown["tags"][0]["value"] == [1, 2.5, True]
    assert '"value": null' in as_json(Change(1, "a", float("nan")))

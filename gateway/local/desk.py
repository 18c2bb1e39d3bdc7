"""The agent's end of the shell: a Unix socket in its state folder, and who comes there."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import os
import socket
import time
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from gateway.field.types import Value
from gateway.local.access import OPERATOR, called, peer_of, refuses
from gateway.local.follow import Follower
from gateway.local.framing import Broken, frame, read_request
from gateway.local.inside import Inside
from gateway.local.messages import VERSION, Answer, Follow, Look, No, Request, Welcome
from gateway.local.place import SOCKET, reachable
from gateway.local.recent import LOG, Recent
from gateway.local.view import View
from gateway.local.witnessed import NO_STATION, WitnessView
from gateway.net.messages import Acquire, Command, Force, Free, Refused, Release, Renew, ReplyBody, Run

log = logging.getLogger(__name__)

MAX_SHELLS = 16
ANSWER_S = 5.0  # for the cell to answer a command
DRAIN_S = 5.0  # for a shell to take what it asked for
BEAT_S = 1.0  # of a stream in which nothing changes
PAUSE_S = 0.05  # between two parts of a stream
FEW = 4  # actions of a shell's script


class _Caller(NamedTuple):
    """A shell: as whom it writes, and its stream."""

    operator: str
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter


class Desk:
    """Of the agent ``inside``, or of a witness, which has no station (``view`` shows it); the state is in
    ``folder``, ``group`` is the id of who else may come."""

    def __init__(
        self, inside: Inside | None, folder: Path, group: int | None, view: WitnessView | None = None
    ) -> None:
        self._inside, self._folder, self._group = inside, folder, group
        self._recent = Recent()
        shows = view if inside is None else View(inside, self._recent, LOG)
        assert shows is not None, "there is nothing to show"
        self._view = shows
        logging.getLogger().addHandler(LOG)
        self._followers: set[Follower] = set()
        self._waiting: dict[tuple[str, int], asyncio.Future[ReplyBody]] = {}
        self._numbers, self._requests = itertools.count(1), itertools.count(1)
        self._shells = 0

    async def run(self) -> None:
        """Take whoever comes, until cancelled. A desk that cannot open says so, and the agent goes on."""
        server = None
        try:
            server = await self._open()
        except OSError as error:
            log.warning("no local shell: %s: %s", self._folder / SOCKET, error.strerror or error)
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            if server is not None:
                server.close()
                with contextlib.suppress(OSError):
                    (self._folder / SOCKET).unlink()

    async def _open(self) -> asyncio.Server | None:
        if not hasattr(socket, "SO_PEERCRED"):
            return None  # not on Linux: nobody can be told from another
        path = self._folder / SOCKET
        path.unlink(missing_ok=True)  # of an agent that was killed: the journal allows one at a time
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            with reachable(path) as short:
                listening.bind(short)
            os.chmod(path, 0o600)
            if self._group is not None:
                os.chown(path, -1, self._group)
                os.chmod(path, 0o660)
                os.chown(self._folder, -1, self._group)
                os.chmod(self._folder, 0o710)
            return await asyncio.start_unix_server(self._serve, sock=listening)
        except BaseException:
            listening.close()
            raise

    # --- what the agent tells ------------------------------------------------------------------------

    def changed(self, values: Mapping[str, Value]) -> None:
        """Tags became ``values`` at this scan."""
        if self._followers and values:
            utc = time.time_ns()
            for follower in self._followers:
                follower.changed(utc, values)

    def happened(self, kind: str, text: str) -> None:
        """An event of the station."""
        self._recent.add(time.time_ns(), kind, text)

    def replied(self, operator: str, request: int, body: ReplyBody) -> bool:
        """Whether the cell's answer is to a shell, which has it then."""
        if not operator.startswith(OPERATOR):
            return False
        waiting = self._waiting.pop((operator, request), None)
        if waiting is not None and not waiting.done():
            waiting.set_result(body)
        return True

    # --- one shell -------------------------------------------------------------------------------------

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._shells += 1
        caller = None
        try:
            with _own(writer) as stream:
                peer = peer_of(stream)
            caller = _Caller(called(peer, next(self._numbers)), reader, writer)
            why = refuses(peer, os.getuid(), self._group)
            if why:
                log.warning("a shell was refused: %s", why)
                await self._say(caller, No(why, "use sudo, or log in as that user"))
                return
            if self._shells > MAX_SHELLS:
                await self._say(caller, No(f"{MAX_SHELLS} connections are open already", "close a shell"))
                return
            await self._say(caller, Welcome(VERSION, self._view.name, caller.operator))
            while (request := await read_request(reader)) is not None:
                await self._answer(caller, request)
        except Broken as broken:
            log.warning("a shell sent what is no request: %s", broken)
            with contextlib.suppress(OSError, TimeoutError):
                await self._say(caller, No(f"no request: {broken}", "use the shell of this version"))
        except (OSError, TimeoutError) as error:
            log.debug("a shell has gone: %s", error)
        finally:
            self._shells -= 1
            if caller is not None:
                self._give_back(caller.operator)
            writer.close()

    async def _answer(self, caller: _Caller, request: Request) -> None:
        inside = self._inside
        match request:
            case Follow(tags=tags) if inside is not None:
                await self._follow(caller, inside, tags)
            case Acquire() | Renew() | Release() | Run() if inside is not None:
                await self._say(caller, await self._ask(caller.operator, inside, request))
            case Follow() | Acquire() | Renew() | Release() | Run():
                await self._say(caller, NO_STATION)
            case _:
                look: Look = request
                await self._say(caller, self._view.show(look))

    async def _say(self, caller: _Caller | None, answer: Answer) -> None:
        """TimeoutError where the shell does not take it."""
        if caller is not None:
            caller.writer.write(frame(answer))
            async with asyncio.timeout(DRAIN_S):
                await caller.writer.drain()

    async def _ask(self, operator: str, inside: Inside, command: Command) -> ReplyBody:
        """The cell's answer; the cell knows a shell as it knows a rig."""
        if isinstance(command, Run):
            few = len(command.actions) <= FEW and command.keep and not command.tail
            if not few or not all(isinstance(action, Force | Free) for action in command.actions):
                return Refused("a shell forces and releases, no more; use a rig")
        request = next(self._requests)
        waiting: asyncio.Future[ReplyBody] = asyncio.get_running_loop().create_future()
        self._waiting[operator, request] = waiting
        try:
            if not inside.ask(operator, request, command):
                return Refused("too many commands wait")
            async with asyncio.timeout(ANSWER_S):
                return await waiting
        except TimeoutError:
            return Refused(f"the gateway has not answered for {ANSWER_S:g} s; look at logs")
        finally:
            self._waiting.pop((operator, request), None)

    def _give_back(self, operator: str) -> None:
        """Who has gone holds nothing."""
        inside = self._inside
        if inside is not None and inside.cell.lease.holder == operator:
            inside.ask(operator, 0, Release(inside.cell.lease.token))

    async def _follow(self, caller: _Caller, inside: Inside, tags: tuple[str, ...]) -> None:
        """Changes as they come, until the shell says anything or goes."""
        unknown = [tag for tag in tags if tag not in inside.station.tags]
        if unknown:
            await self._say(caller, No(f"{', '.join(unknown)}: no such tag here", "'tags' shows them"))
            return
        bell = asyncio.Event()
        follower = Follower(tags, bell.set)
        values = inside.cell.values
        follower.changed(time.time_ns(), {tag: values[tag] for tag in tags if tag in values})
        ended = asyncio.ensure_future(caller.reader.read(1))
        self._followers.add(follower)
        try:
            while not ended.done():
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(BEAT_S):
                        await bell.wait()
                bell.clear()
                await self._say(caller, follower.take())
                await asyncio.wait((ended,), timeout=PAUSE_S)
        finally:
            self._followers.discard(follower)
            ended.cancel()


def _own(writer: asyncio.StreamWriter) -> socket.socket:
    """The writer's socket under a descriptor of our own: some loops hide what can be asked of theirs."""
    return socket.socket(fileno=os.dup(writer.get_extra_info("socket").fileno()))

"""The gateway's process: drives one cell with its devices, a bus and a journal. All sockets meet here.

``python -m gateway.agent CONFIG.json ...`` runs until SIGTERM, SIGINT, or (``--end-with-stdin``) the end of
its standard input; then it drives the safe state and closes its connection to the controller.
With several configurations it is as many gateways, in one process.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import importlib.metadata
import json
import logging
import os
import secrets
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from gateway.agentfile import AgentConfig, check, load_config
from gateway.announce import identified
from gateway.belonging import BELONGING, Admission, Belonging
from gateway.broadcast import HEARTBEAT, Broadcast, last_will
from gateway.cell.cell import Asked, Cell
from gateway.chain import chain_of
from gateway.controller.beside import Beside
from gateway.controller.compile import Program, compile_program
from gateway.errors import BadInput
from gateway.hearing import Hearing
from gateway.last import drive_safe
from gateway.local.access import group_id
from gateway.local.desk import Desk
from gateway.net.bus import Bus
from gateway.net.identity import Identity, Trust, boot_id
from gateway.net.messages import Command, Identified, Refused, ReplyBody
from gateway.parent import end_with_stdin
from gateway.recorder import Recorder
from gateway.scanning import Scanning
from gateway.sending import Sending
from gateway.station import Station, load_station
from gateway.store.journal import Journal, JournalFailed
from gateway.trustfile import TrustFile
from gateway.wiring import Wiring
from gateway.witness import Witness
from gateway.yamlfile import read_text

log = logging.getLogger("gateway")
VERSION = importlib.metadata.version("twinline")
SAFE_WITHIN = 1.0
RESTORE_WITHIN = 5.0  # where the journal has failed: the next life may fare no better
PRESENT = frozenset(("commissioner",))  # the roles of who is at the machine
TABLES = ("lease", "gate", "force", "workpiece", "send", "received", "arrived")


class Agent:
    """One gateway with one station."""

    def __init__(
        self,
        config: AgentConfig,
        station: Station,
        loop: asyncio.AbstractEventLoop,
        program: Program | None = None,
        beside: Beside | None = None,
    ) -> None:
        self.line, self.station = config.line, station
        identity, trust = Identity.load(Path(config.key)), Trust.load(Path(config.trust))
        self.trust, self._loop = trust, loop
        trust.watch(self._trust_changed)
        self.node = identity.node
        self.boot = boot_id().hex()
        self.journal = Journal(Path(config.state) / "journal.sqlite")
        epoch = self.journal.get("meta", "epoch")
        if epoch is None:
            epoch = secrets.token_hex(8).encode()
            self.journal.put("meta", "epoch", epoch)
        stored = {(table, key): data for table in TABLES for key, data in self.journal.items(table)}
        now = time.monotonic_ns()
        self.cell = Cell(
            station, config.neighbours, now, stored, epoch.decode(), config.mode, beside, config.seed
        )
        self._bell = asyncio.Event()  # rings when a scan may find something to do
        self.devices = Wiring(station, config.mode, program, self._bell.set, config.opcua)
        self.bus = Bus(
            self.node,
            list(config.brokers),
            identity=identity,
            trust=trust,
            loop=loop,
            will=last_will(self.line, self.node, self.boot),
            tls=config.tls_files,
        )
        self.hearing = Hearing(
            self.line, self.node, self.boot, self.bus, trust, self._who, self._holder, self._bell.set,
            self.cell.couplings.partners,
        )  # fmt: skip
        self.chain = chain_of(config, identity, lambda now: loop.call_soon_threadsafe(self._learn, now))
        self.admission = None
        if self.chain is not None:
            chain = self.chain.genesis.chain
            kept = self.journal.get(*BELONGING)
            self.admission = Admission(chain, identity, self.trust, kept, self.cell, self._bell.set)
        above = (lambda _: None) if self.admission is None else self.admission.above
        self.trust_file = TrustFile(Path(config.trust), trust, above)
        self.recorder: Recorder | None = None
        if self.chain is not None:
            self.recorder = Recorder(self.chain, identity, self.journal, loop.call_later)
        self.ready, self.ending = asyncio.Event(), asyncio.Event()
        self.shell = Desk(self, Path(config.state), group_id(config.group))
        self.sending = Sending(
            self.line, self.node, self.bus, self.journal, self.recorder, self._reply, self.shell.happened,
            self._bell.set, self.hearing.couple,
        )  # fmt: skip
        self.broadcast = Broadcast(
            self.line, self.node, self.boot, self.bus, self.cell, self.devices, self.hearing, self._problems
        )
        self.scanning = Scanning(
            self.cell, self.devices, self.hearing, self.sending, self.broadcast, self.shell.changed,
            self._bell,
        )  # fmt: skip

    # --- life ------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Until ``ending`` is set; then the safe state, and everything closed."""
        self.hearing.start()
        self.broadcast.station(VERSION)
        self.bus.start()
        if self.chain is not None:
            self.chain.start()
        telling = (self.sending.run, self.broadcast.beat, self.broadcast.show, self._announce)
        jobs = (self.scanning.run, *telling, self._record_loaded, self.shell.run, self.devices.run)
        tasks = [asyncio.create_task(job(), name=job.__qualname__) for job in jobs]
        ended = asyncio.create_task(self.ending.wait())
        await asyncio.wait([*tasks, ended], return_when=asyncio.FIRST_COMPLETED)
        broken = [task for task in tasks if task.done()]
        scanning, sending, *_ = tasks
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(RESTORE_WITHIN if self.problem else SAFE_WITHIN):
                await self._make_safe(scanning)
                if not scanning.done():
                    await self._send_rest(scanning, sending)
        for task in (*tasks, ended):
            task.cancel()
        await asyncio.gather(*tasks, ended, return_exceptions=True)
        await self.devices.close()
        if self.chain is not None and self.recorder is not None:
            self.recorder.flush()
            await asyncio.to_thread(self.chain.stop)
        await asyncio.get_running_loop().run_in_executor(None, self.bus.close, 1.0)
        await asyncio.to_thread(self.journal.close)  # on a disk that hangs, the others here go on meanwhile
        for task in broken:
            if not task.cancelled() and task.exception() is not None:
                raise task.exception()  # type: ignore[misc]  # it is not None

    async def _announce(self) -> None:
        """Set ``ready`` when commands are heard; the scan does not wait for that."""
        loop = asyncio.get_running_loop()
        while not await loop.run_in_executor(None, self.bus.wait_ready, 0.5):
            pass
        self.ready.set()
        await self.ending.wait()

    async def _make_safe(self, scanning: asyncio.Task[None]) -> None:
        """The lease ends with the agent: scan on until the devices that are there hold their safe values.

        Where the journal has failed, those that are not there are waited for too. Where the scan itself has
        ended, a last writer does what it can.
        """
        gate = self.cell.gate
        try:
            self.cell.shut()
        except Exception:
            log.exception("the cell does not end")
            scanning.cancel()
            await asyncio.wait((scanning,))
        self._bell.set()
        while not scanning.done() and (self.cell.driving or (self.problem and gate.state == "safing")):
            await asyncio.sleep(self.station.scan / 1e9)
        if scanning.done():
            machine = self.cell.machine
            actuators = () if machine is None else machine.actuators
            try:
                await drive_safe(gate, self.devices, actuators, self.station.scan)
            finally:
                left = ", ".join(gate.undriven()) if gate.state == "safing" else ""
                log.critical("the scan has ended by an error; not driven safe: %s", left or "nothing")

    async def _send_rest(self, scanning: asyncio.Task[None], sending: asyncio.Task[None]) -> None:
        """End the scan, and send what it still had to say: above all that the safe state is driven."""
        scanning.cancel()
        await asyncio.wait((scanning,))
        self.scanning.end()
        self.sending.end()
        await asyncio.wait((sending,))

    # --- what is asked for, and by whom -------------------------------------------------------------------

    def _reply(self, operator: str, request: int, body: ReplyBody) -> None:
        if isinstance(body, Refused):
            self.hearing.disagree(operator, body.why)
        if not self.shell.replied(operator, request, body):
            self.hearing.reply(operator, request, body)

    def _holder(self) -> str:
        return self.cell.lease.holder or ""

    def _trust_changed(self, node: str) -> None:
        """On any thread."""
        self._loop.call_soon_threadsafe(self._judge, node)

    def _judge(self, node: str) -> None:
        """What is known of ``node`` has changed: who is no operator any more commands nothing."""
        if not self.trust.may(node, "operator"):
            self.hearing.dismiss(node)
            self.cell.dismiss(node, f"{node} is an operator here no more")
            self._bell.set()

    @property
    def refused(self) -> Mapping[str, int]:
        """How many commands were refused, on their way to the cell and by it, by cause."""
        return self.hearing.refused

    def _who(self) -> Identified:
        return identified(self.station, self.cell.mode, self.devices.links, self.boot, VERSION)

    @property
    def problem(self) -> str:
        """What is wrong with the gateway itself; empty if nothing is."""
        return self.sending.problem

    @property
    def barred(self) -> str:
        """Why it is not heard, or hears others as before a change of trust; empty if nothing is."""
        dismissed = self.admission.problem if self.admission is not None else ""
        return dismissed or self.trust_file.problem

    def _problems(self) -> str:
        """What a person has to look after; empty if nothing."""
        unrecorded = self.chain.problem if self.chain is not None else ""
        return self.problem or self.barred or self.devices.problem or unrecorded

    def _learn(self, belonging: Belonging) -> None:
        """The chain has changed who belongs to the line."""
        assert self.admission is not None
        self.admission.learn(belonging)

    async def _record_loaded(self) -> None:
        """What runs here, once the controller has said what it is."""
        while True:
            link = self.devices.links[self.station.controller.name]
            if self.recorder is not None and link.ready:
                program = link.identity.program_sha256 if link.identity is not None else ""
                self.recorder.loaded(program, self.station.sha256)
            await asyncio.sleep(HEARTBEAT)

    # --- for the shell --------------------------------------------------------------------------------------

    def ask(self, operator: str, request: int, command: Command) -> bool:
        """Hand ``command`` of a shell to the cell at its next scan; False where too many wait already.

        Who is at the machine needs nobody's leave.
        """
        return self.hearing.ask(Asked(operator, request, command, PRESENT))

    @property
    def chained(self) -> dict[str, str] | None:
        """What its ledger says of itself; None: it keeps none."""
        return None if self.chain is None else self.chain.facts()


def _agent(config: AgentConfig, loop: asyncio.AbstractEventLoop) -> Agent | Witness:
    """BadInput with what is wrong in its station file or program."""
    if not config.station:
        return Witness(config)
    station = load_station(Path(config.station))
    station = station.placed(config.id or station.id, config.addresses).moved(config.ports)
    check(config, station)
    program = None
    if config.program:
        program = compile_program(read_text(Path(config.program)), config.program)
    beside = None
    if config.beside:
        text = read_text(Path(config.beside))
        parts = station.parts if text == station.composed else ()
        own = compile_program(text, config.beside, writers=True, parts=parts)
        beside = Beside(station, own, config.within, early=config.mode == "hil")
    return Agent(config, station, loop, program, beside)


async def _main(configs: list[AgentConfig], with_stdin: bool) -> None:
    """All of them, until one fails or they are to end."""
    loop = asyncio.get_running_loop()
    agents = [_agent(config, loop) for config in configs]

    def end() -> None:
        for agent in agents:
            agent.ending.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end)
    with_terminal, taking = os.isatty(0), set[asyncio.Task[None]]()

    def hung_up() -> None:
        """Whom it trusts has changed; or its terminal was closed."""
        if with_terminal and not os.isatty(0):
            end()
            return
        for agent in agents:
            if isinstance(agent, Agent):
                task = loop.create_task(agent.trust_file.take())
                taking.add(task)
                task.add_done_callback(taking.discard)

    loop.add_signal_handler(signal.SIGHUP, hung_up)
    if with_stdin:

        def ended() -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed already
                loop.call_soon_threadsafe(end)

        end_with_stdin(ended)
    announcing = asyncio.create_task(_announce(agents))
    lives = [asyncio.create_task(agent.run(), name=agent.node) for agent in agents]
    await asyncio.wait(lives, return_when=asyncio.FIRST_COMPLETED)
    end()
    await asyncio.wait(lives)
    announcing.cancel()
    for life in lives:
        life.result()


async def _announce(agents: list[Agent | Witness]) -> None:
    """Say on standard output when all hear commands."""
    for agent in agents:
        await agent.ready.wait()
    said = {"ready": True, "station": ", ".join(agent.node for agent in agents), "pid": os.getpid()}
    print(json.dumps(said), flush=True)


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m gateway.agent", description=__doc__)
    parser.add_argument("config", type=Path, nargs="+")
    parser.add_argument("--end-with-stdin", action="store_true")
    given = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.getLogger("asyncua").setLevel(logging.ERROR)
    runner: Callable[[Awaitable[None]], None] = asyncio.run  # type: ignore[assignment]
    if sys.platform != "win32":
        import uvloop

        runner = uvloop.run  # type: ignore[assignment]
    try:
        runner(_main([load_config(path) for path in given.config], given.end_with_stdin))
    except OSError as error:
        print(f"{', '.join(map(str, given.config))}: {error}", file=sys.stderr)
        return 2
    except BadInput as bad:
        print(bad, file=sys.stderr)
        return 2
    except JournalFailed as failed:
        print(failed, file=sys.stderr)
        return 3
    except Exception as error:
        log.critical("the gateway ends by an error of its own", exc_info=True)
        print(f"the gateway ends by an error of its own: {type(error).__name__}: {error}", file=sys.stderr)
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main())

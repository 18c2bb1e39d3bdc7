"""Run a Structured Text program and serve it: ``python -m gateway.controller.serve FILE.st --address URL``.

One process, one loop: the scan, on an absolute schedule, the server of one protocol, and the controller's I/O
modules: those wired to it (``--coupler``) and those it polls (``--poll``); and its plant, where that is real
and wired to it (``--plant``). A request and a scan never run inside one another, so what a client wrote in
one request is latched whole at the next scan's start, and a client reads the memory as a scan left it.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import importlib
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from gateway.controller.compile import Program, ProgramErrors, compile_program
from gateway.controller.masters import Master, Wired
from gateway.controller.runtime import VirtualController
from gateway.controller.servers.addresses import (
    EXAMPLES,
    Modules,
    Plant,
    ServeAddress,
    read_address,
    read_module,
)
from gateway.controller.servers.build import make_modules, make_server
from gateway.errors import BadInput
from gateway.field.security import ENCRYPT, OPEN, Access, read_security
from gateway.field.serving import Server
from gateway.parent import end_with_stdin
from gateway.station import load_station
from gateway.units import duration

EXIT_OK, EXIT_BAD_INPUT, EXIT_ERROR = 0, 2, 3
_MILLISECOND = 1_000_000
_MIN_SCAN = _MILLISECOND
START_UP = 10.0  # s


class Statistics(NamedTuple):
    """How well the scans kept their schedule; lateness is from due time to start."""

    scans: int = 0
    overruns: int = 0
    late_total_ns: int = 0
    late_max_ns: int = 0

    def after(self, late_ns: int, missed: int) -> Statistics:
        """With one more scan, that began ``late_ns`` late and ran over ``missed`` scans' time."""
        return Statistics(
            self.scans + 1,
            self.overruns + missed,
            self.late_total_ns + late_ns,
            max(self.late_max_ns, late_ns),
        )


async def scan_on_schedule(
    controller: VirtualController,
    servers: Sequence[Server],
    period_ns: int,
    note: Callable[[Statistics], None],
) -> None:
    """Scan every ``period_ns`` until cancelled. A scan that runs over skips to the next free slot."""
    statistics, due, told = Statistics(), time.monotonic_ns(), False
    while True:
        start = time.monotonic_ns()
        controller.scan(start)
        for server in servers:
            server.publish()
        if controller.fault is not None and not told:
            told = True
            fault, file = controller.fault, controller.program.file
            print(f"{file}:{fault.line}: {fault.what}; outputs are off", file=sys.stderr, flush=True)
        late, due = start - due, due + period_ns
        missed = max(0, -(-(time.monotonic_ns() - due) // period_ns))
        due += missed * period_ns
        statistics = statistics.after(late, missed)
        note(statistics)
        while (wait := due - time.monotonic_ns()) > 0:
            # The loop's timers count whole milliseconds: round up, since a scan may be late but never early.
            await asyncio.sleep(-(-wait // _MILLISECOND) / 1000)


async def serve(
    controller: VirtualController,
    address: ServeAddress,
    period_ns: int,
    stopping: asyncio.Event,
    ready: Callable[[ServeAddress, list[ServeAddress]], None],
    modules: Modules,
    access: Access | None = None,
) -> Statistics:
    """Serve until ``stopping`` is set; ``ready`` is told the addresses that accept: the controller's and
    its couplers'. OPC UA is served and polled as ``access`` says. Raises OSError; ValueError where there is
    no certificate."""
    couplers, masters = make_modules(modules, controller, period_ns, access)
    servers = [make_server(address, controller, access), *couplers]
    latest = Statistics()

    def note(statistics: Statistics) -> None:
        nonlocal latest
        latest = statistics

    tasks: list[asyncio.Task[None]] = []
    try:
        ports = [await each.start() for each in servers]
        # What has been built so far stays: a collection must not walk it in the middle of a scan.
        gc.collect()
        gc.freeze()
        stopped = asyncio.create_task(stopping.wait())
        tasks += [asyncio.create_task(master.run()) for master in masters]
        await _meet([master for master in masters if isinstance(master, Wired)], stopped)
        tasks.append(asyncio.create_task(scan_on_schedule(controller, servers, period_ns, note)))
        await asyncio.sleep(0)  # the first scan
        served = [address, *(module.address for module in modules.couplers)]
        at, *wired = [each._replace(port=port) for each, port in zip(served, ports, strict=True)]
        ready(at, wired)
        await asyncio.wait((*tasks, stopped), return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        for task in tasks:
            if task.done():
                task.result()  # it ends by an error of ours alone
    finally:
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        for each in servers:
            await each.stop()
    return latest


async def _meet(plants: Sequence[Master], stopped: asyncio.Task[bool]) -> None:
    """Wait until ``plants`` were read, at most ``START_UP``, as a controller that is switched on waits for
    its modules: its first scan would find a machine without air and stop with a fault."""
    meetings = [asyncio.create_task(plant.met.wait()) for plant in plants]
    if not meetings:
        return
    met = asyncio.gather(*meetings)
    await asyncio.wait((met, stopped), timeout=START_UP, return_when=asyncio.FIRST_COMPLETED)
    met.cancel()
    await asyncio.wait(meetings)


def main(arguments: list[str] | None = None) -> int:
    """The command; the exit status: 0 stopped, 2 bad input, 3 the address is not to be had."""
    parser = argparse.ArgumentParser(prog="python -m gateway.controller.serve", description=__doc__)
    parser.add_argument("program", type=Path, help="a Structured Text file")
    parser.add_argument("--address", required=True, help=EXAMPLES)
    parser.add_argument(
        "--coupler", action="append", default=[], metavar="URL?at=BYTE",
        help="serve a remote I/O module that is wired to this controller, its I/O from that byte on",
    )  # fmt: skip
    parser.add_argument(
        "--poll", action="append", default=[], metavar="URL?at=BYTE",
        help="be the master of the remote I/O module there",
    )  # fmt: skip
    parser.add_argument(
        "--plant", metavar="URL", help="where its plant is, modbus://host:port/unit; with --station"
    )
    parser.add_argument("--station", type=Path, help="the station file that says what is wired to what")
    parser.add_argument(
        "--next", action="append", default=[], metavar="TAG",
        help="an input that comes from a next machine: it takes everything",
    )  # fmt: skip
    parser.add_argument("--scan", default="10 ms", help="the scan's period (default: 10 ms)")
    parser.add_argument("--security", help="of OPC UA, and of nothing less: Basic256Sha256/SignAndEncrypt")
    parser.add_argument("--certificates", metavar="FOLDER", help="with its certificate, and whom it trusts")
    parser.add_argument("--user", default="", help="who logs in; nobody else does")
    parser.add_argument("--password-file", default="", metavar="FILE", help="of that user, mode 0600")
    parser.add_argument(
        "--password-variable", default="", metavar="NAME", help="or an environment's variable"
    )
    parser.add_argument("--end-with-stdin", action="store_true", help="stop when standard input ends")
    chosen = parser.parse_args(arguments)
    try:
        address, period_ns = read_address(chosen.address), duration(chosen.scan)
        if period_ns < _MIN_SCAN:
            raise ValueError(f"--scan {chosen.scan!r} is too short; the shortest is 1 ms")
        modules = Modules(
            tuple(read_module(text, ("modbus", "opc.tcp", "s7")) for text in chosen.coupler),
            tuple(read_module(text, ("modbus", "opc.tcp")) for text in chosen.poll),
            _plant(chosen.plant, chosen.station, chosen.next),
        )
        access = _access(chosen)
        begins = [module.at for module in (*modules.couplers, *modules.polled)]
        if len(begins) > len(set(begins)):
            raise ValueError("two modules begin at the same byte; give each its own with ?at=")
        program = compile_program(chosen.program.read_text("utf-8"), str(chosen.program))
        controller = VirtualController(program)
    except UnicodeDecodeError as error:
        where = f"{chosen.program}: byte {error.start} is not UTF-8"
        return _refuse(f"{where}; save the program as UTF-8", EXIT_BAD_INPUT)
    except (BadInput, ProgramErrors, ValueError) as error:
        return _refuse(str(error), EXIT_BAD_INPUT)
    except OSError as error:
        return _refuse(f"{chosen.program}: {error.strerror}", EXIT_BAD_INPUT)
    for warning in program.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            with_stdin: bool = chosen.end_with_stdin
            runner.run(_serve_until_told(controller, address, period_ns, with_stdin, modules, access))
    except ValueError as error:  # of the folder of certificates
        return _refuse(f"cannot serve at {address}: {error}", EXIT_BAD_INPUT)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno and error.errno > 0 else str(error)
        return _refuse(f"cannot serve at {address}: {reason}", EXIT_ERROR)
    return EXIT_OK


def _access(chosen: argparse.Namespace) -> Access | None:
    """How OPC UA is served; ValueError."""
    security = OPEN if chosen.security is None else read_security(chosen.security)
    if security == OPEN:
        if chosen.certificates is not None or chosen.user:
            raise ValueError("--certificates and --user are for --security; give it, or leave them out")
        return None
    if chosen.certificates is None:
        raise ValueError("--security needs a certificate; give --certificates FOLDER")
    if chosen.user and security.mode != ENCRYPT:
        raise ValueError(f"--user sends a password; ask for --security {security.policy}/{ENCRYPT}")
    password = chosen.password_file, chosen.password_variable
    return Access(security, chosen.certificates, chosen.user, *password)


def _plant(text: str | None, file: Path | None, following: list[str]) -> Plant | None:
    """The plant at ``text`` of the station in ``file``; ValueError, BadInput."""
    if text is None and file is None and not following:
        return None
    if text is None or file is None:
        raise ValueError("--plant and --station belong together; give both")
    address = read_address(text)
    if address.scheme != "modbus":
        raise ValueError(f"{text!r}: a plant is reached by a Modbus module; write modbus://host:port/unit")
    station = load_station(file)
    known = [tag.name for tag in station.inputs if tag.type.kind == "bool"]
    if wrong := [name for name in following if name not in known]:
        raise ValueError(f"--next {wrong[0]}: no BOOL input of {file}; use " + (", ".join(known) or "none"))
    return Plant(address, station, tuple(following))


async def _serve_until_told(
    controller: VirtualController,
    address: ServeAddress,
    period_ns: int,
    with_stdin: bool,
    modules: Modules,
    access: Access | None,
) -> None:
    loop, stopping = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        try:
            loop.add_signal_handler(number, stopping.set)
        except NotImplementedError:  # on Windows a handler runs between two bytecodes, and must wake the loop
            signal.signal(number, lambda *_: loop.call_soon_threadsafe(stopping.set))
    if with_stdin:

        def ended() -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed already
                loop.call_soon_threadsafe(stopping.set)

        end_with_stdin(ended)
    statistics = await serve(
        controller,
        address,
        period_ns,
        stopping,
        lambda at, couplers: _say_ready(at, couplers, controller.program),
        modules,
        access,
    )
    _say(
        {
            "stopped": True,
            "scans": statistics.scans,
            "overruns": statistics.overruns,
            "late_mean_us": statistics.late_total_ns // max(statistics.scans, 1) // 1000,
            "late_max_us": statistics.late_max_ns // 1000,
        }
    )


def _say_ready(address: ServeAddress, couplers: list[ServeAddress], program: Program) -> None:
    _say(
        {
            "ready": True,
            "address": str(address),
            "couplers": [str(coupler) for coupler in couplers],
            "program": program.name,
            "sha256": program.sha256,
            "pid": os.getpid(),
        }
    )


def _say(line: dict[str, object]) -> None:
    with contextlib.suppress(BrokenPipeError):  # whoever started us has gone; the end of stdin follows
        print(json.dumps(line), flush=True)


def _refuse(message: str, status: int) -> int:
    print(message, file=sys.stderr)
    return status


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        return importlib.import_module("uvloop").new_event_loop  # type: ignore[no-any-return]
    except ImportError:
        return None


if __name__ == "__main__":
    sys.exit(main())

"""Opening a line: options, the line file with its programs, and the backend that reaches it."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, NamedTuple, get_args

import msgspec

from gateway.agentfile import CONFIG, no_plant, read_config
from gateway.config import find_config
from gateway.controller.compile import Program, ProgramErrors, compile_program
from gateway.errors import BadInput, Problem
from gateway.net.link import broker_address, check_plain
from gateway.station import Mode
from gateway.yamlfile import identifier, read_text
from rig.backend import Backend
from rig.broker import choose
from rig.line import Line, load_line, read_seed
from rig.serving import collisions

if TYPE_CHECKING:
    from rig.chain import RigChain

Ports = Literal["file", "auto"]
PREPARE = "twinline gateway prepare LINE --broker mqtts://host:8883 --into DIR"
CHOICES: dict[str, tuple[str, ...]] = {"mode": get_args(Mode), "ports": ("file", "auto")}


class Options(NamedTuple):
    """How to run a session; one for the command line and for pytest."""

    line: Path
    mode: Mode | None = None
    programs: Mapping[str, Path] = MappingProxyType({})
    ports: Ports = "file"
    broker: str | None = None
    runs: Path = Path("runs")
    operator: str = "rig"
    procedures: tuple[str, ...] = ()
    keys: Path | None = None
    seed: int | None = None
    breaks: bool = False  # leases that others hold

    @classmethod
    def of(cls, given: argparse.Namespace) -> Options:
        """From parsed options of those names; BadInput with everything that is wrong in them."""
        problems: list[Problem] = []
        programs: dict[str, Path] = {}
        for text in given.program:
            station, equals, path = text.partition("=")
            if not (station and equals and path):
                problems.append(Problem("--program", 0, 0, f"{text!r} is no pair", "write STATION=FILE"))
            programs[station] = Path(path)
        for option, allowed in CHOICES.items():
            value = getattr(given, option)
            if value is not None and value not in allowed:
                hint = "use " + " or ".join(allowed)
                problems.append(Problem(f"--{option}", 0, 0, f"{value!r} is not known", hint))
        problems += _check_broker(given.broker)
        seed = None
        try:
            seed = None if given.seed is None else read_seed(given.seed)
        except ValueError as error:
            what, _, hint = str(error).partition("; ")
            problems.append(Problem("--seed", 0, 0, what, hint))
        keys = None if given.keys is None else Path(given.keys)
        if keys is not None and not keys.is_dir():
            problems.append(Problem("--keys", 0, 0, f"{keys} is no folder", "make it: " + PREPARE))
        if given.break_lease and keys is None:
            what = "nobody else holds a lease on gateways that the session starts itself"
            problems.append(Problem("--break-lease", 0, 0, what, "give it with --keys"))
        operator = given.operator or "rig"
        try:
            identifier(operator)
        except ValueError as error:
            what, _, hint = str(error).partition("; ")
            problems.append(Problem("--operator", 0, 0, what, hint))
        problems += [
            Problem("--procedures", 0, 0, f"{name} is no folder", "name one that is there")
            for name in given.procedures
            if not Path(name).is_dir()
        ]
        if problems:
            raise BadInput(problems)
        line = Path(given.line)
        if not line.exists() and not line.is_absolute():
            line = find_config(given.line)
        return cls(
            line, given.mode, programs, given.ports, given.broker,
            Path(given.runs), operator, tuple(given.procedures), keys, seed, given.break_lease,
        )  # fmt: skip


def prepare(options: Options) -> Line:
    """Read the line and compile its programs; BadInput with everything that is wrong in any file."""
    line = load_line(options.line, options.programs)
    if options.mode is not None:
        line = line.in_mode(options.mode)
    if options.seed is not None:
        line = msgspec.structs.replace(line, seed=options.seed)
    problems: list[Problem] = []
    if options.operator in line.stations:
        problems.append(
            Problem(
                "--operator", 0, 0, f"{options.operator!r} is a station of this line", "choose another id"
            )
        )
    for name, each in line.stations.items():
        station = each.station
        if not each.has_program and each.played:
            what = f"{name}: {station.uncomposed}, and {each.mode} mode runs one"
            problems.append(Problem(station.file, station.controller.line, 0, what, "add program: path.st"))
        if each.mode == "ril" and station.plant is None:
            problems.append(no_plant(station, "--mode", 0))
    if reached := broker_of(line, options):
        problems += _check_reached(line, options, reached)
    if options.keys is not None:
        problems += _check_attached(line, options)
    elif line.mode != "virtual" and broker_of(line, options) == "":
        try:
            choose(options.broker)
        except BadInput as bad:
            problems += bad.problems
    if options.keys is None and options.ports == "file":
        problems += collisions(line)
    _, found = compile_all(line)
    problems += found
    if problems:
        raise BadInput(problems)
    return line


def broker_of(line: Line, options: Options) -> str:
    """The broker that runs already: as asked for, else as the line file says, else the one that the gateways
    were prepared for; empty: one is started here."""
    if options.broker is None:
        return line.broker or (prepared_for(options.keys) if options.keys is not None else "")
    return options.broker if "://" in options.broker else ""


def prepared_for(keys: Path) -> str:
    """The first broker of the gateways that were prepared in ``keys``; empty where none were. BadInput."""
    configs = (read_config(path) for path in sorted(keys.glob(f"*/{CONFIG}")))
    return next((each.brokers[0] for each in configs if each.brokers), "")


def _check_broker(text: str | None) -> list[Problem]:
    """Of ``--broker``: which kind to start, or where one runs."""
    if text in (None, "mosquitto", "embedded"):
        return []
    if "://" not in text:
        hint = "use mosquitto, embedded, or mqtts://host:port"
        return [Problem("--broker", 0, 0, f"{text!r} is not known", hint)]
    try:
        broker_address(text)
    except ValueError as error:
        what, _, hint = str(error).partition("; ")
        return [Problem("--broker", 0, 0, what, hint)]
    return []


def _check_reached(line: Line, options: Options, url: str) -> list[Problem]:
    """What we have to show the broker that runs at ``url``."""
    from rig.prepare import tls_of

    where = "--broker" if options.broker else line.file
    try:
        check_plain(url, line.plain)
    except ValueError as error:
        what, _, hint = str(error).partition("; ")
        return [Problem(where, 0, 0, what, hint)]
    if not broker_address(url).secured:
        return []
    if options.keys is None:
        what = f"{url} wants certificates, which gateways that are started here have of this run alone"
        return [Problem(where, 0, 0, what, "leave the broker out, or give --keys")]
    if tls_of(options.keys, options.operator) is None:
        what = f"{url} wants a certificate, and there is none in {options.keys / options.operator}"
        hint = "prepare the gateways with that broker, or enrol the operator into that folder"
        return [Problem("--keys", 0, 0, what, hint)]
    return []


def _check_attached(line: Line, options: Options) -> list[Problem]:
    """With keys, gateways run elsewhere: what does not go together with that."""
    problems = []
    if line.mode == "virtual":
        problems.append(Problem("--keys", 0, 0, "virtual mode has no gateways", "leave it out"))
    if options.seed is not None:
        hint = "write seed: in the line file, and prepare them anew"
        problems.append(Problem("--seed", 0, 0, "gateways elsewhere have one of their own", hint))
    if options.ports != "file":
        problems.append(
            Problem("--ports", 0, 0, "gateways elsewhere have ports of their own", "leave it out")
        )
    if not broker_of(line, options):
        hint = "give --broker mqtts://host:8883, or broker: in the line file"
        problems.append(
            Problem("--keys", 0, 0, "gateways elsewhere are reached by a broker, none is named", hint)
        )
    if options.keys is not None and not problems:
        from rig.attach import load_keys

        try:
            load_keys(line, options)
        except BadInput as bad:
            problems += bad.problems
    return problems


def compile_all(line: Line) -> tuple[dict[str, Program], list[Problem]]:
    """Every station's program by station, and what is wrong in them."""
    programs: dict[str, Program] = {}
    problems: list[Problem] = []
    for name, each in line.stations.items():
        if (each.program is not None and not each.program.is_file()) or not each.has_program:
            continue
        try:
            if each.program is None:
                programs[name] = compile_program(each.station.composed, f"{each.station.file} (composed)")
            else:
                programs[name] = compile_program(read_text(each.program), _short(each.program))
        except ProgramErrors as errors:
            problems += [Problem(p.file, p.line, p.column, p.what, p.hint) for p in errors.problems]
        except BadInput as bad:
            problems += bad.problems
    return programs, problems


def _short(path: Path) -> str:
    """The path as a person would write it from here."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)


class Opened(NamedTuple):
    """A line about to be used: ``start`` brings up what the backend reaches, or raises RigFault; ``seal``
    closes what is written into the run's folder, while everything runs on; ``chain`` is the line's, if it has
    one; ``broker`` as the record has it."""

    backend: Backend
    programs: dict[str, Program]
    start: Callable[[], None]
    seal: Callable[[], None]
    chain: RigChain | None = None
    broker: str = ""


@contextmanager
def open_backend(line: Line, options: Options, folder: Path) -> Iterator[Opened]:
    """The line's gateways for the time of a session; what was started here ends with it."""
    programs, _ = compile_all(line)
    if line.mode == "virtual":
        from rig.twins import recorded
        from rig.virtual import VirtualBackend

        virtual = VirtualBackend(line, programs)
        twins = {name: (each.station, each.cell.twin) for name, each in virtual.stations.items()}
        with ExitStack() as recording:
            recording.enter_context(recorded(twins, folder / "twins"))
            yield Opened(virtual, programs, lambda: None, recording.close)
        return
    if options.keys is not None:
        from rig.attach import AttachedLine

        attached, url = AttachedLine(line, options), broker_of(line, options)
        try:
            yield Opened(attached.backend, programs, attached.start, lambda: None, attached.chain, url)
        finally:
            attached.stop()
        return
    from rig.local import LocalLine

    local = LocalLine(line, options, folder)
    try:
        yield Opened(local.backend, programs, local.start, local.seal, local.chain, local.broker)
    finally:
        local.stop()

"""Opening a line: options, the line file with its programs, and the backend that reaches it."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from gateway.controller.compile import Program, ProgramErrors, compile_program
from gateway.errors import BadInput, Problem
from gateway.yamlfile import identifier, read_text
from rig.backend import Backend, RigFault
from rig.line import Line, Mode, load_line


class Options(NamedTuple):
    """How to run a session; one for the command line and for pytest."""

    line: Path
    mode: Mode | None = None
    programs: Mapping[str, Path] = MappingProxyType({})
    auto_ports: bool = False
    broker: str | None = None
    runs: Path = Path("runs")
    operator: str = "rig"
    procedures: tuple[str, ...] = ()

    @classmethod
    def of(cls, given: argparse.Namespace | Any) -> Options:
        """From pytest's parsed options; BadInput where one is wrong."""
        programs: dict[str, Path] = {}
        for text in given.program:
            station, equals, path = text.partition("=")
            if not equals or not station or not path:
                problem = Problem("--program", 0, 0, f"{text!r}", "write --program STATION=FILE")
                raise BadInput([problem])
            programs[station] = Path(path)
        operator = given.operator or "rig"
        try:
            identifier(operator)
        except ValueError as error:
            what, _, hint = str(error).partition("; ")
            raise BadInput([Problem("--operator", 0, 0, what, hint)]) from None
        return cls(
            Path(given.line), given.mode, programs, given.ports == "auto", given.broker,
            Path(given.runs), operator, tuple(given.procedures),
        )  # fmt: skip

    def mode_of(self, line: Line) -> Mode:
        """The session's mode: as asked for, or as the line's stations say."""
        if self.mode is not None:
            return self.mode
        return "virtual" if all(each.mode == "virtual" for each in line.stations.values()) else "hil"


def prepare(options: Options) -> Line:
    """Read the line and compile its programs; BadInput with everything that is wrong in any file."""
    line = load_line(options.line, options.programs)
    problems: list[Problem] = []
    mode = options.mode_of(line)
    mixed = {each.mode for each in line.stations.values()}
    if options.mode is None and len(mixed) > 1:
        problems.append(
            Problem(
                line.file,
                1,
                0,
                "stations of several modes in one line",
                "choose one with --mode hil or virtual",
            )
        )
    if options.operator in line.stations:
        problems.append(
            Problem(
                "--operator", 0, 0, f"{options.operator!r} is a station of this line", "choose another id"
            )
        )
    for name, each in line.stations.items():
        if each.program is None and mode == "virtual":
            station = each.station
            problems.append(
                Problem(
                    station.file,
                    station.controller.line,
                    0,
                    f"{name}: the controller names no program, and virtual mode runs one",
                    "add program: path.st",
                )
            )
    _, found = compile_all(line)
    problems += found
    if problems:
        raise BadInput(problems)
    return line


def compile_all(line: Line) -> tuple[dict[str, Program], list[Problem]]:
    """Every station's program by station, and what is wrong in them."""
    programs: dict[str, Program] = {}
    problems: list[Problem] = []
    for name, each in line.stations.items():
        if each.program is None or not each.program.is_file():
            continue
        try:
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
    """A line that is open; ``problem`` says why it is not (then the backend reaches nobody)."""

    backend: Backend
    programs: dict[str, Program]
    problem: str = ""


@contextmanager
def open_backend(line: Line, options: Options, folder: Path) -> Iterator[Opened]:
    """The line's gateways for the time of a session; what was started here ends with it."""
    programs, _ = compile_all(line)
    if options.mode_of(line) == "virtual":
        from rig.virtual import VirtualBackend

        yield Opened(VirtualBackend(line, programs), programs)
        return
    from rig.local import LocalLine

    local = LocalLine(line, options, folder)
    try:
        try:
            backend, problem = local.start(), ""
        except RigFault as fault:
            backend, problem = local.unreachable(), str(fault)
        yield Opened(backend, programs, problem)
    finally:
        local.stop()

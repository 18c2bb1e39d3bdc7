"""A group of the library on its bench, as a real session sees it: cells, programs and procedures under the
virtual clock."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.library.bench import bench_station
from gateway.library.composition import Composition
from gateway.library.files import load_library
from gateway.library.library import Group
from gateway.library.nodes import Plain, build
from gateway.station import Station, expand_station, load_station
from gateway.yamlfile import MappingNode, Mark, compose, dump, read_text
from rig.line import Line, load_line
from rig.open import compile_all
from rig.session import Session
from rig.step import StepContext
from rig.virtual import VirtualBackend

GUARD = "trial-guard"
HERE = Mark("bench", 0, 0, 0, None, None)
LINE = """\
twinline: line 1
id: trial
product: {type: part, length: 150 mm}
stations:
  - {station: station.yaml, mode: virtual}
"""


def group_of(name: str) -> Group:
    """The group, which is right."""
    group = load_library().group(name, problems := [])
    assert not problems, "\n".join(str(problem) for problem in problems)
    assert group is not None
    return group


def write_station(folder: Path, station: dict[str, Plain]) -> Path:
    """A station file with a line around it."""
    path = folder / "station.yaml"
    path.write_text(dump(build(station, HERE)), "utf-8")
    (folder / "line.yaml").write_text(LINE, "utf-8")
    return path


def open_session(folder: Path) -> Session:
    """A session in virtual mode, with the right to write on every station."""
    line: Line = load_line(folder / "line.yaml")
    programs, problems = compile_all(line)
    assert not problems, "\n".join(str(problem) for problem in problems)
    backend = VirtualBackend(line, programs)
    session = Session(line, backend, programs)
    for name in line.stations:
        backend.hold(name)
    return session


class OnBench:
    """A group in its smallest station, and a session with it."""

    def __init__(self, group: Group, folder: Path) -> None:
        self.group = group
        bench = bench_station(group)
        groups = bench["groups"]
        assert isinstance(groups, dict)
        if "guard" not in {word for word, _ in group.entry.links.values()}:
            groups[GUARD] = {"use": "guard-door"}  # to stop the station by a fault of another group
        path = write_station(folder, bench)
        node = compose(read_text(path), str(path), [])
        assert isinstance(node, MappingNode)
        expanded = expand_station(node, str(path), problems := [])
        assert expanded is not None, "\n".join(str(problem) for problem in problems)
        self.composition: Composition = expanded.composition
        self.station: Station = load_station(path)
        self.session = open_session(folder)
        self.handle = self.session.stations[self.station.id]


def passes(bench: OnBench, procedure: Callable[..., None], **things: Any) -> str:
    """Run a procedure once; what is wrong with the station, empty if nothing is."""
    step = StepContext(bench.session, procedure.__name__, "trial", "", bench.station.id)
    try:
        procedure(step=step, **things)
        step.close()
    except pytest.skip.Exception:
        return ""
    except Exception as raised:
        return f"{procedure.__name__} {[str(getattr(t[1], 'name', t)) for t in things.values()]}: {raised}"
    return ""

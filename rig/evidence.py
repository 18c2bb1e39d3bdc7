"""A session's evidence as it grows: the head at its start, each step as it ends, the whole at its end."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from gateway.controller.compile import Program
from ledger.genesis import Genesis
from rig.line import Line
from rig.open import Options
from rig.record import FileHash, Record, Step, StepLog
from rig.report.bundle import STEPS, write_evidence, write_head
from rig.session import Session

VERSION = importlib.metadata.version("twinline")


class EvidenceFailed(Exception):
    """The disk did not take it: which file or folder, and why."""


class Evidence:
    """The run folder ``runs/20260102T030405Z-starter/``, made new. All raise EvidenceFailed."""

    def __init__(self, line: Line, options: Options) -> None:
        self.line, self.options = line, options
        self.started = time.time_ns()
        with writing(options.runs):
            self.folder = _new_folder(options.runs, line.id, self.started)
            self._log = StepLog(self.folder / STEPS)
        self._files: tuple[FileHash, ...] = ()
        self._chain, self._broker = ("", ""), ""

    def begin(self, session: Session, genesis: Genesis | None = None, broker: str = "") -> None:
        """Write what is known before the first step; ``genesis`` is that of the line's chain, ``broker`` what
        carries what is said."""
        self._broker = broker
        if genesis is not None:
            self._chain = genesis.chain, genesis.id.hex()
        self._files = file_hashes(self.line, dict(session.programs))
        with writing(self.folder):
            write_head(self._record(session, complete=False), self.folder)

    def append(self, step: Step) -> None:
        """``step`` is on the disk when this returns."""
        with writing(self.folder):
            self._log.append(step)

    def finish(
        self, session: Session, complete: bool, interrupted: bool, note: str, seal: Callable[[], None]
    ) -> Record:
        """Write all evidence, once ``seal`` has closed what others write; the record it shows."""
        forces = session.forces()
        record = msgspec.structs.replace(
            self._record(session, complete),
            ended=time.time_ns(),
            verdict=session.verdict(interrupted),
            stations=tuple(session.identities.values()),
            steps=tuple(session.steps),
            coverage=tuple(session.coverage()),
            flow=session.flow,
            note=_said(note, forces),
            forces=tuple(forces),
            discrepancies=tuple(session.discrepancies()),
        )
        with writing(self.folder):
            self._log.close()
            seal()
            write_evidence(record, self.folder)
        return record

    def _record(self, session: Session, complete: bool) -> Record:
        return Record(
            id=self.folder.name,
            line=self.line.id,
            title=self.line.title,
            mode=session.mode,
            started=self.started,
            ended=self.started,
            verdict="ERROR",
            complete=complete,
            twinline=VERSION,
            operator=self.options.operator,
            host={
                "name": platform.node(),
                "system": f"{platform.system()} {platform.release()}",
                "machine": platform.machine(),
                "python": platform.python_version(),
                "processors": str(os.cpu_count() or 0),
            },
            files=self._files,
            planned=session.planned,
            seed=self.line.seed,
            chain=self._chain[0],
            genesis=self._chain[1],
            broker=self._broker,
            titles={
                name: {tag.name: tag.title for tag in each.station.tags.values() if tag.title}
                for name, each in self.line.stations.items()
            },
        )


def _said(note: str, forces: Sequence[str]) -> str:
    """``note``, and that there are ``forces``."""
    if not forces:
        return note
    on = f"Forces were still on when the session ended ({'; '.join(forces)}): it cannot be signed off so."
    return f"{note} {on}".strip()


@contextmanager
def writing(place: Path) -> Iterator[None]:
    """What the disk refuses of the files in ``place`` is EvidenceFailed."""
    try:
        yield
    except OSError as error:
        name = error.filename or place
        raise EvidenceFailed(f"{name}: the evidence cannot be written: {error.strerror or error}") from error


def file_hashes(line: Line, programs: dict[str, Program]) -> tuple[FileHash, ...]:
    """What the session depends on: line, stations, programs, and each twin's parameters."""
    from hashlib import sha256

    files = [FileHash("line", line.file, line.sha256)]
    for name, each in line.stations.items():
        station = each.station
        files.append(FileHash(f"station {name}", os.path.relpath(station.file), station.sha256))
        if name in programs:
            files.append(FileHash(f"program {name}", programs[name].file, programs[name].sha256))
        parameters = {
            component.name: {"kind": component.kind, "params": component.params, "links": component.links,
                             "ports": component.ports}
            for component in station.twin.values()
        }  # fmt: skip
        digest = sha256(msgspec.json.encode(parameters, order="sorted")).hexdigest()
        files.append(FileHash(f"twin {name}", os.path.relpath(station.file), digest))
    return tuple(files)


def _new_folder(runs: Path, line: str, started: int) -> Path:
    stamp = datetime.fromtimestamp(started / 1e9, UTC).strftime("%Y%m%dT%H%M%SZ")
    for number in range(1, 1000):
        folder = runs / (f"{stamp}-{line}" if number == 1 else f"{stamp}-{line}-{number}")
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            continue
        return folder
    raise FileExistsError(f"{runs}: a thousand sessions in one second")

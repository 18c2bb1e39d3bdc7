"""The session record: steps with measurements and verdicts, appended and synced as they end."""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

import msgspec

FORMAT = "session 1"
Verdict = Literal["PASS", "FAIL", "ERROR", "SKIPPED"]
VERDICTS: tuple[Verdict, ...] = ("PASS", "FAIL", "ERROR", "SKIPPED")
PHASES = ("connect", "checkout", "sequence", "interlocks", "flow", "procedures", "agreement")
PHASE_TITLES = {
    "connect": "Connect and identify",
    "checkout": "I/O checkout",
    "sequence": "Sequence",
    "interlocks": "Interlocks and faults",
    "flow": "Flow",
    "procedures": "Own procedures",
    "agreement": "Twin and machine",
}


class Measurement(msgspec.Struct, frozen=True):
    """A number (or text) with the limits declared before it was taken; None is no limit on that side.

    ``uncertainty`` is in ``unit``: a value whose verdict it could change is an ERROR of the rig.
    A controller may well answer NaN; JSON has no such number, so a value that is not finite becomes text,
    and a bool, which would not come back as a number, becomes 0 or 1.
    """

    name: str
    value: float | str
    unit: str = "1"
    low: float | None = None
    high: float | None = None
    verdict: Verdict = "PASS"
    uncertainty: float = 0.0
    note: str = ""

    def __post_init__(self) -> None:
        assert all(math.isfinite(x) for x in (self.low, self.high, self.uncertainty) if x is not None)
        if isinstance(self.value, bool):
            msgspec.structs.force_setattr(self, "value", int(self.value))
        elif isinstance(self.value, float) and not math.isfinite(self.value):
            msgspec.structs.force_setattr(self, "value", str(self.value))


class Step(msgspec.Struct, frozen=True):
    """One step as it ended. Times are UTC ns and ns. ``tags`` are those the verdict speaks of."""

    id: str
    phase: str
    title: str
    verdict: Verdict
    started: int
    duration: int
    station: str = ""
    tags: tuple[str, ...] = ()
    message: str = ""
    measurements: tuple[Measurement, ...] = ()
    attempts: int = 1


class FileHash(msgspec.Struct, frozen=True):
    """A file that the session depended on: what it is, where it was, SHA-256 of its bytes."""

    role: str
    path: str
    sha256: str


class StationIdentity(msgspec.Struct, frozen=True):
    """What answered at a station. Durations in ns; ``clock_offset`` is gateway minus rig."""

    station: str
    title: str = ""
    mode: str = ""
    gateway: str = ""
    gateway_version: str = ""
    boot: str = ""
    protocol: str = ""
    address: str = ""
    controller: str = ""
    program: str = ""
    program_sha256: str = ""
    station_sha256: str = ""
    clock_offset: int = 0
    clock_uncertainty: int = 0
    round_trip: int = 0


class Coverage(msgspec.Struct, frozen=True):
    """How much of a station's I/O the checkout passed; commands and echoes count apart."""

    station: str
    inputs: int
    inputs_passed: int
    outputs: int
    outputs_passed: int
    uncovered: tuple[str, ...] = ()


class StationFlow(msgspec.Struct, frozen=True):
    """One station during the flow phase: how many workpieces, and the share of time it held one."""

    station: str
    workpieces: int
    utilisation: float


class Flow(msgspec.Struct, frozen=True):
    """The flow phase in numbers; times in ns. Coupling latency is offer to accept, on the sender's clock.

    ``reworked`` came to the same station more than once. Where the line was fed, ``besides`` are those that
    came on a machine in shadow, fed by nobody here, and came out: they are in no other number but ``doubled``
    and what the stations had.
    """

    workpieces: int
    finished: int
    rejected: int
    lost: int
    doubled: int
    takt: tuple[int, ...] = ()
    coupling: tuple[int, ...] = ()
    stations: tuple[StationFlow, ...] = ()
    reworked: int = 0
    besides: int = 0


class Discrepancy(msgspec.Struct, frozen=True):
    """Where a model and what is real did not agree: ``tag`` showed ``virtual`` in the one and ``real`` in the
    other from ``begin`` (UTC ns) on, for ``lasted`` ns (None: to the session's end).

    ``suspect`` is the component that is most likely why; for an output, where a virtual controller ran beside
    the real one, the statement that wrote it. ``tolerance`` is how far the two might differ, in words.
    """

    station: str
    tag: str
    begin: int
    lasted: int | None
    virtual: str
    real: str
    suspect: str
    tolerance: str = ""


class Record(msgspec.Struct, frozen=True):
    """A whole session, final or as far as it went (``complete`` false).

    ``planned`` steps were to come; ``titles`` are those of tags, by station, where they have one.
    ``forces`` were still on when the session ended, by station: nobody can sign it off as it is.
    ``seed`` is of what chance decided in the twins. ``chain`` is the line's, in which its manifest is to be
    recorded, ``genesis`` the id of that; or empty. ``broker`` is the kind of the one that was started, else
    where it runs; empty: none was needed.
    """

    id: str
    line: str
    title: str
    mode: str
    started: int
    ended: int
    verdict: Verdict
    complete: bool
    twinline: str
    operator: str
    host: dict[str, str]
    files: tuple[FileHash, ...]
    stations: tuple[StationIdentity, ...] = ()
    steps: tuple[Step, ...] = ()
    coverage: tuple[Coverage, ...] = ()
    flow: Flow | None = None
    note: str = ""
    format: str = FORMAT
    planned: int = 0
    titles: dict[str, dict[str, str]] = {}
    chain: str = ""
    genesis: str = ""
    discrepancies: tuple[Discrepancy, ...] = ()
    seed: int = 0
    forces: tuple[str, ...] = ()
    broker: str = ""


def overall(verdicts: Iterable[Verdict], interrupted: bool = False) -> Verdict:
    """ERROR beats FAIL beats PASS; all SKIPPED (or nothing at all) is ERROR: nothing was proven."""
    found = set(verdicts)
    if "ERROR" in found or interrupted:
        return "ERROR"
    if "FAIL" in found:
        return "FAIL"
    return "PASS" if "PASS" in found else "ERROR"


def exit_status(verdict: Verdict) -> int:
    """0 all passed, 1 FAIL, 3 ERROR."""
    return {"PASS": 0, "SKIPPED": 0, "FAIL": 1, "ERROR": 3}[verdict]


class StepLog:
    """``steps.jsonl``: one step a line, on the disk before ``append`` returns."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = path.open("ab")

    def append(self, step: Step) -> None:
        """Write ``step`` and sync it."""
        self._file.write(msgspec.json.encode(step) + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """No more steps."""
        self._file.close()


def sha256_file(path: Path) -> str:
    """SHA-256 of a file's bytes, hex; read in pieces, since logs grow large."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

"""A run of a twin, recorded as what was done to it, and replayed to the same trace; pure.

A recording is JSON lines: a head, what was done in order of time, and an end with a digest of what came of
it. Nothing of the twin itself is in it: the same station, seed and inputs give the same trace, byte for byte.

    {"twinline":"recording 1","station":"glue","sha256":"…","seed":0,"start":0}
    [20000000,"drive","belt-run",true]
    [1500000000,"admit","belt",["w1","phone",150.0,…]]
    {"end":9000000000,"given":2,"seen":14,"digest":"…"}
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from gateway.errors import BadInput, Problem
from gateway.twin.twin import Edge, Twin
from gateway.twin.workpiece import Happening, Workpiece
from ledger.shapes import converted, from_json

VERSION = "recording 1"
LONGEST = 10_000_000  # inputs that a recording holds at most


class Head(msgspec.Struct, frozen=True):
    """Of which twin, and since when (ns of its clock)."""

    twinline: str
    station: str
    sha256: str
    seed: int
    start: int


class End(msgspec.Struct, frozen=True):
    """When it ended, how much was done and seen, and the digest of what was seen."""

    end: int
    given: int
    seen: int
    digest: str


class Given(msgspec.Struct, frozen=True, array_like=True):
    """At ``time`` ns ``what`` was done to ``name``, with ``value`` (of drive, inject, admit, remove)."""

    time: int
    what: str
    name: str = ""
    value: Any = None


def line_of_trace(seen: Edge | Happening) -> bytes:
    """What was seen, as a line of a trace."""
    return msgspec.json.encode(("edge", *seen) if isinstance(seen, Edge) else ("happening", seen))


class Recorder:
    """Attach it to a twin that has just begun; it hands each line to ``write`` as it comes."""

    def __init__(
        self, twin: Twin, station: str, sha256: str, write: Callable[[bytes], object], limit: int = LONGEST
    ) -> None:
        assert twin.witness is None, "this twin is recorded already"
        self._twin, self._write, self._limit = twin, write, limit
        self._given = self._seen = 0
        self._digest = hashlib.sha256()
        self._ended = False
        twin.witness = self
        self._put(Head(VERSION, station, sha256, twin.surroundings.seed, twin.now))

    def given(self, what: str, name: str, value: Any) -> None:
        """Something is done to the twin, now."""
        if self._given == self._limit and what != "look":
            self.end()
            return
        self._given += what != "look"
        self._put(Given(self._twin.now, what, name, value))

    def seen(self, what: Edge | Happening) -> None:
        """Something came of it."""
        self._seen += 1
        self._digest.update(line_of_trace(what) + b"\n")

    def end(self) -> None:
        """Nothing more is recorded."""
        if not self._ended:
            self._ended = True
            self._twin.settle()
            self._twin.witness = None
            self._put(End(self._twin.now, self._given, self._seen, self._digest.hexdigest()))

    def _put(self, line: Head | Given | End) -> None:
        self._write(msgspec.json.encode(line) + b"\n")


class Recording(msgspec.Struct, frozen=True):
    """A recording that was read; ``end`` is None where it was cut off."""

    head: Head
    given: tuple[Given, ...]
    end: End | None


def read_recording(data: bytes, file: str) -> Recording:
    """Read a recording; raises BadInput with every line that is none."""
    problems: list[Problem] = []
    head: Head | None = None
    end: End | None = None
    given: list[Given] = []
    for number, line in enumerate(data.splitlines(), 1):
        try:
            if head is None:
                head = from_json(line, Head)
                if head.twinline != VERSION:
                    hint = f"this version reads {VERSION!r}"
                    raise BadInput([Problem(file, 1, 0, f"{head.twinline!r} cannot be read", hint)])
            elif line.startswith(b"{"):
                end = from_json(line, End)
            else:
                given.append(_checked(from_json(line, Given), given, head, end))
        except (msgspec.DecodeError, ValueError) as error:
            what, _, hint = str(error).partition("; ")
            problems.append(Problem(file, number, 0, what, hint or "it must be as it was recorded"))
            if head is None:
                break
    if head is None and not problems:
        problems.append(Problem(file, 1, 0, "there is nothing in it", "give a recording of a twin"))
    if problems or head is None:
        raise BadInput(problems)
    return Recording(head, tuple(given), end)


def _checked(entry: Given, before: list[Given], head: Head, end: End | None) -> Given:
    if entry.what not in ("drive", "inject", "clear", "admit", "remove", "reset", "look"):
        raise ValueError(f"{entry.what!r} is nothing that is done to a twin")
    if end is not None or entry.time < (before[-1].time if before else head.start):
        raise ValueError("this comes too late; lines are in order of time, the end is last")
    if entry.what == "admit":
        return msgspec.structs.replace(entry, value=converted(entry.value, Workpiece))
    if isinstance(entry.value, list):
        return msgspec.structs.replace(entry, value=tuple(entry.value))
    return entry


class Trace:
    """Collects the lines of a trace; attach it to a twin that has just begun."""

    def __init__(self, twin: Twin) -> None:
        assert twin.witness is None, "this twin is recorded already"
        self.lines: list[bytes] = []
        twin.witness = self

    def given(self, what: str, name: str, value: Any) -> None:
        """A trace is of what came of it."""

    def seen(self, what: Edge | Happening) -> None:
        """Another line."""
        self.lines.append(line_of_trace(what))


def replay(recording: Recording, twin: Twin) -> Iterator[bytes]:
    """The trace, line by line, of ``twin`` (which has begun with the recording's seed and start).

    Raises ValueError where the recording does something that this twin does not have.
    """
    trace = Trace(twin)
    for entry in recording.given:
        if entry.time > twin.now:
            twin.advance(entry.time)
        yield from trace.lines
        trace.lines.clear()
        try:
            repeat(entry, twin)
        except KeyError as error:
            raise ValueError(f"{entry.what} {entry.name}: this station has no {error}") from None
    twin.advance(recording.end.end if recording.end else twin.now)
    twin.settle()
    twin.witness = None
    yield from trace.lines


def repeat(entry: Given, twin: Twin) -> None:
    """Do to ``twin`` once more what was done."""
    match entry.what:
        case "drive":
            twin.drive(entry.name, entry.value)
        case "inject" | "clear":
            twin.inject(entry.name, entry.what == "inject")
        case "admit":
            carrier, _, at = entry.name.partition("@")
            twin.admit(carrier, entry.value, float(at or 0))
        case "remove":
            twin.remove(entry.name, entry.value)
        case "reset":
            twin.reset()
        case "look":
            twin.settle()


def digest(lines: Iterator[bytes]) -> tuple[int, str]:
    """How many lines a trace has, and their digest, as a recording's end has them."""
    found, count = hashlib.sha256(), 0
    for line in lines:
        found.update(line + b"\n")
        count += 1
    return count, found.hexdigest()

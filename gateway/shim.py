"""What a station and the shim in its controller's program agree on: flag, heartbeat, status, stamp; pure.

The shim (docs/shim.md) lets a program read the twin's values in place of its terminals while the gateway
says so and is alive. Its code is generated from the station file (``twinline tags shim``).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping

import msgspec

from gateway.field.referring import check_ref
from gateway.field.tags import Complain, Ref, Tag, TagRef
from gateway.field.types import Value
from gateway.scenario import Duration
from gateway.units import format_duration

ACTIVE, PULSE = 0, 1
"""Bits of the status: the program reads the twin's values; changes once a second while the shim is called."""
MAGIC = 0x54
BEATS = 3
"""The watchdog waits for so many heartbeats: one that comes late must not drop the shim out."""
LAST_BEAT = 0xFFFF
"""The heartbeat counts from 1 to here and begins anew; 0 is its safe value, and no beat."""


class ShimEntry(msgspec.Struct, frozen=True, rename="kebab"):
    """``shim:`` as the station file has it; see ``Shim``."""

    commissioning: Ref
    heartbeat: str
    status: str
    stamp: str
    period: Duration = 100_000_000
    watchdog: Duration = 500_000_000
    line: int = 0


class Shim(msgspec.Struct, frozen=True):
    """The four tags of a shim, checked; ``period`` and ``watchdog`` in ns.

    The gateway holds ``commissioning`` true while somebody has the lease, and counts ``heartbeat`` up once
    a ``period``; a shim that sees no change for ``watchdog`` takes its terminals. The program writes
    ``status`` and ``stamp``; the latter is ``code`` where it was generated from this very station file.
    """

    commissioning: TagRef
    heartbeat: str
    status: str
    stamp: str
    period: int
    watchdog: int
    code: int

    @property
    def inputs(self) -> frozenset[str]:
        """The tags that the gateway writes for the shim alone (a bit shares its word with commands)."""
        return frozenset({self.heartbeat, *([self.commissioning.tag] if self.commissioning.bit < 0 else [])})

    @property
    def outputs(self) -> frozenset[str]:
        """The tags that the shim writes."""
        return frozenset({self.status, self.stamp})

    def signs(self, now: int, wanted: Mapping[str, Value]) -> dict[str, Value]:
        """What tells the shim at ``now`` ns that the gateway is alive, laid over the ``wanted`` inputs."""
        flag = self.commissioning
        return {
            flag.tag: flag.into(wanted[flag.tag], True),
            self.heartbeat: now // self.period % LAST_BEAT + 1,
        }

    def next_sign(self, now: int) -> int:
        """When ``signs`` change next after ``now``."""
        return (now // self.period + 1) * self.period

    def refuses(self, ref: TagRef) -> bool:
        """Whether a force of ``ref`` would speak in the gateway's name."""
        return ref.tag in self.inputs or ref == self.commissioning


def is_stamp(value: int) -> bool:
    """Whether a shim of some station file may have left ``value``."""
    return value >> 24 == MAGIC


def passed(writable: Iterable[Tag], controller: str, shim: Shim) -> list[Tag]:
    """Of the inputs that the gateway may write, those that a shim passes on, in the order given: those in the
    controller's memory. Nobody puts a value there for the others: they stay wired to their terminals."""
    return [tag for tag in writable if tag.device == controller and tag.name not in shim.inputs]


def compile_shim(
    entry: ShimEntry, tags: Mapping[str, Tag], controller: str, scan: int, complain: Complain
) -> Shim | None:
    """Check ``entry`` against the station's tags and its scan (ns): the heartbeat is written once a scan at
    most. It is to be ``stamped`` yet; None with ``complain(line, what, hint)`` per problem."""
    wrong: list[str] = []

    def bad(what: str, hint: str) -> None:
        wrong.append(what)
        complain(entry.line, f"shim: {what}", hint)

    def found(key: str, ref: TagRef, direction: str, types: tuple[str, ...]) -> None:
        tag = check_ref(ref, tags, entry.line, f"shim: {key}:", complain, boolean=types == ("BOOL",))
        if tag is None:
            wrong.append(key)
            return
        if tag.direction != direction:
            bad(f"{key} {ref} is an {tag.direction}", f"name an {direction}")
        if tag.device != controller:
            bad(f"{key} {ref} is of device {tag.device}", f"name a tag of the controller, {controller}")
        converted = tag.conversion is not None or tag.formula is not None
        if ref.bit < 0 and (tag.type.name not in types or converted):
            bad(
                f"{key} {ref} is no plain {' or '.join(types)}",
                f"declare it as {types[0]}, without raw or scale",
            )
        elif direction == "input" and ref.of(tag.safe):
            bad(f"{key} {ref} is safe at {tag.safe}", "its safe value is 0: then the terminals are read")
        elif not (tag.in_range(0) and tag.in_range((1 << tag.type.bits) - 1)):
            bad(f"{key} {ref} has a range", "leave range out")

    found("commissioning", entry.commissioning, "input", ("BOOL",))
    found("heartbeat", TagRef(entry.heartbeat), "input", ("UINT", "WORD"))
    found("status", TagRef(entry.status), "output", ("WORD",))
    found("stamp", TagRef(entry.stamp), "output", ("DWORD",))
    least = BEATS * max(entry.period, scan)
    if entry.period == 0:
        bad("period is 0", "give for example 100 ms")
    elif entry.watchdog < least:
        bad(
            f"watchdog {format_duration(entry.watchdog)} is shorter than {BEATS} heartbeats",
            f"give {format_duration(least)} or more",
        )
    if wrong:
        return None
    return Shim(
        entry.commissioning, entry.heartbeat, entry.status, entry.stamp, entry.period, entry.watchdog, 0
    )


def stamped(shim: Shim, tags: Mapping[str, Tag], writable: Iterable[Tag], controller: str) -> Shim:
    """``shim`` with its stamp: ``MAGIC``, then 24 bits of a hash of everything that the generated code
    depends on."""
    own = [tags[name] for name in (shim.commissioning.tag, shim.heartbeat, shim.status, shim.stamp)]
    placed = [
        (tag.name, tag.type.name, msgspec.json.encode(tag.address).decode(), repr(tag.to_device(tag.safe)))
        for tag in (*own, *passed(writable, controller, shim))
    ]
    text = msgspec.json.encode(["shim 2", shim.commissioning.bit, shim.watchdog, placed])
    code = MAGIC << 24 | int.from_bytes(hashlib.sha256(text).digest()[:3], "big")
    return msgspec.structs.replace(shim, code=code)

"""Realistic session records of the starter line: passed, failed, cut short, long, and hostile."""

from __future__ import annotations

import hashlib

import msgspec

from rig.record import (
    Coverage,
    FileHash,
    Flow,
    Measurement,
    Record,
    StationFlow,
    StationIdentity,
    Step,
    Verdict,
    overall,
)

MS = 1_000_000
S = 1_000 * MS
START = 1_767_323_045_000_000_000  # 2026-01-02 03:04:05 UTC
HOSTILE = "<script>alert('x')</script> & \"]]>\x1b[2J\x00\r\n\ufffe"
TAGS = {
    "infeed": ("run", "speed", "eye-in", "eye-out", "air-ok", "drive-ok", "stopper-open", "next-ready"),
    "glue": ("lift-up", "part-present", "axis-position", "pressure", "door-closed", "valve-open", "ready"),
    "screw": ("clamp-open", "clamp-closed", "press-down", "press-up", "torque", "air-ok", "reject", "take"),
}
TITLES = {"infeed": "Infeed conveyor", "glue": "Glue dispenser", "screw": "Screw driving"}
PROTOCOLS = {
    "infeed": ("modbus", "modbus://127.0.0.1:15021/1"),
    "glue": ("opcua", "opc.tcp://127.0.0.1:15022"),
    "screw": ("s7", "s7://127.0.0.1:15023/0/1"),
}


def digest(seed: str) -> str:
    """A string that looks like a SHA-256 and differs for each seed."""
    return hashlib.sha256(seed.encode()).hexdigest()


def identities() -> tuple[StationIdentity, ...]:
    return tuple(
        StationIdentity(
            station=station,
            title=TITLES[station],
            mode="hil",
            gateway=f"gw-{station}",
            gateway_version="0.1.0",
            boot=digest(f"boot {station}")[:32],
            protocol=PROTOCOLS[station][0],
            address=PROTOCOLS[station][1],
            controller="Twinline virtual controller 0.1.0",
            program=f"{station}.st",
            program_sha256=digest(f"program {station}"),
            station_sha256=digest(f"station {station}"),
            clock_offset=-1_250_000 + 400_000 * number,
            clock_uncertainty=310_000,
            round_trip=620_000,
        )
        for number, station in enumerate(TAGS)
    )


def files() -> tuple[FileHash, ...]:
    found = [FileHash("line", "config/lines/starter.yaml", digest("line"))]
    for station in TAGS:
        found.append(FileHash("station", f"config/stations/{station}.yaml", digest(f"station {station}")))
        found.append(FileHash("program", f"config/programs/{station}.st", digest(f"program {station}")))
        found.append(FileHash("twin", f"config/stations/{station}.yaml#twin", digest(f"twin {station}")))
    return tuple(found)


class Clock:
    """Gives each step its start, one after the other."""

    def __init__(self) -> None:
        self.now = START + 2 * S

    def step(self, phase: str, name: str, title: str, verdict: Verdict = "PASS", **rest: object) -> Step:
        duration = int(rest.pop("duration", 240 * MS))  # type: ignore[call-overload]
        started, self.now = self.now, self.now + duration + 5 * MS
        station = str(rest.get("station", ""))
        id_ = f"{phase}/{station}/{name}" if station else f"{phase}/{name}"
        fields = {"id": id_, "phase": phase, "title": title, "verdict": verdict, "started": started}
        return msgspec.convert({**fields, "duration": duration, **rest}, Step)


def latency(ms: float, high: float = 100.0, verdict: Verdict = "PASS") -> Measurement:
    return Measurement("response", ms, "ms", None, high, verdict, 10.0)


def steps(repeat: int = 1) -> list[Step]:
    """A passing session; ``repeat`` checks every signal that often."""
    at = Clock()
    found = [
        at.step("connect", "identify", f"{TITLES[s]}: gateway and controller answer", station=s) for s in TAGS
    ]
    for station, tags in TAGS.items():
        for round_ in range(repeat):
            for number, tag in enumerate(tags):
                found.append(
                    at.step(
                        "checkout",
                        tag if repeat == 1 else f"{tag}-{round_ + 1}",
                        f"{tag} follows its observer both ways",
                        station=station,
                        tags=(tag,),
                        measurements=(latency(18.0 + number), Measurement("others moved", 0, "1", 0, 0)),
                    )
                )
    found.append(
        at.step(
            "checkout",
            "spare",
            "spare-3 has no observer",
            "SKIPPED",
            station="glue",
            tags=("spare-3",),
            duration=0,
            message="no observer is declared",
        )
    )
    found += [
        at.step(
            "sequence",
            "cycle",
            "One cycle from take to give",
            station=station,
            duration=2400 * MS,
            measurements=(
                Measurement("clamp closed after", 0.412, "s", 0.3, 0.6, uncertainty=0.01),
                Measurement("cycle", 2.310, "s", 1.5, 3.5, uncertainty=0.01),
                Measurement("final torque", 2.1084, "N.m", 1.8, 2.4, uncertainty=0.02),
            ),
        )
        for station in TAGS
    ]
    found += [
        at.step(
            "interlocks",
            "air-lost",
            "Air lost: belt stops and lamp lights",
            station=station,
            tags=("air-ok",),
            measurements=(latency(63.0, 150.0),),
        )
        for station in TAGS
    ]
    found.append(
        at.step(
            "flow",
            "takt",
            "Ten workpieces pass the line in takt",
            duration=28 * S,
            measurements=(Measurement("median takt", 2.31, "s", 1.5, 3.5, uncertainty=0.01),),
        )
    )
    return found


def flow() -> Flow:
    takt = tuple(int(x * S) for x in (2.31, 2.29, 2.35, 2.30, 2.84, 2.28, 2.31, 2.33, 2.30))
    coupling = tuple(int(x * MS) for x in (21.2, 22.0, 19.8, 24.1, 35.0, 20.4, 21.9, 23.3, 20.1, 22.4))
    stations = (
        StationFlow("infeed", 10, 0.41),
        StationFlow("glue", 10, 0.87),
        StationFlow("screw", 10, 0.66),
    )
    return Flow(10, 9, 1, 0, 0, takt, coupling, stations)


def record(found: list[Step], **rest: object) -> Record:
    """A whole record around ``found``; ``rest`` replaces fields."""
    ended = max([START, *(step.started + step.duration for step in found)]) + S
    whole = Record(
        id="20260102T030405Z-starter",
        line="starter",
        title="Starter line: infeed, glue, screw",
        mode="hil",
        started=START,
        ended=ended,
        verdict=overall(step.verdict for step in found),
        complete=True,
        twinline="0.1.0",
        operator="A. Engineer",
        host={"name": "bench-2", "system": "Linux 6.1 aarch64", "python": "3.11.9"},
        files=files(),
        stations=identities(),
        steps=tuple(found),
        coverage=(
            Coverage("infeed", 6, 6, 2, 2),
            Coverage("glue", 8, 7, 2, 2, ("spare-3",)),
            Coverage("screw", 6, 6, 2, 2),
        ),
        flow=flow(),
    )
    return msgspec.structs.replace(whole, **rest)


def passed() -> Record:
    return record(steps())


def long() -> Record:
    """More than 300 steps, all passed."""
    return record(steps(repeat=13))


def failed() -> Record:
    """A slow interlock and an output that does not move."""
    found = steps()
    dead = next(i for i, s in enumerate(found) if s.id == "checkout/screw/reject")
    slow = next(i for i, s in enumerate(found) if s.id == "interlocks/glue/air-lost")
    found[dead] = msgspec.structs.replace(
        found[dead],
        verdict="FAIL",
        message="reject was jogged and never became TRUE; its echo seen.9 stayed FALSE",
        measurements=(Measurement("echo within", "never", "ms", None, 100.0, "FAIL"),),
        attempts=2,
    )
    found[slow] = msgspec.structs.replace(
        found[slow],
        verdict="FAIL",
        tags=("air-ok", "lift-raise"),
        message="lift-raise became FALSE too late",
        measurements=(latency(412.0, 150.0, "FAIL"), Measurement("lamp-fault", 63.0, "ms", None, 150.0)),
    )
    coverage = (
        Coverage("infeed", 6, 6, 2, 2),
        Coverage("glue", 8, 7, 2, 2, ("spare-3",)),
        Coverage("screw", 6, 6, 2, 1, ("reject",)),
    )
    return record(found, coverage=coverage)


def interrupted() -> Record:
    """The gateway of the last station went away in the middle of the checkout; Ctrl-C followed."""
    found = [step for step in steps() if step.phase in ("connect", "checkout")][:20]
    found[-1] = msgspec.structs.replace(
        found[-1],
        verdict="ERROR",
        message="gw-screw fell silent for 3 s in the middle of the measurement",
        measurements=(),
    )
    return record(
        found,
        verdict="ERROR",
        complete=False,
        coverage=(),
        flow=None,
        note="Stopped by the operator (Ctrl-C).",
        planned=34,
    )


def titled() -> Record:
    """As ``failed``, of a station file that says what its tags are."""
    return msgspec.structs.replace(failed(), titles={"glue": {"air-ok": "air pressure switch"}})


def torn() -> Record:
    """As ``failed``, and a gateway went away for a while besides."""
    found = list(failed().steps)
    at = next(n for n, step in enumerate(found) if step.station == "screw" and step.phase == "checkout")
    found[at] = msgspec.structs.replace(found[at], verdict="ERROR", message="gw-screw fell silent")
    return record(found)


def head() -> Record:
    """What is known when a session starts."""
    return record([], verdict="ERROR", complete=False, coverage=(), flow=None, stations=())


def hostile() -> Record:
    """Every text that comes from outside tries to break out."""
    step = Step(
        "checkout/" + HOSTILE,
        HOSTILE,
        HOSTILE,
        "FAIL",
        START,
        S,
        HOSTILE,
        (HOSTILE,),
        HOSTILE,
        (Measurement(HOSTILE, HOSTILE, HOSTILE, note=HOSTILE, verdict="FAIL"),),
    )
    texts = {field.name: HOSTILE for field in msgspec.structs.fields(StationIdentity) if field.type is str}
    return Record(
        id=HOSTILE,
        line=HOSTILE,
        title=HOSTILE,
        mode=HOSTILE,
        started=START,
        ended=START + S,
        verdict="FAIL",
        complete=True,
        twinline=HOSTILE,
        operator=HOSTILE,
        host={"name": HOSTILE},
        files=(FileHash(HOSTILE, HOSTILE, HOSTILE),),
        stations=(msgspec.convert(texts, StationIdentity),),
        steps=(step,),
        coverage=(Coverage(HOSTILE, 1, 0, 1, 1, (HOSTILE,)),),
        flow=Flow(1, 1, 0, 0, 0, (S,), (MS,), (StationFlow(HOSTILE, 1, 0.5),)),
        note=HOSTILE,
    )

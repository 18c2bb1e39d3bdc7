"""A session finds real faults: a change in a program or a station file is named by step and tag."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest

ROOT = Path(__file__).parents[2]


class Variant(NamedTuple):
    """In ``file``, each ``old`` becomes ``new``; ``step`` must fail and name ``tag``."""

    name: str
    file: str
    changes: tuple[tuple[str, str], ...]
    step: str
    tag: str


def swap(first: str, second: str) -> tuple[tuple[str, str], ...]:
    """The two texts change places."""
    return (first, "<first>"), (second, first), ("<first>", second)


VARIANTS = (
    Variant(
        "interlock of the drive dropped", "programs/infeed.st", (("NOT AirOk OR NOT DriveOk", "NOT AirOk"),),
        "interlocks/interlock[infeed.drive-tripped]", "belt-run",
    ),
    Variant(
        "interlock of the door dropped", "programs/glue.st", (("IF NOT DoorClosed OR", "IF"),),
        "interlocks/interlock[glue.door-opened]", "valve-open",
    ),
    Variant(
        "settling timer doubled", "programs/infeed.st",
        (("AtStop(IN := PartAtStop, PT := T#100ms)", "AtStop(IN := PartAtStop, PT := T#200ms)"),),
        "sequence/sequence[infeed.separation]", "stopper-open",
    ),
    Variant(
        "torque timer doubled", "programs/screw.st", (("PT := T#100ms);", "PT := T#200ms);"),),
        "sequence/sequence[screw.screwing]", "driver-run",
    ),
    Variant(
        "output inverted in automatic", "programs/infeed.st",
        (("StopperOpen := State = RELEASE", "StopperOpen := NOT (State = RELEASE)"),),
        "sequence/sequence[infeed.separation]", "stopper-open",
    ),
    Variant(
        "output inverted in manual", "programs/glue.st",
        (("LiftRaise := Command.5", "LiftRaise := NOT Command.5"),),
        "checkout/output[glue.lift-raise]", "lift-raise",
    ),
    Variant(
        "addresses of two outputs swapped", "programs/screw.st", swap("%QX0.1 : BOOL", "%QX0.2 : BOOL"),
        "checkout/output[screw.clamp-close]", "clamp-close",
    ),
    Variant(
        "addresses of two inputs swapped", "programs/screw.st", swap("%MX0.1 : BOOL", "%MX0.2 : BOOL"),
        "checkout/input[screw.clamp-closed]", "clamp-closed",
    ),
    Variant(
        "a jog that moves a second output", "programs/screw.st",
        (("Reject := Command.8;", "Reject := Command.8 OR Command.7;"),),
        "checkout/output[screw.driver-run]", "reject",
    ),
    Variant(
        "wrong address of an input", "stations/infeed.yaml", (('"coil:2049"', '"coil:2060"'),),
        "checkout/input[infeed.part-leaving]", "part-leaving",
    ),
    Variant(
        "address that is not served", "stations/infeed.yaml", (('"hr:1029"', '"hr:1500"'),),
        "checkout/input[infeed.belt-speed]", "belt-speed",
    ),
    Variant(
        "node that is not there", "stations/glue.yaml", (("s=Glue.LiftUp", "s=Glue.LiftUpp"),),
        "checkout/input[glue.lift-up]", "lift-up",
    ),
    Variant(
        "wrong type of an echo", "stations/infeed.yaml",
        (("seen-speed:   {direction: output, type: REAL", "seen-speed:   {direction: output, type: DINT"),),
        "checkout/input[infeed.belt-speed]", "belt-speed",
    ),
    Variant(
        "wrong type of a variable", "stations/glue.yaml",
        (("glue-pressure: {direction: input,  type: REAL", "glue-pressure: {direction: input,  type: INT"),),
        "checkout/input[glue.glue-pressure]", "glue-pressure",
    ),
    Variant(
        "wrong range of an input", "stations/screw.yaml",
        (("range: 0..5, raw: 0..27648", "range: 0..4, raw: 0..27648"),),
        "checkout/input[screw.torque]", "torque",
    ),
    Variant(
        "wrong range of an output", "stations/glue.yaml",
        (("s=Glue.AxisTarget, range: 0..400", "s=Glue.AxisTarget, range: 0..300"),),
        "checkout/output[glue.axis-target]", "axis-target",
    ),
)  # fmt: skip
BY_NAME = {variant.name: variant for variant in VARIANTS}


def commission(variant: Variant, folder: Path, *arguments: str) -> dict[str, Any]:
    """Run a session on the changed line; its record."""
    config = folder / "config"
    shutil.copytree(ROOT / "config", config)
    path = config / variant.file
    text = path.read_text()
    for old, new in variant.changes:
        assert old in text, f"{variant.file} has no {old!r} to change"
        text = text.replace(old, new)
    path.write_text(text)
    command = [sys.executable, "-m", "rig", "session", "run", str(config / "lines/starter.yaml"), *arguments]
    ended = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=180, check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    shown = ended.stdout + ended.stderr
    assert ended.returncode == 1, shown
    assert "Traceback" not in shown
    assert variant.step in shown
    (run,) = (folder / "runs").iterdir()
    record: dict[str, Any] = json.loads((run / "session.json").read_text())
    assert record["verdict"] == "FAIL"
    return record


def blamed(record: dict[str, Any], variant: Variant) -> None:
    """The step failed, and speaks of the tag."""
    step = next(each for each in record["steps"] if each["id"] == variant.step)
    assert step["verdict"] == "FAIL"
    assert variant.tag in step["tags"], step
    assert step["message"]


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: variant.name.replace(" ", "-"))
def test_named_in_virtual_mode(variant: Variant, tmp_path: Path) -> None:
    blamed(commission(variant, tmp_path, "--mode", "virtual"), variant)


@pytest.mark.parametrize(
    ("name", "select"),
    [
        ("addresses of two outputs swapped", "connect or screw.clamp-close"),
        pytest.param("settling timer doubled", "connect or infeed.separation", marks=pytest.mark.long),
        pytest.param("wrong type of a variable", "connect or glue.glue-pressure", marks=pytest.mark.long),
    ],
)
def test_named_with_real_sockets(name: str, select: str, tmp_path: Path) -> None:
    variant = BY_NAME[name]
    blamed(commission(variant, tmp_path, "--ports", "auto", "-k", select), variant)

"""Whether a shim is still present, asked of real servers of all three protocols by the command."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from serve_support import ROOT, WITHIN_S, serving

sys.path.append(str(Path(__file__).parents[1] / "unit"))

from shim_bench import ADDRESSES, PROGRAM, ShimBench, located, put_in, station

from gateway.station import Station
from rig.ports import free_ports
from rig.tags.shim import generate
from rig.tags.shimplan import plan

SCHEMES = {"modbus": ("modbus", "/1"), "s7": ("s7", "/0/1"), "opcua": ("opc.tcp", "")}
NOT_CALLED = """
PROGRAM Press
VAR {variables} END_VAR
{body}
END_PROGRAM
"""


def check(folder: Path, port: int, protocol: str, *edits: tuple[str, str]) -> tuple[int, str]:
    """Exit status and words of ``twinline tags shim --check`` for the press at ``port``."""
    declared = ADDRESSES[protocol][0]
    moved = declared.replace(declared.rpartition(":")[2].partition("/")[0], str(port))
    spec = station(folder, protocol, (declared, moved), *edits)
    done = subprocess.run(
        [sys.executable, "-m", "rig", "tags", "shim", "--check", spec.file],
        capture_output=True, text=True, timeout=WITHIN_S, cwd=ROOT,
    )  # fmt: skip
    assert "Traceback" not in done.stderr
    return done.returncode, done.stdout + done.stderr


def program(spec: Station, protocol: str) -> str:
    """The press with its shim."""
    text = put_in(PROGRAM, generate(plan(spec), "st"))
    return located(text) if protocol == "opcua" else text


@pytest.mark.parametrize("protocol", sorted(SCHEMES))
def test_present_and_current_or_of_another_station_file(tmp_path: Path, protocol: str) -> None:
    bench = ShimBench(tmp_path, protocol)
    with serving(bench.text, *SCHEMES[protocol]) as (port, _):
        status, said = check(tmp_path, port, protocol)
        assert status == 1
        assert "present, made from this station file; not active: the program reads its terminals" in said
        status, said = check(tmp_path, port, protocol, ("range: 0..10, raw: 0..1000, safe: 1", "safe: 7"))
        assert status == 1
        assert "present, made from another station file or version of it (16#54" in said


@pytest.mark.parametrize("protocol", sorted(SCHEMES))
def test_absent(tmp_path: Path, protocol: str) -> None:
    """The program as it was: the stamp's address holds nothing, or is not there."""
    with serving(PROGRAM, *SCHEMES[protocol]) as (port, _):
        status, said = check(tmp_path, port, protocol)
        assert status == 0
        assert "absent: " in said


def test_absent_where_the_memory_is_gone(tmp_path: Path) -> None:
    for protocol, edit in (("modbus", ('"hr:1042"', '"hr:9000"')), ("s7", ("MD32", "DB77.DBD0"))):
        with serving(PROGRAM, *SCHEMES[protocol]) as (port, _):
            status, said = check(tmp_path, port, protocol, edit)
            assert (status, "absent: " in said) == (0, True), said


@pytest.mark.parametrize(
    ("stamp", "status", "said"),
    [
        ("{code}", 1, "nothing calls it: it left its stamp in memory"),
        ("16#12345678", 3, "which no shim writes there"),
    ],
)
def test_a_stamp_that_nobody_keeps_up(tmp_path: Path, stamp: str, status: int, said: str) -> None:
    made = plan(station(tmp_path, "modbus"))
    left = NOT_CALLED.format(
        variables="stamp AT %MD9 : DWORD; status AT %MW16 : WORD;",
        body=f"stamp := {stamp.format(code=f'16#{made.shim.code:08X}')}; status := 0;",
    )
    with serving(left, "modbus", "/1") as (port, _):
        assert check(tmp_path, port, "modbus")[0] == status
        assert said in check(tmp_path, port, "modbus")[1]


def test_nobody_there(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    status, said = check(tmp_path, port, "modbus")
    assert status == 3
    assert "cannot say: " in said


def test_a_station_without_a_shim(tmp_path: Path) -> None:
    line = "shim: {commissioning: twin-on, heartbeat: beat, status: shim-status, stamp: shim-stamp}\n"
    assert check(tmp_path, 1, "modbus", (line, ""))[0] == 2

"""The command: when it is ready, what it refuses and how it ends."""

from __future__ import annotations

import hashlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from serve_support import ECHO, ROOT, WITHIN_S, ready, start

PLACES = [("modbus", "/1"), ("opc.tcp", ""), ("s7", "/0/1")]


@pytest.mark.parametrize(("scheme", "path"), PLACES)
def test_is_ready_when_it_accepts_and_ends_with_its_standard_input(
    tmp_path: Path, scheme: str, path: str
) -> None:
    with start(tmp_path, ECHO, scheme, path) as process:
        said = ready(process)
        assert said["program"] == "Echo"
        assert said["sha256"] == hashlib.sha256(ECHO.encode()).hexdigest()
        assert said["pid"] == process.pid
        port = int(said["address"].rpartition("127.0.0.1:")[2].split("/")[0])
        assert said["address"] == f"{scheme}://127.0.0.1:{port}{path}"
        with socket.create_connection(("127.0.0.1", port), timeout=WITHIN_S):
            out, errors = process.communicate("", timeout=WITHIN_S)
    assert process.returncode == 0
    assert errors == ""
    assert json.loads(out)["stopped"] is True


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize(("scheme", "path"), PLACES)
def test_ends_in_order_on_a_signal(tmp_path: Path, scheme: str, path: str, number: signal.Signals) -> None:
    with start(tmp_path, ECHO, scheme, path) as process:
        ready(process)
        process.send_signal(number)
        assert process.wait(WITHIN_S) == 0
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["scans"] > 0


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="needs Linux to wait for a grandchild")
def test_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    program = tmp_path / "echo.st"
    program.write_text(ECHO)
    command = [sys.executable, "-m", "gateway.controller.serve", str(program)]
    command += ["--address", "modbus://127.0.0.1:0/1", "--end-with-stdin"]
    parent_code = f"""
import subprocess, sys, time
child = subprocess.Popen({command!r}, stdin=subprocess.PIPE)
time.sleep(600)
"""
    with subprocess.Popen(
        [sys.executable, "-c", parent_code], stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as parent:
        said = ready(parent)
        gone = os.pidfd_open(said["pid"])
        parent.kill()
        try:
            assert select.select([gone], [], [], WITHIN_S)[0], "the child outlived its parent"
        finally:
            os.close(gone)


@pytest.mark.parametrize(("scheme", "path"), PLACES)
def test_says_in_one_line_that_the_address_is_taken(tmp_path: Path, scheme: str, path: str) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        with start(tmp_path, ECHO, scheme, path, port=port) as process:
            out, errors = process.communicate("", timeout=WITHIN_S)
    assert process.returncode == 3
    assert out == ""
    assert errors == f"cannot serve at {scheme}://127.0.0.1:{port}{path}: Address already in use\n"


def test_a_bad_program_is_refused_with_all_its_problems(tmp_path: Path) -> None:
    text = "PROGRAM p\nVAR x : INT; END_VAR\nx := TRUE;\ny := 1;\nEND_PROGRAM\n"
    with start(tmp_path, text, "modbus", "/1") as process:
        out, errors = process.communicate("", timeout=WITHIN_S)
    assert process.returncode == 2
    assert out == ""
    lines = errors.splitlines()
    assert [line.split(":")[1] for line in lines] == ["3", "4"]
    assert all(line.startswith(str(tmp_path / "program.st")) for line in lines)


@pytest.mark.parametrize(
    ("address", "options", "says"),
    [
        ("http://127.0.0.1:1/", [], "is not an address to serve at; write for example modbus://"),
        ("modbus://127.0.0.1:1/400", [], "is not an address to serve at"),
        ("s7://127.0.0.1:1/0", [], "is not an address to serve at"),
        ("opc.tcp://127.0.0.1:99999", [], "is not an address to serve at"),
        ("modbus://127.0.0.1:1/1", ["--scan", "10"], "has no unit; write for example '10 ms'"),
        ("modbus://127.0.0.1:1/1", ["--scan", "0.1 ms"], "too short; the shortest is 1 ms"),
    ],
)
def test_a_bad_option_is_refused(tmp_path: Path, address: str, options: list[str], says: str) -> None:
    program = tmp_path / "echo.st"
    program.write_text(ECHO)
    command = [sys.executable, "-m", "gateway.controller.serve", str(program), "--address", address]
    done = subprocess.run(command + options, capture_output=True, text=True, timeout=WITHIN_S, cwd=ROOT)
    assert done.returncode == 2
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_a_missing_program_is_named(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "gateway.controller.serve", str(tmp_path / "nowhere.st")]
    command += ["--address", "modbus://127.0.0.1:0/1"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=WITHIN_S, cwd=ROOT)
    assert done.returncode == 2
    assert done.stderr == f"{tmp_path / 'nowhere.st'}: No such file or directory\n"


def test_a_program_in_another_encoding_is_named(tmp_path: Path) -> None:
    program = tmp_path / "latin.st"
    program.write_bytes("PROGRAM p (* Größe *) END_PROGRAM".encode("latin-1"))
    command = [sys.executable, "-m", "gateway.controller.serve", str(program)]
    command += ["--address", "modbus://127.0.0.1:0/1"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=WITHIN_S, cwd=ROOT)
    assert done.returncode == 2
    assert done.stderr == f"{program}: byte 15 is not UTF-8; save the program as UTF-8\n"

"""A virtual controller in a process of its own, for tests that are its clients."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

WITHIN_S = 60.0
ROOT = Path(__file__).parents[2]

# Echoes its inputs, shows its own scan in several places at once, and counts inputs that came torn.
ECHO = """
PROGRAM Echo
VAR
    first   AT %QW0  : UINT;   scans2 AT %QD1 : UDINT;   last AT %QW100 : UINT;
    torn    AT %QW10 : UINT;
    echo    AT %QW11 : INT;    done   AT %QX24.5 : BOOL;
    a AT %MW1 : INT;  b AT %MW2 : INT;  c AT %MW3 : INT;  d AT %MW4 : INT;
    go AT %MX20.3 : BOOL;
END_VAR
first := first + UINT#1;
IF a <> b OR b <> c OR c <> d THEN torn := torn + UINT#1; END_IF;
echo := a;
done := go;
scans2 := UINT_TO_UDINT(first);
last := first;
END_PROGRAM
"""

# Every type, read-only and writable, and nothing that changes by itself: what is read is what was written.
STILL = """
PROGRAM Still
VAR
    lamp AT %QX0.0 : BOOL := TRUE;  speed AT %QW1 : INT := -5;  level AT %QD1 : REAL := 2.5;
    sensor AT %IX1.2 : BOOL := TRUE;  raw AT %IW1 : WORD := 16#1234;
    m_bool AT %MX0.3 : BOOL;    m_byte AT %MB2 : BYTE;     m_sint AT %MB3 : SINT;    m_usint AT %MB4 : USINT;
    m_word AT %MW3 : WORD;      m_int AT %MW4 : INT;       m_uint AT %MW5 : UINT;    m_dword AT %MD3 : DWORD;
    m_dint AT %MD4 : DINT;      m_udint AT %MD5 : UDINT;   m_real AT %MD6 : REAL;    m_time AT %MD7 : TIME;
    m_lreal AT %ML4 : LREAL;    m_lword AT %ML5 : LWORD;   m_lint AT %ML6 : LINT;    m_ulint AT %ML7 : ULINT;
END_VAR
lamp := lamp; speed := speed; level := level;
END_PROGRAM
"""


def start(
    folder: Path, text: str, scheme: str, path: str = "", *options: str, port: int = 0
) -> subprocess.Popen[str]:
    """Start one that ends with our standard input; it may refuse."""
    program = folder / "program.st"
    program.write_text(text)
    return subprocess.Popen(
        [sys.executable, "-m", "gateway.controller.serve", str(program)]
        + ["--address", f"{scheme}://127.0.0.1:{port}{path}", "--end-with-stdin", *options],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )


def ready(process: subprocess.Popen[str]) -> dict[str, Any]:
    """Its first line; it accepts connections from then on."""
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line, process.communicate()[1]
    said: dict[str, Any] = json.loads(line)
    assert said["ready"] is True
    return said


@contextmanager
def serving(text: str, scheme: str, path: str = "", *options: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """(port, what it said when it was ready); afterwards it must end in order and without complaint."""
    with (
        tempfile.TemporaryDirectory() as folder,
        start(Path(folder), text, scheme, path, *options) as process,
    ):
        try:
            said = ready(process)
            yield int(said["address"].rpartition("127.0.0.1:")[2].split("/")[0]), said
            out, errors = process.communicate("", timeout=WITHIN_S)
            assert process.returncode == 0, errors
            assert json.loads(out)["stopped"] is True
            assert [line for line in errors.splitlines() if not line.startswith("warning: ")] == []
        finally:
            process.kill()

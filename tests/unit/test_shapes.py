"""Bytes as a shape: threads that learn one shape at the same time, and nobody who goes around the place."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import msgspec
import pytest
from msgspec import Meta

from ledger.shapes import converted, from_json, unpacked

HERE = Path(__file__).parents[2]
AROUND = re.compile(r"\bmsgspec\.(?:(?:json|msgpack|yaml|toml)\.[dD]ecode|convert\b)")
PLACE = HERE / "ledger" / "shapes.py"
LEARNING = """
import sys, threading
from typing import Annotated
import msgspec
from ledger.shapes import converted, from_json, unpacked

sys.setswitchinterval(1e-6)  # threads take turns as often as they can
PACKED, JSON, GIVEN = msgspec.msgpack.encode([[7, "a"]]), b'[[7,"a"]]', [[7, "a"]]

def learn(shape, go, found):
    go.wait()
    found += [unpacked(PACKED, shape), from_json(JSON, shape), converted(GIVEN, shape)]

for each in range(int(sys.argv[1])):
    number, text = Annotated[int, msgspec.Meta(ge=each % 7)], Annotated[str, msgspec.Meta(max_length=9)]
    inner = msgspec.defstruct("Inner", [("number", number), ("text", text)], array_like=True)
    outer = msgspec.defstruct("Outer", [("inner", inner)], array_like=True)
    go, found = threading.Barrier(4), []
    threads = [threading.Thread(target=learn, args=(outer, go, found)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [outer(inner(7, "a"))] * 12, found
"""


class Small(msgspec.Struct, frozen=True, array_like=True):
    number: Annotated[int, Meta(ge=0)]


def test_threads_learn_one_shape_at_once() -> None:
    run = subprocess.run(
        [sys.executable, "-c", LEARNING, "300"], cwd=HERE, capture_output=True, text=True, timeout=120
    )
    assert run.returncode == 0, run.stderr[-2000:]


def test_a_value_of_the_shape_and_what_is_none() -> None:
    assert unpacked(msgspec.msgpack.encode([3]), Small) == from_json(b"[3]", Small) == Small(3)
    assert converted([3], Small) == Small(3)
    for wrong in (
        lambda: unpacked(msgspec.msgpack.encode([-3]), Small),
        lambda: from_json(b'["3"]', Small),
        lambda: converted([], Small),
    ):
        with pytest.raises(msgspec.ValidationError):
            wrong()


def test_nobody_decodes_elsewhere() -> None:
    """One who did would learn a shape beside the lock, and end the process now and then."""
    around = [
        f"{path.relative_to(HERE)}:{at}: {line.strip()}"
        for package in ("ledger", "gateway", "rig")
        for path in sorted((HERE / package).rglob("*.py"))
        for at, line in enumerate(path.read_text().splitlines(), 1)
        if path != PLACE and AROUND.search(line)
    ]
    assert around == []

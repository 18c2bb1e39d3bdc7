"""The bench runner shows, writes and judges what the benchmarks measured."""

from __future__ import annotations

import importlib.util
import io
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from rich.console import Console

RUNNER = Path(__file__).resolve().parents[1] / "bench" / "run.py"


@pytest.fixture(scope="module")
def runner() -> ModuleType:
    spec = importlib.util.spec_from_file_location("bench_runner", RUNNER)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def row(**changes: Any) -> dict[str, Any]:
    plain = {"name": "scan", "figure": 2.5, "unit": "us", "peer": "plain Python: 1.0", "ratio": 2.5}
    return {**plain, "gate": "<= 3.0", "met": True, **changes}


def run(runner: ModuleType, folder: Path, *rows: dict[str, Any]) -> tuple[int, str]:
    """Exit status and table of one benchmark that measured these rows."""
    bench = folder / "bench_case.py"
    bench.write_text(f"def rows():\n    return {list(rows)!r}\n")
    shown = io.StringIO()
    status = runner.run([bench], folder / "build", Console(file=shown, width=150))
    return status, shown.getvalue()


def test_what_was_measured_is_shown_and_written(runner: ModuleType, tmp_path: Path) -> None:
    rows = [row(), row(name="compile", figure=91000, unit="lines/s", peer="", ratio=None, gate="none")]
    status, shown = run(runner, tmp_path, *rows)
    assert status == 0
    assert json.loads((tmp_path / "build" / "bench.json").read_text()) == rows
    assert "2.5 us" in shown
    assert "91,000 lines/s" in shown
    assert json.loads((tmp_path / "build" / "bench-machine.json").read_text())["cores"] >= 1


@pytest.mark.parametrize(
    ("ratio", "gate", "said", "met"),
    [
        (3.0, "<= 3.0", True, True),
        (3.01, "<= 3.0", True, False),
        (3.0, "<= 3.0", False, False),  # 3.004, rounded
        (1.0, ">= 1.0", True, True),
        (0.99, ">= 1.0", True, False),
    ],
)
def test_a_gate_limits_the_ratio(
    runner: ModuleType, tmp_path: Path, ratio: float, gate: str, said: bool, met: bool
) -> None:
    status, shown = run(runner, tmp_path, row(ratio=ratio, gate=gate, met=said))
    assert status == (0 if met else 1)
    assert ("missed: scan" in shown) is not met
    assert json.loads((tmp_path / "build" / "bench.json").read_text())[0]["met"] is met


@pytest.mark.parametrize(
    "changes", [{"gate": "about 3"}, {"ratio": None}, {"figure": "fast"}, {"margin": 1}], ids=str
)
def test_a_row_of_another_shape_fails_the_run(
    runner: ModuleType, tmp_path: Path, changes: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(runner, tmp_path, row(**changes))[0] == 1
    assert "ValidationError" in capsys.readouterr().err


def test_one_that_breaks_does_not_hide_the_others(
    runner: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken, sound = tmp_path / "bench_a.py", tmp_path / "bench_b.py"
    broken.write_text("def rows():\n    raise OSError('no such peer')\n")
    sound.write_text(f"def rows():\n    return [{row()!r}]\n")
    shown = io.StringIO()
    assert runner.run([broken, sound], tmp_path / "build", Console(file=shown, width=150)) == 1
    assert "no such peer" in capsys.readouterr().err
    assert "2.5 us" in shown.getvalue()

"""What import-linter cannot say of the house: built-ins that reach outside, and modules with few importers.

The directions and the list of pure modules are in pyproject.toml; here the list is read, and it is
proved that the contract would notice a standard-library import.
"""

from __future__ import annotations

import ast
import builtins
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import grimp
import pytest

ROOT = Path(__file__).resolve().parents[2]
REACHES_OUT = frozenset({"open", "print", "input", "breakpoint", "__import__", "id", "hash"})
HOUSE = ("ledger", "gateway", "rig", "firmware")


def contract() -> dict[str, Any]:
    """The contract on pure modules."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    return next(each for each in settings["contracts"] if each.get("id") == "pure")


def pure_files() -> list[Path]:
    """Every file of every pure module, without the edges that the contract leaves out."""
    rules = contract()
    edges = {rule.partition(" -> ")[0].removesuffix(".**") for rule in rules["ignore_imports"]}
    files: list[Path] = []
    for module in rules["source_modules"]:
        path = ROOT.joinpath(*module.split("."))
        found = sorted(path.rglob("*.py")) if path.is_dir() else [path.with_suffix(".py")]
        for file in found:
            name = ".".join(file.relative_to(ROOT).with_suffix("").parts)
            if not any(name == edge or name.startswith(f"{edge}.") for edge in edges):
                files.append(file)
    return files


def calls(source: str) -> list[tuple[int, str]]:
    """Line and name of each call of a built-in that reads or writes the world, or differs by run."""
    tree = ast.parse(source)
    return [
        (node.lineno, node.func.id)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in REACHES_OUT
    ]


@pytest.mark.parametrize("file", pure_files(), ids=lambda file: str(file.relative_to(ROOT)))
def test_a_pure_module_calls_no_builtin_that_reaches_out(file: Path) -> None:
    assert calls(file.read_text()) == []


def test_the_builtins_exist_and_are_noticed() -> None:
    assert all(hasattr(builtins, name) for name in REACHES_OUT)
    assert calls("def f(x):\n    return open(x)\n") == [(2, "open")]


def test_the_contract_notices_what_a_pure_module_must_not_import(tmp_path: Path) -> None:
    package = tmp_path / "specimen"
    package.mkdir()
    (package / "__init__.py").write_text("")
    impure = ("import time", "from os import path", "def late():\n    import random", "import yaml.reader")
    for number, line in enumerate(impure):
        (package / f"impure{number}.py").write_text(f"{line}\n")
    (package / "clean.py").write_text("import struct\nfrom collections import abc\n")
    forbidden = "\n    ".join(contract()["forbidden_modules"])
    (tmp_path / "specimen.ini").write_text(
        "[importlinter]\nroot_package = specimen\ninclude_external_packages = True\n"
        "[importlinter:contract:pure]\nname = pure\ntype = forbidden\nallow_indirect_imports = True\n"
        f"source_modules = specimen\nforbidden_modules =\n    {forbidden}\n"
    )
    # As a command of its own: it changes sys.path and the logging of its process.
    command = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    done = subprocess.run(
        [sys.executable, "-c", command, "--config", "specimen.ini", "--no-cache"],
        cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 1, done.stdout + done.stderr
    assert [number for number in range(len(impure)) if f"specimen.impure{number} ->" not in done.stdout] == []
    assert "specimen.clean ->" not in done.stdout


@pytest.mark.parametrize(
    ("module", "importers"),
    [("gateway.agent", {"rig.local"}), ("ledger.node", {"gateway.chain", "rig.chain"})],
)
def test_a_module_with_few_importers_has_no_other(module: str, importers: set[str]) -> None:
    graph = grimp.build_graph(*HOUSE, cache_dir=None)
    found = graph.find_modules_that_directly_import(module) if module in graph.modules else set()
    assert found <= importers

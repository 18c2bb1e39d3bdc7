"""Seeds of the simulations: ``SEEDS=1000`` for how many, ``--sim-seed 17`` for one again."""

from __future__ import annotations

import os
from collections.abc import Generator

import pytest

SEEDS = 300


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--sim-seed", type=int, default=None, help="run the simulations with this seed alone")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "seed" in metafunc.fixturenames:
        one: int | None = metafunc.config.getoption("--sim-seed", default=None)
        count = int(os.environ.get("SEEDS") or getattr(metafunc.module, "SEEDS", SEEDS))
        named: tuple[int, ...] = getattr(metafunc.module, "NAMED", ())  # that once failed
        further = [seed for seed in named if seed >= count]
        metafunc.parametrize("seed", [*range(count), *further] if one is None else [one])


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A failing seed says how to see it again."""
    report = yield
    params = getattr(getattr(item, "callspec", None), "params", {})
    if report.failed and "seed" in params:
        report.sections.append(("to see it again", f"make sim SEED={params['seed']}"))
    return report

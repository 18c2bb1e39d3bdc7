"""Liars that are two honest nodes with one key, a partition for every phase: no fork, and it goes on."""

from __future__ import annotations

import os

import pytest
from sim_twins import Twins, drawn

BATCH = 50


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    count = int(os.environ.get("TWINS") or 5_000)
    one = metafunc.config.getoption("--sim-seed", default=None)
    metafunc.parametrize("first", range(0, count, BATCH) if one is None else [one])


def test_no_scenario_forks(first: int, request: pytest.FixtureRequest) -> None:
    alone = request.config.getoption("--sim-seed", default=None) is not None
    for seed in range(first, first + (1 if alone else BATCH)):
        try:
            Twins(drawn(seed)).play()
        except AssertionError as error:
            raise AssertionError(f"make sim SEED={seed}: {error}\n{drawn(seed)}") from error

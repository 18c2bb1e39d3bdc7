"""Each protection of the ledger is needed: switched off, its schedule fails; switched on, it passes."""

from __future__ import annotations

import pytest
from ledger_mutants import MUTANTS


@pytest.mark.parametrize("name", MUTANTS)
def test_the_schedule_passes_with_the_protection(name: str) -> None:
    MUTANTS[name](False)


@pytest.mark.parametrize("name", MUTANTS)
def test_the_mutant_is_killed(name: str) -> None:
    try:
        MUTANTS[name](True)
    except AssertionError as seen:
        print(f"{name}: {seen}")
        return
    pytest.fail(f"{name} lives")

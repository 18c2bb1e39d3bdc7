"""Fixtures for tests that run whole sessions as processes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from running import Starter, starter


@pytest.fixture
def start() -> Iterator[Starter]:
    """Starts commands, and ends what they leave."""
    with starter() as made:
        yield made

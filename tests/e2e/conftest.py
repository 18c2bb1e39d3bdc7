"""Fixtures for tests that run whole sessions as processes."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest
from running import Starter, starter
from site_safe import Bench

# A shell's background job begins with SIGINT ignored, nohup's with SIGHUP, and children inherit that:
# they would never hear the Ctrl-C that these tests are about.
for number, handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
    if signal.getsignal(number) == signal.SIG_IGN:
        signal.signal(number, handler)


@pytest.fixture
def start() -> Iterator[Starter]:
    """Starts commands, and ends what they leave."""
    with starter() as made:
        yield made


@pytest.fixture(scope="module")
def bench(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """A station to be struck: the module's ``BENCH``, if it names one."""
    with starter() as start:
        made = getattr(request.module, "BENCH", Bench)(tmp_path_factory.mktemp("bench"), start)
        try:
            yield made
        finally:
            made.close()

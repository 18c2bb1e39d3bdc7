"""Fixtures for tests that run whole sessions as processes."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from running import MOSQUITTO, Starter, starter
from safe_causes import Cause, Strike, Struck
from side_by_side import Range, side_by_side
from site_alone import Site
from site_safe import NotHere
from site_shell import site_in

TIMES = 5  # is each cause struck

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


@pytest.fixture
def site(tmp_path: Path, start: Starter) -> Iterator[Site]:
    """One small station for a shell; tests of other sites have a fixture of their own by this name."""
    with site_in(tmp_path, start) as made:
        yield made


@pytest.fixture(scope="module")
def benches(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Range]:
    """Stations to be struck, as many at a time as the module's ``JOBS``."""
    if MOSQUITTO is None:
        pytest.skip("mosquitto is not installed")
    with side_by_side(tmp_path_factory.mktemp("benches"), request.module.JOBS) as made:
        yield made


@pytest.fixture(scope="module")
def struck(request: pytest.FixtureRequest, benches: Range) -> Strike:
    """What came of striking for a cause, five times; all that the module's tests are about begin at once."""
    tests = [item for item in request.session.items if getattr(item, "module", None) is request.module]
    params = [item.callspec.params for item in tests if hasattr(item, "callspec")]
    coming = {each["cause"]: benches.strike(each["cause"], TIMES) for each in params if "cause" in each}

    def wait(cause: Cause) -> list[Struck]:
        try:
            return coming[cause].result()
        except NotHere as why:
            pytest.skip(str(why))

    return wait

"""Fixtures for tests that run whole sessions as processes."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator

import pytest
from running import Starter, starter
from safe_causes import Cause, Struck
from side_by_side import Range, side_by_side
from site_safe import NotHere

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


@pytest.fixture(scope="module")
def benches(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Range]:
    """Stations to be struck, as many at a time as the module's ``JOBS``."""
    with side_by_side(tmp_path_factory.mktemp("benches"), request.module.JOBS) as made:
        yield made


@pytest.fixture(scope="module")
def struck(request: pytest.FixtureRequest, benches: Range) -> Callable[[Cause], list[Struck]]:
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

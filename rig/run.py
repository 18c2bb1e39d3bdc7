"""Running a session from the command line: pytest with the project's plugin, under a live display."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from rig.open import Options, prepare
from rig.plugin import BROKEN, GIVEN, Given
from rig.progress import Progress

# What pytest says of a run that it refused: a faulty -k, a conftest.py that fails, nothing to run.
NOT_RUN = (pytest.ExitCode.USAGE_ERROR, pytest.ExitCode.NO_TESTS_COLLECTED)


class Hand:
    """Hands the plugin what the command line has, and keeps what pytest itself would have shown."""

    def __init__(self, given: Given) -> None:
        self.given = given
        self.broken: list[str] = []

    @pytest.hookimpl(tryfirst=True)
    def pytest_configure(self, config: pytest.Config) -> None:
        """Before the plugin looks for it."""
        config.stash[GIVEN] = self.given

    def pytest_unconfigure(self, config: pytest.Config) -> None:
        """What could not be collected."""
        self.broken = config.stash.get(BROKEN, [])


def run_session(options: Options, select: str | None = None) -> int:
    """Commission a line; the exit status. BadInput with all that is wrong before anything starts."""
    line = prepare(options)
    # The user's own pytest settings are for the user's own tests.
    os.environ.pop("PYTEST_ADDOPTS", None)
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    arguments = [
        "-c",
        os.devnull,
        "--rootdir",
        str(Path.cwd()),
        "-p",
        "no:terminal",
        "-p",
        "no:cacheprovider",
    ]
    arguments += ["-p", "no:cacheprovider", "-p", "rig.plugin"] + (["-k", select] if select else [])
    # pytest captures standard output while procedures run; the display has its own.
    with (
        open(os.dup(sys.stdout.fileno()), "w", encoding=sys.stdout.encoding) as shown,
        Progress(shown) as progress,
    ):
        hand = Hand(Given(options, line, progress))
        status = pytest.main(arguments, plugins=[hand])
    for text in hand.broken:
        print(text, file=sys.stderr)
    return 2 if status in NOT_RUN else int(status)

"""The document of the kinds names every kind there is, and none that there is not."""

from __future__ import annotations

import re
from pathlib import Path

from gateway.twin.kinds import KINDS

DOCUMENT = Path(__file__).parents[2] / "docs" / "components.md"


def test_every_kind_is_in_a_table_and_nothing_else() -> None:
    rows = [line.split("|")[1] for line in DOCUMENT.read_text("utf-8").splitlines() if line.startswith("| `")]
    named = [name for row in rows for name in re.findall(r"`([a-z-]+)`", row)]
    assert len(named) == len(set(named))
    assert set(named) == set(KINDS)

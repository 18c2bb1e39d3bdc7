"""How soon a record is final in a chain of 4 and of 7 nodes, each a process with its own disk and keys.

``make bench-ledger`` has the larger chains. What is wanted is for all nodes of a chain on one machine of two
cores, over one broker; so a busy machine misses it.
"""

from __future__ import annotations

from typing import Any

from ledger_gates import REALISTIC, measured, rows_of

SMALL = 7
SECONDS = 6.0


def rows() -> list[dict[str, Any]]:
    """Finality beside what is wanted, and beside the floor."""
    found: list[dict[str, Any]] = []
    for wanted in REALISTIC:
        if wanted.members <= SMALL:
            found += rows_of(wanted, measured(wanted, SECONDS), gated=True)
    return found

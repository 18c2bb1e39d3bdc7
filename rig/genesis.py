"""Who belongs to a line's chain, and how it begins; pure.

Each gateway is a member. A chain with fewer than four members bears no liar, so witnesses (gateways with no
station) make up what is missing. The operator plans and records sessions, says who belongs (commissioner) and
may sign off (signer); an inspector of another owner passes what was made; neither votes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from gateway.net.roles import ALL
from ledger.genesis import Genesis
from ledger.records import Party

ENOUGH = 4  # members: one of them may lie or be away
NAME = 15  # characters of a chain's name
INSPECTOR, INSPECTION = "inspector", "inspection"


def witnesses(nodes: Collection[str], operator: str, others: Collection[str] = ()) -> tuple[str, ...]:
    """The ids of the witnesses that a line needs whose gateways are ``nodes``; ``others`` are taken too."""
    free = _ids("witness", {*nodes, operator, *others})
    return tuple(next(free) for _ in range(ENOUGH - len(nodes)))


def inspector(stations: Collection[str], operator: str) -> str:
    """The id of the inspector."""
    return (
        INSPECTOR if INSPECTOR not in {*stations, operator} else next(_ids(INSPECTOR, {*stations, operator}))
    )


def begin(
    line: str, time: int, publics: Mapping[str, bytes], operator: str, inspector: str, epoch: int
) -> Genesis:
    """The genesis of ``line`` at ``time`` (UTC ns).

    ``publics`` are the keys of gateways, witnesses, ``operator`` and ``inspector``; workloads are counted
    anew every ``epoch`` blocks."""
    owners = {operator: operator, inspector: INSPECTION}
    parties = tuple(
        Party(
            node, public, owners.get(node, line), node not in owners, node == operator,
            ALL if node == operator else (),
        )
        for node, public in sorted(publics.items())
    )  # fmt: skip
    return Genesis(1, line[:NAME], time, parties, epoch)


def _ids(word: str, taken: Collection[str]) -> Iterator[str]:
    number = 0
    while True:
        number += 1
        if f"{word}-{number}" not in taken:
            yield f"{word}-{number}"

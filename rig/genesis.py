"""Who belongs to a line's chain, and how it begins; pure.

Each gateway is a member. A chain with fewer than four members bears no liar, so witnesses (gateways with no
station) make up what is missing. The operator plans and records sessions, says who belongs (commissioner) and
may sign off (signer); an inspector of another owner passes what was made; neither votes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from gateway.net.roles import ALL, ROLES
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
    line: str,
    time: int,
    publics: Mapping[str, bytes],
    operator: str,
    inspector: str,
    epoch: int,
    owners: Mapping[str, str] | None = None,
    roles: Mapping[str, Collection[str]] | None = None,
) -> Genesis:
    """The genesis of ``line`` at ``time`` (UTC ns).

    ``publics`` are the keys of gateways, witnesses, ``operator`` and ``inspector``; workloads are counted
    anew every ``epoch`` blocks. ``owners`` and ``roles`` are those that the line's authority has given, which
    are taken as they are, but for an inspector of a gateway's owner, who could pass nothing (``impartial``).
    """
    persons = {operator: operator, inspector: INSPECTION}
    said = {node: persons.get(node, line) for node in publics} | dict(owners or {})
    if not impartial(said, operator, inspector):
        said[inspector] = INSPECTION
    given = {operator: ALL} if roles is None else roles
    parties = tuple(
        Party(
            node, public, said[node], node not in persons, node == operator,
            tuple(role for role in ROLES if role in given.get(node, ())),
        )
        for node, public in sorted(publics.items())
    )  # fmt: skip
    return Genesis(1, line[:NAME], time, parties, epoch)


def impartial(owners: Mapping[str, str], operator: str, inspector: str) -> bool:
    """Whether the inspector belongs to nobody whose gateways are inspected."""
    return owners.get(inspector) not in {
        owner for node, owner in owners.items() if node not in (operator, inspector)
    }


def _ids(word: str, taken: Collection[str]) -> Iterator[str]:
    number = 0
    while True:
        number += 1
        if f"{word}-{number}" not in taken:
            yield f"{word}-{number}"

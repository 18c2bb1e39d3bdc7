"""Whether this node has its part in the line's chain: nothing is wrong with it, and others are heard."""

from __future__ import annotations

from collections.abc import Mapping

from gateway.local.checks.finding import Finding, ok, wrong

_NAME = "chain"


def ledger(facts: Mapping[str, str]) -> Finding:
    """Of a node that says this of its chain (``ChainKeeper.facts``)."""
    if (problem := facts.get("problem", "none")) != "none":
        return wrong(_NAME, problem, "see logs; 'chain' shows more")
    heard = facts.get("peers heard", "none")
    if heard == "none":
        return wrong(_NAME, "no other node of it is heard", "see broker above; start the others")
    return ok(_NAME, f"at height {facts.get('height', '?')}; heard: {heard}")

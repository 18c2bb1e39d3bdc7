"""What checking a run against its chain has found, in words."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ledger.proof import Proven
from ledger.records import SessionClosed, SignedOff
from rig.chainfolder import Shown
from rig.report.wording import clean, utc


def explain(run: Path, shown: Shown, trusted: Path | None) -> Iterator[str]:
    """What differs, or what is proven, and on whose word; ``trusted``: the file of the genesis given."""
    if shown.wrong or shown.proof is None or shown.genesis is None or shown.proven is None:
        yield from map(clean, shown.wrong)
        yield f"{run}: is not what the chain has recorded"
        return
    record, last = shown.proven.record, shown.proof.steps[-1]
    assert isinstance(record, SessionClosed)
    owners = {party.node: clean(party.owner) for party in shown.genesis.parties}
    signed = sorted(seal.who for seal in last.qc.seals)
    yield f"{run}: whole, unchanged, and final"
    yield f"session   {clean(record.session)}, {clean(record.verdict)}"
    yield f"files     {shown.files}, each as the manifest says"
    yield f"manifest  {record.manifest.hex()}"
    owner = owners.get(shown.proven.node, "enrolled later")
    yield f"recorded  by {shown.proven.node} ({owner}), {utc(shown.proven.time)}"
    yield f"final     at height {shown.proven.height} of {shown.genesis.chain}"
    yield f"signed    by {len(signed)} members: {', '.join(signed)}"
    for each in shown.signed:
        yield _signature(each)
    if not shown.signed:
        yield "accepted  by nobody yet: twinline session sign"
    yield f"genesis   {shown.genesis.id.hex()}"
    if trusted is None:
        yield "          by the word of this folder alone: compare that id with one that you were given,"
        yield "          or give the file that you trust: --genesis FILE"
    else:
        yield f"          the one in {trusted}"


def _signature(signed: Proven) -> str:
    """Who has accepted the session."""
    record = signed.record
    assert isinstance(record, SignedOff)
    despite = f", despite: {clean(record.despite)}" if record.despite else ""
    who = f"{clean(record.person)}, {clean(record.role)} ({signed.node})"
    return f"accepted  by {who}, {utc(signed.time)}, height {signed.height}{despite}"

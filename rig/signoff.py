"""Signing a session off: a person accepts its manifest for a party, on the line's chain, with a proof of it.

What is signed is what lies in the run's folder, and it is looked at first: whoever signs a folder that was
changed would sign something else than they see.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import msgspec

from gateway.errors import BadInput, Problem
from gateway.net.identity import Identity
from ledger.records import SignedOff, transaction
from ledger.shapes import from_json
from rig.admission import Void, decide, on_chain
from rig.chainfolder import examine, write_signature
from rig.prepare import key_of
from rig.record import Record
from rig.report.bundle import MANIFEST, SESSION

ROLES = ("vendor", "customer", "integrator")


def sign(
    run: Path,
    keys: Path,
    operator: str,
    person: str,
    role: str,
    despite: str = "",
    brokers: Sequence[str] = (),
) -> list[str]:
    """Sign the run as ``operator``, whose key is in ``keys``, for the ``person`` who accepts it in that
    ``role``, ``despite`` what failed; what has come of it, a line each. BadInput, NotFinal, Void, OSError."""
    said = _signed(run, key_of(keys, operator), person, role, despite)
    with on_chain(keys, operator, brokers) as chain:
        examined = examine(run, chain.genesis)
        if examined.wrong:
            problems = [Problem(str(run), 0, 0, each, "sign what is whole") for each in examined.wrong]
            raise BadInput(problems)
        try:
            settled, _ = decide(chain, lambda state: said)
        except Void:  # it may be signed already, and what shows it not be written
            before = chain.counts(said)
            if before is None:
                raise
            settled = before
        path = write_signature(run, operator, chain.attested(settled))
    return [f"{run}: signed by {person} for {operator} ({role}), {settled.text}", f"the proof: {path}"]


def _signed(run: Path, key: Path, person: str, role: str, despite: str) -> SignedOff:
    """The record; BadInput with all that is wrong in what was given."""
    problems = []
    if role not in ROLES:
        problems.append(Problem("--role", 0, 0, f"{role!r} is not known", f"use {', '.join(ROLES)}"))
    node = Identity.load(key).node
    try:
        record = from_json((run / SESSION).read_bytes(), Record)
        manifest = hashlib.sha256((run / MANIFEST).read_bytes()).digest()
        said = SignedOff(record.id, manifest, person, role, despite)
        transaction("any", node, 1, said)
    except OSError as error:
        problems.append(
            Problem(str(error.filename or run), 0, 0, error.strerror or str(error), "name a run's folder")
        )
    except msgspec.MsgspecError as error:
        problems.append(Problem(str(run / SESSION), 0, 0, str(error), "name a run's folder"))
    except ValueError:
        hint = "a person's name has 1 to 64 characters, a reservation at most 256"
        problems.append(Problem("--person", 0, 0, "is too long, or empty", hint))
    else:
        if record.verdict != "PASS" and not despite:
            hint = 'say why it is accepted all the same: --despite "…"'
            problems.append(Problem(str(run), 0, 0, f"the session ended {record.verdict}", hint))
    if problems:
        raise BadInput(problems)
    return said

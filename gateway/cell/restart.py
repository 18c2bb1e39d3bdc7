"""What a gateway does that was killed: it drives the safe state, and its workpieces reappear; pure."""

from __future__ import annotations

from gateway.cell.commands import Kept
from gateway.cell.couplings import Couplings, Stored, load
from gateway.cell.facts import Given, Held
from gateway.cell.gate import Gate
from gateway.cell.lease import Lease
from gateway.cell.scan import Telling
from gateway.field.tags import read_ref
from gateway.station import Mode


def restore(
    stored: Stored, mode: Mode, gate: Gate, lease: Lease, couplings: Couplings, telling: Telling
) -> None:
    """Take up the journal as it was found: inputs go to their safe values, workpieces to the re-entry point.

    That the gate was open stays journalled until the safe values are driven: a second kill before that
    changes nothing.
    """
    if ("gate", "open") in stored and mode == "shadow":
        telling.journal("gate", "open", None)  # it was driven in another mode
    elif ("gate", "open") in stored:
        _make_safe(stored, gate, lease, telling)
    for text in couplings.recover(stored):
        telling.event("workpiece", text)


def _make_safe(stored: Stored, gate: Gate, lease: Lease, telling: Telling) -> None:
    """Forces have ended with the process that held them."""
    gate.make_safe()
    forces = sorted(key for table, key in stored if table == "force")
    why = "restarted while driving: safe state; forces ended: " + (", ".join(forces) or "none")
    telling.event("safe", why)
    if operator := load(stored, "lease", "holder", ""):
        telling.fact(Given(operator, lease.token, why))
        for key in forces:
            telling.fact(_ended(operator, key, stored, gate))
        telling.journal("lease", "holder", None)  # told once, however often it starts until it is safe
    for key in forces:
        telling.journal("force", key, None)


def _ended(operator: str, ref: str, stored: Stored, gate: Gate) -> Held:
    """Of the force of ``ref``: the tag has its safe value then."""
    held = load(stored, "force", ref, Kept(False, False)).new
    forced = read_ref(ref)
    tag = gate.inputs.get(forced.tag)
    return Held(operator, ref, True, held, held if tag is None else forced.of(tag.safe))

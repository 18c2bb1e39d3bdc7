"""docs/connection.md shows the state machine as scan.TRANSITIONS has it.

``python tests/unit/test_connection_document.py`` writes the generated part anew.
"""

from __future__ import annotations

import sys
from pathlib import Path

from gateway.field.scan import TRANSITIONS, Backoff, LinkEvent, LinkState

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "connection.md"
BEGIN, END = "<!-- generated from scan.TRANSITIONS -->", "<!-- end -->"

MEANINGS: dict[LinkEvent, str] = {
    "open": "the gateway starts",
    "connected": "the device answered who it is",
    "lost": "it refused, fell silent, closed, or broke the protocol; the connection is closed",
    "retry": "the pause is over",
    "close": "the gateway stops",
    "ended": "the connection is closed, its slot at the device free",
}


def generated() -> str:
    """The drawing and the table."""
    states = list(dict.fromkeys(state for state, _ in TRANSITIONS))
    named = {state: state.replace(" ", "_") for state in states}
    lines = ["```mermaid", "stateDiagram-v2"]
    lines += [f"    {named[state]}: {state}" for state in states if named[state] != state]
    lines.append(f"    [*] --> {named['closed']}")
    lines += [
        f"    {named[state]} --> {named[after]}: {event}" for (state, event), after in TRANSITIONS.items()
    ]
    events: list[LinkEvent] = list(dict.fromkeys(event for _, event in TRANSITIONS))
    lines += ["```", "", "| state | " + " | ".join(events) + " |", "|---" * (len(events) + 1) + "|"]
    lines += [
        f"| {state} | " + " | ".join(TRANSITIONS.get((state, event), "") for event in events) + " |"
        for state in states
    ]
    lines += ["", "| event | what happened |", "|---|---|"]
    lines += [f"| {event} | {MEANINGS[event]} |" for event in events]
    return "\n".join(lines)


def parts(text: str) -> tuple[str, str, str]:
    """The document before, in and after its generated part."""
    before, _, rest = text.partition(BEGIN)
    inside, _, after = rest.partition(END)
    return before, inside.strip(), after


def test_the_document_shows_the_table() -> None:
    assert parts(DOCUMENT.read_text("utf-8"))[1] == generated()


def test_every_state_is_reached_and_left() -> None:
    reached: set[LinkState] = {"closed"}
    while more := {after for (state, _), after in TRANSITIONS.items() if state in reached} - reached:
        reached |= more
    assert reached == {state for state, _ in TRANSITIONS}
    assert MEANINGS.keys() == {event for _, event in TRANSITIONS}


def test_the_document_names_the_pauses() -> None:
    pause, shown = Backoff(), list[int]()
    for _ in range(7):
        shown.append(pause.wait() // 1_000_000)
    assert f"{', '.join(map(str, shown[:5]))} ms, then {shown[6]} ms" in DOCUMENT.read_text("utf-8")


if __name__ == "__main__":
    before, _, after = parts(DOCUMENT.read_text("utf-8"))
    DOCUMENT.write_text(f"{before}{BEGIN}\n{generated()}\n{END}{after}", "utf-8")
    sys.exit(0)

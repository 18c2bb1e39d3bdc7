"""The standard function blocks against written timing tables. A row is one scan at a millisecond."""

from __future__ import annotations

import pytest
from st_running import MS, START, columns, instance

# Per table: the call, its inputs (columns before the bar) and its outputs (columns behind it).
TIMERS = {
    "TON fires at ET >= PT and holds": (
        "TON",
        "T#100ms",
        {
            0: "0 | 0 0",
            10: "1 | 0 0",
            60: "1 | 0 50",
            109: "1 | 0 99",
            110: "1 | 1 100",
            500: "1 | 1 100",
            510: "0 | 0 0",
        },
    ),
    "TON forgets a short pulse": (
        "TON",
        "T#100ms",
        {0: "1 | 0 0", 99: "1 | 0 99", 100: "0 | 0 0", 110: "1 | 0 0", 209: "1 | 0 99", 215: "1 | 1 100"},
    ),
    "TON with PT = 0 needs a second scan": ("TON", "T#0s", {0: "1 | 0 0", 0.5: "1 | 1 0", 10: "0 | 0 0"}),
    "TON twice in one instant": ("TON", "T#0s", {0: "1 | 0 0", 0.0000001: "1 | 1 0"}),
    "TOF holds for PT after the fall": (
        "TOF",
        "T#100ms",
        {
            0: "0 | 0 0",
            10: "1 | 1 0",
            50: "1 | 1 0",
            60: "0 | 1 0",
            110: "0 | 1 50",
            159: "0 | 1 99",
            160: "0 | 0 100",
            300: "0 | 0 100",
            310: "1 | 1 0",
        },
    ),
    "TOF starts again at a new rise": (
        "TOF",
        "T#100ms",
        {
            0: "1 | 1 0",
            10: "0 | 1 0",
            100: "0 | 1 90",
            105: "1 | 1 0",
            110: "0 | 1 0",
            209: "0 | 1 99",
            210: "0 | 0 100",
        },
    ),
    "TOF with PT = 0 needs a second scan": ("TOF", "T#0s", {0: "1 | 1 0", 1: "0 | 1 0", 2: "0 | 0 0"}),
    "TP runs out whatever IN does": (
        "TP",
        "T#100ms",
        {
            0: "0 | 0 0",
            10: "1 | 1 0",
            20: "0 | 1 10",
            30: "1 | 1 20",
            109: "0 | 1 99",
            110: "0 | 0 0",
            120: "1 | 1 0",
        },
    ),
    "TP waits for IN to fall": (
        "TP",
        "T#100ms",
        {0: "1 | 1 0", 100: "1 | 0 100", 200: "1 | 0 100", 210: "0 | 0 0", 220: "1 | 1 0"},
    ),
    "TP with PT = 0 lasts one scan": ("TP", "T#0s", {0: "1 | 1 0", 1: "1 | 0 0", 2: "0 | 0 0", 3: "1 | 1 0"}),
}


@pytest.mark.parametrize(("block", "preset", "rows"), TIMERS.values(), ids=TIMERS)
@pytest.mark.parametrize("start", [0, START, -5_000_000_000], ids=["from 0", "from 7000 s", "from -5 s"])
def test_timers(block: str, preset: str, rows: dict[float, str], start: int) -> None:
    running = instance(f"t(IN := b, PT := {preset});", f"t : {block}; b : BOOL;")
    seen = {}
    for at, row in rows.items():
        running.set("b", row[0] == "1")
        running.scan(start + int(at * MS))
        seen[at] = f"{row[0]} | {int(running.get('t.Q'))} {int(running.get('t.ET')) // MS}"
    assert seen == rows


def test_a_changed_preset_counts_at_once() -> None:
    running = instance("t(IN := TRUE, PT := p);", "t : TON; p : TIME := T#1s;")
    running.scan(START)
    running.scan(START + 500 * MS)
    assert running.get("t.Q") is False
    running.set("p", 500 * MS)
    running.scan(START + 500 * MS)
    assert running.get("t.Q") is True


COUNTERS = {
    "CTU counts edges, stops at PV, reset wins": (
        "CTU",
        "CU R PV | Q CV",
        [
            "0 0 2 | 0 0",
            "1 0 2 | 0 1",
            "1 0 2 | 0 1",
            "0 0 2 | 0 1",
            "1 0 2 | 1 2",
            "0 0 2 | 1 2",
            "1 0 2 | 1 2",
            "0 1 2 | 0 0",
            "1 1 2 | 0 0",
            "1 0 2 | 0 0",
        ],
    ),
    "CTU with PV = 0 is full": ("CTU", "CU R PV | Q CV", ["0 0 0 | 1 0", "1 0 0 | 1 0"]),
    "CTD loads, counts down to 0, load wins": (
        "CTD",
        "CD LD PV | Q CV",
        [
            "0 0 2 | 1 0",
            "0 1 2 | 0 2",
            "1 1 2 | 0 2",
            "0 0 2 | 0 2",
            "1 0 2 | 0 1",
            "1 0 2 | 0 1",
            "0 0 2 | 0 1",
            "1 0 2 | 1 0",
            "0 0 2 | 1 0",
            "1 0 2 | 1 0",
        ],
    ),
    "CTUD counts both ways, neither when both come": (
        "CTUD",
        "CU CD R LD PV | QU QD CV",
        [
            "0 0 0 0 2 | 0 1 0",
            "1 0 0 0 2 | 0 0 1",
            "0 0 0 0 2 | 0 0 1",
            "1 1 0 0 2 | 0 0 1",
            "0 0 0 0 2 | 0 0 1",
            "1 0 0 0 2 | 1 0 2",
            "0 1 0 0 2 | 0 0 1",
            "0 0 0 1 2 | 1 0 2",
            "0 0 1 1 2 | 0 1 0",
        ],
    ),
    "R_TRIG": ("R_TRIG", "CLK | Q", ["1 | 1", "1 | 0", "0 | 0", "1 | 1"]),
    "F_TRIG": ("F_TRIG", "CLK | Q", ["0 | 0", "1 | 0", "0 | 1", "0 | 0"]),
    "SR: set dominates": (
        "SR",
        "S1 R | Q1",
        ["0 0 | 0", "1 0 | 1", "0 0 | 1", "1 1 | 1", "0 1 | 0", "0 0 | 0"],
    ),
    "RS: reset dominates": (
        "RS",
        "S R1 | Q1",
        ["0 0 | 0", "1 0 | 1", "0 0 | 1", "1 1 | 0", "0 1 | 0", "0 0 | 0"],
    ),
}


@pytest.mark.parametrize(("block", "header", "rows"), COUNTERS.values(), ids=COUNTERS)
def test_counters_edges_and_latches(block: str, header: str, rows: list[str]) -> None:
    inputs, outputs = (part.split() for part in header.split("|"))
    running = instance("f();", f"f : {block};")
    seen = []
    for scan, (_, row) in enumerate(columns(dict(enumerate(rows)))):
        for name, value in zip(inputs, row, strict=False):
            running.set(f"f.{name}", int(value))
        running.scan(START + scan)
        values = [*row[: len(inputs)], "|", *(str(int(running.get(f"f.{name}"))) for name in outputs)]
        seen.append(" ".join(values))
    assert seen == rows

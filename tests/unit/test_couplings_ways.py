"""A station with several inlets and outlets: each way has its own numbers and journal."""

from __future__ import annotations

import msgspec
from cell_support import BELT, SECOND, W1, W2, W3, Bench, hello, stored
from couplings_bench import OURS, middle, onwards

from gateway.cell.couplings import Neighbours
from gateway.net.messages import MAIN, Accept, Coupling, Feed, Offer, Pause

TWO_BELTS = msgspec.structs.replace(
    BELT,
    twin={
        **BELT.twin,
        "back": msgspec.structs.replace(BELT.twin["belt"], name="back", ports={"run": "run"}),
    },
    inlets={MAIN: "belt", "back": "back"},
    outlets={MAIN: "belt", "back": "back"},
)
BOTH = Neighbours({"next": {MAIN: MAIN, "back": "back"}}, {MAIN: "next", "back": "next"}, {}, {"next": ()})


def both(entries: dict[tuple[str, str], bytes] | None = None) -> Bench:
    """Two belts that run, both to and from one neighbour."""
    bench = Bench(BOTH, entries, station=TWO_BELTS)
    bench.step({"run": True})
    return bench


def hearing(bench: Bench, count: int, *messages: Coupling) -> None:
    """Scan on, while the neighbour says that it is there; ``messages`` come at the first scan."""
    for n in range(count):
        bench.step(coupled=[("next", hello("n")), *(("next", each) for each in messages if n == 0)])


def test_each_way_has_its_own_numbers_and_journal() -> None:
    bench = both()
    hearing(bench, 60, Offer("n", 7, W1, MAIN, OURS), Offer("n", 3, W2, "back", OURS))
    assert set(bench.accepts()) == {Accept("n", 7, MAIN), Accept("n", 3, "back")}
    assert bench.journalled("received") == {"next.main", "next.back"}
    places = {workpiece.id: carrier for carrier, workpiece in bench.cell.twin.contents()}
    assert places == {"w-1": "belt", "w-2": "back"}
    hearing(bench, 30)
    assert {(each.outlet, each.workpiece.id, each.taker) for each in bench.offers()} == {
        (MAIN, "w-1", "n"),
        ("back", "w-2", "n"),
    }
    hearing(bench, 1, Accept("epoch", 1, "back"))
    assert bench.standing() == ["w-1"]
    assert bench.journalled("workpiece") == {"w-1"}
    bench.restart()
    hearing(bench, 30)
    assert {(each.outlet, each.workpiece.id) for each in bench.offers()} == {(MAIN, "w-1")}


def test_an_outlet_that_leads_nowhere_is_named_in_what_happened() -> None:
    bench = Bench(Neighbours({}, {MAIN: "next"}, {}, {"next": ()}), station=TWO_BELTS)
    bench.step({"run": True})
    token = bench.lease(ttl=5 * SECOND)
    bench.run(token, Feed("back", (W1,)), Pause(SECOND))
    assert "workpiece: w-1 finished by back" in bench.events


def test_a_full_belt_keeps_nobody_from_the_other() -> None:
    bench = Bench(station=TWO_BELTS)
    token = bench.lease(ttl=5 * SECOND)
    bench.run(token, Feed("belt", (W1, W2)), Feed("back", (W3,)))
    bench.step()
    assert sorted(bench.standing()) == ["w-1", "w-3"]


def test_the_journal_of_a_gateway_that_knew_one_outlet_is_read() -> None:
    entries = stored("workpiece", "w-1", W1) | stored("send", "transfer", [4, W1])
    entries |= stored("received", "up", ["u", 9])
    bench = middle(entries)
    assert bench.journalled("send") == {"main.down"}
    assert bench.journalled("received") == {"up.main"}
    onwards(bench, 2, ("up", Offer("u", 9, W2)))
    assert bench.accepts() == [Accept("u", 9)]
    onwards(bench, 40)
    assert bench.offers()[0] == Offer("epoch", 4, W1)
    onwards(bench, 1, ("down", Accept("epoch", 4)))
    assert bench.cell.couplings.contents() == ()

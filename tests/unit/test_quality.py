"""Quality: what is lost, refused or doubted is never told as good, and a trace says since when."""

from __future__ import annotations

from cell_support import BELT, MS, Bench
from hypothesis import given
from hypothesis import strategies as st

from gateway.cell.cell import Inputs
from gateway.cell.quality import Qualities, Quality
from gateway.net.messages import Pause, Run, Trace, decode, encode
from gateway.net.reports import Image

NAMES = [tag.name for tag in BELT.tags.values()]
some = st.sets(st.sampled_from([*NAMES, "stranger"]))


@given(st.lists(st.tuples(st.booleans(), some, some), max_size=12))
def test_changes_add_up_to_what_is_known(scans: list[tuple[bool, set[str], set[str]]]) -> None:
    qualities = Qualities(BELT.tags.values())
    known: dict[str, Quality] = dict.fromkeys(NAMES, "bad")
    for lost, refused, uncertain in scans:
        changes = qualities.see({"plc": "gone"} if lost else {}, dict.fromkeys(refused, "no"), uncertain)
        assert all(known[tag] != quality for tag, quality in changes.items())
        known |= changes
        for tag in NAMES:
            wanted = "bad" if lost or tag in refused else "uncertain" if tag in uncertain else "good"
            assert known[tag] == wanted
            assert qualities.now.get(tag, "good") == wanted


def test_before_a_device_was_heard_nothing_is_good() -> None:
    bench = Bench()
    assert set(bench.cell.qualities.now) == set(NAMES)
    assert bench.step({"run": True}).quality == dict.fromkeys(NAMES, "good")
    assert bench.step({"run": False}).quality == {}


def test_a_loss_makes_values_bad_and_keeps_them() -> None:
    bench = Bench()
    bench.step({"run": True, "seen": 7})
    bench.link = False
    assert bench.step().quality == dict.fromkeys(NAMES, "bad")
    assert bench.cell.values["seen"] == 7
    bench.link = True
    assert bench.step().quality == dict.fromkeys(NAMES, "good")


def test_a_trace_says_what_was_not_good_and_when_that_changed() -> None:
    bench = Bench()
    token = bench.lease()
    bench.refused = {"rate": "no such register"}
    bench.step()
    assert bench.run(token, Pause(20 * MS)).qualities == ((0, "rate", "bad"),)
    bench.refused = {}
    bench.step()
    request = bench.ask(Run(token, (Pause(200 * MS),)))
    bench.steps(5)
    bench.link = False
    bench.steps(2)
    trace = bench.replies[request]
    assert isinstance(trace, Trace)
    assert trace.ended == "link"
    [at] = {t for t, _, _ in trace.qualities}
    assert at > 0
    assert {(tag, quality) for _, tag, quality in trace.qualities} == {(tag, "bad") for tag in NAMES}


def test_what_a_device_doubts_is_uncertain() -> None:
    bench = Bench()
    bench.step({"rate": 5.0})
    out = bench.cell.step(bench.now + 10 * MS, Inputs(uncertain={"rate"}))
    assert out.quality == {"rate": "uncertain"}
    assert bench.cell.values["rate"] == 5.0


def test_an_image_of_an_earlier_gateway_is_still_read() -> None:
    old = b"\x94\xa5Image\xc3\xc3\x81\xa1a\x07"
    assert decode(old, Image) == Image(True, True, {"a": 7})
    new = Image(False, True, {"a": (1, 2), "b": "text"}, {"a": "bad"})
    assert decode(encode(new), Image) == new

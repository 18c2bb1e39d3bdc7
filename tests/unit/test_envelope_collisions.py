"""Bodies that run into each other: the instant, against fine sampling; who is told of; nothing told twice."""

from __future__ import annotations

import math
from typing import NamedTuple

import pytest
from every_kind import Hand, Plant, usual_value
from hypothesis import given
from hypothesis import strategies as st

from gateway.field.types import Value
from gateway.twin.envelope import DEEP, Box, Envelope, Slide, Swing, overlap_changes, swept
from gateway.twin.kinds import KINDS
from gateway.twin.library import ComponentSpec
from gateway.twin.motion import SECOND, Path, Polynomial, still, trapezoid
from gateway.twin.twin import Twin

MS = 1_000_000
STEP = 3 * MS

ways = st.builds(
    lambda start, goal, speed, acceleration: trapezoid(0, start, 0.0, goal, speed, acceleration),
    st.integers(-300, 300),
    st.integers(-300, 300),
    st.sampled_from((50.0, 200.0, 700.0)),
    st.sampled_from((400.0, 3000.0)),
)
sides = st.integers(10, 200)
boxes = st.builds(
    lambda x, y, a, b: Box((x, y, 0.0), (x + a, y + b, 50.0)),
    st.integers(-200, 200),
    st.integers(-200, 200),
    sides,
    sides,
)
movers = st.lists(st.tuples(st.integers(0, 1), ways, st.sampled_from((1.0, -1.0, 0.5))), max_size=2)
envelopes = st.builds(lambda box, moves: Envelope(box, tuple(Slide(*each) for each in moves)), boxes, movers)


def depth(one: Envelope, other: Envelope, now: int) -> float:
    """How deep they overlap, mm; negative: how far they are apart."""
    deep = math.inf
    for axis in range(3):
        places = [
            (each.box.low[axis] + moved, each.box.high[axis] + moved)
            for each in (one, other)
            for moved in (sum(s.scale * s.path.at(now) for s in each.slides if s.axis == axis),)
        ]
        (low, high), (others_low, others_high) = places
        deep = min(deep, high - others_low, others_high - low)
    return deep


@given(one=envelopes, other=envelopes)
def test_the_instants_are_those_of_fine_sampling(one: Envelope, other: Envelope) -> None:
    now, overlapping = 0, depth(one, other, 0) > DEEP
    changes: list[int] = []
    while (due := overlap_changes(one, other, now, overlapping)) is not None and len(changes) < 20:
        assert due >= now
        changes.append(due)
        now, overlapping = due, not overlapping
    assert len(changes) < 20
    overlapping = depth(one, other, 0) > DEEP
    for sample in range(0, 4 * SECOND, STEP):
        while changes and changes[0] <= sample:
            overlapping = not overlapping
            changes.pop(0)
        deep = depth(one, other, sample)
        if abs(deep) > 1e-3:  # clear of the border
            assert (deep > 0) == overlapping


@given(box=boxes, x=st.integers(-200, 200), y=st.integers(-200, 200), first=st.integers(-400, 400), by=sides)
def test_the_swept_box_is_the_box_around_all_positions(
    box: Box, x: float, y: float, first: float, by: float
) -> None:
    around = swept(box, x, y, first, first + by)
    found: list[tuple[float, float]] = []
    for step in range(by * 5 + 1):
        angle = math.radians(first + step / 5)
        for cx in (box.low[0], box.high[0]):
            for cy in (box.low[1], box.high[1]):
                dx, dy = cx - x, cy - y
                found.append(
                    (
                        x + dx * math.cos(angle) - dy * math.sin(angle),
                        y + dx * math.sin(angle) + dy * math.cos(angle),
                    )
                )
    for axis in (0, 1):
        assert around.low[axis] == pytest.approx(min(each[axis] for each in found), abs=3e-3)
        assert around.high[axis] == pytest.approx(max(each[axis] for each in found), abs=3e-3)


def test_what_turns_for_ever_takes_up_the_whole_round() -> None:
    arm = Box((0.0, -5.0, 0.0), (100.0, 5.0, 20.0))
    radius = math.hypot(100, 5)
    for speed in (90.0, -90.0):
        spinning = Envelope(arm, (), Swing(Path((Polynomial(0, 0.0, speed),)), 0.0, 0.0))
        post = Envelope(Box((-radius - 40, -3.0, 0.0), (-radius - 1, 3.0, 50.0)))
        assert overlap_changes(spinning, post, 0, False) is None
        near = Envelope(Box((-radius - 40, -3.0, 0.0), (-radius + 1, 3.0, 50.0)))
        assert overlap_changes(spinning, near, 0, False) == 0


def test_a_turn_takes_up_its_space_when_it_begins_and_less_when_it_has_ended() -> None:
    arm = Box((0.0, -5.0, 0.0), (100.0, 5.0, 20.0))
    turn = Path((still(0, 0.0), Polynomial(SECOND, 0.0, 90.0), Polynomial(2 * SECOND, 90.0)))
    swinging = Envelope(arm, (), Swing(turn, 0.0, 0.0))
    between = Envelope(Box((50.0, 50.0, 0.0), (60.0, 60.0, 20.0)))
    assert overlap_changes(swinging, between, 0, False) == SECOND
    assert overlap_changes(swinging, between, SECOND, True) == 2 * SECOND
    assert overlap_changes(swinging, between, 2 * SECOND, False) is None


class Cell(NamedTuple):
    """Two axes that face each other, each with a body, and a post that stands beside."""

    plant: Plant
    axes: tuple[str, str]

    def go(self, twin: Twin, *targets: float) -> None:
        for axis, target in zip(self.axes, targets, strict=True):
            twin.drive(f"{axis}-target", target)

    def collided(self, twin: Twin) -> list[tuple[int, str, str]]:
        return [
            (each.time, each.component, each.detail) for each in twin.happenings() if each.kind == "collided"
        ]


@pytest.fixture
def cell() -> Cell:
    plant = Plant("servo-axis")
    axes = (plant.name, plant._add("servo-axis", ()))
    for axis in axes:
        spec = plant.specs[axis]
        spec.params.update({"low": 0.0, "high": 500.0, "speed": 250.0, "acceleration": 2500.0})

    def body(name: str, links: dict[str, str], **params: float) -> None:
        size = {"length": 100.0, "width": 80.0, "height": 60.0}
        filled = {each.name: usual_value(each) for each in KINDS["body"].PARAMS}
        given = {key.replace("_", "-"): value for key, value in params.items()}
        plant.specs[name] = ComponentSpec(name, "body", {**filled, **size, **given}, links, {}, name)

    body("left", {"along-x": axes[0]})
    body("right", {"along-x": axes[1]}, x=800.0, x_stroke=-1.0, z=40.0)  # passes above the post
    body("post", {}, x=300.0, y=60.0, height=35.0)
    body("tool", {"along-x": axes[0]}, x=90.0, y=30.0, width=20.0)  # on the left one, into which it reaches
    return Cell(plant, axes)


def test_two_that_meet_are_told_with_their_instant_and_both_names(cell: Cell) -> None:
    twin = cell.plant.twin()
    cell.go(twin, 180.0, 500.0)  # the right one's front comes to 800 - 500 = 300, and the tool's to 370
    twin.advance(5 * SECOND)
    told = cell.collided(twin)
    assert [each[1:] for each in told] == [("right", "with tool")]
    # The gap of 800 - 190 = 610 mm; at 250 mm/s, after 0.1 s and 12.5 mm on each side. The left one has come
    # to its 180 mm at 0.82 s; the right one goes on alone.
    alone = 610 - 180
    assert told[0][0] == pytest.approx((0.1 + (alone - 12.5) / 250) * SECOND, abs=2e3)
    cell.go(twin, 180.0, 0.0)
    twin.advance(10 * SECOND)
    assert cell.collided(twin) == []
    cell.go(twin, 180.0, 500.0)
    twin.advance(20 * SECOND)
    assert [each[1:] for each in cell.collided(twin)] == [("right", "with tool")]


def test_a_body_runs_into_what_stands(cell: Cell) -> None:
    twin = cell.plant.twin()
    cell.go(twin, 400.0, 0.0)
    twin.advance(5 * SECOND)
    told = cell.collided(twin)
    assert [each[1:] for each in told] == [("left", "with post")]  # the tool passes beside it
    assert told[0][0] == pytest.approx((0.1 + (200 - 12.5) / 250) * SECOND, abs=2e3)


def test_a_change_of_course_on_the_way_is_counted_with(cell: Cell) -> None:
    twin = cell.plant.twin()
    cell.go(twin, 400.0, 0.0)
    twin.advance(SECOND // 2)
    cell.go(twin, 0.0, 0.0)
    twin.advance(SECOND * 3)
    assert cell.collided(twin) == []
    cell.go(twin, 400.0, 0.0)
    twin.advance(SECOND * 6)
    assert len(cell.collided(twin)) == 1


def test_a_stored_twin_meets_as_the_original(cell: Cell) -> None:
    def play(hand: Hand, twin: Twin) -> list[object]:
        seen: list[object] = []
        for _ in range(30):
            values: list[Value] = [hand.random.uniform(0, 500) for _ in cell.axes]
            cell.go(twin, *map(float, values))  # type: ignore[arg-type]  # numbers
            twin.advance(twin.now + hand.random.randrange(800 * MS))
            seen.append((cell.collided(twin), twin.sense()))
        return seen

    met = 0
    for seed in range(10):
        hand, twin = Hand(cell.plant, seed), cell.plant.twin()
        play(hand, twin)
        taken, state = twin.snapshot(), hand.state()
        original = play(hand, twin)
        other = cell.plant.twin()
        other.restore(taken)
        hand.resume(state)
        assert play(hand, other) == original
        met += sum(len(collided) for collided, _ in original)  # type: ignore[misc]  # a list and a dict
    assert met > 20

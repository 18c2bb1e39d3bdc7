"""Every kind of component there is: stored and restored, recorded and replayed."""

from __future__ import annotations

import math

import pytest
from every_kind import MS, Hand, Plant, inside
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.twin.kinds import KINDS
from gateway.twin.recording import Recorder, Trace, read_recording, replay
from gateway.twin.signal import chain_params

STEP = 2 * MS
NEAR = 2_000  # ns, by which the event at an edge may be late
PLANTS = {kind: Plant(kind) for kind in KINDS}
every_kind = pytest.mark.parametrize("plant", PLANTS.values(), ids=PLANTS)


@every_kind
@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 10_000), before=st.integers(0, 60))
def test_a_stored_twin_goes_on_as_the_original(plant: Plant, seed: int, before: int) -> None:
    hand, twin = Hand(plant, seed), plant.twin(seed=seed)
    for _ in range(before):
        hand.step(twin)
    hand.act(twin)  # and nobody has looked since
    taken, state, remembered = twin.snapshot(), hand.state(), inside(twin)
    original = [hand.step(twin) for _ in range(25)]
    for other in (plant.twin(seed=seed), twin):  # also the original, which has gone on since
        other.restore(taken)
        now = inside(other)
        assert [(key, now.get(key, told)) for key, told in remembered.items()] == [*remembered.items()]
        hand.resume(state)
        assert [hand.step(other) for _ in range(25)] == original


@every_kind
@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 10_000), start=st.sampled_from((0, 987_654_321_987)))
def test_a_recording_is_replayed_to_the_same_trace(plant: Plant, seed: int, start: int) -> None:
    def played(record: bool) -> tuple[list[bytes], bytes]:
        hand, twin, lines = Hand(plant, seed), plant.twin(start, seed), list[bytes]()
        witness = Recorder(twin, plant.name, "", lines.append) if record else Trace(twin)
        for _ in range(60):
            hand.act(twin)
            twin.advance(twin.now + hand.random.randrange(150_000_000))
            if hand.random.random() < 0.3:
                twin.edges()
        if isinstance(witness, Recorder):
            witness.end()
            return [], b"".join(lines)
        twin.settle()
        return witness.lines, b""

    trace, _ = played(False)
    _, data = played(True)
    recording = read_recording(data, "run.jsonl")
    assert recording.end is not None
    assert list(replay(recording, plant.twin(recording.head.start, recording.head.seed))) == trace
    assert recording.end.seen == len(trace)


@every_kind
@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_switches_and_what_is_called_steady_change_at_events_alone(plant: Plant, seed: int) -> None:
    hand, twin = Hand(plant, seed), plant.twin(seed=seed)
    for _ in range(60):
        hand.act(twin)
        twin.advance(twin.now + hand.random.randrange(150_000_000))
        twin.edges()
        due = twin.kernel.next_time()
        until = twin.now + 3_000_000_000 if due is None else max(due - NEAR, twin.now)
        steady = [wire for wire in twin._sensors if wire.tag.type.kind == "bool" or wire.steady()]
        before = [(wire.tag.name, wire.arriving()) for wire in steady]
        for part in (1, 10, 100, 1000):
            twin.kernel.advance(until - (until - twin.now) * (1000 - part) // 1000)
            assert [(wire.tag.name, wire.arriving()) for wire in steady] == before


LAG = 200.0  # ms
LAGGING = {kind: Plant(kind, LAG) for kind in KINDS if chain_params(KINDS[kind].PORTS)}


@pytest.mark.parametrize("plant", LAGGING.values(), ids=LAGGING)
@settings(max_examples=3, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_a_lagging_sensor_follows_what_it_measures(plant: Plant, seed: int) -> None:
    hand, twin = Hand(plant, seed), plant.twin(seed=seed)
    own = [wire for wire in twin._sensors if wire.component.name == plant.name]
    sensors = [(wire, wire.signal) for wire in own if wire.signal is not None]

    def values() -> list[float]:
        return [float(wire.component.sense(wire.port)) for wire, _ in sensors]

    shown, widest, factor = values(), [0.0] * len(sensors), math.exp(-STEP / MS / LAG)
    for _ in range(40):
        hand.act(twin)
        for _ in range(hand.random.randrange(100)):
            before = values()
            twin.advance(twin.now + STEP)
            for index, after in enumerate(values()):
                middle = (before[index] + after) / 2
                shown[index] = middle + (shown[index] - middle) * factor
                widest[index] = max(widest[index], abs(after))
        for (wire, signal), value, expected, width in zip(sensors, values(), shown, widest, strict=True):
            read = signal.shows(value, twin.now)
            assert read == pytest.approx(expected, abs=max(0.02 * width, 1e-6)), wire.tag.name

"""The generated shim in a program that the virtual controller runs: whose values it reads, and when."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from shim_bench import ADDRESSES, MS, PROGRAM, SCAN, ShimBench, put_in, station

from gateway.controller.compile import compile_program
from gateway.errors import BadInput
from gateway.field.types import Value
from rig.tags.shim import generate
from rig.tags.shimplan import plan
from rig.tags.shimst import Memory

TERMINAL = (True, False, 2.5, 12.5)
TWIN: dict[str, Value] = {"door_closed": False, "part_here": True, "force": 7.0, "height": 30.0, "command": 5}
SEEN_TWIN = (False, True, 7.0, 30.0)
WATCHDOG = 500 * MS
AS_TEXT = ('REAL, address: "hr:1032", range: 0..50, safe: 0', "'STRING[4]', address: 'hr:50', safe: a")


@pytest.fixture(params=sorted(ADDRESSES))
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> ShimBench:
    made = ShimBench(tmp_path, request.param)
    made.terminal(True, False, 250, 12.5)
    return made


def commission(bench: ShimBench) -> int:
    """Flag, values and a live heartbeat, until the shim has let them in; the last count."""
    bench.write(twin_on=True, beat=41, **TWIN)
    bench.scan(10)
    bench.write(beat=42)
    bench.scan()
    assert bench.seen == SEEN_TWIN
    assert bench.active
    return 42


def test_without_a_gateway_it_reads_its_terminals(bench: ShimBench) -> None:
    bench.scan(200)
    assert bench.seen == TERMINAL
    assert not bench.active


def test_commissioned_it_reads_the_twin(bench: ShimBench) -> None:
    bench.scan()
    last = commission(bench)
    for beat in range(last + 1, last + 30):
        bench.write(beat=beat, height=float(beat % 50))
        bench.scan(10)
        assert bench.seen == (False, True, 7.0, float(beat % 50))
        assert bench.active


def test_values_without_the_flag_are_not_read(bench: ShimBench) -> None:
    for beat in range(1, 30):
        bench.write(beat=beat, **TWIN)
        bench.scan(10)
        assert bench.seen == TERMINAL


def test_the_flag_without_a_heartbeat_is_not_enough(bench: ShimBench) -> None:
    bench.write(twin_on=True, beat=41, **TWIN)
    bench.scan(200)
    assert bench.seen == TERMINAL


def test_the_first_count_may_come_before_the_values(bench: ShimBench) -> None:
    bench.write(twin_on=True, beat=1)
    bench.scan()
    assert bench.seen == TERMINAL
    bench.write(**TWIN)
    bench.scan()
    assert bench.seen == TERMINAL
    bench.write(beat=2)
    bench.scan()
    assert bench.seen == SEEN_TWIN


def test_when_the_heart_stops_it_is_back_within_the_watchdog(bench: ShimBench) -> None:
    commission(bench)
    last = bench.now
    for _ in range(100):
        bench.scan()
        assert bench.seen == (SEEN_TWIN if bench.active else TERMINAL)
        if not bench.active:
            break
    assert WATCHDOG <= bench.now - last <= WATCHDOG + 2 * SCAN
    bench.scan(100)
    assert bench.seen == TERMINAL


def test_when_the_flag_falls_it_is_back_in_the_same_scan(bench: ShimBench) -> None:
    commission(bench)
    bench.write(twin_on=False)
    bench.scan()
    assert bench.seen == TERMINAL


def test_the_safe_heartbeat_ends_it_too(bench: ShimBench) -> None:
    """Whichever of the safe values is written first: none lets the twin in again."""
    commission(bench)
    bench.scan(100)
    bench.write(beat=0)
    bench.scan()
    assert bench.seen == TERMINAL
    bench.write(beat=977)  # the next lease begins to count, while the old flag and values still stand
    bench.scan(20)
    assert bench.seen == TERMINAL


def test_it_comes_back_without_a_restart(bench: ShimBench) -> None:
    for _ in range(3):
        commission(bench)
        bench.scan(70)
        assert bench.seen == TERMINAL
        bench.write(beat=0, twin_on=False)
        bench.scan()


def test_one_late_count_lets_nothing_in(bench: ShimBench) -> None:
    """A gateway that was held up may still send what it had ready: by then its lease may have run out."""
    commission(bench)
    bench.scan(100)
    bench.write(beat=977, twin_on=True, **TWIN)
    bench.scan(100)
    assert bench.seen == TERMINAL
    bench.write(beat=978)
    bench.scan()
    assert bench.seen == TERMINAL
    bench.write(beat=979)  # it is there again, and has the lease
    bench.scan()
    assert bench.seen == SEEN_TWIN


def test_the_count_may_begin_anew(bench: ShimBench) -> None:
    bench.write(twin_on=True, **TWIN)
    for beat in (65533, 65534, 65535, 1, 2):
        bench.write(beat=beat)
        bench.scan(30)
    assert bench.seen == SEEN_TWIN


def test_the_heartbeat_may_be_a_word(tmp_path: Path) -> None:
    bench = ShimBench(
        tmp_path,
        "modbus",
        ("beat:        {direction: input,  type: UINT", "beat: {direction: input, type: WORD"),
    )
    bench.terminal(True, False, 250, 12.5)
    commission(bench)


def test_the_flag_may_be_a_bit_of_the_command(tmp_path: Path) -> None:
    bench = ShimBench(
        tmp_path,
        "modbus",
        ("commissioning: twin-on", "commissioning: command.15"),
        ('  twin-on:     {direction: input,  type: BOOL, address: "hr:1027.15", safe: false}\n', ""),
    )
    bench.terminal(True, False, 250, 12.5)
    bench.write(command=0x8005, beat=1)
    bench.scan()
    bench.write(beat=2)
    bench.scan()
    assert bench.active
    assert bench.controller.instance.get("Command") == 0x8005
    bench.write(command=5)
    bench.scan()
    assert not bench.active


def test_a_command_rests_without_the_twin(bench: ShimBench) -> None:
    """It has no terminal: the program sees its safe value."""
    assert "real_command :=" not in bench.text
    commission(bench)
    assert bench.controller.instance.get("Command") == 5
    bench.scan(100)
    assert bench.controller.instance.get("Command") == 0


def test_it_says_whose_it_is_and_that_it_is_called(bench: ShimBench) -> None:
    pulses = []
    for _ in range(60):
        bench.scan(10)
        status = bench.read("shim-status")
        assert isinstance(status, int)
        pulses.append(status >> 1 & 1)
    changes = sum(a != b for a, b in pairwise(pulses))
    assert changes in (5, 6)  # in six seconds
    assert bench.read("shim-stamp") == bench.plan.shim.code


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    doings=st.lists(
        st.tuples(
            st.sampled_from(["scan", "beat", "beat", "beat", "silence", "safe", "on", "off", "restart"]),
            st.integers(1, 12),
        ),
        max_size=60,
    )
)
def test_whatever_the_gateway_does(
    tmp_path_factory: pytest.TempPathFactory, doings: list[tuple[str, int]]
) -> None:
    """The twin is read exactly while the flag stands and the last two counts were each recent."""
    bench = ShimBench(tmp_path_factory.mktemp("press"))
    bench.terminal(True, False, 250, 12.5)
    bench.write(**TWIN)
    never = -(10**18)
    flag, beat, seen, alive_at, counted_at = False, 0, 0, never, never
    for doing, number in doings:
        if doing == "beat":
            beat = beat % 65535 + 1
        elif doing == "restart":
            beat = number * 100
        elif doing == "safe":
            flag, beat = False, 0
        elif doing in ("on", "off"):
            flag = doing == "on"
        bench.write(twin_on=flag, beat=beat)
        for _ in range(number * (6 if doing == "silence" else 1)):
            bench.scan()
            if beat == 0:
                alive_at = counted_at = never
            elif beat != seen:
                if bench.now - counted_at < WATCHDOG + 2 * SCAN:  # no scan between found it too old
                    alive_at = bench.now
                counted_at = bench.now
            seen = beat
            alive = bench.now - alive_at < WATCHDOG + SCAN
            assert bench.active is (flag and alive)
            assert bench.seen == (SEEN_TWIN if flag and alive else TERMINAL)


# --- the text ------------------------------------------------------------------------------------------


def test_it_is_the_same_every_time_and_says_what_to_do(tmp_path: Path) -> None:
    made = plan(station(tmp_path, "modbus"))
    text = generate(made)
    assert text == generate(plan(station(tmp_path, "modbus")))
    assert f"16#{made.shim.code:08X}" in text.splitlines()[0]
    assert "To take it out" in text
    assert "Leave safety inputs" in text
    assert str(tmp_path) not in text
    assert "Tür (zu)" in text


def test_another_controller_has_its_memory_elsewhere(tmp_path: Path) -> None:
    text = generate(plan(station(tmp_path, "modbus")), memory=Memory(coils=64, registers=1000))
    assert "twin_door_closed AT %MX252.0 : BOOL;" in text
    assert "twin_force AT %MW30 : INT;" in text
    assert "twin_register_1027 AT %MW27 : WORD;" in text
    assert text.count("twin_register_1027 AT") == 1


@pytest.mark.parametrize(
    ("protocol", "edit", "said"),
    [
        ("modbus", ('"hr:1032"', '"hr:1033"'), "height at hr:1033 is %MW9, where no 32-bit variable begins"),
        ("modbus", ('"hr:1042"', '"ir:1042"'), "shim-stamp at ir:1042 is among the controller's inputs"),
        ("modbus", AS_TEXT,
         "height at hr:50 is a STRING[4], which no program has as Modbus has it"),
        ("opcua", ("Press.TwinDoor", "Press.DoorClosed"), "is DoorClosed, as the program's own input may be"),
        ("opcua", ("s=Press.TwinDoor", "i=77"), "does not end in a variable's name"),
        ("opcua", ("Press.TwinDoor", "Press.If"), "does not end in a variable's name"),
        ("s7", ("DB1.DBX4.0", "DB5.DBX4.0"), "door-closed at DB5.DBX4.0 is no memory of a Structured Text"),
        ("s7", ("DB1.DBD12", "DB1.DBD14"), "height at DB1.DBD14 is byte 14, where no 32-bit variable begins"),
    ],
)  # fmt: skip
def test_what_no_variable_can_stand_for_is_told(
    tmp_path: Path, protocol: str, edit: tuple[str, str], said: str
) -> None:
    made = plan(station(tmp_path, protocol, edit))
    with pytest.raises(BadInput) as raised:
        generate(made, "st")
    (problem,) = raised.value.problems
    assert said in str(problem)
    assert problem.line > 0
    assert problem.hint


def test_a_browse_path_ends_in_the_variables_name(tmp_path: Path) -> None:
    edit = ("ns=2;s=Press.TwinDoor", "/Objects/2:Press/2:TwinDoor")
    assert "    TwinDoor : BOOL;" in generate(plan(station(tmp_path, "opcua", edit)))


def test_all_that_is_wrong_is_told_at_once(tmp_path: Path) -> None:
    made = plan(station(tmp_path, "modbus", ('"hr:1032"', '"hr:1033"'), ('"hr:1042"', '"hr:1043"')))
    with pytest.raises(BadInput) as raised:
        generate(made)
    assert len(raised.value.problems) == 2


def test_a_station_without_a_shim_is_told_how_to_get_one(tmp_path: Path) -> None:
    line = "shim: {commissioning: twin-on, heartbeat: beat, status: shim-status, stamp: shim-stamp}\n"
    with pytest.raises(BadInput, match=r"declares no shim; add for example shim: \{commissioning"):
        plan(station(tmp_path, "modbus", (line, "")))


@pytest.mark.parametrize(("protocol", "language"), [("modbus", "scl"), ("opcua", "scl"), ("s7", "c")])
def test_a_language_that_does_not_fit(tmp_path: Path, protocol: str, language: str) -> None:
    with pytest.raises(BadInput, match=r"scl or st|--language st"):
        generate(plan(station(tmp_path, protocol)), language)


def test_names_that_meet_are_kept_apart(tmp_path: Path) -> None:
    more = "".join(
        f"  {name}: {{direction: input, type: BOOL, address: 'coil:{2900 + n}', safe: false}}\n"
        for n, name in enumerate(("if", "to", "a-b", "a--b", "ab", "int", "x-", "true"))
    )
    made = plan(station(tmp_path, "modbus", ("twin: {}\n", f"{more}twin: {{}}\n")))
    names = [each.name.lower() for each in made.passages]
    programs = [each.program.lower() for each in made.passages]
    assert len(set(names)) == len(set(programs)) == len(made.passages)
    extra = "".join(f"    {p.program} AT %IX{40 + n}.0 : BOOL;\n" for n, p in enumerate(made.passages[5:]))
    compile_program(put_in(PROGRAM.replace("VAR\n", f"VAR\n{extra}", 1), generate(made)))

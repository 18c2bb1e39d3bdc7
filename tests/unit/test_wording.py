"""Numbers, times and limits as people read them."""

import pytest

from rig.record import Measurement
from rig.report import wording


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (-0.0, "0"),
        (3.0, "3"),
        (2.10841234, "2.10841"),
        (1234567.0, "1234567"),
        (1.5e-7, "1.5e-07"),
        (-412.25, "-412.25"),
        (1e18, "1e+18"),
    ],
)
def test_number(value: float, text: str) -> None:
    assert wording.number(value) == text


def test_a_value_never_reads_as_its_limit_when_it_is_beyond_it() -> None:
    late = Measurement("response", 100.0000004, "ms", None, 100.0, "FAIL")
    assert wording.measured(late) == "100.0000004 ms"
    assert wording.measured(Measurement("response", 100.0, "ms", None, 100.0)) == "100 ms"
    early = Measurement("response", 0.1 + 0.2, "s", None, 0.3, "FAIL")  # 0.30000000000000004
    assert float(wording.measured(early).split()[0]) > 0.3


@pytest.mark.parametrize(
    ("low", "high", "unit", "text"),
    [
        (1.8, 2.4, "N.m", "1.8 … 2.4 N·m"),
        (None, 100.0, "ms", "≤ 100 ms"),
        (3.0, None, "1", "≥ 3"),
        (0.0, 0.0, "1", "= 0"),
        (None, None, "ms", ""),
        (99.99999996, None, "Cel", "≥ 99.99999996 °C"),
    ],
)
def test_limits(low: float | None, high: float | None, unit: str, text: str) -> None:
    assert wording.limits(Measurement("x", 1.0, unit, low, high)) == text


def test_uncertainty_and_text_values() -> None:
    assert wording.measured(Measurement("x", 412.0, "ms", uncertainty=10.0)) == "412 ± 10 ms"
    assert wording.measured(Measurement("x", "never", "ms")) == "never"


@pytest.mark.parametrize(
    ("ns", "text"),
    [
        (0, "0 s"),
        (900, "900 ns"),
        (850_000, "850 µs"),
        (12_340_000, "12.3 ms"),
        (999_400_000, "999 ms"),
        (999_700_000, "1 s"),
        (2_310_000_000, "2.31 s"),
        (59_940_000_000, "59.9 s"),
        (59_960_000_000, "1 min 00 s"),
        (123_400_000_000, "2 min 03 s"),
        (3_599_700_000_000, "1 h 00 min"),
        (7_380_000_000_000, "2 h 03 min"),
        (-1_250_000, "-1.25 ms"),
    ],
)
def test_duration(ns: int, text: str) -> None:
    assert wording.duration(ns) == text


def test_times() -> None:
    at = 1_767_323_045_678_900_000
    assert wording.utc(at) == "2026-01-02 03:04:05 UTC"
    assert wording.iso(at) == "2026-01-02T03:04:05.678Z"
    assert wording.clock(3_723_999_999_999) == "1:02:03"
    assert wording.clock(31_000_000_000) == "0:31"


def test_only_all_of_it_is_a_hundred_percent() -> None:
    assert wording.percent(299, 300) == "99 %"
    assert wording.percent(300, 300) == "100 %"
    assert wording.percent(0.29) == "29 %"
    assert wording.percent(0, 0) == "–"


def test_clean_leaves_nothing_that_a_terminal_obeys_or_xml_forbids() -> None:
    assert wording.clean("a\x1b[2J\x9b\r\nb\tc\ud800\ufffe") == "a\\x1b[2J\\x9b\nb\tc\\ud800\\ufffe"
    assert wording.one_line(" a\n\n b ") == "a b"


def test_what_a_mode_and_a_host_are_is_said() -> None:
    assert wording.mode("hil").startswith("hardware in the loop")
    assert wording.mode("something") == ""
    facts = {
        "name": "desk",
        "system": "Linux 6.1",
        "machine": "aarch64",
        "python": "3.11.7",
        "processors": "1",
    }
    assert wording.host(facts) == "Linux 6.1, aarch64, Python 3.11.7, 1 processor"
    assert wording.host({"name": "desk", "processors": "4"}) == "4 processors"
    assert wording.host({}) == ""

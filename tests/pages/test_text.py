from __future__ import annotations

import pytest

from edgecnn.report.text import (
    decibel_text,
    duration_text,
    interval_text,
    level_text,
    number_text,
    p_text,
    percent_text,
    plural_text,
    points_text,
    rate_text,
    size_text,
    time_unit,
    times_text,
)


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (949, "949 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (96_240, "96.2 kB"),
        (994_000, "994.0 kB"),
        (999_499, "999.5 kB"),
        (999_960, "1.00 MB"),
        (999_999, "1.00 MB"),
        (6_710_000, "6.71 MB"),
        (999_999_999, "1.00 GB"),
        (85_400_000_000, "85.40 GB"),
        (None, "\u2013"),
    ],
)
def test_a_size_is_told_in_the_unit_a_person_would_use(size: int | None, text: str) -> None:
    assert size_text(size) == text


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (-0.04, 1, "0.0"),
        (-0.05001, 1, "\u22120.1"),
        (-0.0, 2, "0.00"),
        (0.004, 2, "0.00"),
        (-12.3456, 2, "\u221212.35"),
        (7.0, 0, "7"),
        (-0.4, 0, "0"),
    ],
)
def test_a_number_that_rounds_to_zero_has_no_sign(value: float, digits: int, text: str) -> None:
    assert number_text(value, digits) == text


def test_a_plus_stands_where_it_is_asked_for() -> None:
    assert [number_text(one, 1, sign=True) for one in (-1.0, -0.01, 0.01, 1.0)] == [
        "\u22121.0", "0.0", "0.0", "+1.0",
    ]  # fmt: skip
    assert points_text(0.005, 1, sign=True) == "+0.5"
    assert points_text(-0.005, 1, sign=True) == "\u22120.5"
    assert points_text(-0.00001, 1, sign=True) == "0.0"


def test_units_follow_the_number() -> None:
    assert (decibel_text(-0.03), decibel_text(-3.26)) == ("0.0 dB", "\u22123.3 dB")
    assert (percent_text(-0.00001), percent_text(0.98765, 1)) == ("0.00 %", "98.8 %")
    assert [plural_text(one, "thread") for one in (1, 2, 1000)] == [
        "1 thread", "2 threads", "1,000 threads",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("share", "text"),
    [(0.9751, "97.51 %"), (0.0, "0.00 %"), (-0.0001, "\u22120.01 %"), (None, "\u2013")],
)
def test_percent(share: float | None, text: str) -> None:
    assert percent_text(share) == text


def test_intervals_and_their_levels() -> None:
    assert interval_text(-0.0008, 0.0112) == "\u22120.08 to 1.12"
    assert interval_text(-0.0008, 0.0112, 1) == "\u22120.1 to 1.1"
    assert [level_text(one) for one in (0.95, 0.99375)] == ["95 %", "99.38 %"]


def test_tiny_p_values_are_not_told_apart() -> None:
    assert p_text(4e-96) == "below 0.0001"
    assert p_text(0.00763) == "0.0076"
    assert p_text(1.0) == "1"


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [
        (950, "950 ns"),
        (79_400, "79.4 \u00b5s"),
        (999_700, "1.00 ms"),
        (12_345_678, "12.3 ms"),
        (2_500_000_000, "2.50 s"),
        (None, "\u2013"),
    ],
)
def test_durations_have_the_unit_a_person_would_use(nanoseconds: int | None, text: str) -> None:
    assert duration_text(nanoseconds) == text


def test_times_that_are_compared_have_one_unit() -> None:
    unit = time_unit([88_417, 30_100_000])
    assert unit.name == "\u00b5s"
    assert [unit.number(one) for one in (88_417, 30_100_000, None)] == ["88.4", "30,100", "\u2013"]
    assert time_unit([]).name == "ms"
    assert time_unit([812, 90_000]).name == "ns"
    assert time_unit([2_000_000_000]).name == "s"


def test_ratios_and_rates_have_three_digits() -> None:
    assert [times_text(one) for one in (0.984, 3.12, 31.24, 312.4)] == [
        "0.98",
        "3.12",
        "31.2",
        "312",
    ]
    assert [rate_text(one) for one in (1_234_000, 31_240_000_000, None)] == [
        "0.00123", "31.2", "\u2013",
    ]  # fmt: skip

from __future__ import annotations

import pytest

from edgecnn_runner.quantities import decibel_text, number_text, percent_text, size_text


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (949, "949 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (96_240, "96.2 kB"),
        (994_000, "994.0 kB"),
        (999_999, "1.00 MB"),
        (6_710_000, "6.71 MB"),
        (999_999_999, "1.00 GB"),
        (85_400_000_000, "85.40 GB"),
    ],
)
def test_a_size_is_told_in_the_unit_a_person_would_use(size: int, text: str) -> None:
    assert size_text(size) == text


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (-0.04, 1, "0.0"),
        (-0.05001, 1, "-0.1"),
        (-0.0, 2, "0.00"),
        (0.004, 2, "0.00"),
        (-12.3456, 2, "-12.35"),
        (7.0, 0, "7"),
        (-0.4, 0, "0"),
    ],
)
def test_a_number_that_rounds_to_zero_has_no_sign(value: float, digits: int, text: str) -> None:
    assert number_text(value, digits) == text


def test_signs_are_those_that_are_asked_for() -> None:
    assert [number_text(one, 1, plus="+", minus="\u2212") for one in (-1.0, -0.01, 0.01, 1.0)] == [
        "\u22121.0", "0.0", "0.0", "+1.0",
    ]  # fmt: skip


def test_units_follow_the_number() -> None:
    assert (decibel_text(-0.03), decibel_text(-3.26)) == ("0.0 dB", "-3.3 dB")
    assert (percent_text(-0.00001), percent_text(0.98765, 1)) == ("0.00 %", "98.8 %")

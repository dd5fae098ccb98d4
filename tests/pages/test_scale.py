from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecnn.report import LogScale, Scale

POSITIVE = st.floats(1e-3, 1e12)


def test_places_are_clipped_to_the_axis() -> None:
    linear, log = Scale(low=-1, high=3), LogScale(low=10, high=1000)
    assert [linear.place(value) for value in (-9, -1, 0, 3, 9)] == [0, 0, 25, 100, 100]
    assert [log.place(value) for value in (-1, 0, 5, 10, 100, 1000, 9000)] == [
        0, 0, 0, 0, 50, 100, 100,
    ]  # fmt: skip


def test_a_log_axis_gives_equal_ratios_equal_room() -> None:
    scale = LogScale.around([2, 20_000])
    steps = [scale.place(10.0**power * 2) for power in range(5)]
    widths = [later - earlier for earlier, later in itertools.pairwise(steps)]
    assert widths == pytest.approx([widths[0]] * 4, abs=0.05)
    assert 0 < steps[0] < steps[-1] < 100


def test_equal_values_stand_in_the_middle() -> None:
    assert LogScale.around([7.0, 7.0]).place(7.0) == pytest.approx(50, abs=0.01)


@given(st.lists(POSITIVE, min_size=1, max_size=9))
def test_every_axis_has_a_few_ticks_and_all_of_its_values(values: list[float]) -> None:
    scale = LogScale.around(values)
    assert all(0 < scale.place(value) < 100 for value in values)
    ticks = scale.ticks()
    assert 1 <= len(ticks) <= 8
    assert list(ticks) == sorted(set(ticks))
    assert all(scale.low * 0.999 <= tick <= scale.high * 1.001 for tick in ticks)


@given(st.floats(-1e6, 1e6), st.floats(1e-6, 1e6))
def test_linear_ticks_are_round_and_on_the_axis(low: float, width: float) -> None:
    scale = Scale(low=low, high=low + width)
    ticks = scale.ticks()
    assert 1 <= len(ticks) <= 9
    for earlier, later in itertools.pairwise(ticks):
        first_digits = 10 ** (math.log10(later - earlier) % 1)
        assert min(abs(first_digits - one) for one in (1, 2, 5, 10)) < 0.02


def test_an_axis_without_extent_has_its_value() -> None:
    assert Scale(low=3, high=3).ticks() == (3,)

from __future__ import annotations

import math

import numpy as np
import pytest

from edgecnn.modelfile.layers.tally import MOST_DB, Grid, Tally, median_db, ratio_db

# Steps of 0.5 from -8 to 119.5: int8 with its zero point at -112.
GRID = Grid(scale=0.5, zero_point=-112, low=-128, high=127)
RELU = Grid(scale=0.1, zero_point=-128, low=-128, high=127)
SOFTMAX = Grid(scale=1 / 256, zero_point=-128, low=-128, high=127)


def tally(signal: list[float], values: list[float], grid: Grid | None = None) -> Tally:
    found = Tally(grid, axis=-1)
    found.add(np.array([signal]).T, np.array([values]).T)
    return found


@pytest.mark.parametrize(
    ("signal", "noise", "expected"),
    [(100, 1, 20), (1, 1, 0), (1, 10, -10), (1, 0, MOST_DB), (0, 0, MOST_DB), (0, 1, -MOST_DB),
     (1, math.inf, -MOST_DB), (1e-300, 1e300, -MOST_DB), (1e300, 1e-300, MOST_DB)],
)  # fmt: skip
def test_a_ratio_is_ten_times_the_logarithm_and_always_a_number(
    signal: float, noise: float, expected: float
) -> None:
    assert ratio_db(signal, noise) == pytest.approx(expected)


def test_energies_are_summed_over_all_images_before_they_are_divided() -> None:
    found = Tally(None, axis=-1)
    found.add(np.array([[10.0, 0.0]]), np.array([[9.0, 0.0]]))
    found.add(np.array([[0.0, 0.0]]), np.array([[0.0, 3.0]]))
    # 100 over 1 + 9; a mean of single ratios would be something else.
    assert found.snr_db == pytest.approx(10.0)


def test_one_image_at_a_time_gives_what_all_at_once_give() -> None:
    random = np.random.default_rng(3)
    signal = random.normal(0, 20, (5, 4, 3, 6)).astype(np.float32)
    values = GRID.store(signal.astype(np.float64) + random.normal(0, 1, signal.shape))
    whole, single = Tally(GRID, axis=-1), Tally(GRID, axis=-1)
    whole.add(signal, values)
    for image in range(5):
        single.add(signal[image : image + 1], values[image : image + 1])
    for name in ("snr_db", "channels_db", "storage_db", "storage_channels_db", "clipped", "spread"):
        assert getattr(single, name) == pytest.approx(getattr(whole, name))
    assert single.saturated == whole.saturated
    expected = 10 * np.log10(np.square(signal).sum() / np.square(signal - values).sum())
    assert whole.snr_db == pytest.approx(float(expected), abs=1e-4)


def test_the_median_channel_is_told_beside_the_whole() -> None:
    # One channel of a thousand, exact; two channels of one that are lost.
    signal = np.array([[1000.0, 1.0, 1.0]])
    found = Tally(None, axis=-1)
    found.add(signal, np.array([[1000.0, 0.0, 0.0]]))
    assert found.snr_db == pytest.approx(10 * math.log10((1e6 + 2) / 2))
    assert found.channels_db == pytest.approx(0.0)
    assert found.spread == pytest.approx(1000.0)


def test_a_channel_that_is_always_zero_does_not_count() -> None:
    found = Tally(None, axis=1)
    found.add(np.array([[[0.0], [0.0], [5.0]]]), np.array([[[0.0], [1.0], [4.0]]]))
    assert found.channels_db == pytest.approx(10 * math.log10(25))
    assert found.spread == 1.0


def test_values_beyond_the_range_are_saturated_where_they_stand_at_its_end() -> None:
    # -8 to 119.5; the third value lies beyond, but was computed to something else.
    found = tally([200, 130, 125, -20, 50, 0], [119.5, 119.5, 80, -8, 50, 0], GRID)
    assert found.saturated == pytest.approx(3 / 6)
    # The float values by themselves lose by clipping alone.
    assert found.clipped == pytest.approx(1.0)


def test_what_ends_at_the_end_of_the_range_by_itself_is_not_saturated() -> None:
    # 119.75 is nearest to 119.5; 120 is one step beyond, which rounding could lose, too.
    assert tally([119.5, 119.75, 120.0], [119.5, 119.5, 119.5], GRID).saturated == 0.0
    assert tally([120.2], [119.5], GRID).saturated == 1.0


def test_zeros_of_a_relu_are_not_saturated() -> None:
    found = tally([0.0, 0.0, 0.0, 3.0], [0.0, 0.0, 0.0, 3.0], RELU)
    assert RELU.bottom == 0.0
    assert found.saturated == 0.0
    assert found.storage_db == MOST_DB


def test_a_probability_of_one_is_not_saturated_in_the_fixed_range_of_softmax() -> None:
    assert SOFTMAX.top == 255 / 256
    assert tally([1.0, 0.0], [255 / 256, 0.0], SOFTMAX).saturated == 0.0


def test_real_numbers_have_no_range() -> None:
    found = tally([1e6], [1e6])
    assert found.saturated is found.storage_db is found.clipped is None
    assert found.storage_channels_db is None


def test_storing_alone_is_told_apart_from_the_noise_of_the_network() -> None:
    # Stored to within 0.1 of 10.1 and 20.1, but computed to something quite different.
    found = tally([10.1, 20.1], [15.0, 15.0], GRID)
    assert found.storage_db == pytest.approx(10 * math.log10((10.1**2 + 20.1**2) / 0.02))
    assert found.snr_db < 12
    assert found.clipped == 0.0


@pytest.mark.parametrize("wrong", [math.inf, -math.inf, math.nan])
def test_what_overflows_is_as_wrong_as_can_be(wrong: float) -> None:
    assert tally([1.0, 2.0], [1.0, wrong]).snr_db == -MOST_DB


def test_weights_are_judged_by_their_median_channel() -> None:
    weights = np.array([[1000.0, 1.0, 1.0], [1000.0, 1.0, 1.0]])
    rounded = np.array([[1000.0, 0.0, 0.0], [1000.0, 0.0, 0.0]])
    assert median_db(weights, rounded, axis=-1) == pytest.approx(0.0)
    assert median_db(weights, rounded, axis=0) == pytest.approx(10 * math.log10(1000002 / 2))

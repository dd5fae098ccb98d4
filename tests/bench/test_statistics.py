"""Figures of raw times, and intervals that cover what they should."""

from __future__ import annotations

import dataclasses
import time

import numpy as np
import numpy.typing as npt
import pytest

from bench.made_up import threads_of
from edgecnn.bench.results import ThreadBench
from edgecnn.bench.statistics import (
    LEAST_TURNS,
    RESAMPLES,
    Summary,
    macs_per_second,
    ratio,
    resample,
    spread,
    summarize,
)

Turns = npt.NDArray[np.float64]


def measured(turns: Turns) -> ThreadBench:
    taken = tuple(tuple(int(time) for time in turn) for turn in turns)
    return dataclasses.replace(threads_of(1, turns=1, runs=1), turns=taken)


def test_a_summary_is_made_of_times_that_were_taken() -> None:
    samples = [*range(1, 100), 5000]
    assert summarize(samples[::-1]) == Summary(
        n=100, min_ns=1, median_ns=50, p90_ns=90, p99_ns=99, mad_ns=25
    )
    assert summarize([7]) == Summary(n=1, min_ns=7, median_ns=7, p90_ns=7, p99_ns=7, mad_ns=0)


def test_no_outlier_is_dropped() -> None:
    assert summarize([100] * 98 + [9_000_000] * 2).p99_ns == 9_000_000


def test_the_spread_sees_a_tail_that_the_median_deviation_does_not() -> None:
    summary = summarize([100] * 85 + [130] * 15)
    assert summary.mad_ns == 0
    assert spread(summary) == pytest.approx(0.3)


def test_the_spread_sees_what_more_than_one_run_in_ten_does() -> None:
    assert spread(summarize([100] * 90 + [900] * 10)) == 0
    assert spread(summarize([100] * 89 + [150] * 11)) == 0.5


def test_gmacs_are_macs_over_the_median() -> None:
    assert macs_per_second(12_501_632, 78_400) == round(12_501_632 / 78_400e-9)
    assert macs_per_second(None, 78_400) is None


@pytest.mark.parametrize("percent", [1, 50, 90, 99])
@pytest.mark.parametrize(("turns", "runs"), [(5, 1), (12, 7), (30, 100), (50, 400)])
def test_resampled_percentiles_are_those_of_the_resampled_turns(
    turns: int, runs: int, percent: int
) -> None:
    """By the definition: the chosen turns one after the other, sorted, nearest rank."""
    rng = np.random.default_rng(5)
    times = np.floor(1e5 * np.exp(0.03 * rng.standard_normal((turns, runs))))
    found = resample(measured(times), percent=percent, seed=3)
    chosen = np.random.default_rng([3, 1, turns]).integers(0, turns, (RESAMPLES, turns))
    rank = max(1, -(-turns * runs * percent // 100))
    wanted = [np.sort(times[one].ravel())[rank - 1] for one in chosen[:200]]
    assert found.value_ns == np.sort(times.ravel())[rank - 1]
    # Grids leave about a hundredth of the range of resamples open.
    width = found.values_ns.max() - found.values_ns.min()
    assert np.abs(found.values_ns[:200] - wanted).max() <= 0.02 * width


def test_turns_of_different_length_count_by_their_runs() -> None:
    turns = [[10, 11, 12, 13], [20], [30, 31], [40], [50, 51, 52]]
    bench = dataclasses.replace(threads_of(1, turns=1, runs=1), turns=tuple(map(tuple, turns)))
    found = resample(bench, seed=1)
    chosen = np.random.default_rng([1, 1, 5]).integers(0, 5, (RESAMPLES, 5))
    for one, value in zip(chosen[:300], found.values_ns[:300], strict=True):
        pooled = sorted(time for turn in one for time in turns[turn])
        assert value == pooled[-(-len(pooled) // 2) - 1]


def _coverage(
    *, turns: int, shared: float, own: float, within: float, interleaved: bool = True
) -> tuple[float, float]:
    """Return how often intervals hold the true ratio, 1.25, and how wide they are on average.

    Args:
        turns: Of each measurement.
        shared: How far both drift up meanwhile, as a share.
        own: How much turns of one measurement differ.
        within: How much runs of one turn differ.
        interleaved: Whether the drift is taken as shared.
    """
    rng = np.random.default_rng(turns)
    held, widths = 0, []
    for _ in range(400):
        drift = shared * np.linspace(-1, 1, turns)[:, None]
        first, second = (
            1e6
            * factor
            * np.exp(
                drift
                + own * rng.standard_normal((turns, 1))
                + within * rng.standard_normal((turns, 15))
            )
            for factor in (1.25, 1)
        )
        found = ratio(measured(first), measured(second), interleaved=interleaved)
        assert found.low is not None
        assert found.high is not None
        held += found.low <= 1.25 <= found.high
        widths.append(found.high - found.low)
    return held / 400, float(np.mean(widths))


@pytest.mark.slow
@pytest.mark.parametrize("turns", [10, 25])
def test_intervals_cover_the_truth_where_turns_differ(turns: int) -> None:
    # 400 trials: 0.95 give or take three standard errors of 0.011.
    covered, _ = _coverage(turns=turns, shared=0, own=0.03, within=0.03)
    assert 0.915 <= covered <= 0.985


@pytest.mark.slow
def test_intervals_cover_the_truth_where_runs_alone_differ() -> None:
    covered, _ = _coverage(turns=20, shared=0, own=0, within=0.05)
    assert covered >= 0.915


@pytest.mark.slow
def test_a_drift_that_all_share_cancels_out_in_a_ratio() -> None:
    paired, narrow = _coverage(turns=20, shared=0.1, own=0.02, within=0.02)
    apart, wide = _coverage(turns=20, shared=0.1, own=0.02, within=0.02, interleaved=False)
    assert paired >= 0.915
    assert apart >= 0.915
    assert narrow < wide / 2


@pytest.mark.slow
def test_resampling_single_runs_would_not_cover_the_truth() -> None:
    """The control: the same runs, each taken for a turn of its own."""
    rng = np.random.default_rng(0)
    held = 0
    for _ in range(200):
        first, second = (
            1e6 * np.exp(0.03 * rng.standard_normal((10, 1)) + 0.01 * rng.standard_normal((10, 10)))
            for _ in range(2)
        )
        found = ratio(
            measured(first.reshape(-1, 1)), measured(second.reshape(-1, 1)), interleaved=False
        )
        assert found.low is not None
        assert found.high is not None
        held += found.low <= 1 <= found.high
    assert held / 200 < 0.8


def test_many_short_turns_are_taken_together_with_their_neighbours() -> None:
    """One run a turn and a slow drift: single turns would say that 1,000 of them differ freely."""
    rng = np.random.default_rng(1)
    walk = np.cumsum(rng.standard_normal(1000)) * 0.003
    bench = measured((1e6 * np.exp(walk))[:, None])
    assert resample(bench).turns == 100
    shuffled = measured((1e6 * np.exp(rng.permutation(walk)))[:, None])
    assert resample(bench).values_ns.std() > 2 * resample(shuffled).values_ns.std()


def test_few_turns_give_no_interval() -> None:
    few = threads_of(1e5, turns=LEAST_TURNS - 1)
    found = ratio(few, threads_of(2e5), interleaved=True)
    assert found.value == pytest.approx(0.5, rel=0.01)
    assert found.low is None
    assert found.high is None


def test_equal_times_give_an_interval_without_width() -> None:
    constant = measured(np.full((10, 20), 500.0))
    found = ratio(constant, constant, interleaved=False)
    assert (found.value, found.low, found.high) == (1.0, 1.0, 1.0)


def test_the_same_seed_gives_the_same_interval_and_another_one_nearly_so() -> None:
    first, second = threads_of(1e5, seed=1, noise=0.03), threads_of(1.1e5, seed=2, noise=0.03)
    one = ratio(first, second, interleaved=True, seed=4)
    assert ratio(first, second, interleaved=True, seed=4) == one
    other = ratio(first, second, interleaved=True, seed=5)
    assert other != one
    assert other.low == pytest.approx(one.low, rel=0.01)


def test_twenty_thousand_runs_take_milliseconds() -> None:
    """Processor time, since others may be at work; of all threads of the linear algebra."""
    bench = threads_of(1e5, turns=50, runs=400)
    resample(bench)
    begun = time.process_time()
    for _ in range(5):
        resample(bench)
    # About 10 ms on one core of a server.
    assert (time.process_time() - begun) / 5 < 0.1

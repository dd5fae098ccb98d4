"""Figures made of raw times, and intervals that know how the times were taken.

Runs within one turn are alike: same clock, same cache, same neighbours. Resampling single runs
would take 10,000 of them for 10,000 pieces of evidence and give intervals that are far too narrow.
So whole turns are resampled (the cluster bootstrap: A. C. Davison and D. V. Hinkley, 1997,
Bootstrap Methods and their Application, section 3.8; C. A. Field and A. H. Welsh, 2007,
Bootstrapping clustered data, Journal of the Royal Statistical Society B 69, 369-390), each with all
of its runs.

What one bench cannot know is how the next one would differ: where the loader puts the weights, or
how warm the room is. No interval here holds that.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
import numpy.typing as npt

from edgecnn.bench.results import ThreadBench
from edgecnn_runner.timing import percentile

LEVEL: Final = 0.95

MEDIAN: Final = 50
P90: Final = 90

LEAST_TURNS: Final = 5
"""Turns without which there is no interval: fewer say too little about how turns differ."""

RESAMPLES: Final = 2000

_MOST_BLOCKS: Final = 100
_GRID: Final = 256
_GRIDS: Final = 3


@dataclass(frozen=True, kw_only=True)
class Summary:
    """What raw times amount to; percentiles are nearest-rank, so each is a time that was taken.

    Attributes:
        n: How many times.
        min_ns: The least.
        median_ns: Half of them do not exceed it.
        p90_ns: 90 % of them do not exceed it.
        p99_ns: 99 % of them do not exceed it.
        mad_ns: Median absolute deviation from the median, not scaled.
    """

    n: int
    min_ns: int
    median_ns: int
    p90_ns: int
    p99_ns: int
    mad_ns: int


@dataclass(frozen=True, kw_only=True)
class Ratio:
    """A ratio of two times with its 95 % interval.

    Attributes:
        value: First over second.
        low: Lower bound; None if there were too few turns for an interval.
        high: Upper bound; None likewise.
    """

    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True, kw_only=True)
class Resampled:
    """One percentile of one measurement, and the same of each of its resamples.

    Attributes:
        value_ns: Of the measurement itself.
        turns: How many blocks of turns were resampled.
        values_ns: Of the resamples, shape (2000,), int64; empty with fewer than 5 turns.
    """

    value_ns: int
    turns: int
    values_ns: npt.NDArray[np.int64]


def summarize(samples_ns: Sequence[int]) -> Summary:
    """Return the figures of raw times.

    Args:
        samples_ns: In any order, not empty.

    >>> summarize([5, 1, 2, 4, 3])
    Summary(n=5, min_ns=1, median_ns=3, p90_ns=5, p99_ns=5, mad_ns=1)
    """
    ordered = sorted(samples_ns)
    median = percentile(ordered, MEDIAN)
    return Summary(
        n=len(ordered),
        min_ns=ordered[0],
        median_ns=median,
        p90_ns=percentile(ordered, P90),
        p99_ns=percentile(ordered, 99),
        mad_ns=percentile(sorted(abs(sample - median) for sample in ordered), MEDIAN),
    )


def spread(summary: Summary) -> float:
    """Return how far the 90th percentile lies above the median, as a share of the median.

    Latencies have their noise on the slow side, which the median absolute deviation does not see
    while it has less than half of the runs.
    """
    return (summary.p90_ns - summary.median_ns) / max(1, summary.median_ns)


def macs_per_second(macs: int | None, median_ns: int) -> int | None:
    """Return what was achieved, in multiply-accumulates per second; None if there is no count.

    >>> macs_per_second(12_500_000, 88_000)
    142045454545
    """
    return None if macs is None else round(macs * 1_000_000_000 / max(1, median_ns))


def resample(bench: ThreadBench, *, percent: int = MEDIAN, seed: int = 0) -> Resampled:
    """Resample the turns of a measurement, with replacement.

    With equal numbers of threads and turns and the same seed, two measurements get the same turns
    in each resample. Artifacts take turns, so that their first turns, and so on, were taken one
    after the other, and what slowed all of them at that time cancels out in a ratio (see
    ``ratio_of``). Otherwise resamples are independent.

    Where there are more than 100 turns, neighbours are taken together as one, so that what lasts
    longer than a turn stays together as well.

    Args:
        bench: At least one turn with at least one run.
        percent: Which percentile, 1 to 100.
        seed: Of the choice of turns, 0 or more.

    Returns:
        The percentile of all runs, and of the runs of each resample; the latter to about a
        hundredth of their range.
    """
    turns = [turn for turn in bench.turns if turn]
    blocks = _blocks(turns)
    samples = np.concatenate(blocks)
    order = np.argsort(samples, kind="stable")
    ordered = samples[order]
    value = int(ordered[_rank(len(ordered), percent) - 1])
    if len(blocks) < LEAST_TURNS:
        return Resampled(value_ns=value, turns=len(blocks), values_ns=np.empty(0, np.int64))
    # What was not measured in the same rounds must not be resampled as if it had been.
    chosen = np.random.default_rng([seed, bench.threads, len(bench.turns)]).integers(
        0, len(blocks), (RESAMPLES, len(blocks))
    )
    cells = chosen + len(blocks) * np.arange(RESAMPLES)[:, None]
    counted = np.bincount(cells.ravel(), minlength=RESAMPLES * len(blocks))
    weights = counted.reshape(RESAMPLES, len(blocks)).astype(np.float32)
    owner = np.repeat(np.arange(len(blocks)), [len(block) for block in blocks])[order]
    return Resampled(
        value_ns=value,
        turns=len(blocks),
        values_ns=_percentiles(ordered, owner, weights, percent),
    )


def ratio_of(first: Resampled, second: Resampled) -> Ratio:
    """Return the ratio of two percentiles with its 95 % bootstrap interval.

    It is the percentile interval, expanded for few turns as T. Hesterberg (2015), What Teachers
    Should Know About the Bootstrap, The American Statistician 69, 371-386, section 3.3: the
    plain one is too narrow by what Student's t adds to the normal and by n / (n - 1).

    Args:
        first: The numerator, for example what is judged.
        second: The denominator, for example what it is judged by.
    """
    value = first.value_ns / max(1, second.value_ns)
    turns = min(first.turns, second.turns)
    if turns < LEAST_TURNS:
        return Ratio(value=value, low=None, high=None)
    tail = _expanded_tail(turns)
    ratios = first.values_ns / np.maximum(second.values_ns, 1)
    low, high = np.quantile(ratios, [tail, 1 - tail])
    # Of a skewed distribution with few turns, an interval may miss its own estimate by a hair.
    return Ratio(value=value, low=float(min(low, value)), high=float(max(high, value)))


def ratio(
    first: ThreadBench,
    second: ThreadBench,
    *,
    percent: int = MEDIAN,
    seed: int = 0,
    interleaved: bool,
) -> Ratio:
    """Return the ratio of two measurements' percentiles with its 95 % interval.

    Args:
        first: The numerator.
        second: The denominator.
        percent: Which percentile, 1 to 100.
        seed: Of the bootstrap.
        interleaved: Whether they took turns in one bench, rather than being measured in two.
    """
    return ratio_of(
        resample(first, percent=percent, seed=seed),
        resample(second, percent=percent, seed=seed + (0 if interleaved else 1)),
    )


def _blocks(turns: Sequence[Sequence[int]]) -> list[npt.NDArray[np.int64]]:
    arrays = [np.asarray(turn, np.int64) for turn in turns]
    if len(arrays) <= _MOST_BLOCKS:
        return arrays
    edges = np.linspace(0, len(arrays), _MOST_BLOCKS + 1).round().astype(int)
    return [np.concatenate(arrays[start:stop]) for start, stop in pairwise(edges)]


def _rank(n: int, percent: int) -> int:
    return max(1, -(-n * percent // 100))


def _percentiles(
    ordered: npt.NDArray[np.int64],
    owner: npt.NDArray[np.intp],
    weights: npt.NDArray[np.float32],
    percent: int,
) -> npt.NDArray[np.int64]:
    """Return a percentile of each resample.

    How many runs of a resample do not exceed a time is a sum over turns: how often the turn was
    chosen, times how many of its runs do not. For all resamples and a grid of times that is one
    product of matrices; finer grids cover what the first one left open. What the last one leaves
    is rounded up: about a hundredth of the range of all resamples.

    Args:
        ordered: All runs in ascending order.
        owner: The turn of each.
        weights: How often each turn is in each resample, shape (resamples, turns).
        percent: Which percentile.
    """
    turns = weights.shape[1]
    sizes = weights @ np.bincount(owner, minlength=turns).astype(np.float32)
    wanted = np.maximum(1, np.ceil(sizes.astype(np.float64) * percent / 100 - 1e-9))
    first, last = 0, len(ordered) - 1
    for _ in range(_GRIDS):
        grid = np.unique(np.linspace(first, last, min(_GRID, last - first + 1)).round()).astype(int)
        # Runs of each turn among the first so many: counted between grid points, then summed up.
        cell = np.searchsorted(grid, np.arange(len(ordered)))
        flat = owner * (len(grid) + 1) + cell
        counted = np.bincount(flat, minlength=turns * (len(grid) + 1)).reshape(turns, -1)
        reached = weights @ np.cumsum(counted, axis=1)[:, :-1].astype(np.float32)
        # Counts stay below 2 ** 24, where float32 is exact, up to 16 million runs.
        index = (reached < wanted[:, None]).sum(axis=1)
        found = ordered[grid[index]]
        if len(grid) == last - first + 1:
            break
        first, last = int(grid[max(0, index.min() - 1)]), int(grid[index.max()])
    return np.asarray(found)


def _expanded_tail(n: int, level: float = LEVEL) -> float:
    """Return the share of resamples to leave out at each end."""
    from scipy.special import ndtr, stdtrit

    t = float(stdtrit(n - 1, (1 + level) / 2))
    return float(ndtr(-t * math.sqrt(n / (n - 1))))

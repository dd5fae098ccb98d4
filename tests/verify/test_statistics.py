from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from scipy.stats import binom, binomtest

from edgecnn.build.shares import wilson_interval
from edgecnn.verify.statistics.intervals import (
    holm,
    mcnemar_p,
    tango_interval,
    tango_p,
    tango_score,
)


@pytest.mark.parametrize("n", [1, 2, 10, 360, 10_000])
@pytest.mark.parametrize("share", [0.0, 0.02, 0.5, 0.99, 1.0])
@pytest.mark.parametrize("level", [0.9, 0.95, 0.995])
def test_wilson_interval_is_that_of_scipy(n: int, share: float, level: float) -> None:
    count = round(n * share)
    ours = wilson_interval(count, n, level)
    theirs = binomtest(count, n).proportion_ci(level, method="wilson")
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=1e-12)


def test_wilson_interval_ends_exactly_at_0_and_1() -> None:
    assert wilson_interval(0, 7).low == 0.0
    assert wilson_interval(7, 7).high == 1.0


@pytest.mark.parametrize(
    ("lost", "gained", "n", "level", "low", "high", "digits"),
    [
        # Tango (1998), section 6.2, data of Karacan et al.
        (9, 3, 32, 0.95, -0.027, 0.390, 3),
        # Fagerland, Lydersen, Laake (2014), Statistics in Medicine 33, 2850-2875, data of
        # Bentur et al. (2009).
        (1, 7, 21, 0.95, -0.517, -0.026, 3),
        # scoreci.mp(25, 28, 618, 0.90) of the R package PropCIs, which gives (c - b) / n.
        (28, 25, 618, 0.90, -0.0148, 0.0247, 4),
    ],
)
def test_tango_interval_reproduces_published_numbers(
    lost: int, gained: int, n: int, level: float, low: float, high: float, digits: int
) -> None:
    interval = tango_interval(lost, gained, n, level)
    assert (round(interval.low, digits), round(interval.high, digits)) == (low, high)


@st.composite
def tables(draw: st.DrawFn) -> tuple[int, int, int]:
    n = draw(st.integers(1, 400))
    lost = draw(st.integers(0, n))
    return lost, draw(st.integers(0, n - lost)), n


def _score_by_numeric_likelihood(lost: int, gained: int, n: int, drop: float) -> float:
    """Maximize the multinomial likelihood under the null hypothesis without the closed form."""
    low, high = max(0.0, -drop), (1 - drop) / 2

    def cost(q: float) -> float:
        parts = ((lost, q + drop), (gained, q), (n - lost - gained, 1 - 2 * q - drop))
        return -sum(k * math.log(max(p, 1e-300)) for k, p in parts if k)

    best = minimize_scalar(cost, bounds=(low, high), method="bounded", options={"xatol": 1e-12})
    ends = [(cost(low), low), (cost(high), high), (best.fun, best.x)]
    q = min(ends)[1]
    difference = lost - gained - n * drop
    return difference / math.sqrt(n * (2 * q + drop - drop**2)) if difference else 0.0


@settings(max_examples=150, deadline=None)
@given(tables(), st.floats(-0.9, 0.9))
def test_tango_score_is_that_of_a_numeric_likelihood(
    table: tuple[int, int, int], drop: float
) -> None:
    ours = float(tango_score(*table, drop))
    assert ours == pytest.approx(_score_by_numeric_likelihood(*table, drop), rel=1e-3, abs=1e-3)


@settings(max_examples=150, deadline=None)
@given(tables(), st.sampled_from([0.8, 0.95, 0.995]))
def test_tango_interval_is_where_the_score_crosses_the_quantile(
    table: tuple[int, int, int], level: float
) -> None:
    from statistics import NormalDist

    z = NormalDist().inv_cdf(0.5 + level / 2)
    interval = tango_interval(*table, level)
    assert -1 <= interval.low <= (table[0] - table[1]) / table[2] <= interval.high <= 1
    if interval.low > -1:
        assert float(tango_score(*table, interval.low)) == pytest.approx(z, abs=1e-5)
    if interval.high < 1:
        assert float(tango_score(*table, interval.high)) == pytest.approx(-z, abs=1e-5)


@settings(max_examples=100, deadline=None)
@given(tables(), st.floats(-0.9, 0.9))
def test_exchanging_the_models_changes_the_sign_only(
    table: tuple[int, int, int], drop: float
) -> None:
    lost, gained, n = table
    there, back = tango_score(lost, gained, n, drop), tango_score(gained, lost, n, -drop)
    assert float(there) == pytest.approx(-float(back), abs=1e-9)


def test_score_at_no_difference_is_mcnemars_statistic() -> None:
    assert float(tango_score(9, 3, 32, 0.0)) == pytest.approx(6 / math.sqrt(12))


def test_interval_without_discordant_pairs_shrinks_with_the_images() -> None:
    widths = [tango_interval(0, 0, n).high for n in (1, 10, 100, 1000)]
    assert widths == sorted(widths, reverse=True)
    assert widths[-1] == pytest.approx(1.96**2 / (1000 + 1.96**2), rel=1e-3)


def test_an_observation_impossible_under_the_limit_is_infinitely_far() -> None:
    assert float(tango_score(3, 0, 10, 1.0)) == -math.inf
    assert tango_p(3, 0, 10, 1.0, "below") == 0.0
    assert tango_p(10, 0, 10, 1.0, "below") == 0.5


def test_tango_interval_covers_the_truth_in_95_percent_of_samples_on_average() -> None:
    n, drop = 80, 0.05
    lost, gained = (grid.ravel() for grid in np.mgrid[0 : n + 1, 0 : n + 1])
    possible = lost + gained <= n
    lost, gained = lost[possible], gained[possible]
    covered = np.abs(tango_score(lost, gained, n, drop)) <= 1.959964
    coverage = []
    for only_second in np.linspace(0.02, 0.3, 40):
        only_first = only_second + drop
        weight = binom.pmf(lost, n, only_first) * binom.pmf(
            gained, n - lost, only_second / (1 - only_first)
        )
        assert weight.sum() == pytest.approx(1)
        coverage.append(weight[covered].sum())
    assert np.mean(coverage) == pytest.approx(0.95, abs=0.005)
    assert min(coverage) > 0.94


@pytest.mark.parametrize(
    ("lost", "gained", "p"), [(0, 0, 1.0), (5, 5, 1.0), (1, 0, 1.0), (10, 2, 158 / 4096)]
)
def test_mcnemar_p_by_hand(lost: int, gained: int, p: float) -> None:
    assert mcnemar_p(lost, gained) == pytest.approx(p)


def test_holm_stops_at_the_first_p_that_is_too_large() -> None:
    # Sorted: 0.005 <= 0.05/4, 0.01 <= 0.05/3, 0.03 > 0.05/2; 0.04 <= 0.05/1 comes too late.
    steps = holm([0.01, 0.04, 0.03, 0.005], 0.05)
    assert steps.rejected == (True, False, False, True)
    assert steps.alphas == pytest.approx((0.05 / 3, 0.05, 0.05 / 2, 0.05 / 4))


def test_holm_rejects_more_than_bonferroni_and_never_less() -> None:
    rng = np.random.default_rng(5)
    stronger = 0
    for p_values in rng.uniform(0, 0.03, (200, 6)):
        rejected = holm(p_values.tolist(), 0.05).rejected
        bonferroni = tuple(bool(p <= 0.05 / 6) for p in p_values)
        assert all(ours or not theirs for ours, theirs in zip(rejected, bonferroni, strict=True))
        stronger += rejected != bonferroni
    assert stronger > 20


def test_holm_of_nothing_is_nothing() -> None:
    assert holm([], 0.05).rejected == ()

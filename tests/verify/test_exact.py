from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.stats import binomtest, multinomial

from edgecnn.verify.statistics.exact import binomial_p, exact_drop_p
from edgecnn.verify.statistics.intervals import Side, tango_score


def _brute_force(lost: int, gained: int, n: int, limit: float, side: Side) -> float:
    """Add up the whole trinomial on a fine grid of the nuisance parameter."""
    points = [(b, c) for b, c in itertools.product(range(n + 1), repeat=2) if b + c <= n]
    scores = np.array([float(tango_score(b, c, n, limit)) for b, c in points])
    seen = float(tango_score(lost, gained, n, limit))
    tail = scores <= seen + 1e-9 if side == "below" else scores >= seen - 1e-9
    table = np.array([(b, c, n - b - c) for b, c in points])
    worst = 0.0
    for only_second in np.linspace(0, (1 - limit) / 2, 801):
        shares = np.array([only_second + limit, only_second, 1 - 2 * only_second - limit])
        shares = np.clip(shares, 0, 1)
        worst = max(worst, float(multinomial.pmf(table, n, shares / shares.sum())[tail].sum()))
    return worst


@pytest.mark.parametrize("side", ["below", "above"])
@pytest.mark.parametrize(
    ("lost", "gained", "n", "limit"),
    [(0, 0, 9, 0.2), (1, 3, 12, 0.1), (5, 1, 15, 0.05), (0, 2, 10, 0.3), (4, 0, 14, 0.0)],
)
def test_exact_p_is_the_largest_tail_of_the_trinomial(
    lost: int, gained: int, n: int, limit: float, side: Side
) -> None:
    ours = exact_drop_p(lost, gained, n, limit, side)
    assert ours == pytest.approx(_brute_force(lost, gained, n, limit, side), abs=2e-5)


def test_exact_p_needs_enough_images_even_when_nothing_changed() -> None:
    # If 1 % is lost and nothing gained, 0.99 ** n of all samples show no change at all; with
    # some gained besides, a few more samples look as good or better.
    assert exact_drop_p(0, 0, 360, 0.01, "below") > 0.99**360 > 0.025
    assert exact_drop_p(0, 0, 420, 0.01, "below") < 0.025


def test_exact_p_is_monotone_in_the_evidence() -> None:
    p_values = [exact_drop_p(lost, 2, 500, 0.02, "below") for lost in range(12)]
    assert p_values == sorted(p_values)


def test_exact_p_at_the_end_of_the_scale() -> None:
    assert exact_drop_p(3, 0, 10, 1.0, "below") == 0.0
    assert exact_drop_p(10, 0, 10, 1.0, "below") == 1.0


@pytest.mark.parametrize("side", ["below", "above"])
@pytest.mark.parametrize(
    ("count", "n", "limit"), [(0, 40, 0.05), (3, 40, 0.05), (9, 100, 0.05), (100, 100, 1.0)]
)
def test_binomial_p_decides_as_the_clopper_pearson_interval(
    count: int, n: int, limit: float, side: Side
) -> None:
    interval = binomtest(count, n).proportion_ci(0.95, method="exact")
    outside = interval.high <= limit if side == "below" else interval.low >= limit
    assert (binomial_p(count, n, limit, side) <= 0.025) == (outside and limit < 1.0)

"""Exact tests: their error rate is nowhere above the nominal one, whatever the truth is.

Score intervals hold their level on average only. For a paired drop with a limit of 1 point and
360 images, Tango's bound alone is on the wrong side in up to 3.8 % of samples where 2.5 % are
meant; these tests confirm what the intervals say before the gate acts on it.
"""

from __future__ import annotations

import functools
import math
from typing import Final

import numpy as np
import numpy.typing as npt

from edgecnn.verify.statistics.intervals import Side, tango_p, tango_score

_TIE: Final = 1e-9
"""Scores closer than this are one score: they differ by rounding only."""


def binomial_p(count: int, n: int, limit: float, side: Side) -> float:
    """Return the exact one-sided p of a proportion against a limit.

    At most 0.025 exactly when the 95 % interval of Clopper and Pearson (1934), The use of
    confidence or fiducial limits, Biometrika 26, 404-413, lies on that side of the limit.

    Args:
        count: Successes, 0 to ``n``.
        n: Trials.
        limit: The proportion of the null hypothesis, 0..1.
        side: ``below`` for the chance of so few successes, ``above`` for so many.

    Returns:
        The probability, 0..1, of a count at least as far to that side if ``limit`` is the truth.
    """
    from scipy.stats import binomtest

    alternative = {"below": "less", "above": "greater"}[side]
    return float(binomtest(count, n, limit, alternative=alternative).pvalue)


@functools.lru_cache(maxsize=4096)
def exact_drop_p(lost: int, gained: int, n: int, limit: float, side: Side) -> float:
    """Return the exact unconditional p of a paired drop against a limit.

    The probability, if the true drop is ``limit``, of a score at least as far to that side as
    the observed one, at the value of the nuisance parameter that makes it largest. Ordering by
    Tango's score makes that probability largest on the border of the null hypothesis:
    H. Hsueh, J. Liu, J. J. Chen (2001), Unconditional exact tests for equivalence or
    noninferiority for paired binary endpoints, Biometrics 57, 478-483; K. Sidik (2003), Exact
    unconditional tests for testing non-inferiority in matched-pairs design, Statistics in
    Medicine 22, 265-278.

    Args:
        lost: Pairs that only the first model gets right; an integer.
        gained: Pairs that only the second gets right; an integer.
        n: All pairs, positive.
        limit: The drop under the null hypothesis, 0..1.
        side: ``below`` for evidence that the drop is smaller, ``above`` that it is larger.

    Returns:
        0..1. Time grows as ``n`` (about a quarter of a second at 10,000).
    """
    from scipy.optimize import minimize_scalar

    observed = float(tango_score(lost, gained, n, limit))
    if not math.isfinite(observed):
        return 0.0 if (observed < 0) == (side == "below") else 1.0
    counts = np.arange(n + 1)
    edge = _tail_edge(counts, n, limit, observed, side)

    # The nuisance parameter is the share of gained pairs. Its standard error is even on the
    # arc-sine scale, and the probability bends on the scale of a standard error.
    top = math.asin(math.sqrt(max(0.0, (1 - limit) / 2)))
    steps = max(64, math.ceil(top * 2 * math.sqrt(n) / 0.25))
    angles = np.linspace(0.0, top, steps + 1)
    found = np.array([_tail_probability(float(a), edge, n, limit, side) for a in angles])
    best = float(found.max())
    for peak in np.argsort(found)[-3:]:
        around = (angles[max(peak - 1, 0)], angles[min(peak + 1, steps)])
        refined = minimize_scalar(
            lambda a: -_tail_probability(float(a), edge, n, limit, side),
            bounds=around,
            method="bounded",
            options={"xatol": (around[1] - around[0]) * 1e-4},
        )
        best = max(best, -float(refined.fun))
    return min(1.0, best)


def beyond_p(lost: int, gained: int, n: int, limit: float, *, alpha: float) -> float:
    """Return the larger p of Tango's and the exact test of a drop of at most ``limit``.

    The exact one is left out where the score test alone cannot reject at ``alpha``: no step of
    Holm's procedure would, whatever it says.

    Args:
        lost: Pairs that only the first model gets right; an integer.
        gained: Pairs that only the second gets right; an integer.
        n: All pairs, positive.
        limit: The drop under the null hypothesis, 0..1.
        alpha: The largest level that it will be compared with.

    Returns:
        0..1.
    """
    p = tango_p(lost, gained, n, limit, "above")
    return p if p > alpha else max(p, exact_drop_p(lost, gained, n, limit, "above"))


def _tail_edge(
    lost: npt.NDArray[np.int64], n: int, limit: float, observed: float, side: Side
) -> npt.NDArray[np.int64]:
    """Return for each count of lost pairs where along the gained ones the tail begins.

    The score falls as ``gained`` rises, so for ``below`` the tail is every ``gained`` from the
    edge on, and for ``above`` every ``gained`` under the edge. Found by halving.
    """
    low, high = np.zeros_like(lost), n - lost + 1
    while bool((low < high).any()):
        middle = (low + high) // 2
        inside = np.minimum(middle, n - lost)
        score = tango_score(lost, inside, n, limit)
        passed = score <= observed + _TIE if side == "below" else score < observed - _TIE
        # Past the last possible count there is nothing to ask; it ends the search.
        passed |= middle > n - lost
        low = np.where(passed | (low >= high), low, middle + 1)
        high = np.where(passed, np.minimum(middle, high), high)
    return low


def _tail_probability(
    angle: float, edge: npt.NDArray[np.int64], n: int, limit: float, side: Side
) -> float:
    """Return the probability of the tail when the share of gained pairs is sin(angle)^2."""
    from scipy.special import bdtr, gammaln, xlog1py, xlogy

    only_second = math.sin(angle) ** 2
    only_first = min(1.0, only_second + limit)
    # Ten standard deviations and some for small counts hold all but 1e-15 of the probability.
    reach = 10 * math.sqrt(n * only_first * (1 - only_first)) + 40
    first = max(0, math.floor(n * only_first - reach))
    lost = np.arange(first, min(n, math.ceil(n * only_first + reach)) + 1)
    room = n - lost
    weight = np.exp(
        gammaln(n + 1)
        - gammaln(lost + 1)
        - gammaln(room + 1)
        + xlogy(lost, only_first)
        + xlog1py(room, -only_first)
    )
    # Given the lost pairs, the gained ones are binomial among the rest.
    share = min(1.0, only_second / (1 - only_first)) if only_first < 1 else 0.0
    last = edge[lost] - 1
    up_to_last = np.where(
        last < 0, 0.0, np.where(last >= room, 1.0, bdtr(np.clip(last, 0, room), room, share))
    )
    return float(weight @ (1 - up_to_last if side == "below" else up_to_last))

"""Intervals and tests for counts of right and wrong answers.

Two models answer on the same images, so accuracies are compared as a paired difference. Score
intervals (Wilson, Tango) are what is shown: they are good on average, but their error rate at
one given truth can be somewhat above the nominal one. Decisions also ask ``exact``.

Counts throughout: ``lost`` are pairs that only the first model gets right, ``gained`` pairs that
only the second gets right, ``n`` all pairs. The drop is ``(lost - gained) / n``.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from edgecnn.build.shares import Interval, normal_quantile

Floats = npt.NDArray[np.float64]
Side = Literal["below", "above"]
"""Which way the evidence points: that the true value is below, or above, a given one."""


@functools.lru_cache(maxsize=16384)
def mcnemar_p(lost: int, gained: int) -> float:
    """Return McNemar's exact two-sided p for no difference between two models.

    Q. McNemar (1947), Note on the sampling error of the difference between correlated
    proportions, Psychometrika 12, 153-157; exact, as a binomial test on the discordant pairs.

    Returns:
        0..1; 1.0 where no pair is discordant.
    """
    from scipy.stats import binomtest

    return float(binomtest(lost, lost + gained, 0.5).pvalue) if lost + gained else 1.0


def tango_score(
    lost: npt.ArrayLike, gained: npt.ArrayLike, n: npt.ArrayLike, drop: npt.ArrayLike
) -> Floats:
    """Return Tango's score statistic for a paired difference of proportions.

    T. Tango (1998), Equivalence test and confidence interval for the difference in proportions
    for the paired-sample design, Statistics in Medicine 17, 891-908, equation (10) with the
    constrained maximum-likelihood estimate of the nuisance parameter in closed form.

    Args:
        lost: Pairs that only the first model gets right; broadcast with the others.
        gained: Pairs that only the second gets right.
        n: All pairs, positive.
        drop: The difference under the null hypothesis, -1..1.

    Returns:
        Standard normal for large ``n`` if ``drop`` is the truth; positive where the observed
        drop is the larger. Infinite where the observation is impossible under ``drop``.
    """
    lost, gained, n, drop = (
        np.asarray(value, dtype=np.float64) for value in (lost, gained, n, drop)
    )
    # Exchanging the models changes the sign only.
    b = np.where(drop < 0, gained, lost)
    c = np.where(drop < 0, lost, gained)
    d = np.abs(drop)
    only_second = _only_second(b, c, n, d)
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = np.sqrt(np.maximum(n * (2 * only_second + d * (1 - d)), 0.0))
        difference = b - c - n * d
        score = np.where(difference == 0, 0.0, difference / spread)
    return np.where(drop < 0, -score, score)


def shares_at(lost: float, gained: float, n: float, drop: float) -> tuple[float, float]:
    """Return the likeliest shares of lost and of gained pairs if the drop were a given one.

    Args:
        lost: Pairs that only the first model gets right.
        gained: Pairs that only the second gets right.
        n: All pairs, positive.
        drop: The difference of the two shares, -1..1.

    Returns:
        Their maximum-likelihood estimates under that constraint, each 0..1.
    """
    b, c = (gained, lost) if drop < 0 else (lost, gained)
    d = abs(drop)
    second = float(_only_second(*(np.asarray(value, np.float64) for value in (b, c, n, d))))
    return (second, second + d) if drop < 0 else (second + d, second)


def _only_second(b: Floats, c: Floats, n: Floats, d: Floats) -> Floats:
    """Return the constrained estimate of the share of the rarer pairs, for a drop of 0 or more."""
    half_b = ((2 * n - b + c) * d - b - c) / 2
    minus_c = c * d * (1 - d)
    root = np.sqrt(half_b**2 + 2 * n * minus_c)
    # Two forms of the same root, of which each is free of cancellation where it is used.
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(
            half_b > 0, np.nan_to_num(minus_c / (root + half_b)), (root - half_b) / (2 * n)
        )


def tango_p(lost: float, gained: float, n: float, limit: float, side: Side) -> float:
    """Return the one-sided p of Tango's score test against a drop of ``limit``.

    Args:
        lost: Pairs that only the first model gets right.
        gained: Pairs that only the second gets right.
        n: All pairs, positive.
        limit: The drop under the null hypothesis.
        side: ``below`` for evidence that the drop is smaller, ``above`` that it is larger.

    Returns:
        0..1, by the normal approximation.
    """
    score = float(tango_score(lost, gained, n, limit))
    return 0.5 * math.erfc((-score if side == "below" else score) / math.sqrt(2))


@functools.lru_cache(maxsize=16384)
def tango_interval(lost: float, gained: float, n: float, level: float = 0.95) -> Interval:
    """Return Tango's score interval for a drop: all drops that the score test does not reject.

    Args:
        lost: Pairs that only the first model gets right.
        gained: Pairs that only the second gets right.
        n: All pairs, positive.
        level: Confidence, in (0, 1).

    Returns:
        Bounds in -1..1.
    """
    from scipy.optimize import brentq

    z = normal_quantile(level)

    def bound(target: float) -> float:
        # The score falls as the drop rises (Tango 1998, section 3), so there is one root.
        def excess(drop: float) -> float:
            return float(np.clip(tango_score(lost, gained, n, drop), -1e9, 1e9)) - target

        if excess(-1.0) <= 0:
            return -1.0
        if excess(1.0) >= 0:
            return 1.0
        return float(brentq(excess, -1.0, 1.0, xtol=1e-13))

    return Interval(low=bound(z), high=bound(-z), level=level)


@dataclass(frozen=True, kw_only=True)
class Holm:
    """What Holm's procedure decides.

    Attributes:
        rejected: One truth value per hypothesis, in the order given.
        alphas: The one-sided level each p was compared with (or would be, had the procedure
            come so far), in the order given.
    """

    rejected: tuple[bool, ...]
    alphas: tuple[float, ...]


def holm(p_values: Sequence[float], alpha: float) -> Holm:
    """Test several hypotheses with a family-wise error of at most ``alpha``.

    S. Holm (1979), A simple sequentially rejective multiple test procedure, Scandinavian
    Journal of Statistics 6, 65-70: the smallest p is compared with alpha / m, the next with
    alpha / (m - 1) and so on; the first that is too large ends it.

    Args:
        p_values: Valid p values, 0..1, dependent or not.
        alpha: Family-wise error, in (0, 1).

    Returns:
        The decisions; none for no hypotheses.
    """
    count = len(p_values)
    rejected, alphas = [False] * count, [alpha] * count
    going = True
    for rank, index in enumerate(sorted(range(count), key=lambda i: p_values[i])):
        alphas[index] = alpha / (count - rank)
        going = going and p_values[index] <= alphas[index]
        rejected[index] = going
    return Holm(rejected=tuple(rejected), alphas=tuple(alphas))

"""Shares of images with their intervals."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

from edgecnn_runner.quantities import number_text, percent_text


@dataclass(frozen=True, kw_only=True)
class Interval:
    """A two-sided confidence interval.

    Attributes:
        low: Lower bound.
        high: Upper bound.
        level: Confidence, for example 0.95; each side has half of the rest.
    """

    low: float
    high: float
    level: float


@dataclass(frozen=True, kw_only=True)
class ShareOf:
    """A share of images with its interval.

    Attributes:
        count: Images counted.
        images: All images.
        share: ``count`` of ``images``, 0..1.
        low: Lower bound of Wilson's 95 % interval.
        high: Upper bound of it.
    """

    count: int
    images: int
    share: float
    low: float
    high: float

    @classmethod
    def of(cls, count: int, images: int) -> ShareOf | None:
        """Return the share; None of nothing."""
        if not images:
            return None
        interval = wilson_interval(count, images)
        return cls(
            count=count, images=images, share=count / images, low=interval.low, high=interval.high
        )

    @property
    def text(self) -> str:
        """The share with its interval, for people."""
        return (
            f"{percent_text(self.share, 1)} (95 % interval {number_text(100 * self.low, 1)} to "
            f"{number_text(100 * self.high, 1)})"
        )


def wilson_interval(count: float, n: float, level: float = 0.95) -> Interval:
    """Return Wilson's score interval for a proportion.

    E. B. Wilson (1927), Probable inference, the law of succession, and statistical inference,
    Journal of the American Statistical Association 22, 209-212.

    Args:
        count: Successes, 0 to ``n``.
        n: Trials, positive.
        level: Confidence, in (0, 1).

    Returns:
        Bounds in 0..1.
    """
    z = normal_quantile(level)
    share = count / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    # At the ends the two terms are equal on paper and nearly so in floating point.
    low = 0.0 if count == 0 else max(0.0, centre - half)
    high = 1.0 if count == n else min(1.0, centre + half)
    return Interval(low=low, high=high, level=level)


def normal_quantile(level: float) -> float:
    """Return how many standard deviations a two-sided interval of a level reaches."""
    return NormalDist().inv_cdf(0.5 + level / 2)

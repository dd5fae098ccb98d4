"""How many evaluation images would decide an INCONCLUSIVE verdict, if the observed rates hold.

At fixed rates the score statistics grow as the square root of the number of images, so the number
that takes a score interval off its limit has a closed form. Counts are then scaled to it, and it
is raised until the gate itself, exact tests and all, decides.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Final, Literal

from edgecnn.recipe import Limits
from edgecnn.verify.gate import ALPHA, judge, limit_of
from edgecnn.verify.judgement import Counts, Criterion, Judgement, Paired
from edgecnn.verify.statistics import tango_score

__all__ = ["MOST_IMAGES", "Needed", "images_needed"]

MOST_IMAGES: Final = 1_000_000
"""No number above this is given: nobody labels so many images to tell two models apart."""

_EXACT_UP_TO: Final = 20_000  # above, the exact tests ask for a few percent more images at most
_PRECISION: Final = 0.005


@dataclass(frozen=True, kw_only=True)
class Needed:
    """What would decide.

    Attributes:
        images: About how many evaluation images; None where no reasonable number would.
        towards: The verdict they would give; None where there is no number.
        reason: Why there is no number; empty where there is one.
        corruption_images: About how many images under each corruption; None where those that
            there are decide, or where no reasonable number would.
    """

    images: int | None
    towards: Literal["PASS", "FAIL"] | None
    reason: str = ""
    corruption_images: int | None = None


def images_needed(counts: Counts, limits: Limits, judgement: Judgement) -> Needed:
    """Say what would decide an INCONCLUSIVE verdict.

    One criterion on the far side of its limit is enough for FAIL, so the first to be decided
    counts; for PASS all must be, so the last one does.

    Args:
        counts: What was observed.
        limits: What is allowed.
        judgement: INCONCLUSIVE, from these counts and limits.

    Returns:
        The smallest number of images of the same mixture, at the observed rates, with a decided
        verdict.
    """
    undecided = [one for one in judgement.criteria if one.outcome == "undecided"]
    beyond = [one for one in undecided if one.estimate > one.limit]
    chosen, towards = (beyond, "FAIL") if beyond else (undecided, "PASS")
    numbers = [_by_score(one, counts, limits) for one in chosen]
    images = min(numbers) if beyond else max(numbers)
    if images == math.inf:
        return Needed(
            images=None,
            towards=None,
            reason="no number of images would decide: an observed value is exactly at its limit",
        )
    wanted = _until_decided(max(math.ceil(images), counts.overall.images + 1), counts, limits)
    if wanted > MOST_IMAGES:
        return Needed(
            images=None,
            towards=None,
            reason="more than a million images would be needed: an observed value is too close "
            "to its limit",
        )
    return Needed(images=wanted, towards="FAIL" if towards == "FAIL" else "PASS")


def _until_decided(start: int, counts: Counts, limits: Limits) -> int:
    """Return the first number from ``start`` on, to half a percent, that the gate decides."""

    def decided(images: int) -> bool:
        if images > _EXACT_UP_TO:
            return True
        return judge(_scaled(counts, images, limits), limits).verdict != "INCONCLUSIVE"

    low, high, step = start - 1, start, 4 * _PRECISION
    while not decided(high):
        low, high, step = high, math.ceil(high * (1 + step)), 2 * step
    while high - low > max(1, _PRECISION * high):
        middle = (low + high) // 2
        low, high = (low, middle) if decided(middle) else (middle, high)
    return high


def _by_score(criterion: Criterion, counts: Counts, limits: Limits) -> float:
    """Return the images at which the score test alone decides a criterion; infinity for never."""
    n = counts.overall.images
    if criterion.name == "accuracy_drop":
        return _to_reach(_z(counts.overall, criterion.limit), ALPHA, n)
    if criterion.name == "disagreement":
        limit = criterion.limit
        spread = math.sqrt(limit * (1 - limit) / n)
        z = (criterion.estimate - limit) / spread if spread else math.copysign(math.inf, -1)
        return _to_reach(z, ALPHA, n)
    if criterion.name == "gap_increase":
        return _to_clear(criterion, n)
    limit = limit_of(limits, "class_drop")
    present = [one for one in counts.classes if one.images]
    return min(
        _to_reach(_z(one, limit), ALPHA / len(present), n) for one in present if one.drop > limit
    )


def _to_clear(criterion: Criterion, n: int) -> float:
    """Return the images at which an interval that shrinks with their root is off the limit."""
    distance = abs(criterion.estimate - criterion.limit)
    beyond = criterion.estimate > criterion.limit
    half = criterion.estimate - criterion.low if beyond else criterion.high - criterion.estimate
    return n * (half / distance) ** 2 if distance else math.inf


def _z(paired: Paired, limit: float) -> float:
    return float(tango_score(paired.lost, paired.gained, paired.images, limit))


def _to_reach(z: float, alpha: float, n: int) -> float:
    return n * (NormalDist().inv_cdf(1 - alpha) / z) ** 2 if z else math.inf


def _scaled(counts: Counts, images: int, limits: Limits) -> Counts:
    """Scale counts to a number of images, rounding every share towards its limit."""
    factor = images / counts.overall.images
    limit = limit_of(limits, "disagreement")
    many = counts.disagreements * factor
    beyond = counts.disagreements / counts.overall.images > limit
    return Counts(
        overall=_scale(counts.overall, factor, limit_of(limits, "accuracy_drop")),
        disagreements=math.floor(many) if beyond else min(images, math.ceil(many)),
        classes=tuple(
            _scale(one, factor, limit_of(limits, "class_drop")) for one in counts.classes
        ),
    )


def _scale(paired: Paired, factor: float, limit: float) -> Paired:
    images = round(paired.images * factor)
    if not images:
        return Paired(images=0, lost=0, gained=0)
    down, up = math.floor, math.ceil
    shrink, grow = (down, up) if paired.drop > limit else (up, down)
    lost = min(images, shrink(paired.lost * factor))
    return Paired(images=images, lost=lost, gained=min(images - lost, grow(paired.gained * factor)))

"""Estimates how many images would decide an INCONCLUSIVE verdict, if the observed rates hold.

At fixed rates the score statistics grow as the square root of the number of images, so the number
that takes a score interval off its limit has a closed form. Counts are then scaled to it, and it
is raised until the gate itself, exact tests and all, decides.

How sure that number is. The rates are known only as well as the images tell, and the number grows
as one over the squared distance of a rate from its limit. So it comes with an interval: the numbers
for all rates of the middle half of the plausible ones (the 50 % score interval). Half, since a
wider one says nothing here: undecided means that the 95 % interval holds the limit itself, where no
number is enough. Where the interval spans more than a factor of ten, no number is given.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from statistics import NormalDist
from typing import Final, Literal

from edgecnn.build.shares import Interval, wilson_interval
from edgecnn.recipe.sections import Limits
from edgecnn.verify.gate.criteria import ALPHA, judge, limit_of
from edgecnn.verify.gate.judgement import (
    Agreement,
    Changed,
    Counts,
    Criterion,
    Judgement,
    Paired,
)
from edgecnn.verify.statistics.intervals import shares_at, tango_interval, tango_score

MOST_IMAGES: Final = 1_000_000
"""No number above this is given: nobody labels so many images to tell two models apart."""
MIDDLE: Final = 0.5
"""Level of the interval of the rates that a number is given for."""

_WIDEST: Final = 10.0
_EXACT_UP_TO: Final = 20_000  # above, the exact tests ask for a few percent more images at most
_PRECISION: Final = 0.005


@dataclass(frozen=True, kw_only=True)
class Needed:
    """What would decide.

    Attributes:
        images: About how many evaluation images; None where no reasonable number would, where it
            is too uncertain, or where those that there are decide what clean images can.
        low: The fewest that the middle half of the plausible rates asks for; None without a number.
        high: The most.
        towards: The verdict they would give; None where there is no number.
        reason: Why there is no number; empty where there is one.
        uncertain: Whether that is because it is too uncertain.
        corruption_images: About how many images under each corruption; None where those that
            there are decide, or where no reasonable number would.
    """

    images: int | None
    towards: Literal["PASS", "FAIL"] | None
    low: int | None = None
    high: int | None = None
    reason: str = ""
    uncertain: bool = False
    corruption_images: int | None = None


@dataclass(frozen=True, kw_only=True)
class Numbers:
    """Numbers of images at which score tests alone decide; infinity for never.

    Attributes:
        low: The fewest, over the middle half of the plausible rates.
        best: At the observed rates.
        high: The most.
    """

    low: float
    best: float
    high: float

    def within(self, fewest: int, found: int) -> tuple[int, float]:
        """Return the interval of a number that was found: from ``fewest`` on, with it inside."""
        return min(found, max(fewest, math.ceil(self.low))), max(found, self.high)


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
        verdict, and how sure it is.
    """
    undecided = [one for one in judgement.criteria if one.outcome == "undecided"]
    beyond = [one for one in undecided if one.beyond]
    chosen, towards = (beyond, "FAIL") if beyond else (undecided, "PASS")
    numbers = _together(
        [_by_score(one, counts, limits, judgement) for one in chosen], first=bool(beyond)
    )
    if numbers.best == math.inf:
        return Needed(
            images=None,
            towards=None,
            reason="no number of images would decide: an observed value is exactly at its limit",
        )
    more = counts.overall.images + 1
    wanted = first_deciding(
        max(math.ceil(numbers.best), more),
        lambda images: judge(_scaled(counts, images, limits), limits).verdict != "INCONCLUSIVE",
    )
    if wanted > MOST_IMAGES:
        return Needed(
            images=None,
            towards=None,
            reason="more than a million images would be needed: an observed value is too close "
            "to its limit",
        )
    low, high = numbers.within(more, wanted)
    if (why := cannot_be_said(low, high)) is not None:
        return Needed(images=None, towards=None, reason=why, uncertain=True)
    return Needed(
        images=wanted,
        low=low,
        high=math.ceil(high),
        towards="FAIL" if towards == "FAIL" else "PASS",
    )


def cannot_be_said(low: int, high: float, images: str = "images") -> str | None:
    """Return why no number is given where its interval spans more than a factor of ten, or None.

    Args:
        low: The fewest images.
        high: The most.
        images: What to call them.
    """
    if high <= _WIDEST * low:
        return None
    return (
        f"how many {images} would decide is too uncertain to say: as far as these tell, it may "
        f"be {low:,} or more than ten times as many"
    )


def numbers_of_drop(paired: Paired, limit: float, alpha: float, images: int) -> Numbers:
    """Return at how many images the score test of a drop decides.

    Args:
        paired: What was observed.
        limit: The largest drop allowed, a share.
        alpha: The one-sided level that decides.
        images: All images, of which ``paired`` may be a part that grows with them.
    """
    lost, gained, n = paired.lost, paired.gained, paired.images
    interval = tango_interval(lost, gained, n, MIDDLE)

    def number(drop: float) -> float:
        first, second = shares_at(lost, gained, n, drop)
        z = float(tango_score(first * n, second * n, n, limit))
        return _to_reach(z, alpha, images)

    best = _to_reach(float(tango_score(lost, gained, n, limit)), alpha, images)
    return _over(interval, limit, best, [number(interval.low), number(interval.high)])


def numbers_of_share(count: float, n: int, limit: float) -> Numbers:
    """Return at how many images the score test of a share decides.

    Args:
        count: Images counted; no whole number where copies share one.
        n: All images.
        limit: The share that is the limit, whichever side is the right one.
    """
    interval = wilson_interval(count, n, MIDDLE)

    def number(share: float) -> float:
        spread = math.sqrt(limit * (1 - limit) / n)
        return _to_reach((share - limit) / spread if spread else math.inf, ALPHA, n)

    return _over(interval, limit, number(count / n), [number(interval.low), number(interval.high)])


def _over(interval: Interval, limit: float, best: float, ends: Sequence[float]) -> Numbers:
    """Return the numbers over an interval of rates; there is no most where it holds the limit."""
    holds = interval.low <= limit <= interval.high
    return Numbers(low=min(best, *ends), best=best, high=math.inf if holds else max(best, *ends))


def _together(numbers: Sequence[Numbers], *, first: bool) -> Numbers:
    """Return what several criteria need: the first of them to be decided, or the last."""
    choose = min if first else max
    return Numbers(
        low=choose(one.low for one in numbers),
        best=choose(one.best for one in numbers),
        high=choose(one.high for one in numbers),
    )


def first_deciding(start: int, decided: Callable[[int], bool]) -> int:
    """Return the first number of images from ``start`` on, to half a percent, that decides.

    Args:
        start: Where the score tests alone would decide; the exact ones may ask for more.
        decided: Whether that many images decide. It is asked up to a number beyond which exact
            tests ask for a few percent more at most.
    """

    def enough(images: int) -> bool:
        return images > _EXACT_UP_TO or decided(images)

    low, high, step = start - 1, start, 4 * _PRECISION
    while not enough(high):
        low, high, step = high, math.ceil(high * (1 + step)), 2 * step
    while high - low > max(1, _PRECISION * high):
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def _by_score(
    criterion: Criterion, counts: Counts, limits: Limits, judgement: Judgement
) -> Numbers:
    """Return the images at which the score test alone decides a criterion."""
    n = counts.overall.images
    if criterion.name == "accuracy_drop":
        return numbers_of_drop(counts.overall, criterion.limit, ALPHA, n)
    if criterion.name == "disagreement":
        judged = counts.judged.together
        found = numbers_of_share(judged.weight, judged.groups, criterion.limit)
        # Of evaluation images, the others growing with them.
        part = n / judged.groups
        return Numbers(low=part * found.low, best=part * found.best, high=part * found.high)
    if criterion.name == "accuracy":
        return numbers_of_share(counts.right, n, criterion.limit)
    if criterion.name == "gap_increase":
        return _to_clear(criterion, n)
    limit = limit_of(limits, "class_drop")
    alpha = ALPHA / sum(1 for one in counts.classes if one.images)
    undecided = [
        one
        for one, change in zip(counts.classes, judgement.classes, strict=True)
        if change.outcome == "undecided"
    ]
    return _together([numbers_of_drop(one, limit, alpha, n) for one in undecided], first=True)


def _to_clear(criterion: Criterion, n: int) -> Numbers:
    """Return the images at which an interval that shrinks with their root is off the limit."""
    estimate, limit = criterion.estimate, criterion.limit
    half = estimate - criterion.low if criterion.beyond else criterion.high - estimate

    def number(value: float) -> float:
        distance = abs(value - limit)
        return n * (half / distance) ** 2 if distance else math.inf

    part = NormalDist().inv_cdf(0.5 + MIDDLE / 2) / NormalDist().inv_cdf(0.5 + criterion.level / 2)
    middle = Interval(
        low=estimate - part * (estimate - criterion.low),
        high=estimate + part * (criterion.high - estimate),
        level=MIDDLE,
    )
    return _over(middle, limit, number(estimate), [number(middle.low), number(middle.high)])


def _to_reach(z: float, alpha: float, n: int) -> float:
    return n * (NormalDist().inv_cdf(1 - alpha) / z) ** 2 if z else math.inf


def _scaled(counts: Counts, images: int, limits: Limits) -> Counts:
    """Scale counts to a number of images, rounding every share towards its limit."""
    n = counts.overall.images
    factor = Fraction(images, n)
    right = counts.right * factor
    too_few = bool(limits.min_accuracy) and counts.right / n < limit_of(limits, "accuracy")
    return Counts(
        overall=scaled_pair(counts.overall, factor, limit_of(limits, "accuracy_drop")),
        disagreements=counts.disagreements * images // n,
        right=min(images, math.ceil(right)) if too_few else math.floor(right),
        classes=tuple(
            scaled_pair(one, factor, limit_of(limits, "class_drop")) for one in counts.classes
        ),
        agreement=_scaled_agreement(
            counts.judged,
            factor,
            limit_of(limits, "disagreement"),
            limit_of(limits, "accuracy_drop"),
        ),
        clear_only=counts.clear_only,
    )


def _scaled_agreement(
    judged: Agreement, factor: Fraction, limit: float, drop_limit: float
) -> Agreement:
    others = judged.unlabelled
    return Agreement(
        labelled=_scaled_changed(judged.labelled, factor, limit),
        unlabelled=None if others is None else _scaled_changed(others, factor, limit),
        together=_scaled_changed(judged.together, factor, limit),
        whole=_scaled_changed(judged.whole, factor, drop_limit),
    )


def _scaled_changed(changed: Changed, factor: Fraction, limit: float) -> Changed:
    """Scale counts, rounding the share towards its limit, so that no rounding decides."""
    groups = max(1, round(changed.groups * factor))
    many = float(changed.weight * factor)
    beyond = changed.share > limit
    return Changed.alone(groups, math.floor(many) if beyond else min(groups, math.ceil(many)))


def scaled_pair(paired: Paired, factor: Fraction, limit: float) -> Paired:
    """Scale counts, rounding the drop towards its limit, so that no rounding decides."""
    images = round(paired.images * factor)
    if not images:
        return Paired(images=0, lost=0, gained=0)
    down, up = math.floor, math.ceil
    shrink, grow = (down, up) if paired.drop > limit else (up, down)
    lost = min(images, shrink(paired.lost * factor))
    return Paired(images=images, lost=lost, gained=min(images - lost, grow(paired.gained * factor)))

"""The gate: is an artifact within its limits, is it not, or are the images too few to tell?

Three criteria, each with a 95 % interval, and a fourth where a least accuracy is asked for. Wholly
within the limit is met, wholly beyond it is missed, anything else is undecided; but a class is
undecided only if its point estimate is beyond the limit. One missed criterion is FAIL, all met is
PASS, else INCONCLUSIVE.

Error rates. An interval alone would let a model that is exactly at a limit pass in slightly more
than 2.5 % of samples for some values of the nuisance parameters (score intervals hold their level
on average, not everywhere). So a criterion is met or missed only if an exact test at 2.5 % agrees
with its interval (``exact``). As PASS needs every criterion, a model at or beyond the limit of
accuracy drop, disagreement or accuracy passes in at most 2.5 % of samples, whatever the other
criteria do (R. L. Berger (1982), Multiparameter hypothesis testing and acceptance sampling,
Technometrics 24, 295-300). Each criterion is missed in at most 2.5 % of samples by a model within
its limit; one at several limits at once has as many such chances.
The increase of a gap between groups, where there are groups, has no exact test: its intervals are
good for groups of some hundred images. The drop under corruption, where it has a
limit, is added with ``with_criterion``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Final

from edgecnn.errors import DataError
from edgecnn.recipe.sections import Limits
from edgecnn.verify.gate.gaps import gap_changes, judge_gaps
from edgecnn.verify.gate.judgement import (
    ClassChange,
    Counts,
    Criterion,
    CriterionName,
    Judgement,
    Outcome,
    Paired,
    verdict_of,
    worst_class,
)
from edgecnn.verify.groups import GroupColumn
from edgecnn.verify.statistics.exact import beyond_p, binomial_p, exact_drop_p
from edgecnn.verify.statistics.intervals import (
    Interval,
    Side,
    holm,
    tango_interval,
    wilson_interval,
)

LEVEL: Final = 0.95
ALPHA: Final = 0.025
"""The one-sided error of each decision; half of what ``LEVEL`` leaves."""


def limit_of(limits: Limits, name: CriterionName) -> float:
    """Return a criterion's limit as a share, 0..1.

    Raises:
        ValueError: If there is none: those of ``accuracy`` and ``corruption_drop`` may be left out.
    """
    points: dict[CriterionName, float | None] = {
        "accuracy_drop": limits.max_drop,
        "disagreement": 100 - limits.min_agreement,
        "class_drop": limits.max_class_drop,
        "accuracy": limits.min_accuracy,
        "gap_increase": limits.max_gap_increase,
        "corruption_drop": limits.max_corruption_drop,
    }
    found = points[name]
    if found is None:
        raise ValueError(f"there is no limit for {name}")
    # Ten digits are all a recipe writes, and 100 - 99.9 is not 0.1 in floating point.
    return round(found / 100, 12)


def limits_in_force(limits: Limits, *, groups: bool, corruptions: bool) -> dict[str, float]:
    """Return the limits that say something where there are groups or corrupted images, percent."""
    unused = set() if groups else {"max_gap_increase"}
    if limits.min_accuracy is None:
        unused.add("min_accuracy")
    if not corruptions or limits.max_corruption_drop is None:
        unused.add("max_corruption_drop")
    return limits.model_dump(exclude=unused)


def judge(counts: Counts, limits: Limits, groups: Sequence[GroupColumn] = ()) -> Judgement:
    """Reach a verdict.

    Args:
        counts: What was observed.
        limits: What is allowed.
        groups: The same in groups of images, if there are any.

    Returns:
        The verdict with its criteria.

    Raises:
        DataError: If there are no images.
    """
    check_some(counts.overall.images)
    classes = _judge_classes(counts.classes, limit_of(limits, "class_drop"))
    gap_limit = limit_of(limits, "gap_increase")
    gaps = gap_changes(groups, gap_limit, alpha=ALPHA)
    criteria = (
        _judge_drop(counts.overall, limit_of(limits, "accuracy_drop")),
        _judge_disagreement(counts, limit_of(limits, "disagreement")),
        worst_class(
            classes,
            limit_of(limits, "class_drop"),
            method="Tango score interval at Holm's level; the exact unconditional test confirms "
            "a miss",
        ),
        # At least 0 % is no criterion.
        *([_judge_accuracy(counts, limit_of(limits, "accuracy"))] if limits.min_accuracy else []),
        *([judge_gaps(gaps, gap_limit)] if gaps else []),
    )
    verdict = verdict_of([criterion.outcome for criterion in criteria])
    return Judgement(verdict=verdict, criteria=criteria, classes=classes, gaps=gaps)


def with_criterion(judgement: Judgement, criterion: Criterion) -> Judgement:
    """Return a judgement that rests on one more criterion, as its last."""
    criteria = (*judgement.criteria, criterion)
    verdict = verdict_of([one.outcome for one in criteria])
    return dataclasses.replace(judgement, criteria=criteria, verdict=verdict)


def check_some(images: int) -> None:
    """Refuse to judge by nothing.

    Raises:
        DataError: If there are no images.
    """
    if images == 0:
        raise DataError(
            "there are no evaluation images to judge by",
            observed="0 images",
            expected="at least 1",
            remedy="give the data set a test split: [data] test in the recipe",
        )


def _judge_drop(paired: Paired, limit: float) -> Criterion:
    interval = tango_interval(paired.lost, paired.gained, paired.images, LEVEL)
    side = _side(interval, limit)
    exact = exact_drop_p(paired.lost, paired.gained, paired.images, limit, side) if side else None
    return Criterion(
        name="accuracy_drop",
        outcome=_outcome(side, exact),
        estimate=paired.drop,
        low=interval.low,
        high=interval.high,
        level=LEVEL,
        limit=limit,
        method="Tango score interval, confirmed by the exact unconditional test",
        exact_p=exact,
    )


def least_drop(images: int) -> float | None:
    """Return the smallest limit of the drop that so many images can show to be kept.

    That is where no answer changed at all: 14.5 points with 24 images.

    Args:
        images: At least 1.

    Returns:
        Points, in steps of a half; None where not even 99 points can be shown.
    """
    same = Paired(images=images, lost=0, gained=0)
    halves = (half / 2 for half in range(1, 199))
    return next((drop for drop in halves if _judge_drop(same, drop / 100).outcome == "met"), None)


def _judge_disagreement(counts: Counts, limit: float) -> Criterion:
    n = counts.overall.images
    interval = wilson_interval(counts.disagreements, n, LEVEL)
    side = _side(interval, limit)
    exact = binomial_p(counts.disagreements, n, limit, side) if side else None
    return Criterion(
        name="disagreement",
        outcome=_outcome(side, exact),
        estimate=counts.disagreements / n,
        low=interval.low,
        high=interval.high,
        level=LEVEL,
        limit=limit,
        method="Wilson score interval, confirmed by the exact binomial test",
        exact_p=exact,
    )


def _judge_accuracy(counts: Counts, least: float) -> Criterion:
    n = counts.overall.images
    interval = wilson_interval(counts.right, n, LEVEL)
    side: Side | None = None
    if interval.low >= least:
        side = "above"
    elif interval.high < least:
        side = "below"
    exact = binomial_p(counts.right, n, least, side) if side else None
    return Criterion(
        name="accuracy",
        outcome=_outcome(side, exact, within="above"),
        estimate=counts.right / n,
        low=interval.low,
        high=interval.high,
        level=LEVEL,
        limit=least,
        method="Wilson score interval, confirmed by the exact binomial test",
        exact_p=exact,
    )


def _side(interval: Interval, limit: float) -> Side | None:
    if interval.high <= limit:
        return "below"
    return "above" if interval.low > limit else None


def _outcome(side: Side | None, exact: float | None, *, within: Side = "below") -> Outcome:
    if side is None or exact is None or exact > ALPHA:
        return "undecided"
    return "met" if side == within else "missed"


def _judge_classes(classes: Sequence[Paired], limit: float) -> tuple[ClassChange, ...]:
    present = [index for index, one in enumerate(classes) if one.images]
    p_values = [
        beyond_p(one.lost, one.gained, one.images, limit, alpha=ALPHA)
        for one in (classes[index] for index in present)
    ]
    steps = holm(p_values, ALPHA)
    changes = [
        ClassChange(index=index, outcome="absent", images=0) for index in range(len(classes))
    ]
    for index, p, rejected, alpha in zip(
        present, p_values, steps.rejected, steps.alphas, strict=True
    ):
        one = classes[index]
        level = 1 - 2 * alpha
        interval = tango_interval(one.lost, one.gained, one.images, level)
        changes[index] = ClassChange(
            index=index,
            outcome="missed" if rejected else "undecided" if one.drop > limit else "met",
            images=one.images,
            drop=one.drop,
            low=interval.low,
            high=interval.high,
            level=level,
            p=p,
        )
    return tuple(changes)

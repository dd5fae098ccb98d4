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

Copies. A picture and its augmented copies are one observation, not several: the share of a group
that changed counts once. The interval is Wilson's for as many trials as there are groups. That is
L. Kish's (1965), Survey Sampling, effective sample size, pictures / (1 + (m - 1) rho) for groups of
m, at the largest correlation within groups, rho = 1 (J. N. K. Rao, A. J. Scott (1992), A simple
method for the analysis of clustered binary data, Biometrics 48, 577-585, estimate rho, which a few
changed answers do not allow). A share between 0 and 1 varies less than a yes or no of the same
mean, so this is on the safe side. The exact test takes the sum of the shares as a whole number,
rounded to the side that decides less.

Pictures without labels. They add to agreement, and they bound the drop: accuracy cannot fall by
more than the share of answers that change. Two ways to show one thing would double the chance to
be wrong, so each has half of the 2.5 % then. Agreement is met on both kinds of picture together,
and missed if one kind alone is surely beyond the limit, by Holm's procedure for the two: many
pictures of one kind cannot outvote the other.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Final

from edgecnn.build.shares import Interval, wilson_interval
from edgecnn.errors import DataError
from edgecnn.recipe.sections import Limits
from edgecnn.verify.gate.classes import judge_classes, many_classes, worst_class
from edgecnn.verify.gate.gaps import gap_changes, judge_gaps
from edgecnn.verify.gate.judgement import (
    Changed,
    Counts,
    Criterion,
    CriterionName,
    Equality,
    Judgement,
    Outcome,
    verdict_of,
)
from edgecnn.verify.groups import GroupColumn
from edgecnn.verify.statistics.exact import binomial_p, exact_drop_p
from edgecnn.verify.statistics.intervals import Side, holm, tango_interval

LEVEL: Final = 0.95
ALPHA: Final = 0.025
"""The one-sided error of each decision; half of what ``LEVEL`` leaves."""

_ROUNDING: Final = 1e-9  # of a sum of shares
_EQUAL: Final = ("accuracy_drop", "disagreement", "class_drop", "gap_increase")
"""What a file whose scores equal the float model's keeps, whatever the number of images."""


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
    unused = {"agreement_on"} if groups else {"agreement_on", "max_gap_increase"}
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
    class_limit = limit_of(limits, "class_drop")
    classes = judge_classes(counts.classes, class_limit, alpha=ALPHA)
    gap_limit = limit_of(limits, "gap_increase")
    gaps = gap_changes(groups, gap_limit, alpha=ALPHA)
    criteria = (
        _judge_drop(counts, limit_of(limits, "accuracy_drop")),
        _judge_disagreement(counts, limit_of(limits, "disagreement")),
        worst_class(
            classes,
            class_limit,
            method="Tango score interval at Holm's level; the exact unconditional test confirms "
            "a miss",
        ),
        # At least 0 % is no criterion.
        *(
            [judge_accuracy(counts.right, counts.overall.images, limit_of(limits, "accuracy"))]
            if limits.min_accuracy
            else []
        ),
        *([judge_gaps(gaps, gap_limit)] if gaps else []),
    )
    verdict = verdict_of([criterion.outcome for criterion in criteria])
    return Judgement(
        verdict=verdict,
        criteria=criteria,
        classes=classes,
        gaps=gaps,
        many_classes=many_classes(classes, class_limit, alpha=ALPHA),
    )


def with_equality(judgement: Judgement, equality: Equality) -> Judgement:
    """Return a judgement in which what is open is met, where the file equals its float model.

    Its own accuracy, and its drop on corrupted images, are other questions and stay open.

    Args:
        judgement: By counts.
        equality: Whether the scores are equal.
    """
    criteria = tuple(
        dataclasses.replace(one, outcome="met", by_equality=True)
        if equality.holds and one.outcome == "undecided" and one.name in _EQUAL
        else one
        for one in judgement.criteria
    )
    verdict = verdict_of([one.outcome for one in criteria])
    return dataclasses.replace(judgement, criteria=criteria, verdict=verdict, equality=equality)


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


def _judge_drop(counts: Counts, limit: float) -> Criterion:
    paired, bound = counts.overall, None
    if counts.judged.unlabelled is not None:
        bound = counts.judged.whole
    alpha = ALPHA if bound is None else ALPHA / 2
    level = 1 - 2 * alpha
    interval = tango_interval(paired.lost, paired.gained, paired.images, level)
    low, high = interval.low, interval.high
    side = _side(interval, limit)
    exact = exact_drop_p(paired.lost, paired.gained, paired.images, limit, side) if side else None
    outcome = _outcome(side, exact, alpha=alpha)
    if bound is None:
        return Criterion(
            name="accuracy_drop",
            outcome=outcome,
            estimate=paired.drop,
            low=low,
            high=high,
            level=LEVEL,
            limit=limit,
            method="Tango score interval, confirmed by the exact unconditional test",
            exact_p=exact,
        )
    changed = wilson_interval(bound.weight, bound.groups, level)
    by_bound = _share_outcome(bound, limit, alpha=alpha)
    about = None
    if by_bound == "met" and outcome == "undecided":
        outcome, about = "met", f"at most what changed of {bound.groups:,} pictures"
        exact = _share_p(bound, limit, "below")
    # One way to show a loss, so that all of the error is for it.
    if outcome == "undecided":
        whole = tango_interval(paired.lost, paired.gained, paired.images, LEVEL)
        if whole.low > limit:
            p = exact_drop_p(paired.lost, paired.gained, paired.images, limit, "above")
            outcome, exact, low = _outcome("above", p), p, whole.low
    return Criterion(
        name="accuracy_drop",
        outcome=outcome,
        estimate=paired.drop,
        low=max(low, -changed.high),
        high=max(min(high, changed.high), paired.drop),
        level=level,
        limit=limit,
        method="Tango score interval, and Wilson's of the answers that changed, of labelled and "
        "unlabelled pictures; exact tests confirm them",
        exact_p=exact,
        about=about,
    )


def _judge_disagreement(counts: Counts, limit: float) -> Criterion:
    judged = counts.judged
    changed = judged.together
    interval = wilson_interval(changed.weight, changed.groups, LEVEL)
    side = _side(interval, limit)
    outcome = _share_outcome(changed, limit, alpha=ALPHA)
    exact = _share_p(changed, limit, side) if side else None
    if judged.unlabelled is not None:
        parts = [one for one in (judged.labelled, judged.unlabelled) if one.groups]
        steps = holm([_share_p(one, limit, "above") for one in parts], ALPHA)
        beyond = [
            wilson_interval(one.weight, one.groups, 1 - 2 * alpha).low > limit and rejected
            for one, rejected, alpha in zip(parts, steps.rejected, steps.alphas, strict=True)
        ]
        if any(beyond):
            outcome = "missed"
            exact = min(_share_p(one, limit, "above") for one in parts)
        elif outcome == "missed":
            outcome, exact = "undecided", None
    about = " ".join(
        [
            *(["clear answers"] if counts.clear_only else []),
            *(["with unlabelled pictures"] if judged.unlabelled is not None else []),
        ]
    )
    return Criterion(
        name="disagreement",
        outcome=outcome,
        estimate=changed.share,
        low=interval.low,
        high=interval.high,
        level=LEVEL,
        limit=limit,
        method="Wilson score interval, confirmed by the exact binomial test",
        exact_p=exact,
        about=about or None,
        images=changed.groups if about else None,
    )


def _share_p(changed: Changed, limit: float, side: Side) -> float:
    """Return the exact test's p of a share of changed answers."""
    count = math.ceil(changed.weight - _ROUNDING) if side == "below" else math.floor(changed.weight)
    return binomial_p(count, changed.groups, limit, side)


def _share_outcome(changed: Changed, limit: float, *, alpha: float) -> Outcome:
    """Judge a share of changed answers by interval and exact test, each at one-sided ``alpha``."""
    interval = wilson_interval(changed.weight, changed.groups, 1 - 2 * alpha)
    side = _side(interval, limit)
    return _outcome(side, _share_p(changed, limit, side) if side else None, alpha=alpha)


def judge_accuracy(right: int, images: int, least: float) -> Criterion:
    """Judge a share of right answers.

    Args:
        right: Right answers.
        images: All answers, at least 1.
        least: The smallest share allowed, 0..1.
    """
    interval = wilson_interval(right, images, LEVEL)
    side: Side | None = None
    if interval.low >= least:
        side = "above"
    elif interval.high < least:
        side = "below"
    exact = binomial_p(right, images, least, side) if side else None
    return Criterion(
        name="accuracy",
        outcome=_outcome(side, exact, within="above"),
        estimate=right / images,
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


def _outcome(
    side: Side | None, exact: float | None, *, within: Side = "below", alpha: float = ALPHA
) -> Outcome:
    if side is None or exact is None or exact > alpha:
        return "undecided"
    return "met" if side == within else "missed"

"""The criterion of single classes: does one of them lose more recall than the limit allows?

A class is missed if its drop is surely beyond the limit, by Holm's procedure over all classes; the
exact unconditional test has to agree. It is undecided if its drop is beyond the limit on these
images and not surely, and otherwise met: one class has few images.

Many classes. The worst of many classes loses more than the limit by chance, whatever the file. Of
1,000 classes with 50 images each and a file that changes 3 % of all answers and loses half a point
of accuracy, evenly, about 20 lose more than 5 points on those images; so the rule above would call
every file undecided, and no number of images that anybody has would end that. So with more than
``MANY_CLASSES`` classes, a class is undecided only if its p against the limit is at most ten in the
number of classes: then fewer than ten classes exactly at the limit would be undecided by chance,
and of those well within it hardly any. With ``MANY_CLASSES`` classes that is p = 1/2, which is what
a drop beyond the limit comes to: the rule for few classes goes over into the one for many. A class
that is beyond the limit and has a larger p is met, ``by_chance``: these images say nothing against
it. When a class is missed is the same for few and many.
"""

from __future__ import annotations

import functools
import statistics
from collections.abc import Sequence
from typing import Final

from edgecnn.verify.gate.judgement import (
    ClassChange,
    ClassOutcome,
    Criterion,
    ManyClasses,
    Paired,
)
from edgecnn.verify.statistics.exact import beyond_p
from edgecnn.verify.statistics.intervals import holm, tango_interval
from edgecnn_runner.postprocess import MANY_CLASSES

_BY_CHANCE: Final = MANY_CLASSES / 2
"""Classes exactly at the limit that are undecided by chance, at most, however many there are."""


def largest_undecided_p(classes: int) -> float:
    """Return the p up to which a class beyond the limit is undecided and not met, 0..1.

    Args:
        classes: How many have images; at least 1.
    """
    return 1.0 if classes <= MANY_CLASSES else _BY_CHANCE / classes


def judge_classes(
    classes: Sequence[Paired], limit: float, *, alpha: float
) -> tuple[ClassChange, ...]:
    """Judge how much recall each class lost.

    Args:
        classes: The answers to the images of each class, in score order.
        limit: The largest drop allowed, 0..1.
        alpha: The one-sided error that all classes share.

    Returns:
        One entry per class.
    """
    present = [index for index, one in enumerate(classes) if one.images]
    undecided_p = largest_undecided_p(max(1, len(present)))
    least = alpha if undecided_p == 1 else max(alpha, undecided_p)

    @functools.cache  # many classes have the same few counts
    def p_of(one: Paired) -> float:
        return beyond_p(one.lost, one.gained, one.images, limit, alpha=least)

    p_values = [p_of(classes[index]) for index in present]
    steps = holm(p_values, alpha)
    changes = [
        ClassChange(index=index, outcome="absent", images=0) for index in range(len(classes))
    ]
    # Where there are many, those that are not missed have one level, the least of theirs: as
    # intervals they are alike then where their counts are, and take no time.
    kept = len(present) - sum(steps.rejected)
    for index, p, rejected, own in zip(
        present, p_values, steps.rejected, steps.alphas, strict=True
    ):
        one = classes[index]
        common = len(present) > MANY_CLASSES and not rejected
        level = 1 - 2 * (alpha / kept if common else own)
        interval = tango_interval(one.lost, one.gained, one.images, level)
        outcome: ClassOutcome = "met"
        if rejected:
            outcome = "missed"
        elif one.drop > limit and p <= undecided_p:
            outcome = "undecided"
        changes[index] = ClassChange(
            index=index,
            outcome=outcome,
            images=one.images,
            drop=one.drop,
            low=interval.low,
            high=interval.high,
            level=level,
            p=p,
            by_chance=outcome == "met" and one.drop > limit,
        )
    return tuple(changes)


def many_classes(
    classes: Sequence[ClassChange], limit: float, *, alpha: float
) -> ManyClasses | None:
    """Return what images can tell of single classes; None where there are few of those.

    Args:
        classes: As they were judged.
        limit: The largest drop allowed, 0..1.
        alpha: The one-sided error that they share.
    """
    present = [one for one in classes if one.outcome != "absent"]
    if len(present) <= MANY_CLASSES:
        return None
    images = statistics.median_low(one.images for one in present)
    return ManyClasses(
        present=len(present),
        images=images,
        beyond=sum((one.drop or 0.0) > limit for one in present),
        by_chance=sum(one.by_chance for one in present),
        shown_from=_shown_from(images, limit, alpha / len(present)),
    )


@functools.lru_cache(maxsize=64)
def _shown_from(images: int, limit: float, alpha: float) -> float | None:
    """Return the least drop of a class that is surely beyond the limit; None where none is."""

    def shown(lost: int) -> bool:
        return beyond_p(lost, 0, images, limit, alpha=alpha) <= alpha

    if not shown(images):
        return None
    low, high = 0, images
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if shown(middle) else (middle, high)
    return high / images


def worst_class(classes: Sequence[ClassChange], limit: float, *, method: str) -> Criterion:
    """Return the criterion that all classes come to: the gravest outcome, then the largest drop.

    Args:
        classes: At least one of them not absent.
        limit: The largest drop allowed, 0..1.
        method: How their intervals were made.
    """
    order = ("missed", "undecided", "met")

    def gravity(change: ClassChange) -> tuple[int, float, float]:
        return (
            order.index(change.outcome),
            # Of many classes, the one that its images say most against.
            (change.p or 0.0) if many else 0.0,
            -(change.drop or 0.0),
        )

    present = [change for change in classes if change.outcome != "absent"]
    many = len(present) > MANY_CLASSES
    worst = min(present, key=gravity)
    about = None
    if worst.by_chance:
        about = f"as the worst of {len(present):,} classes loses by chance"
    return Criterion(
        name="class_drop",
        outcome=worst.outcome,  # type: ignore[arg-type]  # absent ones were left out
        estimate=worst.drop or 0.0,
        low=worst.low or 0.0,
        high=worst.high or 0.0,
        level=worst.level or 0.95,
        limit=limit,
        method=method,
        exact_p=worst.p if worst.outcome == "missed" else None,
        class_index=worst.index,
        about=about,
    )

"""The tightest limits: those that a number of images can decide at best, and that one file keeps.

A limit can be so tight that not even a file without a single changed answer could be shown to keep
it. Whoever sets limits wants to know that before a training, and whoever reads INCONCLUSIVE wants
to know which limits would have been decided.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from edgecnn.recipe.sections import Limits
from edgecnn.verify.gate.classes import judge_classes
from edgecnn.verify.gate.criteria import ALPHA, judge, judge_accuracy
from edgecnn.verify.gate.judgement import Agreement, Changed, Counts, Criterion, Paired
from edgecnn_runner.postprocess import MANY_CLASSES

_HALVES: Final = tuple(half / 2 for half in range(1, 199))  # 0.5 to 99 points
_FINE: Final = tuple(tenth / 10 for tenth in range(1, 10))
_MANY: Final = 1000
_MOST_IMAGES: Final = 200_000


@dataclass(frozen=True, kw_only=True)
class TightestLimits:
    """Limits as a recipe has them; None where not even 99 points, or 1 %, can be shown.

    Attributes:
        max_drop: Percentage points of accuracy.
        min_agreement: Per cent.
        max_class_drop: Percentage points of recall; None, too, where it is of no file.
        min_accuracy: Per cent of right answers; None, too, where it is of no file.
    """

    max_drop: float | None
    min_agreement: float | None
    max_class_drop: float | None = None
    min_accuracy: float | None = None


def tightest_at_best(
    images: int, *, clear: int | None = None, unlabelled: int = 0, clear_unlabelled: int = 0
) -> TightestLimits:
    """Return what pictures can show of a file that changes no answer at all.

    Args:
        images: Evaluation images, at least 1.
        clear: Those that agreement is judged on; None for all.
        unlabelled: Pictures without labels, copies not counted.
        clear_unlabelled: Those of them that agreement is judged on.
    """
    counts = _unchanged(images, images if clear is None else clear, unlabelled, clear_unlabelled)
    return _tightest(counts)


def tightest_kept(counts: Counts) -> TightestLimits:
    """Return the tightest limits that a file with these counts is shown to keep.

    Args:
        counts: What was observed.
    """
    found = _tightest(counts)
    in_class = _first_kept(counts.classes)
    images = counts.overall.images
    right = (
        100 - wrong
        for wrong in _HALVES
        if judge_accuracy(counts.right, images, 1 - wrong / 100).outcome == "met"
    )
    return dataclasses.replace(found, max_class_drop=in_class, min_accuracy=next(right, None))


def _first_kept(classes: Sequence[Paired]) -> float | None:
    """Return the tightest limit of a class's drop by which no class is undecided or missed."""
    present = [one for one in classes if one.images]
    if len(present) <= MANY_CLASSES:
        worst = max((one.drop for one in present), default=0.0)
        return next((step for step in _HALVES if step / 100 >= worst), None)

    def kept(points: float) -> bool:
        judged = judge_classes(present, points / 100, alpha=ALPHA)
        return all(one.outcome == "met" for one in judged)

    # A wider limit is easier to keep.
    low, high = -1, len(_HALVES)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if kept(_HALVES[middle]) else (middle, high)
    return _HALVES[high] if high < len(_HALVES) else None


def least_drop(images: int) -> float | None:
    """Return the smallest limit of the drop that so many images can show to be kept.

    That is where no answer changed at all: 14.5 points with 24 images.

    Args:
        images: At least 1.

    Returns:
        Points, in steps of a half, from 1,000 images on below one of a tenth; None where not even
        99 points can be shown.
    """
    return tightest_at_best(images).max_drop


def images_to_decide(limits: Limits) -> int:
    """Return how many evaluation images can show, at best, that limits are kept.

    Args:
        limits: Of which the drop and the agreement count.

    Returns:
        The fewest, for a file that changes no answer; some hundred thousand at most are looked at.
    """
    low, high = 0, 1
    while not _decides(high, limits) and high < _MOST_IMAGES:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if _decides(middle, limits) else (middle, high)
    return high


def _decides(images: int, limits: Limits) -> bool:
    alone = _unchanged(images, images, 0, 0)
    names = ("accuracy_drop", "disagreement")
    return all(_criterion(alone, limits, name).outcome == "met" for name in names)


def keeps_drop(paired: Paired, points: float) -> bool:
    """Tell whether answers lost and gained are shown to keep a limit of the drop, in points."""
    counts = Counts(overall=paired, disagreements=0, right=0, classes=())
    return _criterion(counts, Limits(max_drop=points), "accuracy_drop").outcome == "met"


def keeps_agreement(changed: Changed, percent: float) -> bool:
    """Tell whether changed answers are shown to keep a least agreement, in per cent."""
    every = Agreement(labelled=changed, unlabelled=None, together=changed, whole=changed)
    counts = dataclasses.replace(
        _unchanged(changed.pictures, changed.pictures, 0, 0), agreement=every
    )
    limits = Limits(min_agreement=percent)
    return _criterion(counts, limits, "disagreement").outcome == "met"


def _unchanged(images: int, clear: int, unlabelled: int, clear_unlabelled: int) -> Counts:
    same = Paired(images=images, lost=0, gained=0)
    agreement = Agreement(
        labelled=Changed.alone(clear, 0),
        unlabelled=Changed.alone(clear_unlabelled, 0) if unlabelled else None,
        together=Changed.alone(clear + clear_unlabelled, 0),
        whole=Changed.alone(images + unlabelled, 0),
    )
    return Counts(overall=same, disagreements=0, right=images, classes=(same,), agreement=agreement)


def _tightest(counts: Counts) -> TightestLimits:
    many = max(counts.overall.images, counts.judged.together.groups) >= _MANY
    steps = (*_FINE, *_HALVES[1:]) if many else _HALVES

    def drop(points: float) -> Criterion:
        return _criterion(counts, Limits(max_drop=points), "accuracy_drop")

    def disagreement(points: float) -> Criterion:
        return _criterion(counts, Limits(min_agreement=round(100 - points, 1)), "disagreement")

    max_drop, changed = _first_met(steps, drop), _first_met(steps, disagreement)
    return TightestLimits(
        max_drop=max_drop,
        min_agreement=None if changed is None else round(100 - changed, 1),
    )


def _criterion(counts: Counts, limits: Limits, name: str) -> Criterion:
    # One class, of which nothing is asked here: its exact test takes as long as the others.
    alone = dataclasses.replace(counts, classes=(Paired(images=1, lost=0, gained=0),))
    return next(one for one in judge(alone, limits).criteria if one.name == name)


def _first_met(steps: Sequence[float], judged: Callable[[float], Criterion]) -> float | None:
    """Return the first step at which a criterion is met, found from its interval on.

    The exact test is asked only where the interval would do: it takes a quarter of a second at
    10,000 images.
    """
    high = 100 * judged(steps[-1]).high
    return next((step for step in steps if step >= high and judged(step).outcome == "met"), None)

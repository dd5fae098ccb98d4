"""The learning curve of a linear classifier: its accuracy by the number of photos it learnt from.

Each photo is asked about by a classifier that learnt from other folds, and from a share of them
only. The error is taken to fall with a power of the number of photos, as is usual where there are
few (J. Hestness et al. 2017, Deep learning scaling is predictable, empirically, arXiv:1712.00409);
what twice as many photos would bring follows from that power.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from edgecnn.train.backbones.head import (
    Features,
    LinearHead,
    fit_logistic,
    folds_of,
    standardized,
)

_SHARES: Final = (0.25, 0.5)
"""Of the photos learnt from; that of all is what chose the penalty."""
_DRAWS: Final = 3
"""Of each share: which photos they are makes a difference."""
_RESAMPLED: Final = 1000
_LEAST_PHOTOS: Final = 40
"""Below it, a quarter of them is too few to learn anything from."""
_MOST_PHOTOS: Final = 6000
"""Above it, the curve would take longer than the head."""


@dataclass(frozen=True, kw_only=True)
class CurvePoint:
    """One point of a learning curve.

    Attributes:
        photos: How many were learnt from, in the mean of the folds.
        accuracy: Share of the photos left out that is answered right, 0..1.
    """

    photos: float
    accuracy: float


@dataclass(frozen=True, kw_only=True)
class LearningCurve:
    """Accuracy by the number of photos, in cross-validation, and where it leads.

    Attributes:
        points: By 25, 50 and 100 % of the photos of the other folds.
        gain: What twice as many photos would add to the accuracy, -1..1.
        low: Lower bound of its 95 % interval, by resampling photos.
        high: Upper bound of it.
    """

    points: tuple[CurvePoint, ...]
    gain: float
    low: float
    high: float


def learning_curve(
    features: Sequence[Features],
    labels: npt.NDArray[np.int64],
    head: LinearHead,
    *,
    widths: Sequence[int],
    groups: npt.NDArray[np.int64] | None = None,
    class_weights: npt.NDArray[np.float32] | None = None,
    seed: int = 0,
) -> LearningCurve | None:
    """Learn from parts of the photos, with the penalty that all of them chose.

    Args:
        features: As ``fit_head`` had them.
        labels: Likewise.
        head: What it gave.
        widths: As ``fit_head`` had them.
        groups: Likewise.
        class_weights: Likewise.
        seed: Likewise; and of the parts.

    Returns:
        The curve; None where there are too few photos for one, or too many.
    """
    from threadpoolctl import threadpool_limits

    count, classes = len(labels), head.kernel.shape[1]
    if head.held_out is None or not _LEAST_PHOTOS <= count <= _MOST_PHOTOS:
        return None
    copies, _, _ = standardized(features, widths)
    weights = None if class_weights is None else class_weights[labels]
    units = np.arange(count) if groups is None else groups
    folds = folds_of(labels, groups, seed)
    generator = np.random.default_rng(seed)
    right = np.zeros((len(_SHARES), count))
    learnt_from = np.zeros(len(_SHARES))
    with threadpool_limits(1, user_api="blas"):
        for learnt, left in folds:
            for _ in range(_DRAWS):
                order = _in_turn(learnt, labels, generator)
                for row, share in enumerate(_SHARES):
                    part = order[: max(classes, round(share * len(order)))]
                    if len(np.unique(labels[part])) < 2:
                        return None
                    kernel, bias = fit_logistic(
                        copies, labels, weights, part, classes, head.strength
                    )
                    answers = (copies[0][left] @ kernel + bias).argmax(axis=1)
                    right[row, left] += (answers == labels[left]) / _DRAWS
                    learnt_from[row] += len(part) / (_DRAWS * len(folds))
    whole = float(np.mean([len(learnt) for learnt, _ in folds]))
    everything = (head.held_out.argmax(axis=1) == labels).astype(np.float64)
    return _curve(np.vstack([right, everything]), np.array([*learnt_from, whole]), units, generator)


def _in_turn(
    learnt: npt.NDArray[np.int64], labels: npt.NDArray[np.int64], generator: np.random.Generator
) -> npt.NDArray[np.int64]:
    """Return photos in an order whose beginning has as much of each class as the whole.

    Groups are divided: of few large ones a part would hold one or two of a class, which is less
    than a smaller collection would have, and the curve would be too steep. On eight draws of
    TrashNet in runs of 20, twice 60 photos a class brought 3.7 points on average; undivided
    runs foretold 6.3, divided ones 4.8 (3.5 to 5.9).
    """
    places = np.empty(len(learnt))
    for label in np.unique(labels[learnt]):
        own = generator.permutation(np.flatnonzero(labels[learnt] == label))
        places[own] = (np.arange(len(own)) + 0.5) / len(own)
    return learnt[np.argsort(places, kind="stable")]


def _curve(
    right: npt.NDArray[np.float64],
    photos: npt.NDArray[np.float64],
    units: npt.NDArray[np.int64],
    generator: np.random.Generator,
) -> LearningCurve:
    """Return the curve of right answers, shape (points, n), a row for each number of photos."""
    _, unit_of = np.unique(units, return_inverse=True)
    many = int(unit_of.max()) + 1
    sums = np.stack([np.bincount(unit_of, weights=row, minlength=many) for row in right])
    sizes = np.bincount(unit_of, minlength=many).astype(np.float64)
    drawn = generator.multinomial(many, np.full(many, 1 / many), size=_RESAMPLED).astype(np.float64)
    resampled = (drawn @ sums.T) / (drawn @ sizes)[:, None]
    gains = _gains(resampled, photos, right.shape[1])
    low, high = np.quantile(gains, [0.025, 0.975])
    accuracies = right.mean(axis=1)
    return LearningCurve(
        points=tuple(
            CurvePoint(photos=float(count), accuracy=float(accuracy))
            for count, accuracy in zip(photos, accuracies, strict=True)
        ),
        gain=float(_gains(accuracies[None], photos, right.shape[1])[0]),
        low=float(low),
        high=float(high),
    )


def _gains(
    accuracies: npt.NDArray[np.float64], photos: npt.NDArray[np.float64], count: int
) -> npt.NDArray[np.float64]:
    """Return what doubling the photos adds, by the slope of log error over log photos.

    Args:
        accuracies: Shape (curves, points).
        photos: Shape (points,).
        count: Photos asked about; an error below half of one is not known.
    """
    errors = np.log(np.maximum(1 - accuracies, 0.5 / count))
    x = np.log2(photos) - np.log2(photos).mean()
    slopes = (errors * x).sum(axis=1) / (x * x).sum()
    gains: npt.NDArray[np.float64] = (1 - accuracies[:, -1]) * (1 - np.exp(slopes))
    return gains

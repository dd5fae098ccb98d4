"""Finds photos whose label is likely wrong, by confident learning.

C. Northcutt, L. Jiang and I. Chuang, "Confident Learning: Estimating Uncertainty in Dataset
Labels", JAIR 70 (2021), section 3: a photo labelled i is counted as truly j if its probability of
j, by a model that never saw it, is at least the mean of that probability among the photos labelled
j. So each class is measured by its own confidence, and classes that are hard for the model are
not all taken for errors.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from edgecnn.data.quality.cross_validation import FOLDS, grouped_folds, out_of_fold_scores

LEAST_PHOTOS: Final = 10
"""Of each class: below it, a class is known by so few that its scores say little."""


@dataclass(frozen=True, kw_only=True)
class LabelDoubt:
    """A photo that looks like one of another class.

    Attributes:
        index: Its position.
        given: Its label.
        suggested: The class that it looks like.
        given_score: Probability of its own class, 0..1, by a model that never saw it.
        suggested_score: Probability of the other one.
    """

    index: int
    given: int
    suggested: int
    given_score: float
    suggested_score: float


def label_doubts(
    features: npt.NDArray[np.float32],
    labels: npt.NDArray[np.int64],
    groups: npt.NDArray[np.int64],
    *,
    classes: int,
    seed: int = 0,
) -> list[LabelDoubt]:
    """Return the photos whose label is likely wrong, the surest first.

    Args:
        features: Of each photo, shape (n, f).
        labels: Shape (n,), 0..classes-1.
        groups: Photos that belong together, shape (n,): a copy must not vouch for its label.
        classes: How many classes there are.
        seed: Of the folds.
    """
    folds = grouped_folds(labels, groups, seed=seed, folds=FOLDS)
    return confident_doubts(out_of_fold_scores(features, labels, folds, classes), labels)


def confident_doubts(
    scores: npt.NDArray[np.float64], labels: npt.NDArray[np.int64]
) -> list[LabelDoubt]:
    """Return the photos off the diagonal of the confident joint, by normalized margin.

    Args:
        scores: Probabilities by a model that did not see the photo, shape (n, classes).
        labels: The given ones, shape (n,).
    """
    classes = scores.shape[1]
    # Equation 2; a class without photos can be nobody's true one.
    means = [scores[labels == label, label] for label in range(classes)]
    thresholds = np.array([own.mean() if len(own) else np.inf for own in means])
    # Equation 1: of the classes whose threshold is reached, the most probable.
    reached = np.where(scores >= thresholds, scores, -1.0)
    true = reached.argmax(axis=1)
    rows = np.arange(len(labels))
    doubtful = (reached[rows, true] >= 0) & (true != labels)
    # What its own class still leads is no error that anybody would see.
    doubtful &= scores[rows, true] > scores[rows, labels]
    margins = scores[rows, true] - scores[rows, labels]
    order = np.lexsort((rows, -margins))
    return [
        LabelDoubt(
            index=int(index),
            given=int(labels[index]),
            suggested=int(true[index]),
            given_score=float(scores[index, labels[index]]),
            suggested_score=float(scores[index, true[index]]),
        )
        for index in order
        if doubtful[index]
    ]

"""Counts a classifier's answers to labelled images: recall of each class, mistakes, calibration.

The class with the highest score is its answer, the lowest index where several share it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from edgecnn.build.shares import ShareOf

Scores = npt.NDArray[np.floating[Any]]
Labels = npt.NDArray[np.integer[Any]]
Confusion = tuple[tuple[int, int, int], ...]
"""Non-zero cells of a confusion matrix: true class, answer, images; sorted."""

CALIBRATION_BINS: Final = 15
TOP: Final = 5


@dataclass(frozen=True, kw_only=True)
class ModelMetrics:
    """One model alone.

    Attributes:
        accuracy: Share of images whose true class has the highest score, 0..1.
        calibration_error: Expected calibration error over 15 bins of equal width, 0..1.
        ties: Images on which several classes share the highest score.
        confusion: True class against decision.
    """

    accuracy: float
    calibration_error: float
    ties: int
    confusion: Confusion


@dataclass(frozen=True, kw_only=True)
class ClassAnswers:
    """What became of the photos of one class.

    Attributes:
        index: Position of the class in the scores.
        name: The class.
        recall: Share of its photos that are recognized; None where there are none.
        answered: Photos of any class that are answered with this one.
        taken_for: The class that most of its mistakes are answered with; empty without a mistake.
    """

    index: int
    name: str
    recall: ShareOf | None
    answered: int
    taken_for: str

    @property
    def confusion_text(self) -> str:
        """What its mistakes are answered with, in words; empty without a mistake."""
        if not self.taken_for or self.recall is None:
            return ""
        once = self.recall.images - self.recall.count == 1
        return f"{'once' if once else 'most often'} taken for {self.taken_for}"


@dataclass(frozen=True, kw_only=True)
class Mistake:
    """A photo that is answered wrongly.

    Attributes:
        id: Its path in the folder.
        index: Its position among the photos.
        label: Its class, as its folder says.
        answer: The class it is answered with.
        score: The probability of that answer, 0..1.
        label_score: The probability of its own class, 0..1.
    """

    id: str
    index: int
    label: str
    answer: str
    score: float
    label_score: float


def measure_alone(scores: Scores, labels: Labels) -> ModelMetrics:
    """Count one model's answers.

    Args:
        scores: Its probabilities, shape (n, classes), n at least 1.
        labels: True classes, shape (n,).
    """
    decisions = scores.argmax(axis=1)
    cells, counts = np.unique(np.stack([labels, decisions]), axis=1, return_counts=True)
    top = scores.max(axis=1, keepdims=True)
    return ModelMetrics(
        accuracy=float(np.count_nonzero(decisions == labels) / len(labels)),
        calibration_error=expected_calibration_error(scores, labels),
        ties=int(np.count_nonzero((scores == top).sum(axis=1) > 1)),
        confusion=tuple(
            (int(true), int(decided), int(count))
            for (true, decided), count in zip(cells.T, counts, strict=True)
        ),
    )


def in_top(scores: Scores, classes: Labels, *, top: int = TOP) -> npt.NDArray[np.bool_]:
    """Return for which images a class is among those with the highest scores.

    With the true classes this is top-5 accuracy as O. Russakovsky et al. (2015), ImageNet large
    scale visual recognition challenge, International Journal of Computer Vision 115, 211-252,
    count it. Of equal scores, those with lower indices come first, as in every ranking here.

    Args:
        scores: Shape (n, classes).
        classes: A class for each image, shape (n,).
        top: How many places count.

    Returns:
        Shape (n,).
    """
    own = np.take_along_axis(scores, np.asarray(classes)[:, np.newaxis], axis=1)
    before = np.arange(scores.shape[1]) < np.asarray(classes)[:, np.newaxis]
    ahead = (scores > own) | ((scores == own) & before)
    return np.asarray(ahead.sum(axis=1) < top)


def calibration_bins(confidence: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """Return the bin of each highest score, 0 to ``CALIBRATION_BINS`` - 1, shape (n,)."""
    bins = np.ceil(confidence * CALIBRATION_BINS).astype(np.int64) - 1
    return np.clip(bins, 0, CALIBRATION_BINS - 1)


def expected_calibration_error(scores: Scores, labels: Labels) -> float:
    """Return how far confidence is from accuracy, on average over the images.

    C. Guo, G. Pleiss, Y. Sun, K. Q. Weinberger (2017), On calibration of modern neural networks,
    ICML, equation (3): images are put in ``CALIBRATION_BINS`` bins of equal width by their
    highest score, each bin open below and closed above.

    Args:
        scores: Probabilities, shape (n, classes), n at least 1.
        labels: True classes, shape (n,).

    Returns:
        The mean over images of |accuracy - confidence| of their bin, 0..1.
    """
    confidence = scores.max(axis=1).astype(np.float64)
    right = (scores.argmax(axis=1) == labels).astype(np.float64)
    bins = calibration_bins(confidence)
    gaps = np.bincount(bins, weights=right - confidence, minlength=CALIBRATION_BINS)
    return float(np.abs(gaps).sum() / len(labels))


def class_answers(confusion: Confusion, names: Sequence[str]) -> tuple[ClassAnswers, ...]:
    """Return what became of the images of each class, in score order.

    Args:
        confusion: Non-zero cells.
        names: The classes, in score order.
    """
    counts = np.zeros((len(names), len(names)), np.int64)
    for true, answer, count in confusion:
        counts[true, answer] = count
    found = []
    for index, name in enumerate(names):
        wrong = counts[index].copy()
        wrong[index] = 0
        found.append(
            ClassAnswers(
                index=index,
                name=name,
                recall=ShareOf.of(int(counts[index, index]), int(counts[index].sum())),
                answered=int(counts[:, index].sum()),
                taken_for=names[int(wrong.argmax())] if wrong.any() else "",
            )
        )
    return tuple(found)


def mistakes_of(
    scores: Scores,
    labels: Labels,
    ids: Sequence[str],
    names: Sequence[str],
) -> tuple[Mistake, ...]:
    """Return the images that are answered wrongly, the most confident answers first.

    Args:
        scores: Probabilities, shape (n, classes).
        labels: True classes, shape (n,).
        ids: The images' names, n of them.
        names: The classes, in score order.
    """
    answers = scores.argmax(axis=1)
    found = [
        Mistake(
            id=ids[index],
            index=index,
            label=names[labels[index]],
            answer=names[answers[index]],
            score=float(scores[index, answers[index]]),
            label_score=float(scores[index, labels[index]]),
        )
        for index in np.flatnonzero(answers != labels).tolist()
    ]
    return tuple(sorted(found, key=lambda one: (-one.score, one.index)))

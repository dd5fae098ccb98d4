"""The comparison of two models' answers on the same images, as data: counts and shares.

``measure`` fills it. Nothing here judges; ``gate`` does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from edgecnn.build.answers import (
    Labels,
    ModelMetrics,
    Scores,
    in_top,
    measure_alone,
)
from edgecnn.errors import DataError, ScoreError
from edgecnn_runner.postprocess import MANY_CLASSES

FlipKind = Literal["right_to_wrong", "wrong_to_right", "wrong_to_other"]


@dataclass(frozen=True, kw_only=True)
class ClassMetrics:
    """The images of one true class.

    Attributes:
        index: Position of the class in the scores.
        images: How many evaluation images have it; may be 0.
        reference_right: Images the reference gets right.
        right: Images the artifact gets right.
        lost: Images only the reference gets right.
        gained: Images only the artifact gets right.
    """

    index: int
    images: int
    reference_right: int
    right: int
    lost: int
    gained: int

    @property
    def reference_recall(self) -> float | None:
        """The reference's share of right answers, 0..1; None without images."""
        return self.reference_right / self.images if self.images else None

    @property
    def recall(self) -> float | None:
        """The artifact's share of right answers, 0..1; None without images."""
        return self.right / self.images if self.images else None


@dataclass(frozen=True, kw_only=True)
class Flip:
    """An image on which the two decide differently.

    Attributes:
        id: The image's name in the data set.
        index: Its position among the evaluation images used.
        kind: What became of the reference's answer.
        label: True class.
        reference_class: The reference's decision.
        reference_score: Its score for that, 0..1.
        artifact_class: The artifact's decision.
        artifact_score: Its score for that, 0..1.
    """

    id: str
    index: int
    kind: FlipKind
    label: int
    reference_class: int
    reference_score: float
    artifact_class: int
    artifact_score: float


@dataclass(frozen=True, kw_only=True)
class TopFive:
    """The five best scores of two models; counts of images.

    Attributes:
        reference_right: Images whose true class is among the reference's five best.
        right: Images whose true class is among the artifact's.
        kept: Images on which the reference's answer is among the artifact's five best.
    """

    reference_right: int
    right: int
    kept: int


@dataclass(frozen=True, kw_only=True)
class Metrics:
    """An artifact against its reference on the same n images.

    Attributes:
        images: n.
        reference: The reference alone.
        artifact: The artifact alone.
        both_right: Images both get right.
        lost: Images only the reference gets right (flips right to wrong).
        gained: Images only the artifact gets right (flips wrong to right).
        both_wrong: Images both get wrong, alike or differently.
        disagreements: Images with different decisions.
        mean_score_change: Mean over all images and classes of the absolute score difference.
        max_score_change: The largest of those differences.
        classes: One entry per class, in score order; also those without images.
        flips: One entry per disagreement, in image order.
        top5: The five best scores; None with so few classes that they say little, or where an
            earlier version of edgecnn did not count.
    """

    images: int
    reference: ModelMetrics
    artifact: ModelMetrics
    both_right: int
    lost: int
    gained: int
    both_wrong: int
    disagreements: int
    mean_score_change: float
    max_score_change: float
    classes: tuple[ClassMetrics, ...]
    flips: tuple[Flip, ...]
    top5: TopFive | None = None

    @property
    def accuracy_drop(self) -> float:
        """The reference's accuracy less the artifact's, -1..1."""
        return (self.lost - self.gained) / self.images

    @property
    def agreement(self) -> float:
        """Share of images with equal decisions, 0..1."""
        return 1 - self.disagreements / self.images

    @property
    def calibration_error_change(self) -> float:
        """The artifact's calibration error less the reference's, -1..1."""
        return self.artifact.calibration_error - self.reference.calibration_error

    def count(self, kind: FlipKind) -> int:
        """Return the number of flips of a kind."""
        return sum(flip.kind == kind for flip in self.flips)


def measure(reference: Scores, artifact: Scores, labels: Labels, ids: Sequence[str]) -> Metrics:
    """Compare two models' scores on the same images.

    Args:
        reference: The float model's probabilities, shape (n, classes).
        artifact: The artifact's, same shape, same images in the same order.
        labels: True classes, shape (n,), 0 to classes - 1.
        ids: The images' names, n of them.

    Returns:
        The comparison.

    Raises:
        DataError: If there is no image, or labels or names do not fit the scores.
        ScoreError: If the two do not have the same shape.
    """
    _check(reference, artifact, labels, ids)
    n, classes = reference.shape
    before, after = reference.argmax(axis=1), artifact.argmax(axis=1)
    was_right, is_right = before == labels, after == labels
    change = np.abs(artifact.astype(np.float64) - reference)
    return Metrics(
        images=n,
        reference=measure_alone(reference, labels),
        artifact=measure_alone(artifact, labels),
        both_right=int(np.count_nonzero(was_right & is_right)),
        lost=int(np.count_nonzero(was_right & ~is_right)),
        gained=int(np.count_nonzero(~was_right & is_right)),
        both_wrong=int(np.count_nonzero(~was_right & ~is_right)),
        disagreements=int(np.count_nonzero(before != after)),
        mean_score_change=float(change.mean()),
        max_score_change=float(change.max()),
        classes=_by_class(labels, was_right, is_right, classes),
        flips=_flips(reference, artifact, labels, ids),
        top5=_top_five(reference, artifact, labels) if classes > MANY_CLASSES else None,
    )


def _top_five(reference: Scores, artifact: Scores, labels: Labels) -> TopFive:
    def count(scores: Scores, classes: Labels) -> int:
        return int(np.count_nonzero(in_top(scores, classes)))

    return TopFive(
        reference_right=count(reference, labels),
        right=count(artifact, labels),
        kept=count(artifact, reference.argmax(axis=1)),
    )


def _check(reference: Scores, artifact: Scores, labels: Labels, ids: Sequence[str]) -> None:
    if len(labels) == 0:
        raise DataError(
            "there are no evaluation images",
            observed="0 images",
            expected="at least 1",
            remedy="give the data set a test split: [data] test in the recipe",
        )
    if reference.shape != artifact.shape or artifact.ndim != 2:
        raise ScoreError(
            "the artifact's scores do not have the reference's shape",
            observed=artifact.shape,
            expected=reference.shape,
            remedy="convert the model again, so that file and reference come from one model",
        )
    n, classes = reference.shape
    if len(labels) != n or len(ids) != n or labels.min() < 0 or labels.max() >= classes:
        raise DataError(
            "labels or names do not fit the scores",
            observed=f"{len(labels)} labels in {labels.min()}..{labels.max()}, {len(ids)} names",
            expected=f"{n} of each, labels in 0..{classes - 1}",
            remedy="convert the model again, so that the reference is made anew",
        )


def _by_class(
    labels: Labels, was_right: npt.NDArray[np.bool_], is_right: npt.NDArray[np.bool_], classes: int
) -> tuple[ClassMetrics, ...]:
    def count(chosen: npt.NDArray[np.bool_]) -> list[int]:
        return [int(value) for value in np.bincount(labels[chosen], minlength=classes)]

    columns = zip(
        count(np.ones(len(labels), dtype=bool)),
        count(was_right),
        count(is_right),
        count(was_right & ~is_right),
        count(~was_right & is_right),
        strict=True,
    )
    return tuple(
        ClassMetrics(
            index=index,
            images=images,
            reference_right=before,
            right=after,
            lost=lost,
            gained=gained,
        )
        for index, (images, before, after, lost, gained) in enumerate(columns)
    )


def _flips(
    reference: Scores, artifact: Scores, labels: Labels, ids: Sequence[str]
) -> tuple[Flip, ...]:
    before, after = reference.argmax(axis=1), artifact.argmax(axis=1)
    return tuple(
        Flip(
            id=ids[i],
            index=i,
            kind=_kind(int(labels[i]), int(before[i]), int(after[i])),
            label=int(labels[i]),
            reference_class=int(before[i]),
            reference_score=float(reference[i, before[i]]),
            artifact_class=int(after[i]),
            artifact_score=float(artifact[i, after[i]]),
        )
        for i in np.flatnonzero(before != after).tolist()
    )


def _kind(label: int, before: int, after: int) -> FlipKind:
    if before == label:
        return "right_to_wrong"
    return "wrong_to_right" if after == label else "wrong_to_other"

"""Measures by how much a random split flatters: photos of one object on both sides of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from edgecnn.data.quality.cross_validation import FOLDS, grouped_folds, out_of_fold_scores
from edgecnn.progress import NO_PROGRESS, Progress
from edgecnn.report.text import percent_text, points_text

_SEEDS: Final = 5


@dataclass(frozen=True, kw_only=True)
class SplitEffect:
    """Accuracy of a linear classifier on the same features, by two ways to split.

    Attributes:
        random: Mean accuracy, 0..1, where photos are split at random.
        random_deviation: Standard deviation of it over the seeds.
        grouped: Mean accuracy where photos that belong together stay together.
        grouped_deviation: Standard deviation of it over the seeds.
        difference_error: Standard error of the difference of both means, over the seeds.
        photos: How many were asked about, each once a seed.
        groups: How many groups these make.
        folds: Parts that each split has; each is asked about once, the others train.
        seeds: How many splits of each kind.
        backbone: What made the features.
    """

    random: float
    random_deviation: float
    grouped: float
    grouped_deviation: float
    difference_error: float
    photos: int
    groups: int
    folds: int
    seeds: int
    backbone: str

    @property
    def flattery(self) -> float:
        """By how much the random split's accuracy is above the other, -1..1."""
        return self.random - self.grouped

    @property
    def sentence(self) -> str:
        """Both figures, and what they tell, in words."""
        difference = (
            f"{points_text(self.flattery, 1)} points (standard error "
            f"{points_text(self.difference_error, 1)})"
        )
        if self.flattery > 0:
            told = f"a random split flatters by {difference}"
        else:
            told = f"that a random split flatters does not show here: {difference}"
        return (
            f"a linear classifier on {self.backbone} is right on {percent_text(self.random, 1)} "
            f"(deviation {points_text(self.random_deviation, 1)}) of photos that were split at "
            f"random, and on {percent_text(self.grouped, 1)} "
            f"({points_text(self.grouped_deviation, 1)}) where photos that belong together stay "
            f"together: {told}"
        )


def split_effect(
    features: npt.NDArray[np.float32],
    labels: npt.NDArray[np.int64],
    groups: npt.NDArray[np.int64],
    *,
    backbone: str,
    classes: int,
    seeds: int = _SEEDS,
    progress: Progress = NO_PROGRESS,
) -> SplitEffect:
    """Evaluate a linear classifier by random splits and by splits that keep groups together.

    Both are cross-validated with as many photos to train on; what differs is only who stands on
    which side.

    Args:
        features: Of each photo, shape (n, f).
        labels: Shape (n,), 0..classes-1.
        groups: Group of each photo, shape (n,), any numbers.
        backbone: What made the features, in words.
        classes: How many classes there are.
        seeds: Splits of each kind, 2 or more.
        progress: Shows them.

    Returns:
        Both accuracies, with deviations.
    """
    kinds = {"random": np.arange(len(labels)), "grouped": groups}
    accuracies: dict[str, list[float]] = {kind: [] for kind in kinds}
    with progress.task("comparing splits", seeds * len(kinds)) as task:
        for seed in range(seeds):
            for kind, kept in kinds.items():
                folds = grouped_folds(labels, kept, seed=seed)
                scores = out_of_fold_scores(features, labels, folds, classes)
                accuracies[kind].append(float((scores.argmax(axis=1) == labels).mean()))
                task.advance()
    random, grouped = (np.asarray(accuracies[kind]) for kind in kinds)
    return SplitEffect(
        random=float(random.mean()),
        random_deviation=float(random.std(ddof=1)),
        grouped=float(grouped.mean()),
        grouped_deviation=float(grouped.std(ddof=1)),
        difference_error=float((random - grouped).std(ddof=1) / np.sqrt(seeds)),
        photos=len(labels),
        groups=len(np.unique(groups)),
        folds=FOLDS,
        seeds=seeds,
        backbone=backbone,
    )

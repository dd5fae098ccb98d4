"""How two models' answers on the same images compare, as data: counts and shares.

``measure`` fills it. Nothing here judges; ``gate`` does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

FlipKind = Literal["right_to_wrong", "wrong_to_right", "wrong_to_other"]
Confusion = tuple[tuple[int, int, int], ...]
"""Non-zero cells of a confusion matrix: true class, predicted class, images; sorted."""


@dataclass(frozen=True, kw_only=True)
class ModelMetrics:
    """One model alone.

    Attributes:
        accuracy: Share of images whose true class has the highest score, 0..1.
        calibration_error: See ``measure.expected_calibration_error``.
        ties: Images on which several classes share the highest score.
        confusion: True class against decision.
    """

    accuracy: float
    calibration_error: float
    ties: int
    confusion: Confusion


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

"""What a training came to, as data: accuracy, classes, mistakes, and what kind of error it is."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from edgecnn.build.answers import (
    ClassAnswers,
    Confusion,
    Mistake,
    calibration_bins,
    class_answers,
    measure_alone,
    mistakes_of,
)
from edgecnn.build.shares import ShareOf
from edgecnn.data import Dataset
from edgecnn.data.quality.labels import LabelDoubt
from edgecnn.report.provenance import created, versions
from edgecnn.report.text import points_text
from edgecnn.train.backbones.learning_curve import LearningCurve
from edgecnn.train.history import Epoch
from edgecnn.train.report.findings import Finding, Signs, findings_of

TRAINING_SCHEMA: Final = 1
MOST_UNCERTAIN: Final = 24


@dataclass(frozen=True, kw_only=True, eq=False)
class CrossValidated:
    """What cross-validation of a linear head shows, each photo answered by one that did not see it.

    Attributes:
        right: How many photos are answered right.
        photos: How many there are: those for training and for validation.
        random: How many are right where photos that belong together are divided at random; None
            where none belong together.
        curve: Accuracy by the number of photos; None where there are too few or too many.
        doubts: Photos whose label is likely wrong, the surest first.
    """

    right: int
    photos: int
    random: int | None
    curve: LearningCurve | None
    doubts: tuple[LabelDoubt, ...]


@dataclass(frozen=True, kw_only=True)
class CalibrationBin:
    """Test images whose best score is in one range.

    Attributes:
        images: How many.
        confidence: Mean of their best scores, 0..1.
        accuracy: Share of them that is answered right, 0..1.
    """

    images: int
    confidence: float
    accuracy: float


@dataclass(frozen=True, kw_only=True)
class UncertainImage:
    """A test image between two classes.

    Attributes:
        id: Its name in the data set.
        index: Its position among the test images.
        label: Its class.
        answer: The class with the highest score.
        score: That score, 0..1.
        second: The class with the next one.
        second_score: That score, 0..1.
    """

    id: str
    index: int
    label: str
    answer: str
    score: float
    second: str
    second_score: float


@dataclass(frozen=True, kw_only=True)
class DoubtfulLabel:
    """An image for training or validation that looks like one of another class.

    Attributes:
        id: Its name in the data set.
        index: Its position among the images for training, then those for validation.
        label: The class that it is filed under.
        suggested: The class that it looks like.
    """

    id: str
    index: int
    label: str
    suggested: str


@dataclass(frozen=True, kw_only=True)
class TrainingReport:
    """What a training came to.

    Attributes:
        model: Name of the model.
        data: Name of the data set.
        rule: How it was split, in words.
        class_names: In score order.
        kind: ``from scratch``; on a pretrained network ``linear`` or ``fine-tuned``.
        parameters: Of the network.
        accuracy: Share of right answers to the test images.
        learnt: Share of right answers to images that were learnt from, a sample of them.
        cross_validation: Share of right answers in cross-validation; None without a pretrained
            network.
        random_split: The same where a split at random divides photos that belong together; None
            where none do.
        train_images: Images of each class that were learnt from, in score order.
        calibration_error: Expected calibration error over 15 bins of equal width, 0..1.
        calibration: The bins that have images.
        classes: Of the test images, one entry per class, in score order.
        confusion: Non-zero cells: true class, answer, test images; sorted.
        mistakes: Test images answered wrongly, the most confident first.
        uncertain: Test images whose two best scores are closest, at most 24.
        doubtful_labels: Likely wrong labels, the surest first.
        history: A row an epoch; empty for a linear head.
        curve: Accuracy by the number of photos; None where that was not measured.
        findings: What kind of error it is and what to try, the most promising first; not empty.
        versions: Tool name to version.
        created: When, UTC, ISO 8601; from SOURCE_DATE_EPOCH where that is set.
    """

    model: str
    data: str
    rule: str
    class_names: tuple[str, ...]
    kind: str
    parameters: int
    accuracy: ShareOf
    learnt: ShareOf
    cross_validation: ShareOf | None
    random_split: ShareOf | None
    train_images: tuple[int, ...]
    calibration_error: float
    calibration: tuple[CalibrationBin, ...]
    classes: tuple[ClassAnswers, ...]
    confusion: Confusion
    mistakes: tuple[Mistake, ...]
    uncertain: tuple[UncertainImage, ...]
    doubtful_labels: tuple[DoubtfulLabel, ...]
    history: tuple[Epoch, ...]
    curve: LearningCurve | None
    findings: tuple[Finding, ...]
    versions: Mapping[str, str]
    created: str

    @property
    def weakest(self) -> ClassAnswers:
        """The class with the lowest recall, of those with test images; the first of several."""
        present = [(one.recall.share, one.index) for one in self.classes if one.recall is not None]
        return self.classes[min(present)[1]]

    def essence(self) -> dict[str, str]:
        """Return it in three lines: accuracy, the weakest class, and the next step."""
        weakest = self.weakest
        taken = f", {weakest.confusion_text}" if weakest.taken_for else ""
        recall = "" if weakest.recall is None else f", {weakest.recall.text} recognized"
        first = self.findings[0]
        step = first.step
        if first.points is not None:
            at_stake = f"about {points_text(first.points, 1)} points of accuracy are at stake"
            step = f"{first.kind}: {first.step} ({at_stake})"
        return {
            "accuracy": f"right on {self.accuracy.text} of {self.accuracy.images:,} test images",
            "weakest class": f"{weakest.name}{recall}{taken}",
            "next step": step,
        }

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-ready values."""
        return {"schema": TRAINING_SCHEMA, **dataclasses.asdict(self), "essence": self.essence()}


def training_report(
    dataset: Dataset,
    scores: npt.NDArray[np.float32],
    learnt: ShareOf,
    *,
    model: str,
    kind: str,
    parameters: int,
    backbone: bool,
    tunable: bool,
    train_images: Sequence[int],
    history: Sequence[Epoch],
    checked: CrossValidated | None,
) -> TrainingReport:
    """Count a trained model's answers, and say what they are signs of.

    Args:
        dataset: The images.
        scores: Its probabilities on the test images, shape (n, classes).
        learnt: Right answers to images that it learnt from.
        model: Its name.
        kind: How it was trained.
        parameters: Of the network.
        backbone: Whether it was trained on a pretrained network.
        tunable: Whether that network can be fine-tuned, and was not.
        train_images: Images of each class that it learnt from.
        history: A row an epoch.
        checked: Cross-validation of the linear head; None where there was none.
    """
    names, labels = dataset.class_names, dataset.test.labels
    alone = measure_alone(scores, labels)
    accuracy = ShareOf.of(int((scores.argmax(axis=1) == labels).sum()), len(labels))
    assert accuracy is not None  # noqa: S101 - a data set has test images
    classes = class_answers(alone.confusion, names)
    doubts = () if checked is None else checked.doubts
    ids = (*dataset.train.ids, *dataset.validation.ids)
    signs = Signs(
        kind=kind,
        backbone=backbone,
        tunable=tunable,
        side=min(dataset.shape[:2]),
        accuracy=accuracy,
        learnt=learnt,
        classes=classes,
        train_images=tuple(train_images),
        curve=None if checked is None else checked.curve,
        doubts=doubts,
        history=tuple(history),
    )
    return TrainingReport(
        model=model,
        data=dataset.name,
        rule=dataset.rule,
        class_names=tuple(names),
        kind=kind,
        parameters=parameters,
        accuracy=accuracy,
        learnt=learnt,
        cross_validation=None if checked is None else ShareOf.of(checked.right, checked.photos),
        random_split=None
        if checked is None or checked.random is None
        else ShareOf.of(checked.random, checked.photos),
        train_images=tuple(train_images),
        calibration_error=alone.calibration_error,
        calibration=_calibration(scores, labels),
        classes=classes,
        confusion=alone.confusion,
        mistakes=mistakes_of(scores, labels, dataset.test.ids, names),
        uncertain=_uncertain(scores, labels, dataset.test.ids, names),
        doubtful_labels=tuple(
            DoubtfulLabel(
                id=ids[one.index],
                index=one.index,
                label=names[one.given],
                suggested=names[one.suggested],
            )
            for one in doubts
        ),
        history=tuple(history),
        curve=None if checked is None else checked.curve,
        findings=findings_of(signs),
        versions=versions(),
        created=created(),
    )


def _calibration(
    scores: npt.NDArray[np.float32], labels: npt.NDArray[np.int64]
) -> tuple[CalibrationBin, ...]:
    best = scores.max(axis=1).astype(np.float64)
    right = scores.argmax(axis=1) == labels
    bins = calibration_bins(best)
    return tuple(
        CalibrationBin(
            images=int((bins == one).sum()),
            confidence=float(best[bins == one].mean()),
            accuracy=float(right[bins == one].mean()),
        )
        for one in np.unique(bins)
    )


def _uncertain(
    scores: npt.NDArray[np.float32],
    labels: npt.NDArray[np.int64],
    ids: Sequence[str],
    names: Sequence[str],
) -> tuple[UncertainImage, ...]:
    order = np.argsort(-scores, axis=1, kind="stable")[:, :2]
    rows = np.arange(len(scores))
    margins = scores[rows, order[:, 0]] - scores[rows, order[:, 1]]
    return tuple(
        UncertainImage(
            id=ids[index],
            index=index,
            label=names[labels[index]],
            answer=names[order[index, 0]],
            score=float(scores[index, order[index, 0]]),
            second=names[order[index, 1]],
            second_score=float(scores[index, order[index, 1]]),
        )
        for index in np.argsort(margins, kind="stable")[:MOST_UNCERTAIN].tolist()
    )

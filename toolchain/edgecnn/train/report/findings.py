"""Says what kind of error a trained model makes, by signs that are measured, and what to try first.

Each finding has a rule that a reader can check against the figures beside it, and, where that can
be estimated, how many points of accuracy are at stake; the one with the most comes first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from edgecnn.build.answers import ClassAnswers
from edgecnn.build.shares import ShareOf
from edgecnn.data.quality.labels import LabelDoubt
from edgecnn.data.survey import FEW_IMAGES
from edgecnn.report.text import count_text, percent_text, points_text
from edgecnn.train.backbones.learning_curve import LearningCurve
from edgecnn.train.history import Epoch

FindingName = Literal[
    "label noise", "imbalance", "too little data", "overfitting", "underfitting", "none stands out"
]

_SURE: Final = 0.8
"""By how much the other class has to lead for a label to be called wrong here."""
_LEAST_DOUBTS: Final = 3
_FEWER: Final = 0.5
"""Images of a class, to the median of all, below which it has few."""
_LEAST_GAIN: Final = 0.01
_GAP: Final = 0.05
"""Accuracy on what was learnt from, above that on test images, from which a model overfits."""
_FITTED: Final = 0.95
"""Accuracy on what was learnt from, below which a network has not learnt all it could."""
_FEW: Final = 500
"""Photos a class; below it, more of them are tried before anything else."""
_LAST: Final = 0.1
"""Of the epochs, over which a loss that still falls is looked for."""
_FALLS: Final = 0.03
_PRETRAINED_SIDE: Final = 96
_LARGEST_SIDE: Final = 224
"""Pixels; what the backbones were trained on, and the largest that ``init`` chooses."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A kind of error, its evidence, and what to try.

    Attributes:
        kind: Which.
        evidence: What was measured, a sentence.
        step: What to try first, an imperative.
        points: Accuracy that is at stake, 0..1; None where that cannot be estimated.
    """

    kind: FindingName
    evidence: str
    step: str
    points: float | None


@dataclass(frozen=True, kw_only=True, eq=False)
class Signs:
    """What is looked at.

    Attributes:
        kind: ``from scratch``, ``linear`` or ``fine-tuned``.
        backbone: Whether there is a pretrained network.
        tunable: Whether that network can be fine-tuned, and was not.
        side: The shorter side of the images, pixels.
        accuracy: On the test images.
        learnt: On images that were learnt from.
        classes: Of the test images.
        train_images: Of each class, that were learnt from.
        curve: Accuracy by the number of photos; None where it was not measured.
        doubts: Likely wrong labels.
        history: A row an epoch.
    """

    kind: str
    backbone: bool
    tunable: bool
    side: int
    accuracy: ShareOf
    learnt: ShareOf
    classes: Sequence[ClassAnswers]
    train_images: Sequence[int]
    curve: LearningCurve | None
    doubts: Sequence[LabelDoubt]
    history: Sequence[Epoch]


def findings_of(signs: Signs) -> tuple[Finding, ...]:
    """Return what is found, the most points first; one that says so where there is nothing."""
    rules = (_label_noise, _imbalance, _too_little_data, _overfitting, _underfitting)
    found = [one for rule in rules if (one := rule(signs)) is not None]
    if not found and min(signs.train_images, default=0) < FEW_IMAGES:
        return (_too_few_to_tell(signs),)
    if not found:
        return (
            Finding(
                kind="none stands out",
                evidence=f"right on {signs.accuracy.text} of the test images, and on "
                f"{percent_text(signs.learnt.share, 1)} of those it learnt from",
                step="try it on new photos from where it is to work, with edgecnn evaluate",
                points=None,
            ),
        )
    return tuple(sorted(found, key=lambda one: -(one.points or 0.0)))


def _too_few_to_tell(signs: Signs) -> Finding:
    """Return the finding where nothing else shows, since there are too few photos to show it."""
    return Finding(
        kind="too little data",
        evidence=f"{count_text(min(signs.train_images, default=0))} photos of the smallest class "
        f"to learn from are too few to tell anything else: right on {signs.accuracy.text} of "
        f"{count_text(signs.accuracy.images)} test images",
        step="add photos: better 50 or more of each class, of other objects, places and light",
        points=None,
    )


def _label_noise(signs: Signs) -> Finding | None:
    sure = [one for one in signs.doubts if one.suggested_score - one.given_score >= _SURE]
    if len(sure) < _LEAST_DOUBTS:
        return None
    photos = sum(signs.train_images)
    return Finding(
        kind="label noise",
        evidence=f"{count_text(len(sure))} of {count_text(photos)} photos look very much like "
        "those of another class",
        step="look at them on this page, and move those that are in the wrong folder",
        points=len(sure) / photos,
    )


def _imbalance(signs: Signs) -> Finding | None:
    middle = float(np.median(signs.train_images))
    tested = [one for one in signs.classes if one.recall is not None]
    found = []
    for one in tested:
        others = [other for other in tested if other.index != one.index and other.recall]
        if signs.train_images[one.index] >= _FEWER * middle or not others or one.recall is None:
            continue
        right = sum(other.recall.count for other in others if other.recall)
        images = sum(other.recall.images for other in others if other.recall)
        if one.recall.high < right / images:
            lost = (right / images - one.recall.share) * one.recall.images / signs.accuracy.images
            found.append((lost, one))
    if not found:
        return None
    lost, worst = max(found, key=lambda pair: pair[0])
    few = signs.train_images[worst.index]
    return Finding(
        kind="imbalance",
        evidence=f"{worst.name} has {count_text(few)} photos to learn from, half of the classes "
        f"have {count_text(round(middle))} or more, and it is recognized less often than they are",
        step=f"add photos of {worst.name}"
        + (f" and of {len(found) - 1} more such classes" if len(found) > 1 else ""),
        points=sum(lost for lost, _ in found),
    )


def _too_little_data(signs: Signs) -> Finding | None:
    curve = signs.curve
    each = sum(signs.train_images) / max(1, len(signs.train_images))
    if curve is not None:
        if curve.gain < _LEAST_GAIN or curve.low <= 0:
            return None
        return Finding(
            kind="too little data",
            evidence=f"accuracy still rises with the number of photos: twice as many would bring "
            f"about {points_text(curve.gain, 1)} points ({points_text(curve.low, 1)} to "
            f"{points_text(curve.high, 1)})",
            step=f"add photos: about {count_text(round(each))} more of each class, of other "
            "objects, places and light, first of the classes that are mistaken most",
            points=curve.gain,
        )
    if each >= _FEW or not _overfits(signs):
        return None
    step = f"add photos: {count_text(round(each))} of each class is few for a network from scratch"
    if not signs.backbone and signs.side >= _PRETRAINED_SIDE:
        step = 'start from a pretrained network: backbone = "efficientnet_lite0" under [model]'
    return Finding(
        kind="too little data",
        evidence=_gap_text(signs) + f", with {count_text(round(each))} images of each class",
        step=step,
        points=signs.learnt.share - signs.accuracy.share,
    )


def _overfitting(signs: Signs) -> Finding | None:
    each = sum(signs.train_images) / max(1, len(signs.train_images))
    # A linear head always fits its photos; its penalty was chosen by what it does not.
    if signs.kind == "linear" or not _overfits(signs):
        return None
    if signs.kind == "from scratch" and each < _FEW:
        return None  # it is too little data
    step = 'more variety: preset = "strong" under [augment], or fewer epochs'
    if signs.kind == "fine-tuned":
        step = "fewer epochs or a smaller learning_rate under [transfer], and more photos"
    return Finding(
        kind="overfitting",
        evidence=_gap_text(signs),
        step=step,
        points=signs.learnt.share - signs.accuracy.share - (signs.curve.gain if signs.curve else 0),
    )


def _underfitting(signs: Signs) -> Finding | None:
    if signs.kind == "linear":
        flat = signs.curve is not None and signs.curve.gain < _LEAST_GAIN
        if not flat or signs.accuracy.high >= _FITTED:
            return None
        return Finding(
            kind="underfitting",
            evidence="more photos would bring next to nothing, and it is not right on all: the "
            "network does not see what tells these classes apart",
            step=_harder_look(signs),
            points=1 - signs.accuracy.share,
        )
    if signs.learnt.high >= _FITTED:
        return None
    longer = _still_falls(signs.history)
    return Finding(
        kind="underfitting",
        evidence=f"it is right on only {percent_text(signs.learnt.share, 1)} of the images that it "
        "learnt from" + (", and its loss still falls at the end" if longer else ""),
        step="more epochs"
        if longer
        else "a larger network, a larger image_size, or less augmentation",
        points=1 - signs.learnt.share,
    )


def _harder_look(signs: Signs) -> str:
    steps = []
    if signs.side < _LARGEST_SIDE:
        steps.append("a larger image_size under [data]")
    if signs.tunable:
        steps.append('fine_tune = "always" under [transfer]')
    return ", or ".join(steps) or (
        "photos that show what tells the classes apart: closer, sharper, in more even light"
    )


def _overfits(signs: Signs) -> bool:
    return (
        signs.learnt.share - signs.accuracy.share >= _GAP and signs.learnt.low > signs.accuracy.high
    )


def _gap_text(signs: Signs) -> str:
    return (
        f"it is right on {percent_text(signs.learnt.share, 1)} of the images that it learnt from "
        f"and on {percent_text(signs.accuracy.share, 1)} of the test images"
    )


def _still_falls(history: Sequence[Epoch]) -> bool:
    last = max(1, round(_LAST * len(history)))
    if len(history) < 2 * last + 1:
        return False
    before, after = history[-last - 1].loss, history[-1].loss
    return before > 0 and (before - after) / before >= _FALLS

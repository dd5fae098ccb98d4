"""From an artifact that can be run to its verdict: on all images at once, or until it is sure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgecnn.recipe.sections import Limits
from edgecnn.verify.evaluation import Evaluation
from edgecnn.verify.gate.criteria import judge
from edgecnn.verify.gate.judgement import Counts, Judgement
from edgecnn.verify.gate.sequential import (
    Available,
    Looked,
    judge_sequence,
    verdict_so_far,
    when_to_look,
)
from edgecnn.verify.groups import GroupColumn, Groups, count_groups
from edgecnn.verify.metrics import Metrics, measure
from edgecnn.verify.statistics.needed import Needed, images_needed

Score = Callable[[npt.NDArray[np.uint8]], npt.NDArray[np.float32]]
"""Runs an artifact: pixels, shape (n, height, width, channels), to probabilities, (n, classes)."""


@dataclass(frozen=True, kw_only=True)
class JudgedArtifact:
    """A verdict and what was counted for it; its attributes are those of ``ArtifactRow``."""

    metrics: Metrics
    judgement: Judgement
    groups: tuple[GroupColumn, ...] = ()
    looked: Looked | None = None
    needed: Needed | None = None


def judge_at_once(
    score: Score, evaluation: Evaluation, limits: Limits, groups: Groups | None = None
) -> JudgedArtifact:
    """Score all images, and judge.

    Args:
        score: Runs the artifact.
        evaluation: The images and the float model's scores on them.
        limits: What is allowed.
        groups: Which image belongs to which group; None for no groups.

    Raises:
        EdgeError: What ``score`` raises.
    """
    images = evaluation.images
    scores = score(images.pixels)
    metrics = measure(evaluation.scores, scores, images.labels, images.ids)
    counts = Counts.of(metrics)
    columns: tuple[GroupColumn, ...] = ()
    if groups is not None:
        columns = count_groups(
            groups,
            images.ids,
            images.labels,
            evaluation.scores.argmax(axis=1),
            scores.argmax(axis=1),
            classes=scores.shape[1],
        )
    judgement = judge(counts, limits, columns)
    undecided = judgement.verdict == "INCONCLUSIVE"
    return JudgedArtifact(
        metrics=metrics,
        judgement=judgement,
        groups=columns,
        needed=images_needed(counts, limits, judgement) if undecided else None,
    )


def judge_until_decided(score: Score, evaluation: Evaluation, limits: Limits) -> JudgedArtifact:
    """Score images batch by batch, and judge, until the verdict is sure or no image is left.

    Args:
        score: Runs the artifact.
        evaluation: Its images have to be in an order that says nothing about them.
        limits: What is allowed.

    Returns:
        The verdict; its metrics are of the first images of the evaluation, those that were used.

    Raises:
        EdgeError: What ``score`` raises.
    """
    images = evaluation.images
    classes = images.class_counts(evaluation.scores.shape[1])
    available = Available(images=len(images), classes=tuple(classes))
    scores = np.empty_like(evaluation.scores)
    seen: list[Counts] = []
    begin = 0
    for end in when_to_look(len(images)):
        scores[begin:end] = score(images.pixels[begin:end])
        metrics = measure(
            evaluation.scores[:end], scores[:end], images.labels[:end], images.ids[:end]
        )
        seen.append(Counts.of(metrics))
        begin = end
        if verdict_so_far(seen, limits, available) != "INCONCLUSIVE":
            break
    judgement = judge_sequence(seen, limits, available)
    return JudgedArtifact(
        metrics=metrics,
        judgement=judgement,
        looked=Looked(looks=len(seen), images=begin, available=len(images)),
        needed=_more() if judgement.verdict == "INCONCLUSIVE" else None,
    )


def _more() -> Needed:
    return Needed(
        images=None,
        towards=None,
        reason="they were looked at in batches, which takes more images than looking once at "
        "all of them",
    )

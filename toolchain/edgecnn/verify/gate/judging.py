"""From an artifact that can be run to its verdict: on all images at once, or until it is sure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgecnn.recipe.sections import Limits
from edgecnn.verify.evaluation import Evaluation
from edgecnn.verify.gate.criteria import judge, with_equality
from edgecnn.verify.gate.equality import find_equality
from edgecnn.verify.gate.judgement import Counts, Judgement
from edgecnn.verify.gate.sequential import (
    Available,
    Looked,
    judge_sequence,
    verdict_so_far,
    when_to_look,
)
from edgecnn.verify.gate.tightest import TightestLimits, tightest_kept
from edgecnn.verify.groups import GroupColumn, Groups, count_groups
from edgecnn.verify.metrics import Metrics, measure
from edgecnn.verify.near_ties import NearTies, clear_answers
from edgecnn.verify.statistics.needed import Needed, images_needed
from edgecnn.verify.unlabelled import (
    Answers,
    UnlabelledAgreement,
    UnlabelledEvaluation,
    agreement_of,
)

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
    clear_disagreements: int | None = None
    unlabelled: UnlabelledAgreement | None = None
    tightest: TightestLimits | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class JudgedBy:
    """What the answers of every artifact of a verification are judged by.

    Attributes:
        evaluation: The images, and the float model's scores on them.
        limits: What is allowed.
        near_ties: Which answers agreement is judged on.
        groups: Which image belongs to which group; None for no groups.
        unlabelled: Pictures without labels, with the float model's scores; None for none.
    """

    evaluation: Evaluation
    limits: Limits
    near_ties: NearTies
    groups: Groups | None = None
    unlabelled: UnlabelledEvaluation | None = None


def judge_at_once(score: Score, by: JudgedBy, precision: str) -> JudgedArtifact:
    """Score all images, and judge.

    Args:
        score: Runs the artifact.
        by: What it is judged by.
        precision: What it computes in, by its own graph.

    Raises:
        EdgeError: What ``score`` raises.
    """
    evaluation, groups, unlabelled = by.evaluation, by.groups, by.unlabelled
    images = evaluation.images
    scores = score(images.pixels)
    metrics = measure(evaluation.scores, scores, images.labels, images.ids)
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
    others = None if unlabelled is None else score(unlabelled.pixels)
    counts = _counts(metrics, scores, others, by)
    judgement = judge(counts, by.limits, columns)
    equality = find_equality(scores, evaluation, score, precision)
    judgement = with_equality(judgement, equality)
    undecided = judgement.verdict == "INCONCLUSIVE"
    return JudgedArtifact(
        metrics=metrics,
        judgement=judgement,
        groups=columns,
        needed=images_needed(counts, by.limits, judgement) if undecided else None,
        clear_disagreements=_clear_disagreements(counts),
        unlabelled=None if unlabelled is None else UnlabelledAgreement.of(counts.judged),
        tightest=tightest_kept(counts) if judgement.verdict != "PASS" else None,
    )


def judge_until_decided(score: Score, by: JudgedBy, precision: str) -> JudgedArtifact:
    """Score images batch by batch, and judge, until the verdict is sure or no image is left.

    Args:
        score: Runs the artifact.
        by: What it is judged by, without groups and unlabelled pictures. The images have to be in
            an order that says nothing about them.
        precision: What the artifact computes in, by its own graph.

    Returns:
        The verdict; its metrics are of the first images of the evaluation, those that were used.

    Raises:
        EdgeError: What ``score`` raises.
    """
    evaluation, limits = by.evaluation, by.limits
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
        seen.append(_counts(metrics, scores[:end], None, by))
        begin = end
        if verdict_so_far(seen, limits, available) != "INCONCLUSIVE":
            break
    judgement = judge_sequence(seen, limits, available)
    if judgement.verdict == "INCONCLUSIVE":
        judgement = with_equality(judgement, find_equality(scores, evaluation, score, precision))
    undecided = judgement.verdict == "INCONCLUSIVE"
    return JudgedArtifact(
        metrics=metrics,
        judgement=judgement,
        looked=Looked(looks=len(seen), images=begin, available=len(images)),
        needed=_more() if undecided else None,
        clear_disagreements=_clear_disagreements(seen[-1]),
        tightest=tightest_kept(seen[-1]) if undecided else None,
    )


def _counts(
    metrics: Metrics,
    scores: npt.NDArray[np.float32],
    others: npt.NDArray[np.float32] | None,
    by: JudgedBy,
) -> Counts:
    """Count an artifact's answers to the first images, and to all unlabelled pictures.

    Args:
        metrics: The comparison on the images.
        scores: The artifact's, of the images.
        others: The artifact's, of the unlabelled pictures.
        by: What it is judged by.
    """
    reference = by.evaluation.scores[: len(scores)]
    clear_only = by.near_ties.rule == "clear"
    if by.unlabelled is None and not clear_only:
        return Counts.of(metrics)
    labelled = Answers(
        changed=reference.argmax(axis=1) != scores.argmax(axis=1),
        judged=clear_answers(reference, by.near_ties),
        groups=np.arange(len(scores)),
    )
    unlabelled = None
    if by.unlabelled is not None and others is not None:
        before = by.unlabelled.scores
        unlabelled = Answers(
            changed=before.argmax(axis=1) != others.argmax(axis=1),
            judged=clear_answers(before, by.near_ties),
            groups=by.unlabelled.groups,
        )
    return Counts.of(metrics, agreement_of(labelled, unlabelled), clear_only=clear_only)


def _clear_disagreements(counts: Counts) -> int | None:
    """Return how many clear answers to evaluation images changed; None where all are judged."""
    return counts.judged.labelled.changed if counts.clear_only else None


def _more() -> Needed:
    return Needed(
        images=None,
        towards=None,
        reason="they were looked at in batches, which takes more images than looking once at "
        "all of them",
    )

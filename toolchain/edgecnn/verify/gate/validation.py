"""The gate on images that decide nothing for good: what a repair chooses its candidates by.

Choosing the best of many candidates on the same images makes the chosen one look better than it
is. So the verdict here is never a build's own: that is reached on the test images, which took no
part in the choice.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.build.verdict import CandidateVerdict
from edgecnn.recipe.sections import Limits
from edgecnn.report.text import number_text, percent_text
from edgecnn.verify.gate.criteria import judge
from edgecnn.verify.gate.judgement import (
    Agreement,
    Changed,
    Counts,
    Judgement,
    Paired,
    verdict_of,
)
from edgecnn.verify.metrics import measure
from edgecnn.verify.near_ties import clear_answers, find_near_ties
from edgecnn.verify.unlabelled import Answers, agreement_of

Scores = npt.NDArray[np.floating[Any]]


def judge_candidate(
    reference: Scores,
    noisy: Scores | None,
    scores: Scores,
    labels: npt.NDArray[np.integer[Any]] | None,
    *,
    limits: Limits,
) -> CandidateVerdict:
    """Judge a candidate as ``verify`` would, on other images.

    INCONCLUSIVE needs a rule, since something has to be decided. A file that is INCONCLUSIVE
    with every observed value within its limit does not miss: that too few images prove it is
    no fault of the file. But a candidate chosen among many has to PASS, for it was chosen
    because it looked good. Only where the images are so few that even a file without any change
    would be INCONCLUSIVE are its observed values enough.

    Args:
        reference: The float model's probabilities, shape (n, classes), n at least 1.
        noisy: The float model's, of the same images with one grey level of noise; None where it
            was not asked.
        scores: The candidate's, of the same images.
        labels: True classes, shape (n,); None where nobody knows them: agreement alone is judged,
            and accuracy is left to the test images.
        limits: What a file may lose; the least accuracy is left out.

    Returns:
        The verdict, and what follows from it.

    Raises:
        DataError: If there are no images.
        ScoreError: If the two do not have the same shape.
    """
    alone = labels is None
    # Without true classes the float model's own stand in; what counts of them is dropped below.
    labels = reference.argmax(axis=1) if labels is None else labels
    metrics = measure(reference, scores, labels, [str(index) for index in range(len(labels))])
    near_ties = find_near_ties(reference, noisy, limits.agreement_on)
    answers = Answers(
        changed=reference.argmax(axis=1) != scores.argmax(axis=1),
        judged=clear_answers(reference, near_ties),
        groups=np.arange(len(labels)),
    )
    counts = Counts.of(metrics, agreement_of(answers, None), clear_only=near_ties.rule == "clear")
    # No repair makes a file better than its float model, which may itself be below the least
    # accuracy: that is for verify to say.
    limits = limits.model_copy(update={"min_accuracy": None})
    judgement = judge(counts, limits)
    if alone:
        judgement = _agreement_alone(judgement)
    criteria, verdict = judgement.criteria, judgement.verdict
    within = not any(one.beyond for one in criteria)
    passes, fails = verdict == "PASS", verdict == "FAIL"
    return CandidateVerdict(
        verdict=verdict,
        misses=fails or not within,
        holds=passes or (within and not fails and not _can_pass(counts, limits, alone=alone)),
        text=f"agreement {percent_text(metrics.agreement)}: {verdict}"
        if alone
        else _text(judgement, metrics.agreement),
    )


def _agreement_alone(judgement: Judgement) -> Judgement:
    """Return what a judgement comes to where no true class is known."""
    criteria = tuple(one for one in judgement.criteria if one.name == "disagreement")
    verdict = verdict_of([one.outcome for one in criteria])
    return replace(judgement, criteria=criteria, verdict=verdict)


def _can_pass(counts: Counts, limits: Limits, *, alone: bool) -> bool:
    """Tell whether a file that answers just as the float model does would PASS."""
    perfect = Counts(
        overall=Paired(images=counts.overall.images, lost=0, gained=0),
        disagreements=0,
        right=counts.right,
        classes=tuple(Paired(images=one.images, lost=0, gained=0) for one in counts.classes),
        agreement=Agreement(
            labelled=Changed.alone(counts.judged.labelled.groups, 0),
            unlabelled=None,
            together=Changed.alone(counts.judged.labelled.groups, 0),
            whole=Changed.alone(counts.overall.images, 0),
        ),
    )
    judgement = judge(perfect, limits)
    return (_agreement_alone(judgement) if alone else judgement).verdict == "PASS"


def _text(judgement: Judgement, agreement: float) -> str:
    drops = {one.name: 100 * one.estimate for one in judgement.criteria}
    return (
        f"accuracy drop {number_text(drops['accuracy_drop'], 2)} points, "
        f"agreement {percent_text(agreement)}, "
        f"worst class {number_text(drops['class_drop'], 1)} points: {judgement.verdict}"
    )

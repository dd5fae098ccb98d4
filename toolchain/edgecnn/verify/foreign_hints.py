"""When to look for what may be wrong with a foreign file or its reference, and with which one."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from edgecnn.verify.evaluation import Evaluation
from edgecnn.verify.foreign_facts import Hint
from edgecnn.verify.hints import fits_far_better, is_guessing
from edgecnn.verify.results import ArtifactRow
from edgecnn.verify.scoring import Scorer
from edgecnn.verify.statistics import mcnemar_p
from edgecnn.verify.trials import (
    Ask,
    Subject,
    ask_artifact,
    guessing_hint,
    input_hint,
    labels_hint,
    other_ranges,
)
from edgecnn_runner.contract import Contract

__all__ = ["hints_of_artifact", "hints_of_reference"]

Decisions = npt.NDArray[np.int64]
Hits = npt.NDArray[np.bool_]

_FITS: Final = 0.95
"""Agreement from which nothing is looked for: no file that is fed wrongly agrees as well."""
_POOR: Final = 0.5
"""Accuracy of a reference below which something is looked for."""
_SURE: Final = 0.05
"""McNemar's exact p below which the more accurate of two models is taken to be fed rightly."""


def hints_of_reference(
    name: str,
    ask: Ask,
    evaluation: Evaluation,
    class_names: Sequence[str],
    *,
    input_range: str,
    normalizes: bool,
    range_given: bool,
    answers: Mapping[str, Decisions],
    seconds: float,
) -> tuple[Hint, ...]:
    """Look for what is wrong where a reference is mostly wrong, or an artifact does better.

    Args:
        name: What to call it.
        ask: Asks it, with its outputs in the order of the class names.
        evaluation: The images, and its scores.
        class_names: Names in score order.
        input_range: The range that it was fed.
        normalizes: Whether it normalizes its input itself, so that no other range is tried.
        range_given: Whether its range was named for it alone.
        answers: Artifact to its decisions on all images.
        seconds: How long it took for all images.
    """
    labels, decisions = evaluation.images.labels, evaluation.scores.argmax(axis=1)
    right = decisions == labels
    better = [one for one in answers.values() if fits_far_better(right, one == labels)]
    alike = any((one == decisions).mean() >= _FITS for one in answers.values())
    subject = Subject(
        name=name,
        evaluation=evaluation,
        decisions=decisions,
        expected=labels,
        means="be right",
        # The one flag for both, unless an artifact shows that its range is right for itself.
        option="--reference-range" if range_given or better else "--input-range",
        input_range=input_range,
        ranges=() if normalizes else other_ranges(input_range, evaluation.images.pixels.shape[3]),
        seconds=seconds,
    )
    if right.mean() < _POOR or better or is_guessing(decisions, labels):
        remedy = "Name the order of its outputs with --reference-labels FILE."
        if alike:
            remedy = (
                "An artifact answers alike, so it may be the order in --labels that is another one."
            )
        found = (
            input_hint(subject, ask)
            or labels_hint(subject, class_names, remedy)
            or guessing_hint(subject, class_names)
        )
        return () if found is None else (found,)
    for file, one in answers.items():
        # It may be the reference that is fed wrongly, unless the data speak for it.
        if (one == decisions).mean() < _FITS and not _is_more_right(right, one == labels):
            beside = dataclasses.replace(
                subject, expected=one, means=f"agree with {file}", option="--reference-range"
            )
            found = input_hint(beside, ask)
            if found is not None:
                return (found,)
    return ()


def _is_more_right(right: Hits, other: Hits) -> bool:
    """Tell whether one model is right significantly more often than another, at 5 %."""
    gained = int(np.count_nonzero(right & ~other))
    lost = int(np.count_nonzero(~right & other))
    return gained > lost and mcnemar_p(lost, gained) < _SURE


def hints_of_artifact(
    row: ArtifactRow,
    path: Path,
    contract: Contract,
    scorer: Scorer,
    evaluation: Evaluation,
    decisions: Decisions,
    class_names: Sequence[str],
    *,
    about: Sequence[Hint],
    threads: int,
) -> tuple[Hint, ...]:
    """Look for what is wrong where an artifact answers otherwise than its reference.

    Args:
        row: The artifact's, judged.
        path: The file.
        contract: How it was fed and read.
        scorer: Runs it.
        evaluation: The images, and the reference's scores.
        decisions: Its answers to all images, shape (n,).
        class_names: Names in score order.
        about: What was found about the reference.
        threads: Threads of the runtime.
    """
    if row.metrics is None or row.verdict == "PASS" or row.metrics.agreement >= _FITS:
        return ()
    reference, labels = evaluation.scores.argmax(axis=1), evaluation.images.labels
    subject = Subject(
        name=path.name,
        evaluation=evaluation,
        decisions=decisions,
        expected=reference,
        means="agree with the reference",
        option="--input-range",
        input_range=contract.input.range,
        ranges=other_ranges(contract.input.range, contract.input.channels),
        seconds=row.seconds or 0.0,
    )
    if _is_more_right(decisions == labels, reference == labels):
        # What is wrong is the reference's; only the order of outputs may need both to be seen.
        if any(hint.kind == "labels" for hint in about):
            return ()
        remedy = (
            "The data fit the order of this file better than the reference's: name the latter with "
            "--reference-labels FILE."
        )
        found = labels_hint(subject, class_names, remedy)
        return () if found is None else (found,)
    remedy = (
        "Name this file's own order with --labels FILE, and the reference's with "
        "--reference-labels FILE."
    )
    found = input_hint(subject, ask_artifact(path, contract, scorer, threads)) or labels_hint(
        subject, class_names, remedy
    )
    if found is None and not about:
        found = guessing_hint(subject, class_names)
    return () if found is None else (found,)

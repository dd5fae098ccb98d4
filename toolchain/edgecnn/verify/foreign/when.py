"""Decides when to look for what may be wrong with a foreign file or its reference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from edgecnn.verify.evaluation import Evaluation
from edgecnn.verify.foreign.facts import Hint
from edgecnn.verify.foreign.hints import changed, fits_far_better
from edgecnn.verify.foreign.trials import (
    Feed,
    Subject,
    ask_artifact,
    find,
    find_order,
    guessing_hint,
    hint_of,
    other_ranges,
)
from edgecnn.verify.results import ArtifactRow
from edgecnn.verify.scoring import Scorer
from edgecnn.verify.statistics.intervals import mcnemar_p
from edgecnn_runner.contract import Contract

Decisions = npt.NDArray[np.int64]
Hits = npt.NDArray[np.bool_]

_FITS: Final = 0.95
"""Agreement from which nothing is looked for: no file that is fed wrongly agrees as well."""
_SURE: Final = 0.05
"""McNemar's exact p below which the more accurate of two models is taken to be fed rightly."""


def hints_of_reference(
    name: str,
    feed: Feed,
    evaluation: Evaluation,
    class_names: Sequence[str],
    *,
    range_given: bool,
    answers: Mapping[str, Decisions],
) -> tuple[Hint, ...]:
    """Look for a way in which a reference is right more often, or agrees with an artifact.

    Args:
        name: What to call it.
        feed: How it is fed; its answers are in the order of the class names.
        evaluation: The images, and its scores.
        class_names: Names in score order.
        range_given: Whether its range was named for it alone.
        answers: Artifact to its decisions on all images.
    """
    labels, decisions = evaluation.images.labels, evaluation.scores.argmax(axis=1)
    right = decisions == labels
    better = any(fits_far_better(right, one == labels) for one in answers.values())
    alike = any((one == decisions).mean() >= _FITS for one in answers.values())
    subject = Subject(
        name=name,
        images=evaluation.images,
        decisions=decisions,
        expected=labels,
        means="be right",
        # The one flag for both, unless an artifact shows that its range is right for itself.
        option="--reference-range" if range_given or better else "--input-range",
        class_names=class_names,
        reorder="An artifact answers alike, so it may be the order in --labels that is another one."
        if alike
        else "Name the order of its outputs with --reference-labels FILE.",
    )
    found = find(subject, feed)
    if found is not None:
        return (hint_of(subject, feed, found),)
    guessing = guessing_hint(subject)
    if guessing is not None:
        return (guessing,)
    for file, one in answers.items():
        # It may be the reference that is fed wrongly, unless the data speak for it.
        if (one == decisions).mean() < _FITS and not _is_more_right(right, one == labels):
            beside = replace(
                subject, expected=one, means=f"agree with {file}", option="--reference-range"
            )
            # Both are fed the same pixels, so no other fit or filter brings them together; and
            # whose outputs are in another order is told where the artifact is looked at.
            found = find(beside, replace(feed, again=None))
            if found is not None and found.way.order is None:
                return (hint_of(beside, feed, found),)
    return ()


def _is_more_right(right: Hits, other: Hits) -> bool:
    """Tell whether one model is right significantly more often than another, at 5 %."""
    lost, gained = changed(other, right)
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

    Fits and filters are not tried: the reference was fed the same pixels.

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
    feed = Feed(
        ask=ask_artifact(path, contract, scorer, threads),
        input_range=contract.input.range,
        ranges=other_ranges(contract.input.range, contract.input.channels),
        seconds=(row.seconds or 0.0) / len(labels),
        resize=contract.resize,
    )
    subject = Subject(
        name=path.name,
        images=evaluation.images,
        decisions=decisions,
        expected=reference,
        means="agree with the reference",
        option="--input-range",
        class_names=class_names,
        reorder="Name this file's own order with --labels FILE, and the reference's with "
        "--reference-labels FILE.",
    )
    if _is_more_right(decisions == labels, reference == labels):
        # What is wrong is the reference's; only the order of outputs may need both to be seen.
        if any(hint.kind == "labels" for hint in about):
            return ()
        subject = replace(
            subject,
            reorder="The data fit the order of this file better than the reference's: name the "
            "latter with --reference-labels FILE.",
        )
        found = find_order(subject)
        return () if found is None else (hint_of(subject, feed, found),)
    found = find(subject, feed)
    if found is not None:
        return (hint_of(subject, feed, found),)
    guessing = None if about else guessing_hint(subject)
    return () if guessing is None else (guessing,)

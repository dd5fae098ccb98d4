"""The artifacts of a verification on corrupted images, condition by condition.

Images are corrupted once for all artifacts, and let go before the next condition: eighteen sets of
photos would not fit into memory.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from edgecnn.build.artifact import read_artifact
from edgecnn.build.reference import check_scores, images_digest
from edgecnn.errors import ContractError, EdgeError
from edgecnn.progress import ProgressTask
from edgecnn.recipe.sections import CorruptionSettings
from edgecnn.verify.corruptions.conditions import (
    Condition,
    CorruptedImages,
    CorruptionResults,
    count_condition,
)
from edgecnn.verify.corruptions.gate import (
    corruption_criterion,
    judge_conditions,
    needed_under_corruptions,
)
from edgecnn.verify.corruptions.images import (
    CONDITIONS,
    CORRUPTIONS_VERSION,
    KIND_TITLES,
    Kind,
    corrupt_all,
)
from edgecnn.verify.evaluation import Evaluation, balanced_subset
from edgecnn.verify.gate.criteria import limit_of, with_criterion
from edgecnn.verify.plan import Planned
from edgecnn.verify.results import ArtifactRow
from edgecnn.verify.rows import Verification
from edgecnn.verify.scoring import LocalScorer, Ran, Scorer
from edgecnn.verify.stand_in import FoundStandIn, candidates, choose, find_stand_ins
from edgecnn_runner.contract import Contract

Decisions = npt.NDArray[np.intp]

_HERE: Final = LocalScorer()


@dataclass(kw_only=True)
class _Entry:
    """A row at work: what it is compared with, and what was counted so far."""

    path: Path
    stand_in: FoundStandIn
    conditions: list[Condition] = field(default_factory=list)
    seconds: float = 0.0
    error: EdgeError | None = None


@dataclass(kw_only=True)
class _Answers:
    """What files decide on the images of one condition; none is run twice in one place."""

    pixels: npt.NDArray[np.uint8]
    scorer: Scorer
    threads: int
    task: ProgressTask
    known: dict[tuple[Path, str], Decisions] = field(default_factory=dict)

    def of(self, path: Path, scorer: Scorer) -> Decisions:
        """Return a file's decisions, shape (n,).

        Raises:
            EdgeError: If it cannot be run there, or a score is not a number.
        """
        place = (path, scorer.device)
        if place not in self.known:
            scores = scorer.score(
                path,
                _contract_of(path),
                self.pixels,
                threads=self.threads,
                ran=Ran(),
                advance=self.task.advance,
            )
            check_scores(scores, model=path.name)
            self.known[place] = scores.argmax(axis=1)
        return self.known[place]


def under_corruptions(
    rows: Sequence[ArtifactRow],
    planned: Sequence[Planned],
    whole: tuple[Planned, ...],
    by: Verification,
    settings: CorruptionSettings,
) -> tuple[tuple[ArtifactRow, ...], CorruptedImages]:
    """Run judged artifacts on corrupted images, and let their verdicts rest on that, too.

    Args:
        rows: As they were judged on clean images.
        planned: What they are of, in the same order.
        whole: Every variant of the build; one of its float32 files answers for the float model,
            and runs here, wherever the artifacts do.
        by: What they were judged by; without a limit ``max_corruption_drop`` nothing is judged.
        settings: How many images, and the seed.

    Returns:
        The rows, and which images were corrupted. A row that cannot be run on them becomes an
        error; one that fails on clean images keeps that verdict if nothing can stand in for the
        float model.
    """
    scorer, limits = by.scorer, by.limits
    clean = _chosen(by.evaluation, settings)
    images = _described(clean, by.evaluation, settings)
    if not any(row.judgement is not None for row in rows):
        return tuple(rows), images
    with by.progress.task("float32 files", len(candidates(whole)) * len(clean.images)) as task:
        try:
            found = find_stand_ins(whole, clean, by, advance=task.advance)
        except EdgeError as error:
            return tuple(_without_stand_in(row, error) for row in rows), images
    entries = {
        index: _Entry(path=one.path, stand_in=choose(found, one.path, row.variant))
        for index, (row, one) in enumerate(zip(rows, planned, strict=True))
        if row.judgement is not None and one.path is not None
    }
    runs = {(one.path, scorer.device) for one in entries.values()}
    runs |= {(one.stand_in.path, _HERE.device) for one in entries.values()}
    with by.progress.task("corruptions", len(CONDITIONS) * len(runs) * len(clean.images)) as task:
        for kind, severity in CONDITIONS:
            task.note(f"{KIND_TITLES[kind]} {severity}")
            pixels = corrupt_all(
                clean.images.pixels,
                clean.images.ids,
                kind=kind,
                severity=severity,
                seed=settings.seed,
            )
            answers = _Answers(pixels=pixels, scorer=scorer, threads=by.threads, task=task)
            for entry in entries.values():
                _add_condition(entry, answers, clean.images.labels, kind, severity)
    limit = None if limits.max_corruption_drop is None else limit_of(limits, "corruption_drop")
    return tuple(
        _finished(row, entries[index], limit) if index in entries else row
        for index, row in enumerate(rows)
    ), images


def _chosen(evaluation: Evaluation, settings: CorruptionSettings) -> Evaluation:
    images = evaluation.images
    if settings.images >= len(images):
        return evaluation
    chosen = balanced_subset(images.labels, images.ids, settings.images, settings.seed)
    return dataclasses.replace(
        evaluation, images=images.take(chosen), scores=evaluation.scores[chosen]
    )


def _described(
    clean: Evaluation, evaluation: Evaluation, settings: CorruptionSettings
) -> CorruptedImages:
    # An image that the float model recognises shows best what a corruption does to it.
    right = clean.scores.argmax(axis=1) == clean.images.labels
    example = clean.images.ids[int(right.argmax())]
    return CorruptedImages(
        images=len(clean.images),
        seed=settings.seed,
        images_sha256=images_digest(clean.images.pixels),
        example=evaluation.images.ids.index(example),
        example_id=example,
        version=CORRUPTIONS_VERSION,
    )


def _add_condition(
    entry: _Entry, answers: _Answers, labels: npt.NDArray[np.int64], kind: Kind, severity: int
) -> None:
    """Count one row's answers under one condition; what keeps it from them ends the row."""
    if entry.error is not None:
        return
    try:
        reference = answers.of(entry.stand_in.path, _HERE)
        begin = time.perf_counter()
        artifact = answers.of(entry.path, answers.scorer)
        entry.seconds += time.perf_counter() - begin
    except EdgeError as error:
        entry.error = error
        return
    entry.conditions.append(count_condition(kind, severity, labels, reference, artifact))


def _finished(row: ArtifactRow, entry: _Entry, limit: float | None) -> ArtifactRow:
    if entry.error is not None:
        return row.failed(entry.error)
    seconds = None if row.seconds is None else row.seconds + entry.seconds
    about = entry.stand_in.about
    if limit is None or row.judgement is None:
        counted = CorruptionResults(stand_in=about, conditions=tuple(entry.conditions))
        return dataclasses.replace(row, corruptions=counted, seconds=seconds)
    conditions = judge_conditions(entry.conditions, limit)
    judged = CorruptionResults(stand_in=about, conditions=conditions)
    judgement = with_criterion(row.judgement, corruption_criterion(judged, limit))
    undecided = judgement.verdict == "INCONCLUSIVE"
    return dataclasses.replace(
        row,
        corruptions=judged,
        judgement=judgement,
        needed=needed_under_corruptions(row.needed, conditions, limit) if undecided else None,
        seconds=seconds,
    )


def _without_stand_in(row: ArtifactRow, error: EdgeError) -> ArtifactRow:
    """Make a row an error that nothing on corrupted images could be told of, unless it fails."""
    return row if row.judgement is None or row.verdict == "FAIL" else row.failed(error)


def _contract_of(path: Path) -> Contract:
    contract = read_artifact(path).contract
    if contract is None:
        raise ContractError(
            f"{path.name} carries no contract any more",
            observed="a file that changed while it was verified",
            expected="the file that was judged on clean images",
            remedy="verify again, and leave the build alone meanwhile",
        )
    return contract

"""One artifact's row of a verification: what it is, what ran it, and its verdict or its error."""

from __future__ import annotations

import dataclasses
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgecnn.build.reference import Reference, check_scores
from edgecnn.errors import ArtifactError, EdgeError
from edgecnn.files import file_digest
from edgecnn.modelfile import read_graph
from edgecnn.modelfile.precision import find_precision
from edgecnn.progress import NO_PROGRESS, Progress
from edgecnn.recipe.sections import CorruptionSettings, Limits
from edgecnn.verify.baseline import EarlierReport
from edgecnn.verify.checks import check_artifact
from edgecnn.verify.evaluation import Evaluation
from edgecnn.verify.gate.judging import JudgedBy, judge_at_once, judge_until_decided
from edgecnn.verify.groups import Groups
from edgecnn.verify.near_ties import NearTies
from edgecnn.verify.plan import Planned
from edgecnn.verify.results import ArtifactRow
from edgecnn.verify.scoring import Ran, Scorer
from edgecnn.verify.statistics.intervals import mcnemar_p
from edgecnn.verify.unlabelled import UnlabelledEvaluation
from edgecnn_runner.formats.container import read_container


@dataclass(frozen=True, kw_only=True)
class Verification:
    """What all artifacts of one verification are judged by, of a build or of foreign files.

    Attributes:
        reference: The float model's answers.
        evaluation: The images, and the float model's scores on them.
        limits: What an artifact may lose.
        scorer: Where artifacts run.
        threads: Threads of the runtimes.
        recorded: File name to digest, as the build's manifest has them; empty without a build.
        near_ties: Which of the float model's answers agreement is judged on.
        groups: Which image belongs to which group; None for no groups.
        unlabelled: Pictures without labels that agreement is judged on, too; None for none.
        corruptions: Which images to corrupt and judge by, too; None for none.
        until_decided: Whether to use only as many images as each verdict needs; their order has to
            say nothing about them. Not with groups.
        baseline: An earlier verification to compare with; None for none.
        progress: Shows images.
    """

    reference: Reference
    evaluation: Evaluation
    limits: Limits
    scorer: Scorer
    threads: int
    near_ties: NearTies
    recorded: Mapping[str, str] = field(default_factory=dict)
    groups: Groups | None = None
    unlabelled: UnlabelledEvaluation | None = None
    corruptions: CorruptionSettings | None = None
    until_decided: bool = False
    baseline: EarlierReport | None = None
    progress: Progress = NO_PROGRESS


def judged_row(planned: Planned, by: Verification) -> ArtifactRow:
    """Run one artifact and judge it; what keeps it from a verdict becomes a row, too."""
    begin = time.perf_counter()
    row = _judged(planned, by)
    return dataclasses.replace(row, seconds=time.perf_counter() - begin)


def _judged(planned: Planned, by: Verification) -> ArtifactRow:
    path = planned.path
    if path is None:
        return ArtifactRow(variant=planned.variant, file=None, reason=planned.reason)
    variant, ran = planned.variant, Ran()
    try:
        # What a file's contract says of itself decides which checks it gets, so the file has to be
        # the one that was converted here.
        wanted = by.recorded.get(planned.file or "")
        digest = digest_of(path)
        if wanted is not None and digest is not None and digest != wanted:
            read_container(path)  # a damaged file says so itself
            raise ArtifactError(
                f"{path} is not the file that was converted into this build",
                observed=f"sha256 {digest}",
                expected=f"sha256 {wanted}",
                remedy="convert again: edgecnn convert SOURCE",
            )
        contract = planned.contract or check_artifact(path, by.reference, by.evaluation.test)
        variant = contract.variant
        precision = find_precision(read_graph(read_container(path))).name
        others = 0 if by.unlabelled is None else len(by.unlabelled.pixels)
        with by.progress.task(f"verify {variant}", len(by.evaluation.images) + others) as task:

            def score(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
                scores = by.scorer.score(
                    path, contract, pixels, threads=by.threads, ran=ran, advance=task.advance
                )
                check_scores(scores, model=path.name)
                return scores

            given = JudgedBy(
                evaluation=by.evaluation,
                limits=by.limits,
                near_ties=by.near_ties,
                groups=by.groups,
                unlabelled=by.unlabelled,
            )
            judge = judge_until_decided if by.until_decided else judge_at_once
            judged = judge(score, given, precision)
    except EdgeError as error:
        return failed_row(variant, planned.file, path, error, ran=ran)
    metrics = judged.metrics
    return ArtifactRow(
        variant=variant,
        file=planned.file,
        bytes=path.stat().st_size,
        sha256=file_digest(path),
        runtime=ran.runtime,
        kernels=ran.kernels,
        metrics=metrics,
        mcnemar_p=mcnemar_p(metrics.lost, metrics.gained),
        judgement=judged.judgement,
        groups=judged.groups,
        looked=judged.looked,
        needed=judged.needed,
        clear_disagreements=judged.clear_disagreements,
        unlabelled=judged.unlabelled,
        tightest=judged.tightest,
        made_by=contract.adopted.get("made_by"),
    )


def failed_row(
    variant: str, file: str | None, path: Path, error: EdgeError, *, ran: Ran | None = None
) -> ArtifactRow:
    """Return the row of a file that did not come to a verdict.

    Args:
        variant: Its format and precision, or what else it is known by.
        file: How it is to be called.
        path: The file; whatever can be told of it is told.
        error: Why there is no verdict.
        ran: What ran it; None if nothing did.
    """
    ran = Ran() if ran is None else ran
    return ArtifactRow(
        variant=variant,
        file=file,
        # It answers no, and raises nothing, where a name is too long.
        bytes=path.stat().st_size if os.path.isfile(path) else None,  # noqa: PTH113
        sha256=digest_of(path),
        runtime=ran.runtime,
        kernels=ran.kernels,
    ).failed(error)


def digest_of(path: Path) -> str | None:
    """Return a file's SHA-256; None where there is no file that can be read."""
    try:
        return file_digest(path)
    except OSError:
        return None

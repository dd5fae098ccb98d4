"""One artifact's row of a verification: what it is, what ran it, and its verdict or its error."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgecnn.build.reference import Reference, check_scores
from edgecnn.errors import ArtifactError, EdgeError
from edgecnn.files import file_digest
from edgecnn.progress import Progress
from edgecnn.recipe.sections import Limits
from edgecnn.verify.checks import check_artifact
from edgecnn.verify.evaluation import Evaluation
from edgecnn.verify.gate.judging import judge_at_once, judge_until_decided
from edgecnn.verify.groups import Groups
from edgecnn.verify.plan import Planned
from edgecnn.verify.results import ArtifactRow
from edgecnn.verify.scoring import Ran, Scorer
from edgecnn.verify.statistics.intervals import mcnemar_p
from edgecnn_runner.formats.container import read_container


def judged_row(
    planned: Planned,
    recorded: Mapping[str, str],
    reference: Reference,
    evaluation: Evaluation,
    limits: Limits,
    *,
    threads: int,
    scorer: Scorer,
    groups: Groups | None = None,
    until_decided: bool = False,
    progress: Progress,
) -> ArtifactRow:
    """Run one artifact and judge it; what keeps it from a verdict becomes a row, too.

    Args:
        planned: What to run.
        recorded: File name to digest, as the build's manifest has them.
        reference: The float model's answers.
        evaluation: The images and the float model's scores on them.
        limits: What to judge by.
        threads: Threads of the runtime.
        scorer: Where it runs.
        groups: Which image belongs to which group; None for no groups.
        until_decided: Whether to use only as many images as the verdict needs; their order has to
            say nothing about them. Not with groups.
        progress: Shows images.
    """
    path = planned.path
    if path is None:
        return ArtifactRow(variant=planned.variant, file=None, reason=planned.reason)
    variant, ran = planned.variant, Ran()
    try:
        # What a file's contract says of itself decides which checks it gets, so the file has to be
        # the one that was converted here.
        wanted = recorded.get(planned.file or "")
        digest = digest_of(path)
        if wanted is not None and digest is not None and digest != wanted:
            read_container(path)  # a damaged file says so itself
            raise ArtifactError(
                f"{path} is not the file that was converted into this build",
                observed=f"sha256 {digest}",
                expected=f"sha256 {wanted}",
                remedy="convert again: edgecnn convert SOURCE",
            )
        contract = planned.contract or check_artifact(path, reference, evaluation.test)
        variant = contract.variant
        with progress.task(f"verify {variant}", len(evaluation.images)) as task:

            def score(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
                scores = scorer.score(
                    path, contract, pixels, threads=threads, ran=ran, advance=task.advance
                )
                check_scores(scores, model=path.name)
                return scores

            if until_decided:
                judged = judge_until_decided(score, evaluation, limits)
            else:
                judged = judge_at_once(score, evaluation, limits, groups)
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
    )


def failed_row(
    variant: str, file: str | None, path: Path, error: EdgeError, *, ran: Ran | None = None
) -> ArtifactRow:
    """Return the row of a file that did not come to a verdict.

    Args:
        variant: See ``ArtifactRow``.
        file: See ``ArtifactRow``.
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

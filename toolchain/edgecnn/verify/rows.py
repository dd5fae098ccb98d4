"""One artifact's row of a verification: what it is, what ran it, and its verdict or its error."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from edgecnn.errors import ArtifactError, EdgeError
from edgecnn.progress import Progress
from edgecnn.recipe import Limits
from edgecnn.reference import Reference, check_scores
from edgecnn.verify.checks import check_artifact
from edgecnn.verify.evaluation import Evaluation
from edgecnn.verify.gate import judge
from edgecnn.verify.groups import GroupColumn, Groups, count_groups
from edgecnn.verify.judgement import Counts
from edgecnn.verify.measure import measure
from edgecnn.verify.needed import images_needed
from edgecnn.verify.plan import Planned
from edgecnn.verify.results import ArtifactRow, RowError
from edgecnn.verify.scoring import Ran, Scorer
from edgecnn.verify.statistics import mcnemar_p
from edgecnn.workspace import file_digest
from edgecnn_runner.container import read_container

__all__ = ["digest_of", "judged_row"]


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
        images = evaluation.images
        with progress.task(f"verify {variant}", len(images)) as task:
            scores = scorer.score(
                path, contract, images.pixels, threads=threads, ran=ran, advance=task.advance
            )
        check_scores(scores, model=path.name)
        metrics = measure(evaluation.scores, scores, images.labels, images.ids)
    except EdgeError as error:
        return ArtifactRow(
            variant=variant,
            file=planned.file,
            bytes=path.stat().st_size if path.is_file() else None,
            sha256=digest_of(path),
            runtime=ran.runtime,
            kernels=ran.kernels,
            error=RowError.of(error),
        )
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
    return ArtifactRow(
        variant=variant,
        file=planned.file,
        bytes=path.stat().st_size,
        sha256=file_digest(path),
        runtime=ran.runtime,
        kernels=ran.kernels,
        metrics=metrics,
        mcnemar_p=mcnemar_p(metrics.lost, metrics.gained),
        judgement=judgement,
        groups=columns,
        needed=images_needed(counts, limits, judgement) if undecided else None,
    )


def digest_of(path: Path) -> str | None:
    """Return a file's SHA-256; None where there is no file that can be read."""
    try:
        return file_digest(path)
    except OSError:
        return None

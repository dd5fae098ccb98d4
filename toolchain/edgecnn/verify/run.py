"""Verify: every artifact through the runner's own session, against the float model's scores."""

from __future__ import annotations

import dataclasses
import functools
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from edgecnn.data import Dataset
from edgecnn.errors import ArtifactError, EdgeError, UsageError, WorkspaceError
from edgecnn.progress import NO_PROGRESS, Progress
from edgecnn.recipe import Limits
from edgecnn.reference import Reference, check_scores, images_digest, read_reference
from edgecnn.staging import staging
from edgecnn.verify.checks import check_artifact
from edgecnn.verify.environment import created, versions
from edgecnn.verify.evaluation import Evaluation, choose_evaluation
from edgecnn.verify.gate import judge
from edgecnn.verify.judgement import Counts
from edgecnn.verify.junit import write_junit
from edgecnn.verify.measure import measure
from edgecnn.verify.metrics import Metrics
from edgecnn.verify.needed import images_needed
from edgecnn.verify.plan import Planned, plan
from edgecnn.verify.report_files import write_reports
from edgecnn.verify.results import ArtifactRow, Evaluated, ParityReport, RowError
from edgecnn.verify.statistics import mcnemar_p
from edgecnn.workspace import Workspace, canonical_digest, file_digest
from edgecnn_runner.container import read_container
from edgecnn_runner.machine import describe_machine
from edgecnn_runner.quiet import without_native_chatter
from edgecnn_runner.runtimes import RUNTIMES, installed_version
from edgecnn_runner.session import Session

__all__ = ["key", "run"]

_STAGE: Final = "verify"


def key(
    workspace: Workspace,
    dataset: Dataset,
    *,
    limits: Limits,
    artifacts: Sequence[str] | None = None,
    images: int | None = None,
    seed: int = 0,
) -> str:
    """Return a digest of everything that a verification depends on, files included.

    Args:
        workspace: See ``run``.
        dataset: See ``run``.
        limits: See ``run``.
        artifacts: See ``run``.
        images: See ``run``.
        seed: See ``run``.

    Returns:
        Equal for equal inputs; to be given to ``Workspace.stage_is_current``.

    Raises:
        UsageError: If there is nothing to verify.
    """
    planned = plan(workspace, artifacts)
    files = [one.path for one in planned if one.path is not None]
    files += sorted({path.parent / workspace.CALIBRATION for path in files})
    files += [workspace.path(workspace.REFERENCE)]
    return canonical_digest(
        {
            "edgecnn": versions()["edgecnn"],
            "rows": [[one.variant, one.file, one.reason] for one in planned],
            # In order and without their paths, so that a build can be moved.
            "files": [_digest_of(path) for path in files],
            # Another runtime may answer differently on the same file.
            "runtimes": {name: installed_version(name) for name in RUNTIMES},
            "dataset": dataset.digest(),
            "limits": limits.model_dump(),
            "images": images,
            "seed": seed,
        }
    )


def run(
    workspace: Workspace,
    dataset: Dataset,
    *,
    limits: Limits,
    artifacts: Sequence[str] | None = None,
    images: int | None = None,
    threads: int = 1,
    seed: int = 0,
    partial: bool = False,
    out: Path | None = None,
    junit: Path | None = None,
    progress: Progress = NO_PROGRESS,
) -> ParityReport:
    """Compare artifacts with their float model and write ``parity.json`` and ``report.html``.

    An artifact that cannot be judged becomes a row with its error; the others go on. In a build
    the stage is recorded in the manifest, whatever the verdict. A partial verification (of some
    files, some images, or with other limits than the recipe's) is written beside, as
    ``parity-partial.json`` and ``report-partial.html``: it must not stand in for the whole one.

    Args:
        workspace: Holds ``reference.npz`` and, unless paths say otherwise, the artifacts.
        dataset: Its test split must be what the reference was computed on.
        limits: What an artifact may lose.
        artifacts: Files (names in the workspace, or paths) or variants of the build's manifest;
            None for every variant in the manifest.
        images: Number of evaluation images, a class-balanced subset; None for all.
        threads: Threads each runtime may use.
        seed: Seed of the subset.
        partial: Leave the build's own verdicts as they are.
        out: Folder for the reports in place of the workspace, which is then left as it is; made
            if it does not exist.
        junit: Also write the verdicts there as JUnit XML.
        progress: Shown once per artifact, a step per image.

    Returns:
        The report; its ``exit_error`` says what a command line should end with. Where the reports
        could not be written, ``write_error`` says why: the verdicts hold all the same.

    Raises:
        UsageError: If there is nothing to verify, or ``out`` is a build.
        DataError: If the data set is not the reference's.
        ScoreError: If the reference holds scores that are not numbers.
        WorkspaceError: If the reference cannot be read.
    """
    if out is not None and Workspace(out).is_build():
        raise UsageError(
            "the reports of a verification cannot be put into a build: its own would be lost",
            observed=f"{out} is a build",
            expected="a folder of another kind, or a new one",
            remedy="name another folder, or leave --out out to write into the build itself",
        )
    planned = plan(workspace, artifacts)
    recorded = {name: entry["sha256"] for name, entry in workspace.manifest()["files"].items()}
    reference_path = workspace.path(workspace.REFERENCE)
    reference_digest = _digest_of(reference_path)
    if recorded.get(workspace.REFERENCE, reference_digest) != reference_digest:
        raise WorkspaceError(
            f"{reference_path} is not what this build wrote",
            observed=f"sha256 {reference_digest}",
            expected=f"sha256 {recorded[workspace.REFERENCE]}",
            remedy="make it again: edgecnn build RECIPE, or edgecnn convert SOURCE",
        )
    reference = read_reference(reference_path)
    evaluation = choose_evaluation(dataset, reference, images=images, seed=seed)
    rows = []
    for one in planned:
        begin = time.perf_counter()
        row = _row(one, recorded, reference, evaluation, limits, threads=threads, progress=progress)
        rows.append(dataclasses.replace(row, seconds=time.perf_counter() - begin))
    report = ParityReport(
        model=_model_name(workspace),
        class_names=tuple(reference.class_names),
        evaluated=Evaluated(
            dataset=dataset.name,
            images=len(evaluation.images),
            available=len(evaluation.test),
            seed=evaluation.seed,
            images_sha256=images_digest(evaluation.images.pixels),
            reference_sha256=file_digest(workspace.path(workspace.REFERENCE)),
            model_sha256=reference.model_sha256,
        ),
        limits=limits.model_dump(),
        rows=tuple(rows),
        machine=describe_machine(),
        versions=versions(),
        created=created(),
    )
    problems: list[EdgeError] = []

    def attempt(write: Callable[[], None]) -> None:
        try:
            write()
        except WorkspaceError as error:
            problems.append(error)

    def write_own() -> None:
        place = workspace if out is None else Workspace(out)
        place.create()
        parity = place.PARTIAL_PARITY if partial else place.PARITY
        page = place.PARTIAL_REPORT if partial else place.REPORT
        pixels = evaluation.images.pixels
        if out is not None or not workspace.is_build():
            # Somebody's folder, which no lock of ours covers: nothing but the two files is touched.
            write_reports(place.path(parity), place.path(page), report, pixels)
            return
        with staging(place) as staged:
            write_reports(staged.path(parity), staged.path(page), report, pixels)
            with staged.placed():
                if not partial:
                    again = key(
                        workspace,
                        dataset,
                        limits=limits,
                        artifacts=artifacts,
                        images=images,
                        seed=seed,
                    )
                    workspace.record_stage(_STAGE, key=again, files=[parity, page], entries={})

    # Verdicts that took minutes are told, whether or not they could be written down; and the CI's
    # file does not depend on a build that can be written.
    attempt(write_own)
    if junit is not None:
        attempt(functools.partial(write_junit, junit, report))
    if problems:
        return dataclasses.replace(report, write_error=RowError.of(problems[0]))
    return report


def _row(
    planned: Planned,
    recorded: Mapping[str, str],
    reference: Reference,
    evaluation: Evaluation,
    limits: Limits,
    *,
    threads: int,
    progress: Progress,
) -> ArtifactRow:
    path = planned.path
    if path is None:
        return ArtifactRow(variant=planned.variant, file=None, reason=planned.reason)
    variant, runtime = planned.variant, None
    try:
        # What a file's contract says of itself decides which checks it gets, so the file has to be
        # the one that was converted here.
        wanted = recorded.get(planned.file or "")
        digest = _digest_of(path)
        if wanted is not None and digest is not None and digest != wanted:
            read_container(path)  # a damaged file says so itself
            raise ArtifactError(
                f"{path} is not the file that was converted into this build",
                observed=f"sha256 {digest}",
                expected=f"sha256 {wanted}",
                remedy="convert again: edgecnn convert SOURCE",
            )
        contract = check_artifact(path, reference, evaluation.test)
        variant = contract.variant
        with without_native_chatter():
            session = Session.open(path, threads=threads)
        with session:
            runtime = session.runtime
            metrics = _compare(session, evaluation, f"verify {variant}", path.name, progress)
    except EdgeError as error:
        return ArtifactRow(
            variant=variant,
            file=planned.file,
            bytes=path.stat().st_size if path.is_file() else None,
            sha256=_digest_of(path),
            runtime=runtime,
            error=RowError.of(error),
        )
    counts = Counts.of(metrics)
    judgement = judge(counts, limits)
    undecided = judgement.verdict == "INCONCLUSIVE"
    return ArtifactRow(
        variant=variant,
        file=planned.file,
        bytes=path.stat().st_size,
        sha256=file_digest(path),
        runtime=runtime,
        metrics=metrics,
        mcnemar_p=mcnemar_p(metrics.lost, metrics.gained),
        judgement=judgement,
        needed=images_needed(counts, limits, judgement) if undecided else None,
    )


def _digest_of(path: Path) -> str | None:
    """Return a file's SHA-256; None where there is no file that can be read."""
    try:
        return file_digest(path)
    except OSError:
        return None


def _compare(
    session: Session, evaluation: Evaluation, task_name: str, name: str, progress: Progress
) -> Metrics:
    images = evaluation.images
    with progress.task(task_name, len(images)) as task:
        scores = session.predict(images.pixels, advance=task.advance)
    check_scores(scores, model=name)
    return measure(evaluation.scores, scores, images.labels, images.ids)


def _model_name(workspace: Workspace) -> str:
    recipe = workspace.manifest().get("recipe")
    try:
        return str(recipe["model"]["name"])  # type: ignore[index]  # checked by the except
    except (KeyError, TypeError):
        return workspace.folder.resolve().name

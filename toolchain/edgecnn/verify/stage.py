"""Verify: every artifact through the runner's own session, against the float model's scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edgecnn.build.reference import read_reference
from edgecnn.build.workspace import Workspace
from edgecnn.data import Dataset
from edgecnn.errors import WorkspaceError
from edgecnn.files import canonical_digest, file_digest
from edgecnn.progress import NO_PROGRESS, Progress
from edgecnn.recipe.sections import CorruptionSettings, Limits
from edgecnn.report.provenance import versions
from edgecnn.verify.baseline import EarlierReport, check_comparable
from edgecnn.verify.checks import record_name
from edgecnn.verify.corruptions.conditions import CorruptedImages
from edgecnn.verify.corruptions.images import CORRUPTIONS_VERSION
from edgecnn.verify.corruptions.run import under_corruptions
from edgecnn.verify.evaluation import choose_evaluation
from edgecnn.verify.gate.criteria import limits_in_force
from edgecnn.verify.groups import Groups, check_groups
from edgecnn.verify.layers.explaining import explained, with_reason
from edgecnn.verify.near_ties import find_near_ties
from edgecnn.verify.own_agreement import OwnAgreement
from edgecnn.verify.plan import plan
from edgecnn.verify.recording import make_report, record, refuse_build
from edgecnn.verify.request import VerifyRequest
from edgecnn.verify.results import ArtifactRow, ParityReport
from edgecnn.verify.rows import Verification, digest_of, judged_row
from edgecnn.verify.scoring import scorer_on
from edgecnn.verify.stand_in import check_candidates
from edgecnn.verify.unlabelled import ScoredPictures
from edgecnn_runner.runtimes.choice import RUNTIMES, installed_version


@dataclass(frozen=True, kw_only=True)
class BuildSubject:
    """A build to verify, with what was read for it.

    Attributes:
        workspace: Holds ``reference.npz`` and, unless paths say otherwise, the artifacts.
        dataset: Its test split must be what the reference was computed on.
        limits: What an artifact may lose.
        artifacts: Files (names in the workspace, or paths) or variants of the build's manifest;
            None for every variant in the manifest.
        seed: Seed of a subset of the images.
        partial: Whether to leave the build's own verdicts as they are.
        baseline: An earlier verification to compare with.
        groups: Groups of images to compare; None for none.
        unlabelled: Pictures without labels, with what the float model answers to them; None for
            none.
        corruptions: Which images to corrupt and judge by, too; None for none.
        recipe: The resolved recipe, where its limits or groups may be newer than the manifest's;
            recorded with the build's own verdicts.
        own_scores: How far the user's own scores are the float model's, to be recorded.
    """

    workspace: Workspace
    dataset: Dataset
    limits: Limits
    artifacts: Sequence[str] | None = None
    seed: int = 0
    partial: bool = False
    baseline: EarlierReport | None = None
    groups: Groups | None = None
    unlabelled: ScoredPictures | None = None
    corruptions: CorruptionSettings | None = None
    recipe: Mapping[str, Any] | None = None
    own_scores: OwnAgreement | None = None


def key(request: VerifyRequest, subject: BuildSubject) -> str:
    """Return a digest of everything that a verification depends on, files included.

    Args:
        request: Its number of images counts.
        subject: What is verified.

    Returns:
        Equal for equal inputs; to be given to ``Workspace.stage_is_current``.

    Raises:
        UsageError: If there is nothing to verify.
    """
    workspace, groups, corruptions = subject.workspace, subject.groups, subject.corruptions
    planned = plan(workspace, subject.artifacts)
    files = [one.path for one in planned if one.path is not None]
    files += sorted({path.parent / workspace.CALIBRATION for path in files})
    names = [(one.path, record_name(one.path.parent, one.variant)) for one in planned if one.path]
    files += [path.parent / name for path, name in names if name != workspace.CALIBRATION]
    files += [workspace.path(workspace.REFERENCE)]
    return canonical_digest(
        {
            "edgecnn": versions()["edgecnn"],
            "rows": [[one.variant, one.file, one.reason] for one in planned],
            # In order and without their paths, so that a build can be moved.
            "files": [digest_of(path) for path in files],
            # Another runtime may answer differently on the same file.
            "runtimes": {name: installed_version(name) for name in RUNTIMES},
            "dataset": subject.dataset.digest(),
            "limits": limits_in_force(
                subject.limits, groups=groups is not None, corruptions=corruptions is not None
            ),
            "images": request.images,
            "seed": subject.seed,
            # Only where there are some: a build without them stays up to date.
            **({} if groups is None else {"groups": groups.digest()}),
            **({"agreement_on": "clear"} if subject.limits.agreement_on == "clear" else {}),
            **({} if subject.unlabelled is None else {"unlabelled": subject.unlabelled.digest()}),
            **(
                {}
                if corruptions is None
                else {"corruptions": [CORRUPTIONS_VERSION, corruptions.model_dump()]}
            ),
        }
    )


def run(
    request: VerifyRequest, subject: BuildSubject, *, progress: Progress = NO_PROGRESS
) -> ParityReport:
    """Compare artifacts with their float model and write ``parity.json`` and ``report.html``.

    An artifact that cannot be judged becomes a row with its error; the others go on. In a build
    the stage is recorded in the manifest, whatever the verdict. A partial verification (of some
    files, some images, or with other limits than the recipe's) is written beside, as
    ``parity-partial.json`` and ``report-partial.html``: it must not stand in for the whole one.
    Nor does one on a device, whose files, ``parity-on-...`` or ``parity-partial-on-...``, have its
    name in theirs.

    Args:
        request: What was asked for. Until a verdict is decided, neither groups nor corruptions can
            be looked at, nor pictures without labels.
        subject: What is verified.
        progress: Shown once per artifact, a step per image.

    Returns:
        The report. Where the reports could not be written, its ``write_error`` says why: the
        verdicts hold all the same.

    Raises:
        UsageError: If there is nothing to verify, ``out`` is a build, or images are to be
            corrupted and no float32 file can tell what the float model answers on them.
        DataError: If the data set is not the reference's, or the baseline is of other classes.
        ScoreError: If the reference holds scores that are not numbers.
        WorkspaceError: If the reference cannot be read.
        DeviceConnectionError: If the device cannot be reached in the beginning; one that is lost
            later is the error of a row.
    """
    workspace, groups, corruptions = subject.workspace, subject.groups, subject.corruptions
    baseline, seed = subject.baseline, subject.seed
    refuse_build(request.out)
    given = (groups, corruptions, subject.unlabelled)
    if request.until_decided and any(one is not None for one in given):
        raise ValueError("few images tell nothing of groups, corruptions or other pictures")
    planned = plan(workspace, subject.artifacts)
    recorded = {name: entry["sha256"] for name, entry in workspace.manifest()["files"].items()}
    reference_path = workspace.path(workspace.REFERENCE)
    reference_digest = digest_of(reference_path)
    if recorded.get(workspace.REFERENCE, reference_digest) != reference_digest:
        raise WorkspaceError(
            f"{reference_path} is not what this build wrote",
            observed=f"sha256 {reference_digest}",
            expected=f"sha256 {recorded[workspace.REFERENCE]}",
            remedy="make it again: edgecnn build RECIPE, or edgecnn convert SOURCE",
        )
    reference = read_reference(reference_path)
    if baseline is not None:
        check_comparable(reference.class_names, baseline.report, source=baseline.source)
    evaluation = choose_evaluation(
        subject.dataset,
        reference,
        images=request.images,
        seed=seed,
        shuffled=request.until_decided,
    )
    if groups is not None:
        check_groups(groups, evaluation.images.ids)
    others = None
    if subject.unlabelled is not None:
        others = subject.unlabelled.evaluated_with(evaluation.images.ids)
    whole = planned if subject.artifacts is None or corruptions is None else plan(workspace, None)
    if corruptions is not None:
        check_candidates(whole)
    corrupted: CorruptedImages | None = None
    with scorer_on(request.device) as scorer:
        by = Verification(
            reference=reference,
            evaluation=evaluation,
            limits=subject.limits,
            scorer=scorer,
            threads=request.threads,
            recorded=recorded,
            near_ties=find_near_ties(
                evaluation.scores,
                evaluation.noise_scores,
                subject.limits.agreement_on,
                others=None if others is None else others.scores,
            ),
            groups=groups,
            unlabelled=others,
            corruptions=corruptions,
            until_decided=request.until_decided,
            baseline=baseline,
            progress=progress,
        )
        rows: tuple[ArtifactRow, ...] = ()
        for one in planned:
            row = judged_row(one, by)
            if request.explain:
                row = explained(row, one, workspace, evaluation, seed=seed, progress=progress)
            rows += (row,)
        if request.explain:
            rows = with_reason(rows)
        if corruptions is not None:
            rows, corrupted = under_corruptions(rows, planned, whole, by, corruptions)
    report = make_report(
        by,
        rows,
        model=_model_name(workspace),
        dataset=subject.dataset.name,
        reference_sha256=file_digest(reference_path),
        corrupted=corrupted,
        own_scores=subject.own_scores,
        some=subject.artifacts is not None,
    )
    return record(
        report,
        evaluation.images.pixels,
        workspace,
        key=lambda: key(request, subject),
        entries={} if subject.recipe is None else {"recipe": dict(subject.recipe)},
        partial=subject.partial,
        request=request,
    )


def _model_name(workspace: Workspace) -> str:
    recipe = workspace.manifest().get("recipe")
    try:
        return str(recipe["model"]["name"])  # type: ignore[index]  # checked by the except
    except (KeyError, TypeError):
        return workspace.folder.resolve().name

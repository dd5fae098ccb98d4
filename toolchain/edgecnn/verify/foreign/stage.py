"""Verifies files that edgecnn did not make against a float model, on images with labels."""

from __future__ import annotations

import dataclasses
import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.build.verdict import Again
from edgecnn.build.workspace import Workspace
from edgecnn.data import JudgedImages
from edgecnn.data.own_scores import OwnScores
from edgecnn.progress import NO_PROGRESS, Progress
from edgecnn.recipe.sections import Limits
from edgecnn.verify.baseline import EarlierReport, check_comparable
from edgecnn.verify.evaluation import Evaluation
from edgecnn.verify.foreign.evaluation import ForeignReference, evaluation_of, saved_reference
from edgecnn.verify.foreign.facts import Foreign, Hint
from edgecnn.verify.foreign.files import read_as
from edgecnn.verify.foreign.trials import Feed, feed_ranges
from edgecnn.verify.foreign.when import hints_of_artifact, hints_of_reference
from edgecnn.verify.groups import Groups, check_groups
from edgecnn.verify.near_ties import find_near_ties
from edgecnn.verify.plan import Planned
from edgecnn.verify.recording import make_report, record, refuse_build
from edgecnn.verify.request import VerifyRequest
from edgecnn.verify.results import ArtifactRow, ParityReport
from edgecnn.verify.rows import Verification, judged_row
from edgecnn.verify.scores_check import Decoded, Explainer, check_own_scores
from edgecnn.verify.scoring import Ran, Scorer, scorer_on
from edgecnn_runner.contract import Contract


@dataclass(frozen=True, kw_only=True)
class ForeignSubject:
    """Foreign files to verify, with what was read for them.

    Attributes:
        artifacts: What to run, each with its contract; or the row of one that cannot be run.
        reference: The float model.
        data: The images, labels numbered as the artifacts' outputs are.
        limits: What an artifact may lose.
        seed: Seed of a subset of the images.
        baseline: An earlier verification to compare with.
        groups: Groups of images to compare; None for none.
        again: Reads images again by other resize rules; None where there are no image files.
        own_scores: The user's own scores of ``data.images``, to be compared with the reference's.
        decoded: Reads images by another decoder; None where there are no image files.
    """

    artifacts: Sequence[Planned | ArtifactRow]
    reference: ForeignReference
    data: JudgedImages
    limits: Limits
    seed: int = 0
    baseline: EarlierReport | None = None
    groups: Groups | None = None
    again: Again | None = None
    own_scores: OwnScores | None = None
    decoded: Decoded | None = None


def run_foreign(
    request: VerifyRequest, subject: ForeignSubject, *, progress: Progress = NO_PROGRESS
) -> ParityReport:
    """Compare foreign files with a float model and write ``parity.json`` and ``report.html``.

    Whatever a row's verdict, files that fit badly are tried in other ways on a few images; what
    fits far better becomes a hint.

    Args:
        request: What was asked for; its ``out`` is needed. The reference runs here, also where the
            artifacts run on a device.
        subject: What is verified.
        progress: Shown for the reference and for each artifact, a step per image.

    Returns:
        The report, as of a build's.

    Raises:
        UsageError: If ``out`` is a build.
        DataError: If there are no images, or the baseline is of other classes.
        LabelsError: If the reference's labels are not the artifacts'.
        ScoreError: If the reference answers with NaN or infinity.
        DeviceConnectionError: If the device cannot be reached in the beginning.
    """
    reference, data, baseline = subject.reference, subject.data, subject.baseline
    artifacts, groups, out = subject.artifacts, subject.groups, request.out
    assert out is not None  # noqa: S101 - the command chooses one
    refuse_build(out)
    if baseline is not None:
        check_comparable(data.class_names, baseline.report, source=baseline.source)
    begin = time.perf_counter()
    evaluation = evaluation_of(reference, data, request.images, subject.seed, progress)
    seconds = time.perf_counter() - begin
    if groups is not None:
        check_groups(groups, evaluation.images.ids)
    contracts = _contracts(artifacts)
    # All files are fed the same pixels.
    resize = next(iter(contracts.values())).resize
    feed = feed_of(reference, data, resize, subject.again, seconds / len(evaluation.images))
    own = None
    if subject.own_scores is not None:
        option = "--reference-range" if reference.range_given else "--input-range"
        own = check_own_scores(
            subject.own_scores.of(data.images.ids, evaluation.images.ids),
            evaluation.images,
            evaluation.scores,
            class_names=data.class_names,
            explainer=lambda: Explainer(feed=feed, decoded=subject.decoded, option=option),
        )
    judged: list[_ScoredRow] = []
    with scorer_on(request.device) as real:
        scorer = _Remembering(real)
        by = Verification(
            reference=saved_reference(reference, evaluation, data.class_names),
            evaluation=evaluation,
            limits=subject.limits,
            scorer=scorer,
            threads=request.threads,
            near_ties=find_near_ties(
                evaluation.scores, evaluation.noise_scores, subject.limits.agreement_on
            ),
            groups=groups,
            baseline=baseline,
            progress=progress,
        )
        for one in artifacts:
            if isinstance(one, ArtifactRow):
                judged.append(_ScoredRow(row=one))
                continue
            scorer.first = None
            row = judged_row(one, by)
            judged.append(_ScoredRow(row=row, planned=one, scores=scorer.first))
        about = hints_of_reference(
            reference.title,
            feed,
            evaluation,
            data.class_names,
            answers={
                Path(str(one.row.file)).name: one.scores.argmax(axis=1)
                for one in judged
                if one.scores is not None and one.row.metrics is not None
            },
            range_given=reference.range_given,
        )
        rows = [
            _with_hints(one, scorer, evaluation, data, about, request.threads) for one in judged
        ]
    report = make_report(
        by,
        rows,
        model=reference.title,
        dataset=data.name,
        reference_sha256=hashlib.sha256(_bytes_of(evaluation.scores)).hexdigest(),
        foreign=Foreign(
            reference=reference.name,
            reference_sha256=reference.sha256,
            reference_runtime=reference.model.runtime,
            reference_range=reference.model.input_range,
            reference_normalizes=reference.model.normalizes,
            reference_kind=str(reference.model.output_kind),
            input_range=next(iter(contracts.values())).input.range,
            read={file: read_as(contract) for file, contract in contracts.items()},
            images=data.rule,
            unseen_labels=len(data.class_names) - len(np.unique(data.images.labels)),
            hints=about,
        ),
        own_scores=own,
    )
    return record(
        report,
        evaluation.images.pixels,
        Workspace(out),
        key=lambda: "",  # no build, so no stage is recorded
        entries={},
        partial=False,
        request=request,
    )


def feed_of(
    reference: ForeignReference,
    data: JudgedImages,
    resize: str,
    again: Again | None,
    seconds: float,
) -> Feed:
    """Return how a reference is fed, and how it can be fed otherwise.

    Args:
        reference: The float model.
        data: The images.
        resize: The rule that brought them to their size.
        again: Reads images again by other resize rules; None where there are no image files.
        seconds: How long one image takes.
    """
    fed, normalizes = reference.model.input_range, reference.model.normalizes
    return Feed(
        ask=lambda pixels, name: reference.scores(pixels, data.class_names, input_range=name),
        input_range=fed,
        ranges=feed_ranges(fed, data.images.pixels.shape[3], normalizes=normalizes),
        normalizes=normalizes,
        seconds=seconds,
        resize=resize,
        again=again,
    )


@dataclass(frozen=True, kw_only=True)
class _ScoredRow:
    row: ArtifactRow
    planned: Planned | None = None
    scores: npt.NDArray[np.float32] | None = None


class _Remembering:
    """A scorer that keeps the first answers of each file: those to the evaluation images."""

    def __init__(self, scorer: Scorer) -> None:
        self.device = scorer.device
        self.first: npt.NDArray[np.float32] | None = None
        self._scorer = scorer

    def machine(self) -> Mapping[str, Any]:
        """Describe the machine where files run."""
        return self._scorer.machine()

    def score(
        self,
        path: Path,
        contract: Contract,
        pixels: npt.NDArray[np.uint8],
        *,
        threads: int,
        ran: Ran,
        advance: Callable[[int], None],
    ) -> npt.NDArray[np.float32]:
        """Run a file on images, and keep what it answers to the first ones."""
        scores = self._scorer.score(
            path, contract, pixels, threads=threads, ran=ran, advance=advance
        )
        if self.first is None:
            self.first = scores
        return scores


def _with_hints(
    judged: _ScoredRow,
    scorer: Scorer,
    evaluation: Evaluation,
    data: JudgedImages,
    about: tuple[Hint, ...],
    threads: int,
) -> ArtifactRow:
    planned, scores = judged.planned, judged.scores
    if planned is None or scores is None or planned.path is None or planned.contract is None:
        return judged.row
    hints = hints_of_artifact(
        judged.row,
        planned.path,
        planned.contract,
        scorer,
        evaluation,
        scores.argmax(axis=1),
        data.class_names,
        about=about,
        threads=threads,
    )
    return dataclasses.replace(judged.row, hints=hints)


def _contracts(artifacts: Sequence[Planned | ArtifactRow]) -> dict[str, Contract]:
    return {
        str(one.file): one.contract
        for one in artifacts
        if isinstance(one, Planned) and one.contract is not None
    }


def _bytes_of(scores: npt.NDArray[np.float32]) -> bytes:
    return np.ascontiguousarray(scores, "<f4").tobytes()

"""Makes the report of a verification, and writes it into its build, or elsewhere."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from edgecnn.build.reference import images_digest
from edgecnn.build.schema import read_schema_file
from edgecnn.build.staging import staging
from edgecnn.build.usefulness import float_model_of
from edgecnn.build.workspace import Workspace
from edgecnn.errors import EdgeError, RowError, UsageError, WorkspaceError
from edgecnn.files import write_json, write_whole
from edgecnn.report.provenance import created, versions
from edgecnn.verify.baseline import compare
from edgecnn.verify.corruptions.conditions import CorruptedImages
from edgecnn.verify.foreign.facts import Foreign
from edgecnn.verify.gate.criteria import limits_in_force
from edgecnn.verify.gate.tightest import TightestLimits, tightest_at_best
from edgecnn.verify.near_ties import clear_answers
from edgecnn.verify.own_agreement import OwnAgreement
from edgecnn.verify.report.junit import write_junit
from edgecnn.verify.report.markdown import write_markdown
from edgecnn.verify.report.page import render_report
from edgecnn.verify.request import VerifyRequest
from edgecnn.verify.results import (
    LOCAL,
    PARITY_SCHEMA,
    READABLE_SCHEMAS,
    ArtifactRow,
    Evaluated,
    ParityReport,
)
from edgecnn.verify.rows import Verification

_STAGE: Final = "verify"


def refuse_build(out: Path | None) -> None:
    """Refuse a folder for the reports that is a build.

    Raises:
        UsageError: If it is one.
    """
    if out is not None and Workspace(out).is_build():
        raise UsageError(
            "the reports of a verification cannot be put into a build: its own would be lost",
            observed=f"{out} is a build",
            expected="a folder of another kind, or a new one",
            remedy="name another folder, or leave --out out",
        )


def make_report(
    by: Verification,
    rows: Sequence[ArtifactRow],
    *,
    model: str,
    dataset: str,
    reference_sha256: str,
    corrupted: CorruptedImages | None = None,
    own_scores: OwnAgreement | None = None,
    foreign: Foreign | None = None,
    some: bool = False,
) -> ParityReport:
    """Return the report of a verification, compared with its baseline where it has one.

    Args:
        by: What its artifacts were judged by.
        rows: What was found.
        model: What the float model is called.
        dataset: What the images are called.
        reference_sha256: Digest of the float model's answers.
        corrupted: Which images were corrupted; None for none.
        own_scores: How far the user's own scores are the float model's.
        foreign: What was said of foreign files; None for a build.
        some: Whether only some artifacts of the build were asked for, so that the others are not
            missing.
    """
    evaluation, reference = by.evaluation, by.reference
    report = ParityReport(
        model=model,
        class_names=tuple(reference.class_names),
        evaluated=Evaluated(
            dataset=dataset,
            images=len(evaluation.images),
            available=len(evaluation.test),
            seed=evaluation.seed,
            images_sha256=images_digest(evaluation.images.pixels),
            reference_sha256=reference_sha256,
            model_sha256=reference.model_sha256,
        ),
        limits=limits_in_force(
            by.limits, groups=by.groups is not None, corruptions=by.corruptions is not None
        ),
        rows=tuple(rows),
        machine=by.scorer.machine(),
        device=by.scorer.device,
        corrupted=corrupted,
        # On all images that it was asked about, of which the artifacts may have seen some.
        float_model=float_model_of(reference),
        versions=versions(),
        created=created(),
        foreign=foreign,
        own_scores=own_scores,
        near_ties=by.near_ties,
        unlabelled=None if by.unlabelled is None else by.unlabelled.facts,
        decidable=_decidable(by),
    )
    if by.baseline is None:
        return report
    changes = compare(report, by.baseline.report, source=by.baseline.source, some=some)
    return dataclasses.replace(report, baseline=changes)


def _decidable(by: Verification) -> TightestLimits:
    """Return the tightest limits that the pictures of a verification can decide at best."""
    evaluation, others = by.evaluation, by.unlabelled
    clear = int(clear_answers(evaluation.scores, by.near_ties).sum())
    if others is None:
        return tightest_at_best(len(evaluation.images), clear=clear)
    # A copy of an evaluation image adds no picture of its own.
    own = others.groups >= len(evaluation.images)
    judged = own & clear_answers(others.scores, by.near_ties)
    return tightest_at_best(
        len(evaluation.images),
        clear=clear,
        unlabelled=len(np.unique(others.groups[own])),
        clear_unlabelled=len(np.unique(others.groups[judged])),
    )


def record(
    report: ParityReport,
    pixels: npt.NDArray[np.uint8],
    workspace: Workspace,
    *,
    key: Callable[[], str],
    entries: Mapping[str, Any],
    partial: bool,
    request: VerifyRequest,
) -> ParityReport:
    """Write a verification down.

    Args:
        report: What to write.
        pixels: The evaluation images that were used, shape (n, height, width, channels).
        workspace: What was verified.
        key: Makes the stage's key, once the files are in place.
        entries: What the manifest is to say besides, where the verdicts become the build's own.
        partial: Whether to leave the build's own verdicts as they are.
        request: Says which reports are written, and where; its folder is made if need be.

    Returns:
        The report. Verdicts that took minutes are told, whether or not they could be written
        down: its ``write_error`` says why they could not.
    """
    problems: list[EdgeError] = []
    out = request.out

    def attempt(write: Callable[[], None]) -> None:
        try:
            write()
        except WorkspaceError as error:
            problems.append(error)

    def write_own() -> None:
        place = workspace if out is None else Workspace(out)
        place.create()
        parity, page = report_names(partial=partial, device=report.device)
        if out is not None or not workspace.is_build():
            # Somebody's folder, which no lock of ours covers: nothing but the two files is touched.
            write_reports(place.path(parity), place.path(page), report, pixels)
            return
        with staging(place) as staged:
            write_reports(staged.path(parity), staged.path(page), report, pixels)
            with staged.placed():
                if parity == Workspace.PARITY:
                    workspace.record_stage(_STAGE, key=key(), files=[parity, page], entries=entries)

    attempt(write_own)
    # The CI's file does not depend on a build that can be written.
    if request.junit is not None:
        attempt(functools.partial(write_junit, request.junit, report))
    if request.markdown is not None:
        attempt(functools.partial(write_markdown, request.markdown, report))
    if problems:
        return dataclasses.replace(report, write_error=RowError.of(problems[0]))
    return report


def report_names(*, partial: bool, device: str) -> tuple[str, str]:
    """Return what the JSON and the page of a verification are called.

    Args:
        partial: Whether it was of some files or images, or with other limits.
        device: Where the artifacts ran; ``local`` for here.
    """
    names = (
        (Workspace.PARTIAL_PARITY, Workspace.PARTIAL_REPORT)
        if partial
        else (Workspace.PARITY, Workspace.REPORT)
    )
    if device == LOCAL:
        return names
    # A command that was cleaned of what no file name should have is told from others by its tag.
    tag = hashlib.sha256(device.encode()).hexdigest()[:6]
    name = re.sub(r"[^A-Za-z0-9.@_]+", "-", device)[:60].strip("-.")
    parity, page = (Path(one) for one in names)
    return (
        f"{parity.stem}-on-{name}-{tag}{parity.suffix}",
        f"{page.stem}-on-{name}-{tag}{page.suffix}",
    )


def write_reports(
    parity: Path, page: Path, report: ParityReport, pixels: npt.NDArray[np.uint8]
) -> None:
    """Write the verdicts as JSON and as a page, each whole or not at all.

    Args:
        parity: Where the JSON goes.
        page: Where the page goes.
        report: What to write.
        pixels: The evaluation images that were used, shape (n, height, width, channels).

    Raises:
        WorkspaceError: If they cannot be written.
    """
    html = render_report(report, pixels)
    write_json(parity, report.to_dict())
    write_whole(page, html)


def read_report(path: Path) -> ParityReport:
    """Read a ``parity.json`` back.

    Args:
        path: What ``edgecnn.verify.stage`` wrote.

    Returns:
        The report.

    Raises:
        WorkspaceError: If the file is missing, damaged or of another schema.
    """
    report = read_schema_file(
        path,
        ParityReport,
        schema=PARITY_SCHEMA,
        earlier=READABLE_SCHEMAS,
        what="the parity report",
        command="edgecnn verify",
        remedy=f"verify again: edgecnn verify {shlex.quote(str(path.parent))}",
    )
    # What an earlier version did not ask for is None now: that is today's layout.
    return dataclasses.replace(report, schema=PARITY_SCHEMA)

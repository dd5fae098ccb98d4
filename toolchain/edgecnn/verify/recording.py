"""Writing a verification down: in its build, beside the build's own, or in a folder of its own."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from edgecnn.build.staging import staging
from edgecnn.build.workspace import Workspace
from edgecnn.errors import EdgeError, RowError, UsageError, WorkspaceError
from edgecnn.verify.report.files import report_names, write_reports
from edgecnn.verify.report.junit import write_junit
from edgecnn.verify.report.markdown import write_markdown
from edgecnn.verify.results import ParityReport

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


def record(
    report: ParityReport,
    pixels: npt.NDArray[np.uint8],
    workspace: Workspace,
    *,
    key: Callable[[], str],
    entries: Mapping[str, Any],
    partial: bool,
    out: Path | None,
    junit: Path | None,
    markdown: Path | None = None,
) -> ParityReport:
    """Write a verification down.

    Args:
        report: What to write.
        pixels: The evaluation images that were used, shape (n, height, width, channels).
        workspace: What was verified.
        key: Makes the stage's key, once the files are in place.
        entries: What the manifest is to say besides, where the verdicts become the build's own.
        partial: Whether to leave the build's own verdicts as they are.
        out: Folder for the reports in place of the workspace; made if it does not exist.
        junit: Also write the verdicts there as JUnit XML.
        markdown: Also write a summary there as Markdown.

    Returns:
        The report. Verdicts that took minutes are told, whether or not they could be written
        down: its ``write_error`` says why they could not.
    """
    problems: list[EdgeError] = []

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
    if junit is not None:
        attempt(functools.partial(write_junit, junit, report))
    if markdown is not None:
        attempt(functools.partial(write_markdown, markdown, report))
    if problems:
        return dataclasses.replace(report, write_error=RowError.of(problems[0]))
    return report

"""Writing a verification down: in its build, beside the build's own, or in a folder of its own."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import re
import shlex
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from edgecnn.build.schema import read_schema_file
from edgecnn.build.staging import staging
from edgecnn.build.workspace import Workspace
from edgecnn.errors import EdgeError, RowError, UsageError, WorkspaceError
from edgecnn.files import write_json, write_whole
from edgecnn.verify.report.junit import write_junit
from edgecnn.verify.report.markdown import write_markdown
from edgecnn.verify.report.page import render_report
from edgecnn.verify.request import VerifyRequest
from edgecnn.verify.results import LOCAL, PARITY_SCHEMA, ParityReport

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
    return read_schema_file(
        path,
        ParityReport,
        schema=PARITY_SCHEMA,
        what="the parity report",
        command="edgecnn verify",
        remedy=f"verify again: edgecnn verify {shlex.quote(str(path.parent))}",
    )

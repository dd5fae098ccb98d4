"""The files that a verification leaves: written together, and read back."""

from __future__ import annotations

import hashlib
import re
import shlex
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgecnn.build.schema import read_schema_file
from edgecnn.build.workspace import Workspace
from edgecnn.files import write_json, write_whole
from edgecnn.verify.report.page import render_report
from edgecnn.verify.results import LOCAL, PARITY_SCHEMA, ParityReport


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

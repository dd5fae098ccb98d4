"""The files that a verification leaves: written together, and read back."""

from __future__ import annotations

import hashlib
import json
import re
import shlex
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgecnn.errors import WorkspaceError
from edgecnn.verify.report import render_report
from edgecnn.verify.results import LOCAL, PARITY_SCHEMA, ParityReport
from edgecnn.workspace import Workspace, write_json, write_whole

__all__ = ["read_report", "report_names", "write_reports"]


def report_names(*, partial: bool, device: str) -> tuple[str, str]:
    """Return what the JSON and the page of a verification are called.

    Args:
        partial: Whether it was of some files or images, or with other limits.
        device: Where the artifacts ran; ``local`` for here.
    """
    if device != LOCAL:
        # A command that was cleaned of what no file name should have is told from others so.
        tag = hashlib.sha256(device.encode()).hexdigest()[:6]
        name = re.sub(r"[^A-Za-z0-9.@_]+", "-", device)[:60].strip("-.")
        return f"parity-on-{name}-{tag}.json", f"report-on-{name}-{tag}.html"
    if partial:
        return Workspace.PARTIAL_PARITY, Workspace.PARTIAL_REPORT
    return Workspace.PARITY, Workspace.REPORT


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
        path: What ``edgecnn.verify.run`` wrote.

    Returns:
        The report.

    Raises:
        WorkspaceError: If the file is missing, damaged or of another schema.
    """
    from pydantic import TypeAdapter, ValidationError

    remedy = f"verify again: edgecnn verify {shlex.quote(str(path.parent))}"
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        schema = values["schema"]
        if schema == PARITY_SCHEMA:
            return TypeAdapter(ParityReport).validate_python(values)
    except (OSError, ValueError, KeyError, TypeError, RecursionError, ValidationError) as error:
        raise WorkspaceError(
            f"cannot read the parity report {path}",
            observed=f"{type(error).__name__}: {str(error).splitlines()[0]}",
            expected=f"what edgecnn verify writes, schema {PARITY_SCHEMA}",
            remedy=remedy,
        ) from error
    raise WorkspaceError(
        f"{path} was written by another version of edgecnn",
        observed=f"schema {schema}",
        expected=f"schema {PARITY_SCHEMA}",
        remedy=remedy,
    )

"""``bench.json``: written whole or not at all, and read back."""

from __future__ import annotations

import json
from pathlib import Path

from edgecnn.bench.results import BENCH_SCHEMA, BenchReport
from edgecnn.errors import WorkspaceError
from edgecnn.workspace import write_json

__all__ = ["read_bench", "write_bench"]

_REMEDY = "measure again: edgecnn bench BUILD"


def write_bench(path: Path, report: BenchReport) -> None:
    """Write a report as JSON.

    Args:
        path: Where to; its folder must exist.
        report: What to write.

    Raises:
        WorkspaceError: If that is not possible; what was there before stays then.
    """
    write_json(path, report.to_dict())


def read_bench(path: Path) -> BenchReport:
    """Read a report back.

    Args:
        path: What ``write_bench`` wrote.

    Returns:
        The report.

    Raises:
        WorkspaceError: If the file is missing, damaged or of another schema.
    """
    from pydantic import TypeAdapter, ValidationError

    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        schema = values["schema"]
        if schema == BENCH_SCHEMA:
            return TypeAdapter(BenchReport).validate_python(values)
    except (OSError, ValueError, KeyError, TypeError, RecursionError, ValidationError) as error:
        raise WorkspaceError(
            f"cannot read the measurements in {path}",
            observed=f"{type(error).__name__}: {str(error).splitlines()[0]}",
            expected=f"what edgecnn bench writes, schema {BENCH_SCHEMA}",
            remedy=_REMEDY,
        ) from error
    raise WorkspaceError(
        f"{path} was written by another version of edgecnn",
        observed=f"schema {schema}",
        expected=f"schema {BENCH_SCHEMA}",
        remedy=_REMEDY,
    )

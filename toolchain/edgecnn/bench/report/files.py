"""``bench.json``: written whole or not at all, and read back."""

from __future__ import annotations

from pathlib import Path

from edgecnn.bench.results import BENCH_SCHEMA, BenchReport
from edgecnn.build.schema import read_schema_file
from edgecnn.build.workspace import write_json

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
    return read_schema_file(
        path,
        BenchReport,
        schema=BENCH_SCHEMA,
        what="the measurements in",
        command="edgecnn bench",
        remedy=_REMEDY,
    )

"""Figures beside the raw times they are made of, in a report's JSON. Whole numbers throughout.

Reading a report back ignores them: raw times are the truth.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from edgecnn.bench.results import BenchReport
from edgecnn.bench.statistics import macs_per_second, summarize

__all__ = ["add_summaries"]


def add_summaries(values: dict[str, Any], report: BenchReport) -> None:
    """Add ``summary`` to each row and to each of its numbers of threads.

    A number of threads gets n, min, median, p90, p99 and mad of one inference, and the achieved
    multiply-accumulates per second; a row gets the same of ``decode``, ``preprocess`` and, for each
    number of threads, ``starts``; None where there are no times.

    Args:
        values: ``dataclasses.asdict`` of the report; changed in place.
        report: The report.
    """
    for device_values, device in zip(values["devices"], report.devices, strict=True):
        for row_values, row in zip(device_values["rows"], device.rows, strict=True):
            row_values["summary"] = {
                "decode": _figures(row.decode_ns),
                "preprocess": _figures(row.preprocess_ns),
            }
            for entry, bench in zip(row_values["by_threads"], row.by_threads, strict=True):
                figures = _figures(bench.samples_ns)
                if figures is not None:
                    figures["macs_per_second"] = macs_per_second(row.macs, figures["median_ns"])
                    figures["starts"] = _figures(bench.starts_ns)
                entry["summary"] = figures


def _figures(samples_ns: Sequence[int]) -> dict[str, Any] | None:
    return dataclasses.asdict(summarize(samples_ns)) if samples_ns else None

"""``bench.json``: the raw times, the figures made of them, what follows, and all of it in words.

Reading a report back ignores what is derived: raw times are the truth.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edgecnn.bench.exit import gate_error
from edgecnn.bench.judge.gate import Gate
from edgecnn.bench.judge.judgement import JudgedBench
from edgecnn.bench.judge.recommend import Recommendation
from edgecnn.bench.report.words import (
    gate_headline,
    headline,
    loss_sentence,
    row_sentence,
    warning_sentences,
)
from edgecnn.bench.results import BENCH_SCHEMA, BenchReport
from edgecnn.bench.statistics import macs_per_second, summarize
from edgecnn.build.schema import read_schema_file
from edgecnn.files import write_json

_REMEDY = "measure again: edgecnn bench BUILD"


def judged_values(judged: JudgedBench) -> dict[str, Any]:
    """Return JSON-ready values: the report, with what follows from it beside it.

    They read back as a ``BenchReport``, which ignores ``recommendations`` and ``gate``.
    """
    return bench_values(judged.report) | {
        "recommendations": [recommendation_values(one) for one in judged.recommendations],
        "gate": None if judged.gate is None else gate_values(judged.gate),
    }


def bench_values(report: BenchReport) -> dict[str, Any]:
    """Return JSON-ready values; what is made of raw times stands under ``summary``.

    A number of threads gets n, min, median, p90, p99 and mad of one inference, and the achieved
    multiply-accumulates per second; a row gets the same of ``decode``, ``preprocess`` and, for each
    number of threads, ``starts``; None where there are no times. Whole nanoseconds throughout.
    """
    values = dataclasses.asdict(report)
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
    return values


def recommendation_values(recommendation: Recommendation) -> dict[str, Any]:
    """Return JSON-ready values, with what is to be read in words."""
    values = dataclasses.asdict(recommendation)
    for entry, candidate in zip(values["candidates"], recommendation.candidates, strict=True):
        lost = recommendation.choice is None or candidate.row != recommendation.chosen
        entry["why_not"] = loss_sentence(recommendation, candidate) if lost else None
    return values | {
        "headline": headline(recommendation),
        "warnings": list(warning_sentences(recommendation)),
    }


def gate_values(gate: Gate) -> dict[str, Any]:
    """Return JSON-ready values, with what is to be read in words."""
    values = dataclasses.asdict(gate)
    for entry, row in zip(values["rows"], gate.rows, strict=True):
        entry["sentence"] = row_sentence(row)
    return values | {"headline": gate_headline(gate), "passed": gate_error(gate) is None}


def write_bench(path: Path, report: BenchReport) -> None:
    """Write a report as JSON.

    Args:
        path: Where to; its folder must exist.
        report: What to write.

    Raises:
        WorkspaceError: If that is not possible; what was there before stays then.
    """
    write_json(path, bench_values(report))


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


def _figures(samples_ns: Sequence[int]) -> dict[str, Any] | None:
    return dataclasses.asdict(summarize(samples_ns)) if samples_ns else None

"""A bench as CSV: a row for each device, artifact, runtime and number of threads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from edgecnn.bench.judge.judgement import JudgedBench
from edgecnn.bench.judge.recommend import Recommendation
from edgecnn.bench.report.device_facts import board_of
from edgecnn.bench.report.figures import figures_of
from edgecnn.bench.results import ArtifactBench, DeviceBench, ThreadBench
from edgecnn.errors import RowError
from edgecnn.files import write_whole
from edgecnn.report.csv import table_text

COLUMNS: Final[Mapping[str, str]] = {
    "device": "its address; local for the workstation",
    "board": "from its device tree",
    "processor": "its name",
    "architecture": "such as aarch64",
    "cores": "how many",
    "governors": "of its cores before, each kind once, with spaces between",
    "system": "operating system",
    "kernel": "its name and version",
    "python": "version",
    "model": "its name",
    "variant": "format and precision",
    "file": "its name",
    "sha256": "digest of the file",
    "runtime": "package and version that ran it",
    "kernels": "whose kernels computed, as the runtime tells",
    "threads": "number of threads",
    "chosen": "1 for the best number of threads of the artifact, else 0",
    "recommended": "1 for what to ship on this device, else 0",
    "front": "1 if it is on the Pareto front at its best number of threads, else 0",
    "verdict": "of its verification; empty if it was not verified",
    "accuracy": "share of test images, 0..1",
    "runs": "counted runs",
    "turns": "that they were taken in",
    "min_ns": "fastest run",
    "median_ns": "50 % of the runs do not exceed it",
    "p90_ns": "90 % of the runs do not exceed it",
    "p99_ns": "99 % of the runs do not exceed it",
    "max_ns": "slowest run",
    "mad_ns": "median absolute deviation from the median",
    "first_ns": "first inference of a fresh process",
    "load_ns": "reading, checking and loading the file",
    "start_median_ns": "from the start of a process to its first result",
    "decode_median_ns": "decoding an encoded image of a camera's size",
    "preprocess_median_ns": "from decoded pixels to the model's input",
    "peak_memory_bytes": "the most memory that such a process had resident",
    "file_bytes": "size of the file",
    "macs": "multiply-accumulates of one inference",
    "fed": "what it was fed at random, where it carries no contract; empty of other files",
    "macs_per_second": "achieved at the median",
    "warmup_runs": "before the first counted run",
    "warmup_stable": "1 if times had become stable before counting, else 0",
    "warnings": "what makes the device's figures doubtful",
    "invalid": "why the device's figures must not be used; empty where they may",
    "error": "why there are no figures; empty where there are",
}
"""Column to what it holds; empty cells are unknown. Units are in the names."""


def write_csv(path: Path, judged: JudgedBench) -> None:
    """Write ``csv_text``.

    Raises:
        WorkspaceError: If it cannot be written; what was there before stays then.
    """
    write_whole(path, csv_text(judged), option="--csv")


def csv_text(judged: JudgedBench) -> str:
    """Return a bench as CSV with a header (RFC 4180, but for line ends of one character).

    Text that a spreadsheet would take for a formula gets an apostrophe before it.
    """
    return table_text(list(COLUMNS), csv_rows(judged))


def csv_rows(judged: JudgedBench) -> Iterator[dict[str, Any]]:
    """Yield rows by column: a device or an artifact without figures has one with its error."""
    for device, recommendation in zip(judged.report.devices, judged.recommendations, strict=True):
        known = _of_device(device)
        if not device.rows:
            yield {**known, "error": _error(device.error)}
        for index, row in enumerate(device.rows):
            about = {**known, **_of_row(row)}
            measured = [one for one in row.by_threads if one.samples_ns]
            for bench in measured:
                yield {**about, **_of_times(row, bench), **_judged(index, bench, recommendation)}
            if not measured:
                yield {**about, "error": _error(row.error or device.error) or "not measured"}


def _of_device(device: DeviceBench) -> dict[str, Any]:
    machine, conditions = device.machine, device.conditions
    before: Mapping[str, Any] = {} if conditions is None else conditions.before
    return {
        "device": device.device,
        "board": board_of(device),
        "processor": before.get("processor") or machine.get("processor"),
        "architecture": machine.get("architecture"),
        "cores": before.get("cores") or machine.get("cores"),
        "governors": " ".join(dict.fromkeys(before.get("governors") or ())),
        "system": device.system,
        "kernel": machine.get("system"),
        "python": machine.get("python"),
        "warnings": "" if conditions is None else "; ".join(conditions.warnings),
        "invalid": None if conditions is None else conditions.invalid,
    }


def _of_row(row: ArtifactBench) -> dict[str, Any]:
    return {
        "model": row.model,
        "variant": row.variant,
        "file": row.file,
        "sha256": row.sha256,
        "runtime": row.runtime,
        "verdict": row.verdict,
        "accuracy": row.accuracy,
        "file_bytes": row.bytes,
        "macs": row.macs,
        "fed": row.fed_text,
    }


def _of_times(row: ArtifactBench, bench: ThreadBench) -> dict[str, Any]:
    figures = figures_of(row, bench)
    times = figures.times
    return {
        "kernels": bench.kernels,
        "threads": bench.threads,
        "chosen": int(bench.threads == row.chosen),
        "runs": times.n,
        "turns": sum(bool(turn) for turn in bench.turns),
        "min_ns": times.min_ns,
        "median_ns": times.median_ns,
        "p90_ns": times.p90_ns,
        "p99_ns": times.p99_ns,
        "max_ns": max(bench.samples_ns),
        "mad_ns": times.mad_ns,
        "first_ns": bench.first_ns,
        "load_ns": bench.load_ns,
        "start_median_ns": figures.starts_ns,
        "decode_median_ns": figures.decode_ns,
        "preprocess_median_ns": figures.preprocess_ns,
        "peak_memory_bytes": bench.peak_memory_bytes,
        "macs_per_second": figures.macs_per_second,
        "warmup_runs": bench.warmup,
        "warmup_stable": int(bench.stable),
    }


def _judged(index: int, bench: ThreadBench, recommendation: Recommendation) -> dict[str, int]:
    candidate = next((one for one in recommendation.candidates if one.row == index), None)
    here = candidate is not None and candidate.threads == bench.threads
    return {
        "recommended": int(here and recommendation.chosen == index),
        "front": int(here and candidate is not None and candidate.on_front),
    }


def _error(error: RowError | None) -> str:
    if error is None:
        return ""
    return f"{error.problem} ({error.observed})" if error.observed else error.problem

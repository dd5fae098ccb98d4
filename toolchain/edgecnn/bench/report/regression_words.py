"""What changed since an earlier bench, in words: at the terminal, in pages and in Markdown."""

from __future__ import annotations

from typing import Final

from edgecnn.bench.judge.regressions import EVERYTHING, Gate, GateRow, Measure, MeasureName
from edgecnn.bench.report.words import duration_text, ratio_text, times_text
from edgecnn_runner.quantities import size_text

__all__ = ["gate_headline", "measure_sentence", "row_sentence", "row_title"]

_NAMES: Final[dict[MeasureName, str]] = {
    "latency": "latency",
    "p90": "90th percentile",
    "memory": "peak memory",
    "size": "size",
}


def gate_headline(gate: Gate) -> str:
    """Say in one sentence whether anything got worse."""
    if gate.regressions:
        names = ", ".join(dict.fromkeys(row_title(row, threads=False) for row in gate.regressions))
        return f"Worse than in {gate.source}: {names}."
    if gate.incomparable:
        names = ", ".join(dict.fromkeys(row_title(row, threads=False) for row in gate.incomparable))
        return f"Not comparable with {gate.source}: {names}."
    if not any(row.measures for row in gate.rows):
        return f"Nothing to compare with {gate.source}."
    return (
        f"Nothing got worse by more than {gate.max_regression * 100:g} % since {gate.source}, "
        "beyond its interval."
    )


def row_title(row: GateRow, *, threads: bool = True) -> str:
    """Name a row: ``tflite-int8 with litert, 2 threads, on local``."""
    parts = [row.name]
    if threads and row.threads is not None:
        parts.append("1 thread" if row.threads == 1 else f"{row.threads} threads")
    return f"{', '.join(parts)}{',' if len(parts) > 1 else ''} on {row.device}"


def row_sentence(row: GateRow) -> str:
    """Say what became of one row."""
    title = row_title(row)
    if row.outcome == "new":
        return f"{title}: new."
    if row.outcome == "missing":
        verb = "missing" if row.name != EVERYTHING else "no figures"
        return f"{title}: {verb}; {row.reason}."
    told = [one for one in row.measures if one.outcome != "kept"] or list(row.measures)
    parts = [measure_sentence(one) for one in told if one.outcome != "not comparable"]
    if row.outcome == "not comparable":
        parts.insert(0, f"not comparable: {row.reason}")
    return f"{title}: {'; '.join([*parts, *row.changes])}."


def measure_sentence(measure: Measure) -> str:
    """Say what became of one figure: ``latency 88.0 µs before, now 97.1 µs, 1.10 times (...)``."""
    text = duration_text if measure.name in ("latency", "p90") else size_text
    name = _NAMES[measure.name]
    if measure.before == measure.now:
        return f"{name} {text(measure.now)} as before"
    times = (
        f"{times_text(measure.ratio.value)} times"
        if measure.name in ("memory", "size")
        else ratio_text(measure.ratio)
    )
    sentence = f"{name} {text(measure.before)} before, now {text(measure.now)}, {times}"
    if measure.outcome == "undecided":
        sentence += ", which may be noise"
    return sentence

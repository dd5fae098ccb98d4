"""A bench as Markdown, for the description of a pull request or a job's summary."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from edgecnn.bench.judge.gate import Gate
from edgecnn.bench.judge.judgement import JudgedBench
from edgecnn.bench.judge.recommend import Recommendation
from edgecnn.bench.report.device_facts import device_facts, device_title
from edgecnn.bench.report.figures import RowFigures, rows_by_latency, runtime_text
from edgecnn.bench.report.page import page_headline
from edgecnn.bench.report.words import (
    gate_headline,
    headline,
    loss_sentence,
    row_sentence,
    warning_sentences,
)
from edgecnn.bench.results import DeviceBench
from edgecnn.files import write_whole
from edgecnn.report import markdown_row, markdown_text
from edgecnn.report.text import (
    DASH,
    duration_text,
    points_text,
    rate_text,
    size_text,
)

_SIGNS: Final = {
    "PASS": "✅ PASS",
    "FAIL": "❌ FAIL",
    "ERROR": "❌ ERROR",
    "INCONCLUSIVE": "❔ INCONCLUSIVE",
}
_OUTCOMES: Final = {
    "regression": "❌",
    "missing": "❌",
    "undecided": "❔",
    "not comparable": "❔",
    "new": "🆕",
}


def write_bench_markdown(path: Path, judged: JudgedBench) -> None:
    """Write ``bench_markdown``.

    Raises:
        WorkspaceError: If it cannot be written; what was there before stays then.
    """
    write_whole(path, bench_markdown(judged), option="--markdown")


def bench_markdown(judged: JudgedBench) -> str:
    """Return a bench as GitHub-flavoured Markdown: recommendations, doubts, tables, regressions.

    Names are escaped; nothing in it links to anything or mentions anybody.
    """
    report = judged.report
    lines = [f"## Bench: {markdown_text(page_headline(judged))}", ""]
    if judged.gate is not None:
        lines += _regressions(judged.gate)
    several = len(report.devices) > 1
    for device, recommendation in zip(report.devices, judged.recommendations, strict=True):
        lines += _device(device, recommendation, several=several)
    settings = report.settings
    versions = ", ".join(f"{name} {version}" for name, version in report.versions.items())
    about = (
        f"{report.created}; at least {settings.runs} runs and {settings.seconds:g} s of each, "
        f"in turns; {versions}"
    )
    return "\n".join([*lines, f"<sub>{markdown_text(about)}</sub>"]) + "\n"


def _regressions(gate: Gate) -> list[str]:
    sign = "❌" if gate.regressions else "❔" if gate.incomparable else "✅"
    lines = [f"### {sign} {markdown_text(gate_headline(gate))}", ""]
    changed = [row for row in gate.rows if row.outcome != "kept"]
    lines += [f"- {_OUTCOMES[row.outcome]} {markdown_text(row_sentence(row))}" for row in changed]
    return [*lines, ""] if changed else lines


def _device(device: DeviceBench, recommendation: Recommendation, *, several: bool) -> list[str]:
    lines = [f"### {markdown_text(device_title(device))}", ""]
    if several:
        lines += [markdown_text(headline(recommendation)), ""]
    conditions = device.conditions
    if conditions is not None and conditions.invalid is not None:
        lines += [f"- ❌ **Invalid:** {markdown_text(conditions.invalid)}"]
    for warning in () if conditions is None else conditions.warnings:
        lines += [f"- ⚠️ {markdown_text(warning)}"]
    lines += [f"- ⚠️ {markdown_text(one)}" for one in warning_sentences(recommendation)]
    if lines[-1]:
        lines += [""]
    if device.error is not None:
        observed = f" ({device.error.observed})" if device.error.observed else ""
        lines += [
            f"❌ {markdown_text(device.error.problem + observed)}. "
            f"Remedy: {markdown_text(device.error.remedy)}",
            "",
        ]
    rows = rows_by_latency(device)
    if rows:
        lines += _artifacts(rows, recommendation)
        lines += _more(device, rows, recommendation)
    return lines


def _artifacts(rows: list[RowFigures], recommendation: Recommendation) -> list[str]:
    headings = (
        "artifact", "runtime", "threads", "median", "p90", "p99", "memory", "size", "accuracy, %",
        "verdict",
    )  # fmt: skip
    lines = [
        markdown_row(headings),
        markdown_row(["---", "---", *["---:"] * 7, "---"]),
        *(_artifact(one, recommendation) for one in rows),
        "",
    ]
    for one in rows:
        if one.row.fed_text:
            lines += [f"**{markdown_text(one.label)}**: {markdown_text(one.row.fed_text)}", ""]
        if one.figures is None:
            error = one.row.error
            why = "not measured" if error is None else f"{error.problem}. Remedy: {error.remedy}"
            lines += [f"**{markdown_text(one.label)}**: {markdown_text(why)}", ""]
    return lines


def _artifact(one: RowFigures, recommendation: Recommendation) -> str:
    row, best = one.row, one.row.best
    name = markdown_text(one.label)
    if one.index == recommendation.chosen:
        name = f"**{name}** ⭐"
    verdict = _SIGNS.get(row.verdict or "", "not verified")
    ends = [size_text(row.bytes), points_text(row.accuracy), verdict]
    runtime = markdown_text(runtime_text(row))
    if one.figures is None or best is None:
        return markdown_row([name, runtime, *[DASH] * 5, *ends])
    times = one.figures.times
    memory = best.peak_memory_bytes
    return markdown_row(
        [
            name,
            runtime,
            str(row.chosen),
            duration_text(times.median_ns),
            duration_text(times.p90_ns),
            duration_text(times.p99_ns),
            DASH if memory is None else size_text(memory),
            *ends,
        ]
    )


def _more(device: DeviceBench, rows: list[RowFigures], recommendation: Recommendation) -> list[str]:
    """Return what is folded: why the others lost, further figures, the device."""
    labels = {one.index: one.label for one in rows}
    lines = ["<details><summary>Why not the others, more figures, device</summary>", ""]
    for one in recommendation.candidates:
        if one.row != recommendation.chosen:
            why = loss_sentence(recommendation, one)
            lines += [f"- **{markdown_text(labels[one.row])}**: {markdown_text(why)}"]
    for left in recommendation.left_out:
        name, why = markdown_text(labels[left.row]), markdown_text(left.reason)
        lines += [f"- **{name}**: no candidate, {why}"]
    headings = ("artifact", "min", "MAD", "first", "load", "start", "GMAC/s", "kernels")
    lines += ["", markdown_row(headings), markdown_row(["---", *["---:"] * 6, "---"])]
    for row in rows:
        best = row.row.best
        if row.figures is not None and best is not None:
            cells = (
                duration_text(row.figures.times.min_ns),
                duration_text(row.figures.times.mad_ns),
                duration_text(best.first_ns),
                duration_text(best.load_ns),
                duration_text(row.figures.starts_ns),
                rate_text(row.figures.macs_per_second),
                markdown_text(best.kernels),
            )
            lines += [markdown_row([markdown_text(row.label), *cells])]
    facts = "; ".join(f"{name}: {value}" for name, value in device_facts(device))
    return [*lines, "", markdown_text(facts), "", "</details>", ""]

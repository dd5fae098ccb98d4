"""``bench.html``: one self-contained page, what to ship first.

No scripts, no external resources; addresses, names of files and of models are user data and are
escaped. Raw times are in ``bench.json``; the page has what is drawn of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from edgecnn.bench.judge.judgement import JudgedBench
from edgecnn.bench.judge.recommend import Recommendation
from edgecnn.bench.report.device_facts import device_facts, device_title
from edgecnn.bench.report.distribution_chart import distribution_chart
from edgecnn.bench.report.figures import RowFigures, rows_by_latency, runtime_text, threads_text
from edgecnn.bench.report.pareto_chart import HEIGHT_PX, pareto_chart
from edgecnn.bench.report.profile_view import profile_view
from edgecnn.bench.report.sustained_chart import sustained_chart
from edgecnn.bench.report.words import (
    gate_headline,
    headline,
    limits_text,
    loss_sentence,
    row_sentence,
    warning_sentences,
)
from edgecnn.bench.results import BenchReport, DeviceBench
from edgecnn.report import Scale, page_environment
from edgecnn.report.text import TimeUnit, time_unit

if TYPE_CHECKING:
    from jinja2 import Environment

_MOST_OPEN: Final = 8
"""Reasons shown at once; more of them are folded."""


def render_page(judged: JudgedBench) -> str:
    """Return the page as HTML.

    Args:
        judged: What to show.
    """
    report = judged.report
    views = [
        _view(device, recommendation)
        for device, recommendation in zip(report.devices, judged.recommendations, strict=True)
    ]
    return (
        _environment()
        .get_template("bench.html.j2")
        .render(
            report=report,
            views=views,
            gate=judged.gate,
            summary=page_headline(judged),
            models=_models(report),
            files=_files(report),
        )
    )


def page_headline(judged: JudgedBench) -> str:
    """Say what the report comes to, in one sentence: what to ship where there is one device."""
    recommendations = judged.recommendations
    if len(recommendations) == 1:
        return headline(recommendations[0])
    chosen = sum(one.choice is not None for one in recommendations)
    total = len(recommendations)
    if chosen == total:
        return f"There is a recommendation for each of {total} devices."
    return f"There is a recommendation for {chosen} of {total} devices."


def _environment() -> Environment:
    environment = page_environment("edgecnn.bench")
    environment.filters["threads"] = threads_text
    environment.globals |= {
        "gate_headline": gate_headline,
        "headline": headline,
        "limits_text": limits_text,
        "row_sentence": row_sentence,
        "runtime_text": runtime_text,
    }
    return environment


def _view(
    device: DeviceBench, recommendation: Recommendation
) -> dict[str, Any]:  # template variables are of any type
    """Prepare what the template shows of one device."""
    rows = rows_by_latency(device)
    measured = [one for one in rows if one.figures is not None]
    front = {one.row for one in recommendation.front}
    choice = recommendation.choice
    chosen = None if choice is None else choice.row
    slowest = max((one.measured.times.p90_ns for one in measured), default=1)
    candidates = {one.row: one for one in recommendation.candidates}
    reasons = {one.row: one.reason for one in recommendation.left_out}
    return {
        "device": device,
        "title": device_title(device),
        "recommendation": recommendation,
        "facts": device_facts(device) if device.machine or device.conditions else [],
        "notes": warning_sentences(recommendation),
        "rows": rows,
        "measured": measured,
        "failed": [one for one in rows if one.figures is None],
        "chosen": chosen,
        "front": front,
        "losses": [
            (one, loss_sentence(recommendation, candidates[one.index]))
            for one in rows
            if one.index in candidates and one.index != chosen
        ],
        "left_out": [(one, reasons[one.index]) for one in measured if one.index in reasons],
        "fold": len(rows) > _MOST_OPEN,
        "unit": _unit(measured),
        "scale": Scale(low=0, high=float(slowest)),
        "distribution": distribution_chart(rows),
        "pareto": pareto_chart(rows, front=front, chosen=chosen),
        "pareto_height": HEIGHT_PX,
        "threads": _threads(measured),
        "sustained": sustained_chart(device.sustained),
        "profiles": [
            profile_view(row.profile, device=device.device, file=row.file)
            for row in device.rows
            if row.profile is not None
        ],
    }


def _unit(measured: Sequence[RowFigures]) -> TimeUnit:
    return time_unit([one.measured.times.median_ns for one in measured])


def _threads(measured: Sequence[RowFigures]) -> dict[str, Any] | None:
    """Return columns of the comparison of threads; None where nothing is to be compared."""
    counts = sorted({threads for one in measured for threads, _ in one.by_threads})
    if len(counts) < 2:
        return None
    slowest = {
        one.index: max(figures.times.p90_ns for _, figures in one.by_threads) for one in measured
    }
    return {
        "counts": counts,
        "rows": [
            {
                "row": one,
                "cells": [dict(one.by_threads).get(count) for count in counts],
                "scale": Scale(low=0, high=float(slowest[one.index])),
            }
            for one in measured
        ],
    }


def _models(report: BenchReport) -> list[str]:
    names = dict.fromkeys(row.model for device in report.devices for row in device.rows)
    return [name for name in names if name]


def _files(report: BenchReport) -> list[tuple[str, str]]:
    found = {(row.file, row.sha256): None for device in report.devices for row in device.rows}
    return [(file, digest) for file, digest in found if digest]

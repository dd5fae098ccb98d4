"""``training.html``: one self-contained page of what a training came to, the next step first.

No scripts, no external resources; names of classes and files are user data and are escaped.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from edgecnn.report import LogScale, Scale, page_environment
from edgecnn.report.matrix import Cell, confusion_grid, most_confused
from edgecnn.report.text import count_text, number_text, points_text
from edgecnn.report.thumbnails import BUDGET_BYTES, PictureBudget
from edgecnn.train.report.results import TrainingReport
from edgecnn_runner.postprocess import MANY_CLASSES

MOST_CONFUSIONS: Final = 20
"""Kinds of mistake listed where there are too many classes for a confusion matrix."""
MOST_MISTAKES: Final = 36
MOST_ROWS: Final = 60
MOST_LABELS: Final = 24


@dataclass(frozen=True, kw_only=True)
class _Chart:
    """Lines in a plane; places in percent."""

    lines: list[tuple[str, str]]
    dots: list[tuple[float, float, str]]
    x_ticks: list[tuple[float, str]]
    y_ticks: list[tuple[float, str]]


def render_training(
    report: TrainingReport, test: npt.NDArray[np.uint8], learnt: npt.NDArray[np.uint8]
) -> str:
    """Return the page as HTML.

    Args:
        report: What to show.
        test: The test images, shape (n, height, width, channels).
        learnt: Those for training and for validation, likewise; where labels are doubtful.
    """
    draw = len(report.class_names) <= MANY_CLASSES
    grid: list[list[Cell]] = []
    if draw:
        grid = confusion_grid(report.confusion, len(report.class_names))
    kinds = most_confused(report.confusion)
    rows = [one for one in report.classes if one.recall is not None]
    rows = sorted(rows, key=lambda one: (one.recall.share if one.recall else 0.0, one.index))
    pictures = PictureBudget(BUDGET_BYTES)
    return (
        page_environment("edgecnn.train")
        .get_template("training.html.j2")
        .render(
            report=report,
            rows=rows[:MOST_ROWS],
            grid=grid,
            kinds=[] if draw else kinds[:MOST_CONFUSIONS],
            kinds_in_all=len(kinds),
            labels=pictures.shown(
                report.doubtful_labels[:MOST_LABELS], lambda one: learnt[one.index]
            ),
            mistakes=pictures.shown(report.mistakes[:MOST_MISTAKES], lambda one: test[one.index]),
            uncertain=pictures.shown(report.uncertain, lambda one: test[one.index]),
            pixelated=max(test.shape[1:3]) <= 64,
            history=_history(report),
            curve=_curve(report),
            files=[],
        )
    )


def _history(report: TrainingReport) -> list[tuple[str, _Chart, str]]:
    """Return the drawings of loss and accuracy over the epochs; none without epochs."""
    rows = report.history
    if len(rows) < 2:
        return []
    epochs = Scale(low=rows[0].epoch, high=rows[-1].epoch)
    found = []
    for name, learnt, validation, percent in (
        ("Loss", [row.loss for row in rows], [row.val_loss for row in rows], False),
        ("Accuracy", [row.accuracy for row in rows], [row.val_accuracy for row in rows], True),
    ):
        known = [one for one in (*learnt, *validation) if one is not None]
        low, high = min(known), max(known)
        axis = Scale(low=low if percent else 0.0, high=max(high, low + 1e-3))
        lines = [("whole", _points(epochs, axis, _known(learnt, report)))]
        if any(one is not None for one in validation):
            lines.insert(0, ("half", _points(epochs, axis, _known(validation, report))))
        ticks = [
            (axis.height(one), f"{points_text(one, 0)} %" if percent else number_text(one, 2))
            for one in axis.ticks()
        ]
        last = learnt[-1]
        told = f"{points_text(last, 1)} %" if percent else number_text(last, 3)
        places = [(epochs.place(one), f"{one:g}") for one in epochs.ticks()]
        chart = _Chart(lines=lines, dots=[], x_ticks=places, y_ticks=ticks)
        found.append((name, chart, told))
    return found


def _known(values: Sequence[float | None], report: TrainingReport) -> list[tuple[float, float]]:
    """Return epochs with their values, without those that have none."""
    return [
        (row.epoch, value)
        for row, value in zip(report.history, values, strict=True)
        if value is not None
    ]


def _points(x: Scale, y: Scale, values: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x.place(one)},{y.height(value)}" for one, value in values)


def _curve(report: TrainingReport) -> _Chart | None:
    """Return the drawing of the learning curve, with what twice as many photos would bring."""
    curve = report.curve
    if curve is None:
        return None
    points = [(one.photos, one.accuracy) for one in curve.points]
    last = points[-1]
    doubled = (2 * last[0], last[1] + curve.gain)
    photos = LogScale.around([points[0][0], doubled[0]])
    values = [one for _, one in (*points, doubled)]
    room = max(0.05, max(values) - min(values)) * 0.15
    share = Scale(low=max(0.0, min(values) - room), high=min(1.0, max(values) + room))
    return _Chart(
        lines=[
            ("half", " ".join(f"{photos.place(a)},{share.height(b)}" for a, b in (last, doubled))),
            ("whole", " ".join(f"{photos.place(a)},{share.height(b)}" for a, b in points)),
        ],
        dots=[
            (
                photos.place(a),
                share.height(b),
                f"{count_text(round(a))} photos: {points_text(b, 1)} %",
            )
            for a, b in (*points, doubled)
        ],
        x_ticks=[(photos.place(a), count_text(round(a))) for a, _ in (*points, doubled)],
        y_ticks=[(share.height(one), f"{points_text(one, 0)} %") for one in share.ticks()],
    )

"""The page of ``edgecnn evaluate``: accuracy, classes, and mistakes with their pictures.

One self-contained file without scripts, as the parity page; names are user data and are escaped.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from edgecnn.report import page_environment
from edgecnn.report.matrix import Cell, confusion_grid, most_confused
from edgecnn.report.thumbnails import BUDGET_BYTES, PictureBudget
from edgecnn.verify.evaluate import EvaluateReport
from edgecnn_runner.postprocess import MANY_CLASSES

MOST_PICTURES: Final = 60
"""Mistakes that are shown; the most confident."""
MOST_ROWS: Final = 60
"""Classes in the table; with more, those with the lowest recall."""
MOST_CONFUSIONS: Final = 20
"""Kinds of mistake listed where there are too many classes for a confusion matrix."""


def render_evaluation(report: EvaluateReport, pixels: npt.NDArray[np.uint8]) -> str:
    """Return the page as HTML.

    Args:
        report: What to show.
        pixels: The photos as the model got them, shape (n, height, width, channels).
    """
    rows = [one for one in report.classes if one.recall is not None]
    if len(rows) > MOST_ROWS:
        rows = sorted(rows, key=lambda one: (one.recall.share if one.recall else 0.0, one.index))
        rows = rows[:MOST_ROWS]
    draw = len(report.class_names) <= MANY_CLASSES
    grid: list[list[Cell]] = []
    if draw:
        grid = confusion_grid(report.confusion, len(report.class_names))
    kinds = most_confused(report.confusion)
    return (
        page_environment("edgecnn.verify")
        .get_template("evaluate.html.j2")
        .render(
            report=report,
            rows=rows,
            grid=grid,
            kinds=kinds[:MOST_CONFUSIONS],
            kinds_in_all=len(kinds),
            shown=PictureBudget(BUDGET_BYTES).shown(
                report.mistakes[:MOST_PICTURES], lambda one: pixels[one.index]
            ),
            pixelated=max(pixels.shape[1:3]) <= 64,
            error=report.error(),
            files=[(report.model, report.sha256), ("Photos", report.images_sha256)],
        )
    )

"""The page of ``edgecnn evaluate``: accuracy, classes, and mistakes with their pictures.

One self-contained file without scripts, as the parity page; names are user data and are escaped.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from edgecnn.report import page_environment
from edgecnn.report.matrix import Cell, confusion_grid
from edgecnn.report.thumbnails import BUDGET_BYTES, PictureBudget
from edgecnn.verify.evaluate import EvaluateReport

MOST_PICTURES: Final = 60
"""Mistakes that are shown; the most confident."""
MOST_ROWS: Final = 60
"""Classes in the table; with more, those with the lowest recall."""
MOST_MATRIX_CLASSES: Final = 20
"""Classes up to which the confusion matrix is drawn."""
MOST_CONFUSIONS: Final = 20
"""Rows of the list that stands in its place."""


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
    draw = len(report.class_names) <= MOST_MATRIX_CLASSES
    grid: list[list[Cell]] = []
    if draw:
        grid = confusion_grid(report.confusion, len(report.class_names))
    confusions = sorted(
        (cell for cell in report.confusion if cell[0] != cell[1]),
        key=lambda cell: (-cell[2], cell[0], cell[1]),
    )
    return (
        page_environment("edgecnn.verify")
        .get_template("evaluate.html.j2")
        .render(
            report=report,
            rows=rows,
            grid=grid,
            confusions=[] if draw else confusions[:MOST_CONFUSIONS],
            shown=PictureBudget(BUDGET_BYTES).shown(
                report.mistakes[:MOST_PICTURES], lambda one: pixels[one.index]
            ),
            pixelated=max(pixels.shape[1:3]) <= 64,
            error=report.error(),
            files=[(report.model, report.sha256), ("Photos", report.images_sha256)],
        )
    )

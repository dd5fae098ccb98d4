"""The page of ``edgecnn evaluate``: accuracy, classes, and mistakes with their pictures.

One self-contained file without scripts, as the parity page; names are user data and are escaped.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from edgecnn.build.answers import Mistake
from edgecnn.report import page_environment
from edgecnn.report.matrix import Cell, confusion_grid
from edgecnn.report.thumbnails import data_uri
from edgecnn.verify.evaluate import EvaluateReport

MOST_PICTURES: Final = 60
"""Mistakes that are shown; the most confident."""
MOST_ROWS: Final = 60
"""Classes in the table; with more, those with the lowest recall."""
MOST_MATRIX_CLASSES: Final = 20
"""Classes up to which the confusion matrix is drawn."""
MOST_CONFUSIONS: Final = 20
"""Rows of the list that stands in its place."""
BUDGET_BYTES: Final = 1_600_000
"""For all pictures together, so that the page stays under 3 MB."""


@dataclass(frozen=True, kw_only=True)
class ShownMistake:
    """A mistake with its picture.

    Attributes:
        mistake: It.
        uri: The picture as the model saw it, as a data URI.
    """

    mistake: Mistake
    uri: str


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
            shown=_shown(report, pixels),
            pixelated=max(pixels.shape[1:3]) <= 64,
            error=report.error(),
            files=[(report.model, report.sha256), ("Photos", report.images_sha256)],
        )
    )


def _shown(report: EvaluateReport, pixels: npt.NDArray[np.uint8]) -> list[ShownMistake]:
    found: list[ShownMistake] = []
    budget = BUDGET_BYTES
    for mistake in report.mistakes[:MOST_PICTURES]:
        uri = data_uri(pixels[mistake.index])
        budget -= len(uri)
        if budget < 0:
            break
        found.append(ShownMistake(mistake=mistake, uri=uri))
    return found

"""What the report shows of corruptions: cells of a table, and an example image of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from edgecnn.verify.corruptions.conditions import Condition, CorruptionResults
from edgecnn.verify.corruptions.images import KIND_TITLES, KINDS, SEVERITIES, constants, corrupt
from edgecnn.verify.report.thumbnails import data_uri, shrink
from edgecnn.verify.results import ParityReport

_EXAMPLE_SIDE: Final = 64
"""Pixels of an example's side: eighteen of them, most full of noise, have to stay small."""
_FULL_SHADE_POINTS: Final = 5.0
"""Drop that is drawn darkest where there is no limit, percentage points."""

_STRENGTHS: Final = {
    "noise": "deviation {:.2g} of the range",
    "blur": "deviation {:.2g} pixels",
    "brightness": "{:.2g} of the range added",
    "contrast": "{:.2g} of it is left",
    "jpeg": "quality {:.0f}",
    "low_light": "1/{:.0f} of the light",
}


@dataclass(frozen=True, kw_only=True)
class CorruptionCell:
    """One condition of one artifact.

    Attributes:
        condition: What was found.
        before: Accuracy of the float model, a share.
        after: The artifact's.
        shade: How dark it is, 0..1.
    """

    condition: Condition
    before: float
    after: float
    shade: float


@dataclass(frozen=True, kw_only=True)
class CorruptionRow:
    """One kind of corruption in one artifact.

    Attributes:
        title: The kind in words.
        cells: By severity.
    """

    title: str
    cells: list[CorruptionCell]


@dataclass(frozen=True, kw_only=True)
class CorruptionExamples:
    """One image under every condition.

    Attributes:
        name: Its name in the data set.
        clean: It as it is, a data URI.
        rows: Kind in words; data URI and strength in words, by severity.
    """

    name: str
    clean: str
    rows: list[tuple[str, list[tuple[str, str]]]]


def corruption_cells(
    corruptions: CorruptionResults | None, limits: Mapping[str, float]
) -> list[CorruptionRow]:
    """Return an artifact's conditions as rows of cells; none where it was not asked."""
    if corruptions is None:
        return []
    full = limits.get("max_corruption_drop", _FULL_SHADE_POINTS) / 100
    return [
        CorruptionRow(
            title=KIND_TITLES[kind],
            cells=[_cell(one, full) for one in corruptions.conditions if one.kind == kind],
        )
        for kind in KINDS
    ]


def corruption_examples(
    report: ParityReport, pixels: npt.NDArray[np.uint8]
) -> CorruptionExamples | None:
    """Return one evaluation image under every condition; None where none was corrupted.

    Args:
        report: What was found.
        pixels: The evaluation images, shape (n, height, width, channels).
    """
    about = report.corrupted
    if about is None:
        return None
    image = pixels[about.example]
    rows = []
    for kind in KINDS:
        strengths = constants(kind, min(image.shape[:2]))
        made = []
        for severity in SEVERITIES:
            seen = corrupt(
                image, name=about.example_id, kind=kind, severity=severity, seed=about.seed
            )
            strength = strengths[severity - 1]
            words = _STRENGTHS[kind].format(2**strength if kind == "low_light" else strength)
            made.append((data_uri(shrink(seen, _EXAMPLE_SIDE)), words))
        rows.append((KIND_TITLES[kind], made))
    clean = data_uri(shrink(image, _EXAMPLE_SIDE))
    return CorruptionExamples(name=about.example_id, clean=clean, rows=rows)


def _cell(one: Condition, full: float) -> CorruptionCell:
    shares = one.shares()
    return CorruptionCell(
        condition=one,
        before=shares["reference_accuracy"]["share"],
        after=shares["accuracy"]["share"],
        shade=round(min(1.0, max(0.0, one.paired.drop / full)), 3),
    )

"""Corruptions for people: sentences, the terminal's table, and the page's cells and examples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from edgecnn.report.text import interval_text, level_text, percent_text, points_text
from edgecnn.report.thumbnails import data_uri, shrink
from edgecnn.verify.corruptions.conditions import Condition, CorruptionResults
from edgecnn.verify.corruptions.images import (
    KIND_TITLES,
    KINDS,
    SEVERITIES,
    Kind,
    constants,
    corrupt,
)
from edgecnn.verify.results import ParityReport

if TYPE_CHECKING:
    from rich.table import Table

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

_STYLES = {"missed": "bold red", "undecided": "yellow", "met": "", None: ""}


def condition_sentence(one: Condition) -> str:
    """Say how an artifact does under one corruption, with its numbers."""
    shares = one.shares()
    before, after = (shares[key]["share"] for key in ("reference_accuracy", "accuracy"))
    judged = "" if one.outcome is None else f": {one.outcome}"
    return (
        f"{one.name}: accuracy {percent_text(before)} \u2192 {percent_text(after)}, a drop of "
        f"{points_text(one.paired.drop)} points, {level_text(one.level)} interval "
        f"{interval_text(one.low, one.high)}{judged}"
    )


def worst_sentence(corruptions: CorruptionResults) -> str:
    """Say under which corruption an artifact loses most against the float model."""
    worst = corruptions.worst
    if worst.paired.drop <= 0 and worst.outcome in ("met", None):
        return "no corruption costs it more accuracy than the float model"
    return f"worst under {condition_sentence(worst)}"


def stand_in_sentence(corruptions: CorruptionResults) -> str:
    """Say what answered for the float model, and how far it is from it."""
    one = corruptions.stand_in
    same = "the same answers" if not one.disagreements else f"{one.disagreements} other answers"
    return (
        f"{one.file} ({one.runtime}) stands in for the float model: on {one.images:,} clean "
        f"images {same}, no score further than {one.max_score_change:.1g} away"
    )


def render_corruptions(report: ParityReport) -> Table | None:
    """Return a table for a terminal: the largest drop of each kind; None where none was asked.

    What stands below is each artifact's worst condition.
    """
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    rows = [(row, row.corruptions) for row in report.rows if row.corruptions is not None]
    if report.corrupted is None or not rows:
        return None
    said: dict[str, list[str]] = {}
    for row, found in rows:
        said.setdefault(worst_sentence(found), []).append(row.variant)
    notes = [f"{', '.join(variants)}: {sentence}." for sentence, variants in said.items()]
    notes += [f"{one}." for one in dict.fromkeys(stand_in_sentence(found) for _, found in rows)]
    table = Table(
        box=SIMPLE_HEAD,
        pad_edge=False,
        padding=(0, 1, 0, 0),
        header_style="bold",
        title=Text(
            f"{report.corrupted.images:,} images under corruption: the largest accuracy drop of "
            "three severities, points"
        ),
        title_justify="left",
        title_style="",
        caption=Text("\n".join(notes)),
        caption_justify="left",
    )
    table.add_column("variant", overflow="fold")
    for kind in KINDS:
        table.add_column(KIND_TITLES[kind].replace(" ", "\n"), justify="right", no_wrap=True)
    for row, found in rows:
        worst = [_worst_of(found, kind) for kind in KINDS]
        table.add_row(
            row.variant,
            *(Text(points_text(one.paired.drop), style=_STYLES[one.outcome]) for one in worst),
        )
    return table


def _worst_of(corruptions: CorruptionResults, kind: Kind) -> Condition:
    return CorruptionResults(
        stand_in=corruptions.stand_in,
        conditions=tuple(one for one in corruptions.conditions if one.kind == kind),
    ).worst


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

"""Corruptions for the terminal: one table for all artifacts, and the worst condition in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgecnn.report.text import interval_text, level_text, percent_text, points_text
from edgecnn.verify.corruptions.conditions import Condition, CorruptionResults
from edgecnn.verify.corruptions.images import KIND_TITLES, KINDS, Kind
from edgecnn.verify.results import ParityReport

if TYPE_CHECKING:
    from rich.table import Table

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

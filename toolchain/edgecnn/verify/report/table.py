"""The parity table for the terminal; readable in 80 columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from edgecnn.errors import some_of
from edgecnn.report.text import (
    decibel_text,
    percent_text,
    points_text,
    size_text,
)
from edgecnn.verify.gate.judgement import GapChange
from edgecnn.verify.layers.diagnosis import Layers, label_of
from edgecnn.verify.report.wording import (
    beyond_sentence,
    clear_sentence,
    criterion_sentence,
    decidable_sentence,
    float_model_sentences,
    gap_sentence,
    looked_sentence,
    near_ties_sentence,
    needed_sentence,
    single_classes_sentence,
    tightest_sentence,
    top_five_sentence,
    unlabelled_agreement_sentence,
    unlabelled_sentence,
)
from edgecnn.verify.results import LOCAL, ArtifactRow, ParityReport, RowVerdict

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table


_NAME_WIDTH: Final = 11

_STYLES: Final = {
    "PASS": "bold green",
    "FAIL": "bold red",
    "INCONCLUSIVE": "bold yellow",
    "ERROR": "bold red",
    "NOT MADE": "dim",
}


@dataclass(frozen=True, kw_only=True)
class TableRow:
    """One artifact in short texts.

    Attributes:
        variant: Format and precision.
        file: File name; empty where none was made.
        size: File size with its unit.
        reference_accuracy: The float model's accuracy, percent.
        accuracy: The artifact's accuracy, percent.
        drop: Accuracy drop in points.
        drop_interval: Its interval.
        agreement: Share of equal decisions, percent.
        worst_class: The class that loses most recall.
        worst_class_change: Its change of recall in points; negative for a loss.
        verdict: PASS, FAIL, INCONCLUSIVE, ERROR or NOT MADE.
        by_equality: Whether it is a PASS that rests on equal scores.
        note: What else has to be said; often empty.
    """

    variant: str
    file: str
    size: str
    verdict: RowVerdict
    reference_accuracy: str = ""
    accuracy: str = ""
    drop: str = ""
    drop_interval: str = ""
    agreement: str = ""
    worst_class: str = ""
    worst_class_change: str = ""
    by_equality: bool = False
    note: str = ""


def rows_for_table(report: ParityReport) -> list[TableRow]:
    """Return the report's rows as short texts."""
    return [_row(row, report) for row in report.rows]


def render_table(report: ParityReport) -> Table:
    """Return a table for a terminal; notes about single artifacts stand below it."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    rows = rows_for_table(report)
    about: dict[str, list[str]] = {}
    for row in rows:
        if row.note:
            about.setdefault(row.note, []).append(row.variant)
    if report.device != LOCAL:
        for one in report.rows:
            if one.kernels:
                ran = f"by {one.runtime}, kernels {one.kernels}"
                about.setdefault(ran, []).append(one.variant)
    for one in report.rows:
        if one.looked is not None:
            about.setdefault(looked_sentence(one), []).append(one.variant)
        if report.limits.get("min_accuracy") and one.judgement is not None:
            about.setdefault(
                criterion_sentence(one.criterion("accuracy"), report.class_names), []
            ).append(one.variant)
        # The gravest pair of each column; all of them are in the report.
        for column in dict.fromkeys(gap.column for gap in gaps_of(one)):
            worst = next(gap for gap in gaps_of(one) if gap.column == column)
            about.setdefault(gap_sentence(worst), []).append(one.variant)
        for sentence in (
            clear_sentence(one, report),
            unlabelled_agreement_sentence(one),
            top_five_sentence(one),
            beyond_sentence(one),
        ):
            if sentence:
                about.setdefault(sentence, []).append(one.variant)
    general = (
        near_ties_sentence(report),
        unlabelled_sentence(report),
        decidable_sentence(report),
        single_classes_sentence(report),
    )
    notes = "\n".join(
        [f"float model: {sentence}" for sentence in float_model_sentences(report)]
        + [sentence for sentence in general if sentence]
        + [f"{', '.join(variants)}: {note}" for note, variants in about.items()]
        + hint_lines(report)
    )
    judged = [row for row in rows if row.reference_accuracy]
    title = None
    if report.until_decided:
        title = f"up to {report.evaluated.images:,} images, until the verdict is sure"
    elif judged:
        title = (
            f"{report.evaluated.images:,} images; the float model is right on "
            f"{judged[0].reference_accuracy} %"
        )
    if report.device != LOCAL:
        facts = (report.machine.get(key) for key in ("model", "processor", "architecture"))
        about_it = ", ".join(dict.fromkeys(str(fact) for fact in facts if fact))
        title = "\n".join(part for part in (f"on {report.device} ({about_it})", title) if part)
    table = Table(
        box=SIMPLE_HEAD,
        pad_edge=False,
        padding=(0, 1, 0, 0),
        header_style="bold",
        title=None if title is None else Text(title),
        title_justify="left",
        title_style="",
        caption=Text(notes) if notes else None,
        caption_justify="left",
    )
    # A long file name is folded before any number is cut.
    table.add_column("variant, size, file", overflow="fold")
    for heading in ("acc. %\nagree %", "drop, points"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("worst class", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    for row in rows:
        # Two lines a row: side by side, these would need 130 columns.
        table.add_row(
            Text.assemble(
                f"{row.variant} {row.size}" if row.file else row.variant,
                ("\n" + row.file if row.file else "", "dim"),
            ),
            f"{row.accuracy}\n{row.agreement}",
            f"{row.drop}\n{row.drop_interval}",
            Text(f"{row.worst_class}\n{row.worst_class_change}"),
            Text.assemble(
                (row.verdict, _STYLES[row.verdict]), "\nby equality" if row.by_equality else ""
            ),
        )
    return table


def hint_lines(report: ParityReport) -> list[str]:
    """Return what may be wrong with files made elsewhere, and what is not known of them."""
    if report.foreign is None:
        return [f"note: {note}" for note in adopted_notes(report)]
    hints = [*report.foreign.hints, *(hint for row in report.rows for hint in row.hints)]
    return [f"hint: {hint.text}" for hint in hints] + [
        f"note: {note}" for note in report.foreign.notes()
    ]


def adopted_notes(report: ParityReport) -> list[str]:
    """Return what is not known of files that other programs made, a sentence for each maker."""
    makers: dict[str, list[str]] = {}
    for row in report.rows:
        if row.made_by is not None:
            makers.setdefault(row.made_by, []).append(str(row.file))
    return [
        f"{some_of(files)} {'was' if len(files) == 1 else 'were'} made elsewhere (by own word: "
        f"{maker}): which images {'it' if len(files) == 1 else 'each'} was trained and calibrated "
        "on is not known; if these are among them, its verdict flatters it."
        for maker, files in makers.items()
    ]


def gaps_of(row: ArtifactRow) -> list[GapChange]:
    """Return an artifact's pairs of groups, the gravest first."""
    if row.judgement is None:
        return []
    order = ("missed", "undecided", "met")
    return sorted(row.judgement.gaps, key=lambda gap: (order.index(gap.outcome), -gap.increase))


def _row(row: ArtifactRow, report: ParityReport) -> TableRow:
    file, size = row.file or "", size_text(row.bytes)
    if row.metrics is None:
        return TableRow(
            variant=row.variant,
            file=file,
            size=size,
            verdict=row.verdict,
            note=row.error.problem if row.error is not None else row.reason,
        )
    drop, worst = row.criterion("accuracy_drop"), row.criterion("class_drop")
    name = report.class_names[worst.class_index or 0]
    return TableRow(
        variant=row.variant,
        file=file,
        size=size,
        reference_accuracy=points_text(row.metrics.reference.accuracy),
        accuracy=points_text(row.metrics.artifact.accuracy),
        drop=points_text(drop.estimate),
        drop_interval=f"[{points_text(drop.low)}, {points_text(drop.high)}]",
        agreement=points_text(row.metrics.agreement),
        worst_class=name if len(name) <= _NAME_WIDTH else name[: _NAME_WIDTH - 1] + "\u2026",
        worst_class_change=points_text(-worst.estimate, 1, sign=True)
        # About the worst of many classes there is something to say only where that is chance.
        + (" chance" if worst.about else ""),
        verdict=row.verdict,
        by_equality=row.judgement is not None and row.judgement.by_equality,
        note=" ".join(
            part for part in (needed_sentence(row), tightest_sentence(row, report)) if part
        ),
    )


_MOST: Final = 3
"""Layers listed; the page has all of them."""


def render_layers(report: ParityReport) -> list[RenderableType]:
    """Return what to print below the table; nothing where no layers were asked for."""
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    shown: list[RenderableType] = []
    for row in report.rows:
        if row.layers is None:
            continue
        if row.layers.reason:
            shown.append(Text(f"{row.variant}: no layers compared: {row.layers.reason}\n"))
            continue
        where = "" if report.device == LOCAL else ", on this machine"
        shown.append(
            Text(
                f"{row.variant} layer by layer against {row.layers.against} on "
                f"{row.layers.images} images{where}, the worst of {len(row.layers.layers)}:"
            )
        )
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
        for name in ("layer", "signal to noise", "half its channels", "saturated"):
            table.add_column(name, justify="left" if name == "layer" else "right")
        for number, label, whole, half, saturated in worst_layers(row.layers):
            table.add_row(Text(f"{number:>3} {label}"), whole, half, saturated)
        shown.append(Padding(table, (0, 0, 0, 2), expand=False))
        shown.append(Padding(Text(row.layers.diagnosis), (0, 0, 1, 2), expand=False))
        if row.layers.unmatched:
            names = some_of(row.layers.unmatched)
            shown.append(Padding(Text(f"Not compared: {names}"), (0, 0, 1, 2), expand=False))
    return shown


def worst_layers(layers: Layers, most: int = _MOST) -> list[tuple[int, str, str, str, str]]:
    """Return the layers with the lowest ratios, in network order, as short texts.

    Args:
        layers: What to choose from.
        most: How many at most.

    Returns:
        For each its number from 1, its label, its ratio, that of half its channels, and the
        saturated share of its values.
    """
    order = sorted(layers.layers, key=lambda one: layers.ratios_db[one.position])[:most]
    return [
        (
            one.position + 1,
            label_of(one),
            decibel_text(one.snr_db),
            decibel_text(one.channels_db),
            percent_text(one.saturated),
        )
        for one in sorted(order, key=lambda one: one.position)
    ]

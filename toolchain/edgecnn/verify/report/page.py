"""``report.html``: one self-contained page, the verdict first.

No scripts, no external resources; class names and file names are user data and are escaped.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from edgecnn.errors import some_of
from edgecnn.report import page_environment
from edgecnn.report.matrix import Cell, confusion_grid
from edgecnn.report.thumbnails import BUDGET_BYTES, PictureBudget
from edgecnn.verify.exit import exit_error
from edgecnn.verify.gate.judgement import ClassChange, Judgement
from edgecnn.verify.metrics import ClassMetrics, Flip, FlipKind, Metrics
from edgecnn.verify.report.charts import (
    common_scale,
    interval_chart,
    layer_chart,
)
from edgecnn.verify.report.corruptions import (
    corruption_cells,
    corruption_examples,
    stand_in_sentence,
    worst_sentence,
)
from edgecnn.verify.report.table import adopted_notes, gaps_of
from edgecnn.verify.report.wording import (
    CRITERION_TITLES,
    baseline_headline,
    basis_sentence,
    beyond_sentence,
    change_sentence,
    changed,
    clear_sentence,
    criterion_sentence,
    decidable_sentence,
    float_model_sentences,
    gap_sentence,
    limits_text,
    looked_sentence,
    near_ties_sentence,
    share_interval,
    single_classes_sentence,
    unit_of,
    unlabelled_agreement_sentence,
    unlabelled_sentence,
    verdict_sentence,
)
from edgecnn.verify.results import ArtifactRow, ParityReport, RowVerdict
from edgecnn_runner.postprocess import MANY_CLASSES

if TYPE_CHECKING:
    from jinja2 import Environment

MOST_FLIPS: Final = 24
"""Images shown per artifact."""
MOST_CLASSES: Final = 60
"""Rows of the recall table; with more classes, those that lose anything, the most first."""
MOST_GAPS: Final = 5
"""Pairs of groups put in words, in each column; the gravest."""
MOST_MOVED: Final = 20
"""Kinds of mistake listed where there are too many classes for a confusion matrix."""

_OF_ONE: Final[dict[RowVerdict, str]] = {
    "PASS": "The artifact classifies as its float model does.",
    "FAIL": "The artifact does not classify as its float model does.",
    "ERROR": "The artifact could not be judged.",
    "INCONCLUSIVE": "Whether the artifact classifies as its float model does is undecided.",
    "NOT MADE": "No artifact was made.",
}

_ON_LIMITS_OF_ONE: Final[dict[RowVerdict, str]] = {
    "PASS": "The artifact keeps every limit.",
    "FAIL": "The artifact does not keep every limit.",
    "INCONCLUSIVE": "Whether the artifact keeps every limit is undecided.",
}

_FLIP_TITLES: Final[dict[FlipKind, str]] = {
    "right_to_wrong": "Right, now misclassified",
    "wrong_to_right": "Misclassified, now right",
    "wrong_to_other": "Misclassified, now as another class",
}


@dataclass(frozen=True, kw_only=True)
class _Picture:
    flip: Flip
    uri: str


@dataclass(frozen=True, kw_only=True)
class _FlipGroup:
    title: str
    count: int
    pictures: list[_Picture]


@dataclass(frozen=True, kw_only=True)
class _ClassRow:
    metrics: ClassMetrics
    change: ClassChange


@dataclass(frozen=True, kw_only=True)
class _Moved:
    true: int
    decided: int
    before: int
    after: int


def render_report(report: ParityReport, pixels: npt.NDArray[np.uint8]) -> str:
    """Return the page as HTML.

    Args:
        report: What to show.
        pixels: The evaluation images that were used, shape (n, height, width, channels).
    """
    judged = [row for row in report.rows if row.judgement is not None]
    budget = BUDGET_BYTES // max(1, len(judged))
    views = [_view(row, report, judged, pixels, budget) for row in report.rows]
    matrix: list[list[Cell]] = []
    same_images = not report.until_decided
    if judged and judged[0].metrics is not None and _draws_matrices(report) and same_images:
        # Every artifact is compared with the same reference, so its matrix is shown once.
        before = judged[0].metrics.reference.confusion
        matrix = confusion_grid(before, len(report.class_names))
    small = max(pixels.shape[1:3]) <= 64
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            report=report,
            views=views,
            headline=headline(report),
            adopted_notes=adopted_notes(report),
            opening=answer(report),
            files=[
                ("Evaluation images", report.evaluated.images_sha256),
                ("Float model", report.evaluated.model_sha256),
                ("Reference scores", report.evaluated.reference_sha256),
                *((row.file, row.sha256) for row in report.rows if row.sha256),
            ],
            judged=judged,
            titles=CRITERION_TITLES,
            pixelated=small,
            float_matrix=matrix,
            verdict_counts=_verdict_counts(report),
            corruption_examples=corruption_examples(report, pixels),
        )
    )


def _environment() -> Environment:
    environment = page_environment("edgecnn.verify")
    environment.globals |= {
        "baseline_headline": baseline_headline,
        "basis_sentence": basis_sentence,
        "beyond_sentence": beyond_sentence,
        "change_sentence": change_sentence,
        "changed": changed,
        "clear_sentence": clear_sentence,
        "criterion_sentence": criterion_sentence,
        "decidable_sentence": decidable_sentence,
        "float_model_sentences": float_model_sentences,
        "gap_sentence": gap_sentence,
        "limits_text": limits_text,
        "looked_sentence": looked_sentence,
        "near_ties_sentence": near_ties_sentence,
        "share_interval": share_interval,
        "single_classes_sentence": single_classes_sentence,
        "stand_in_sentence": stand_in_sentence,
        "unit_of": unit_of,
        "unlabelled_agreement_sentence": unlabelled_agreement_sentence,
        "unlabelled_sentence": unlabelled_sentence,
        "worst_sentence": worst_sentence,
        "verdict_sentence": verdict_sentence,
    }
    return environment


def headline(report: ParityReport) -> str:
    """Say the verdicts of all artifacts in one sentence."""
    if report.useless:
        return "The float model is no better than guessing: what follows it proves nothing."
    made = [row for row in report.rows if row.verdict != "NOT MADE"]
    counts = _verdict_counts(report)
    total, passed = len(made), counts["PASS"]
    # With a least accuracy, a verdict is about more than how an artifact follows its float model.
    more = bool(report.limits.get("min_accuracy"))
    if total <= 1:
        verdict = made[0].verdict if made else "NOT MADE"
        return (_ON_LIMITS_OF_ONE if more else {}).get(verdict, _OF_ONE[verdict])
    if passed == total:
        does = "keep every limit" if more else "classify as their float model does"
        return f"All {total} artifacts {does}."
    if counts["INCONCLUSIVE"] == total:
        # Not "0 of 6 classify as ...", which reads as if something were wrong.
        return (
            f"{report.evaluated.images:,} images are too few to tell of all {total} artifacts; "
            "none is known to be wrong."
        )
    parts = []
    for verdict, one, many in (
        ("FAIL", "does not", "do not"),
        ("ERROR", "could not be judged", "could not be judged"),
        ("INCONCLUSIVE", "is undecided", "are undecided"),
    ):
        if counts[verdict]:
            parts.append(f"{counts[verdict]} {one if counts[verdict] == 1 else many}")
    if more:
        does = "keeps every limit" if passed == 1 else "keep every limit"
    else:
        does = f"{'classifies' if passed == 1 else 'classify'} as the float model does"
    return f"{passed} of {total} artifacts {does}; {', '.join(parts)}."


def answer(report: ParityReport) -> str:
    """Say in one sentence which artifacts passed, which did not, and what to do next."""
    parts = []
    for verdict, said in (
        ("PASS", "passed"),
        ("FAIL", "failed"),
        ("ERROR", "could not be judged"),
        ("INCONCLUSIVE", "undecided"),
        ("NOT MADE", "not made"),
    ):
        names = [row.variant for row in report.rows if row.verdict == verdict]
        if names:
            parts.append(f"{said}: {some_of(names)}")
    ending = exit_error(report)
    if ending is not None:
        step = ending.remedy
    elif report.foreign is not None:
        step = "ship what passed"
    else:
        step = "package what passed, with edgecnn package BUILD --target pi or web"
    told = "; ".join([*parts, f"next: {step}"])
    return f"{told[:1].upper()}{told[1:].removesuffix('.')}."


def _verdict_counts(report: ParityReport) -> dict[str, int]:
    verdicts = ("PASS", "FAIL", "ERROR", "INCONCLUSIVE", "NOT MADE")
    return {name: sum(row.verdict == name for row in report.rows) for name in verdicts}


def _view(
    row: ArtifactRow,
    report: ParityReport,
    judged: Sequence[ArtifactRow],
    pixels: npt.NDArray[np.uint8],
    budget: int,
) -> dict[str, Any]:  # template variables are of any type
    """Prepare what the template shows of one artifact."""
    if row.metrics is None or row.judgement is None:
        return {"row": row}
    draw = _draws_matrices(report)
    return {
        "row": row,
        "charts": {
            one.name: interval_chart(one, common_scale(judged, one.name))
            for one in row.judgement.criteria
        },
        "class_rows": (class_rows := _class_rows(row.metrics, row.judgement)),
        "shown_classes": [one.metrics.index for one in class_rows],
        "losing": sum((one.drop or 0.0) > 0 for one in row.judgement.classes),
        "float_matrix": confusion_grid(row.metrics.reference.confusion, len(report.class_names))
        if draw and report.until_decided
        else [],
        "matrix": confusion_grid(row.metrics.artifact.confusion, len(report.class_names))
        if draw
        else [],
        "moved": [] if draw else (moved := _moved(row.metrics))[:MOST_MOVED],
        "moved_in_all": 0 if draw else len(moved),
        "corruptions": corruption_cells(row.corruptions, report.limits),
        "flips": _flip_groups(row.metrics, pixels, budget),
        "layers": layer_chart(row.layers) if row.layers and row.layers.layers else None,
        "columns": [
            {
                "name": column.name,
                "without": column.without,
                "rows": [
                    {"name": one.name, **one.shares(), "n": one.paired.images}
                    for one in column.groups
                ],
                "gaps": [gap for gap in gaps_of(row) if gap.column == column.name][:MOST_GAPS],
            }
            for column in row.groups
        ],
    }


def _draws_matrices(report: ParityReport) -> bool:
    return len(report.class_names) <= MANY_CLASSES


def _class_rows(metrics: Metrics, judgement: Judgement) -> list[_ClassRow]:
    pairs = [
        _ClassRow(metrics=one, change=change)
        for one, change in zip(metrics.classes, judgement.classes, strict=True)
    ]
    if len(pairs) <= MOST_CLASSES:
        return pairs
    present = [pair for pair in pairs if (pair.change.drop or 0.0) > 0]
    # Those that lose most, and of classes that lose alike, those whose images say most.
    present.sort(key=lambda pair: (-(pair.change.drop or 0.0), pair.change.p or 0.0))
    return present[:MOST_CLASSES]


def _moved(metrics: Metrics) -> list[_Moved]:
    """Return the cells of the confusion matrix that changed, for many classes, most first."""
    before = {(t, d): count for t, d, count in metrics.reference.confusion}
    after = {(t, d): count for t, d, count in metrics.artifact.confusion}
    cells = [
        _Moved(true=t, decided=d, before=before.get((t, d), 0), after=after.get((t, d), 0))
        for t, d in before.keys() | after.keys()
        if t != d
    ]
    cells = [cell for cell in cells if cell.before != cell.after]
    return sorted(cells, key=lambda cell: (-abs(cell.after - cell.before), cell.true, cell.decided))


def _flip_groups(metrics: Metrics, pixels: npt.NDArray[np.uint8], budget: int) -> list[_FlipGroup]:
    flips = most_telling(metrics.flips, MOST_FLIPS)
    shown = PictureBudget(budget).shown(flips, lambda flip: pixels[flip.index])
    pictures = [_Picture(flip=flip, uri=uri) for flip, uri in shown]
    return [
        _FlipGroup(
            title=title,
            count=metrics.count(kind),
            pictures=[one for one in pictures if one.flip.kind == kind],
        )
        for kind, title in _FLIP_TITLES.items()
        if metrics.count(kind)
    ]


_KINDS: Final[tuple[FlipKind, ...]] = ("right_to_wrong", "wrong_to_right", "wrong_to_other")


def most_telling(flips: Sequence[Flip], count: int) -> list[Flip]:
    """Choose flips to show: newly wrong ones first, the most confident answers first.

    A quarter of the places is kept for images that became right, an eighth for those that
    changed from wrong to wrong, as far as there are any; free places go to the others.

    Args:
        flips: All of an artifact's flips.
        count: How many to choose at most.

    Returns:
        The chosen ones, grouped by kind.
    """
    groups = {
        kind: sorted(
            (flip for flip in flips if flip.kind == kind),
            key=lambda flip: (-flip.artifact_score, flip.index),
        )
        for kind in _KINDS
    }
    kept = {"wrong_to_right": count // 4, "wrong_to_other": count // 8}
    kept = {kind: min(many, len(groups[kind])) for kind, many in kept.items()}  # type: ignore[index]  # the keys are kinds
    chosen: list[Flip] = []
    free = count - sum(kept.values())
    for kind in _KINDS:
        many = min(len(groups[kind]), free + kept.get(kind, 0))
        free -= many - kept.get(kind, 0)
        chosen += groups[kind][:many]
    return chosen

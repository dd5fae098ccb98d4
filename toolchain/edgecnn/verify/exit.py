"""Chooses what a command line ends with after a verification: nothing, or its gravest error."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from edgecnn.errors import (
    EdgeError,
    ParityFailError,
    ParityInconclusiveError,
    ParityRegressionError,
    some_of,
)
from edgecnn.report.text import percent_text
from edgecnn.verify.gate.judgement import Outcome
from edgecnn.verify.gate.tightest import tightest_at_best
from edgecnn.verify.report.wording import (
    baseline_headline,
    criterion_sentence,
    limits_text,
    worse_than,
)
from edgecnn.verify.results import ArtifactRow, ParityReport, RowVerdict

_MOST_CRITERIA: Final = 2
_MOST_NAMES: Final = 3
_ADD_IMAGES: Final = "add images to the test split"


def exit_error(report: ParityReport) -> EdgeError | None:
    """Return what a command line should end with.

    Returns:
        ``OwnScoresError`` if the user's own scores are not the float model's, since no verdict
        counts then; ``UselessModelError`` if the float model is no better than guessing: all other
        findings are about how files follow it, and what they call for would have to be done again
        with a better one. Else ``ParityFailError`` if any artifact failed, else the first error of
        an artifact that did not run, else ``ParityRegressionError`` if any got worse since the
        baseline, else ``ParityInconclusiveError`` if any is undecided, else why the reports could
        not be written, else None.
    """
    if report.own_scores is not None and not report.own_scores.agrees:
        return report.own_scores.error()
    if report.useless and report.float_model is not None:
        # One that says that nothing which was tried explains it is no way to mend it.
        hints = [
            hint
            for hint in (report.foreign.hints if report.foreign is not None else ())
            if hint.kind != "guessing"
        ]
        return report.float_model.error(
            None, recipe=report.foreign is None, hint=hints[0].text if hints else ""
        )
    if failed := _rows(report, "FAIL"):
        return ParityFailError(
            _what_failed(failed),
            observed=_criteria(failed, "missed", report),
            expected=limits_text(report),
            remedy=_after_failure(report, failed),
        )
    for row in report.rows:
        if row.error is not None:
            return row.error.to_error()
    if report.baseline is not None and report.baseline.regressions:
        return ParityRegressionError(
            baseline_headline(report.baseline).removesuffix("."),
            observed=worse_than(report.baseline),
            expected="every artifact as good as it was there, or apart by no more than chance",
            remedy="find out what changed: the report has the flipped images; if the loss is "
            "accepted, take the new parity.json as the baseline",
        )
    if undecided := _rows(report, "INCONCLUSIVE"):
        return ParityInconclusiveError(
            f"{_images(undecided, report)} are too few to tell whether {_list(undecided)} "
            f"{_what_is_open(undecided)}",
            observed=_criteria(undecided, "undecided", report),
            expected=f"intervals on one side of the limits: {limits_text(report)}",
            remedy=_more_images(report),
        )
    return None if report.write_error is None else report.write_error.to_error()


def _images(undecided: Sequence[ArtifactRow], report: ParityReport) -> str:
    """Say which images were too few: clean ones, unless only corrupted ones leave it open."""
    names = {
        one.name
        for row in undecided
        for one in (row.judgement.criteria if row.judgement is not None else ())
        if one.outcome == "undecided"
    }
    if report.corrupted is not None and names == {"corruption_drop"}:
        return f"{report.corrupted.images:,} images under each corruption"
    return f"{report.evaluated.images:,} images"


def _what_failed(failed: Sequence[ArtifactRow]) -> str:
    one = len(failed) == 1
    if _only_accuracy(failed, "missed"):
        return f"{_list(failed)} {'is' if one else 'are'} right too seldom"
    return f"{_list(failed)} {'does' if one else 'do'} not follow the float model within the limits"


def _what_is_open(undecided: Sequence[ArtifactRow]) -> str:
    one = len(undecided) == 1
    if _only_accuracy(undecided, "undecided"):
        return f"{'is' if one else 'are'} right often enough"
    return f"{'follows' if one else 'follow'} the float model within the limits"


def _only_accuracy(rows: Sequence[ArtifactRow], outcome: Outcome) -> bool:
    """Tell whether nothing but the least accuracy came out so."""
    names = {
        one.name
        for row in rows
        for one in (row.judgement.criteria if row.judgement is not None else ())
        if one.outcome == outcome
    }
    return names == {"accuracy"}


def _after_failure(report: ParityReport, failed: Sequence[ArtifactRow]) -> str:
    if _only_accuracy(failed, "missed"):
        floats = failed[0].metrics.reference.accuracy if failed[0].metrics is not None else None
        where = "" if report.foreign is not None else ", or [limits] in the recipe"
        return (
            f"the float model is right on {percent_text(floats)} itself, and no file of it can be "
            "expected to do better: train it further, or ask for less if that is enough "
            f"(--min-accuracy{where})"
        )
    if report.foreign is None:
        if any(row.made_by is not None for row in failed):
            return (
                "see the report for what changed, and --explain for where; adopt another file of "
                "the model, or change the limits (--max-drop and others, with --save-limits for "
                "this build) if the loss is acceptable"
            )
        mend = (
            "mend int8 with edgecnn convert BUILD --repair (of a model made elsewhere with "
            "--unlabelled FOLDER, too), "
            if _int8(failed)
            else ""
        )
        return (
            f"see the report for what changed, and --explain for where; {mend}deploy another "
            "variant, or change [limits] in the recipe if the loss is acceptable"
        )
    hints = [*report.foreign.hints, *(hint for row in failed for hint in row.hints)]
    if hints:
        return f"perhaps it is how the files are fed or read: {hints[0].text}"
    return (
        "see the report for what changed; convert the model otherwise, or change the limits "
        "(--max-drop and others) if the loss is acceptable"
    )


def _int8(failed: Sequence[ArtifactRow]) -> bool:
    """Tell whether a repair could mend one of them; one that was mended already is mixed."""
    return any(row.variant in ("tflite-int8", "onnx-int8") for row in failed)


def _rows(report: ParityReport, verdict: RowVerdict) -> list[ArtifactRow]:
    return [row for row in report.rows if row.verdict == verdict]


def _criteria(rows: Sequence[ArtifactRow], outcome: Outcome, report: ParityReport) -> str:
    """Name the criteria with this outcome and their numbers; the first few of them."""
    found = [
        f"{row.file or row.variant}, {criterion_sentence(one, report.class_names)}"
        for row in rows
        for one in (row.judgement.criteria if row.judgement is not None else ())
        if one.outcome == outcome
    ]
    return some_of(found, _MOST_CRITERIA, joint="; ")


def _more_images(report: ParityReport) -> str:
    many = [row.needed.corruption_images or 0 for row in report.rows if row.needed is not None]
    if not any(many):
        return _more_clean_images(report)
    most = max(many)
    if any(row.needed.uncertain for row in report.rows if row.needed is not None):
        return _many_more_images(report)
    if most > report.evaluated.available:
        return (
            f"about {most:,} test images under each corruption would decide if the observed rates "
            f"hold; {_ADD_IMAGES}, or change the limit (--max-corruption-drop, or [limits] in the "
            "recipe)"
        )
    return (
        f"corrupt more images: about {most:,} under each corruption would decide if the observed "
        f"rates hold (--corruption-images {most}, or images in [corruptions] of the recipe)"
    )


def _many_more_images(report: ParityReport) -> str:
    """Say where more images come from, where it is too uncertain how many."""
    available = report.evaluated.available
    if report.corrupted is not None and report.corrupted.images < available:
        more = (
            f"corrupt more of the {available:,} test images (--corruption-images, or images in "
            "[corruptions] of the recipe)"
        )
    elif report.evaluated.images < available:
        more = f"use all of the {available:,} test images, without --images"
    elif report.foreign is None:
        more = _ADD_IMAGES
    else:
        more = "add images to the data"
    return f"{more}: how many would decide is too uncertain to say; or {_other_limits(report)}"


def _more_clean_images(report: ParityReport) -> str:
    if any(row.needed.uncertain for row in report.rows if row.needed is not None):
        return _many_more_images(report)
    numbers = [row.needed.images if row.needed else None for row in report.rows]
    wanted = [number for number in numbers if number is not None]
    available = report.evaluated.available
    if wanted and max(wanted) <= available > report.evaluated.images:
        return (
            f"use more of the {available:,} test images: about {max(wanted):,} would decide if "
            f"the observed rates hold (--images {max(wanted)}, or all of them without --images)"
        )
    if wanted:
        more = _ADD_IMAGES if report.foreign is None else "add images to the data"
        return (
            f"about {max(wanted):,} test images would decide if the observed rates hold; {more}, "
            f"or {_other_limits(report)}"
        )
    if any(row.looked is not None for row in report.rows):
        return (
            "look once at all images, without --until-decided, which decides with fewer of them, "
            f"and take that answer; or {_ADD_IMAGES}"
        )
    if report.foreign is not None:
        return "an observed value is at its limit; change the limits: --max-drop and others"
    return "an observed value is at its limit; change [limits] in the recipe"


def _other_limits(report: ParityReport) -> str:
    """Say how limits are changed, and which one these images could show to be kept at all."""
    if report.foreign is not None:
        return "change the limits (--max-drop and others)"
    if any(row.made_by is not None for row in report.rows):
        return (
            "set wider limits (--max-drop and others; --save-limits keeps them for this build)"
            "; pictures without labels help, too: --unlabelled FOLDER"
        )
    images = report.evaluated.images
    pictures = f"{images:,} images"
    more = "; pictures without labels help, too: --unlabelled FOLDER"
    if report.unlabelled is not None:
        pictures, more = f"{pictures} and the unlabelled pictures", ""
    best = report.decidable or tightest_at_best(images)
    at_best = ""
    if best.max_drop is not None and best.min_agreement is not None:
        at_best = (
            f": {pictures} show {best.max_drop:g} points and {best.min_agreement:g} % agreement "
            "at best"
        )
    return (
        f"write wider limits into [limits] of the recipe{at_best} (--max-drop and others of verify "
        f"try them, and --save-limits keeps them){more}"
    )


def _list(rows: Sequence[ArtifactRow]) -> str:
    names = [row.file or row.variant for row in rows]
    if len(names) > _MOST_NAMES:
        return some_of(names)
    return names[0] if len(names) == 1 else ", ".join(names[:-1]) + " and " + names[-1]

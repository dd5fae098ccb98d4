"""Verdicts in words, the same in the report, in JUnit files and at the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from edgecnn.build.shares import wilson_interval
from edgecnn.errors import some_of
from edgecnn.report.text import (
    count_text,
    interval_text,
    level_text,
    percent_text,
    plural_text,
    points_text,
    size_text,
)
from edgecnn.verify.changes import Baseline, Change, ShareChange
from edgecnn.verify.gate.judgement import Criterion, CriterionName, GapChange
from edgecnn.verify.results import ArtifactRow, ParityReport
from edgecnn_runner.postprocess import MANY_CLASSES

CRITERION_TITLES: Final[dict[CriterionName, str]] = {
    "accuracy_drop": "Accuracy drop",
    "disagreement": "Disagreement",
    "class_drop": "Worst class drop",
    "accuracy": "Accuracy",
    "gap_increase": "Wider gap between groups",
    "corruption_drop": "Worst drop under corruption",
}


def share_interval(share: float, images: int) -> str:
    """Return the 95 % interval of a share of images, alone and without its pair, in percent."""
    interval = wilson_interval(round(share * images), images)
    return f"{interval_text(interval.low, interval.high)}"


def verdict_sentence(row: ArtifactRow, report: ParityReport) -> str:
    """Say one artifact's verdict so that it can be understood without statistics."""
    if row.error is not None:
        return f"It could not be judged: {row.error.problem}."
    if row.judgement is None or row.metrics is None:
        return f"It was not made: {row.reason}."
    metrics, names = row.metrics, report.class_names
    same = f"the same answer as the float model on {percent_text(metrics.agreement)} of images"
    if row.judgement.by_equality and row.judgement.equality is not None:
        return (
            f"PASS by equality: its scores are the float model's, but for rounding. "
            f"{_capital(row.judgement.equality.reason)}."
        )
    if row.verdict == "PASS":
        if metrics.disagreements == 0:
            return f"It gives the same answer as the float model on all {metrics.images:,} images."
        change = _accuracy_change(metrics.accuracy_drop)
        return f"It gives {same}; {change}, within every limit."
    if row.verdict == "FAIL":
        missed = [one for one in row.judgement.criteria if one.outcome == "missed"]
        reasons = "; ".join(_too_much(one, names) for one in missed)
        if all(one.name == "accuracy" for one in missed):
            return f"It is right too seldom: {reasons}. It gives {same}."
        return f"It does not follow the float model: {reasons}."
    undecided = [one for one in row.judgement.criteria if one.outcome == "undecided"]
    what = " and ".join(_in_question(one, names) for one in undecided)
    verb = "is" if len(undecided) == 1 else "are"
    images = f"{metrics.images:,} images"
    if report.corrupted and all(one.name == "corruption_drop" for one in undecided):
        images = f"{report.corrupted.images:,} images under each corruption"
    return (
        f"{images} are too few to tell whether {what} {verb} within the "
        f"limit{'' if len(undecided) == 1 else 's'}. {needed_sentence(row)}"
        + (f" {would_pass}" if (would_pass := tightest_sentence(row, report)) else "")
    )


def tightest_sentence(row: ArtifactRow, report: ParityReport) -> str:
    """Say by which limits an INCONCLUSIVE artifact would pass; empty where by none, or not known.

    The numbers are what it is shown to keep on these images, not what it is likely to lose.
    """
    found, judgement = row.tightest, row.judgement
    if found is None or judgement is None or row.verdict != "INCONCLUSIVE":
        return ""
    limits = report.limits
    wider = {
        "max_drop": (found.max_drop, max),
        "min_agreement": (found.min_agreement, min),
        "max_class_drop": (found.max_class_drop, max),
    }
    # Others are not about how closely it follows the float model.
    names = {"accuracy_drop", "disagreement", "class_drop"}
    others = any(one.outcome != "met" and one.name not in names for one in judgement.criteria)
    if others or any(value is None for value, _ in wider.values()):
        return ""
    changed = [
        f"{name} = {value:g}"
        for name, (value, wide) in wider.items()
        if value is not None and wide(value, limits[name]) != limits[name]
    ]
    if any(one.startswith("min_agreement") for one in changed) and is_clear(report):
        changed.append('agreement_on = "clear"')
    return f"With {', '.join(changed)} it would pass." if changed else ""


def top_five_sentence(row: ArtifactRow) -> str:
    """Say how an artifact does by its five best scores; empty where there are few classes."""
    metrics = row.metrics
    if metrics is None or metrics.top5 is None:
        return ""
    found, n = metrics.top5, metrics.images
    return (
        f"Top 5: the right class is among its five best on {percent_text(found.right / n)} of "
        f"images (float model {percent_text(found.reference_right / n)}), the float model's answer "
        f"on {percent_text(found.kept / n)}."
    )


def beyond_sentence(row: ArtifactRow) -> str:
    """Say how many of many classes lose more than the limit; empty where none does."""
    found = None if row.judgement is None else row.judgement.many_classes
    if found is None or not found.beyond:
        return ""
    lose = "classes loses" if found.beyond == 1 else "classes lose"
    text = (
        f"{count_text(found.beyond)} of {count_text(found.present)} {lose} more recall than the "
        "limit on these images"
    )
    if found.by_chance == found.beyond:
        return f"{text}, as the worst of so many do by chance."
    if found.by_chance:
        return f"{text}, {count_text(found.by_chance)} of them as the worst of so many by chance."
    return f"{text}, and more than the worst of so many do by chance."


def single_classes_sentence(report: ParityReport) -> str:
    """Say what the images can tell of a single class; empty where there are few classes."""
    judged = next((row.judgement for row in report.rows if row.judgement is not None), None)
    if judged is None or len(report.class_names) <= MANY_CLASSES:
        return ""
    absent = sum(one.outcome == "absent" for one in judged.classes)
    without = f"{count_text(absent)} classes have no image: nothing is known of them."
    found = judged.many_classes
    if found is None:
        return without if absent else ""
    without = f" {without}" if absent else ""
    images = f"{plural_text(found.images, 'image')} a class"
    if found.shown_from is None:
        return (
            f"With {images}, no loss of a single class can be shown: accuracy drop and agreement "
            f"decide.{without}"
        )
    return (
        f"With {images}, a single class is surely beyond the limit where it loses "
        f"{points_text(found.shown_from, 0)} points or more.{without}"
    )


def is_clear(report: ParityReport) -> bool:
    """Tell whether agreement was judged on the float model's clear answers only."""
    return report.near_ties is not None and report.near_ties.rule == "clear"


def near_ties_sentence(report: ParityReport) -> str:
    """Say what noise changes in the float model's own answers, and what agreement was judged on.

    Empty where the float model was not asked under noise.
    """
    found = report.near_ties
    if found is None or found.noise_changed is None or found.clear is None:
        return ""
    noise = (
        f"One grey level of noise changes {percent_text(found.noise_changed / found.images)} of "
        "the float model's own answers"
    )
    clear = f"{found.clear:,} of {found.images:,} are clear"
    if found.rule == "clear":
        return f"{noise}. {clear}, and agreement is judged on those."
    return f"{noise}; {clear}. Agreement is judged on all: {found.reason}."


def clear_sentence(row: ArtifactRow, report: ParityReport) -> str:
    """Say what an artifact changed of all answers and of clear ones; empty where all count."""
    found = report.near_ties
    if row.clear_disagreements is None or row.metrics is None or found is None:
        return ""
    if not row.metrics.disagreements:
        return ""
    images = row.criterion("disagreement").images
    if row.unlabelled is not None or not images:
        images = found.clear
    clear = row.clear_disagreements / images if images else None
    return (
        f"It changes {percent_text(1 - row.metrics.agreement)} of all answers and "
        f"{percent_text(clear)} of the clear ones."
    )


def unlabelled_sentence(report: ParityReport) -> str:
    """Say which pictures without labels were used; empty where there were none."""
    found = report.unlabelled
    if found is None:
        return ""
    parts = [f"{found.pictures:,} pictures without labels from {found.folder}"]
    if found.groups != found.pictures:
        parts.append(f"in {found.groups:,} groups of copies, each of which counts once")
    if found.copies:
        parts.append(f"{found.copies:,} of them are copies of evaluation images")
    if found.left_out:
        left_out = (f"{count:,} {reason}" for reason, count in found.left_out.items())
        parts.append("left out: " + some_of(left_out))
    return "; ".join(parts) + "."


def unlabelled_agreement_sentence(row: ArtifactRow) -> str:
    """Say what an artifact changed with and without labels, apart; empty where none were used."""
    found = row.unlabelled
    if found is None:
        return ""
    return (
        f"Changed answers: {percent_text(found.share)} without labels (95 % interval "
        f"{interval_text(found.low, found.high)}, {found.groups:,} independent pictures), "
        f"{percent_text(found.labelled_share)} with labels "
        f"({interval_text(found.labelled_low, found.labelled_high)}). On all of these pictures "
        f"together, accuracy cannot fall by more than {points_text(found.most_drop)} points: that "
        "is the upper bound of what changed."
    )


def decidable_sentence(report: ParityReport) -> str:
    """Say the tightest limits that these images can decide; empty where that is not known."""
    found = report.decidable
    if found is None or report.until_decided:
        return ""
    pictures = f"{report.evaluated.images:,} images"
    if report.unlabelled is not None:
        pictures += " and the unlabelled pictures"
    if found.max_drop is None or found.min_agreement is None:
        return f"{pictures} are too few to decide any limits."
    return (
        f"The tightest limits that {pictures} can decide, if no answer changes: max_drop = "
        f"{found.max_drop:g}, min_agreement = {found.min_agreement:g}."
    )


def needed_sentence(row: ArtifactRow) -> str:
    """Say what would decide an INCONCLUSIVE verdict; empty for other verdicts."""
    needed = row.needed
    if needed is None:
        return ""
    if needed.reason:
        return f"{_capital(needed.reason)}."
    numbers = []
    if needed.images is not None:
        numbers.append(f"{_rounded_up(needed.images):,} images")
    if needed.corruption_images is not None:
        numbers.append(f"{_rounded_up(needed.corruption_images):,} images under each corruption")
    text = (
        f"About {' and '.join(numbers)} would decide, towards {needed.towards}, if the observed "
        "rates hold."
    )
    if needed.low is None or needed.high is None:
        return text
    return f"{text} As likely as not, {needed.low:,} to {_rounded_up(needed.high):,} would."


def looked_sentence(row: ArtifactRow) -> str:
    """Say how many images a sequence of looks saved; empty where there was none."""
    looked = row.looked
    if looked is None:
        return ""
    if not looked.saved:
        return f"All {looked.available:,} images were used, in {looked.looks} looks."
    return (
        f"Sure after {looked.images:,} of {looked.available:,} images, in {looked.looks} looks: "
        f"{looked.saved:,} saved."
    )


def criterion_sentence(criterion: Criterion, class_names: Sequence[str]) -> str:
    """Say one criterion with its numbers, in percent or percentage points."""
    title = CRITERION_TITLES[criterion.name]
    about = [] if criterion.class_index is None else [class_names[criterion.class_index]]
    about += [] if criterion.about is None else [criterion.about]
    if about:
        title += f" ({', '.join(about)})"
    level = level_text(criterion.level)
    limit = "at least" if criterion.name == "accuracy" else "limit"
    return (
        f"{title}: {points_text(criterion.estimate)} {unit_of(criterion)}, {level} interval "
        f"{interval_text(criterion.low, criterion.high)}, "
        f"{limit} {points_text(criterion.limit)}: {criterion.outcome}"
        + (" by equality" if criterion.by_equality else "")
    )


def unit_of(criterion: Criterion) -> str:
    """Return what a criterion's numbers are in: per cent of images, or points between two."""
    return "%" if criterion.name in ("disagreement", "accuracy") else "points"


def float_model_sentences(report: ParityReport) -> list[str]:
    """Say what is wrong with the float model, or not known of it; none where all is well."""
    found = report.float_model
    if found is None:
        return []
    least = report.limits.get("min_accuracy")
    error = found.error(least)
    sentences = [] if error is None else [f"{error.problem}: {error.observed}"]
    return [f"{one[0].upper()}{one[1:]}." for one in (*sentences, *found.notes(least))]


def limits_text(report: ParityReport) -> str:
    """Say the limits of a verification."""
    limits: Mapping[str, float] = report.limits
    answers = " of clear answers" if is_clear(report) else ""
    return (
        f"accuracy drop at most {limits['max_drop']:g} points, agreement at least "
        f"{limits['min_agreement']:g} %{answers}, class drop at most "
        f"{limits['max_class_drop']:g} points"
        + (
            f", gap between groups wider by at most {limits['max_gap_increase']:g} points"
            if "max_gap_increase" in limits
            else ""
        )
        + (
            f", drop under each corruption at most {limits['max_corruption_drop']:g} points"
            if "max_corruption_drop" in limits
            else ""
        )
        + (
            f", accuracy at least {limits['min_accuracy']:g} %"
            if limits.get("min_accuracy")
            else ""
        )
    )


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _accuracy_change(drop: float) -> str:
    if drop == 0:
        return "accuracy is unchanged"
    word = "lower" if drop > 0 else "higher"
    return f"accuracy is {points_text(abs(drop))} points {word}"


def _too_much(criterion: Criterion, names: Sequence[str]) -> str:
    value, limit = points_text(criterion.estimate), points_text(criterion.limit)
    if criterion.name == "accuracy_drop":
        return f"accuracy falls by {value} points (limit {limit})"
    if criterion.name == "disagreement" and criterion.about is not None:
        return f"{value} % of its answers differ, {criterion.about} (limit {limit} %)"
    if criterion.name == "disagreement":
        return f"it answers differently on {value} % of images (limit {limit} %)"
    if criterion.name == "gap_increase":
        return f"the gap in accuracy, {criterion.about}, is wider by {value} points (limit {limit})"
    if criterion.name == "corruption_drop":
        return f"accuracy under {criterion.about} falls by {value} points (limit {limit})"
    if criterion.name == "accuracy":
        return f"it is right on {value} % of images (at least {limit} % are asked for)"
    name = names[criterion.class_index or 0]
    return f"recall of \u201c{name}\u201d falls by {value} points (limit {limit})"


def _in_question(criterion: Criterion, names: Sequence[str]) -> str:
    if criterion.name == "accuracy_drop":
        return "the accuracy drop"
    if criterion.name == "disagreement":
        return "the share of different answers"
    if criterion.name == "gap_increase":
        return f"the wider gap, {criterion.about},"
    if criterion.name == "corruption_drop":
        return f"the accuracy drop under {criterion.about}"
    if criterion.name == "accuracy":
        return "the accuracy"
    return f"the recall drop of \u201c{names[criterion.class_index or 0]}\u201d"


def gap_sentence(gap: GapChange) -> str:
    """Say what became of the gap between two groups."""
    after = f"the artifact {points_text(gap.after, 1)}"
    if gap.after < 0:
        after = f"the artifact {points_text(-gap.after, 1)} points worse there"
    word = "wider" if gap.increase >= 0 else "narrower"
    return (
        f"{gap.column}: the float model is {points_text(gap.before, 1)} points better on "
        f"{gap.ahead} than on {gap.behind}, {after}. The gap is "
        f"{points_text(abs(gap.increase), 1)} points {word}, "
        f"{level_text(gap.level)} interval of the increase "
        f"{interval_text(gap.low, gap.high, 1)}: {gap.outcome}."
    )


def _rounded_up(number: int) -> int:
    """Round up to three digits; an estimate from observed rates does not have more."""
    unit = int(10 ** max(0, len(str(number)) - 3))
    return -(-number // unit) * unit


_MEASURES: Final = {"accuracy": "accuracy", "agreement": "agreement with the float model"}


def baseline_headline(baseline: Baseline) -> str:
    """Say in one sentence whether anything got worse."""
    worse = baseline.regressions
    if not worse:
        return f"Nothing got worse since {baseline.source}."
    names = some_of(one.variant for one in worse)
    return f"Worse than in {baseline.source}: {names}."


def basis_sentence(baseline: Baseline) -> str:
    """Say what the comparison rests on."""
    if baseline.paired:
        return (
            "Same images, same float model: artifacts are compared with their predecessors image "
            "by image."
        )
    why = (
        "Other images than then, or as many as each verdict needed"
        if baseline.same_model
        else "Since then the float model changed"
    )
    return (
        f"{why}: accuracies are compared as those of two independent samples, which only a larger "
        "difference tells apart."
    )


def changed(baseline: Baseline) -> Sequence[Change]:
    """Return the artifacts of which there is something to tell: all but those that are the same."""
    return [one for one in baseline.changes if not _is_same(one)]


def change_sentence(change: Change) -> str:
    """Say what became of one artifact."""
    if change.verdict_before is None:
        return f"new: {change.verdict}"
    if change.verdict is None:
        return f"missing; it was {change.verdict_before}"
    parts = [] if change.replaces is None else [f"in the place of {change.replaces}"]
    if change.verdict != change.verdict_before:
        parts.append(f"{change.verdict_before} before, now {change.verdict}")
    for measure, name in _MEASURES.items():
        share: ShareChange | None = getattr(change, measure)
        if share is not None and (share.now != share.before or measure in change.regressions):
            parts.append(_share_sentence(name, share, worse=measure in change.regressions))
    if change.bytes != change.bytes_before:
        parts.append(_size_sentence(change.bytes_before, change.bytes))
    if not parts:
        return "the same file" if change.same_file else "another file, with the same answers"
    return "; ".join(parts)


def worse_than(baseline: Baseline) -> str:
    """Say the first few regressions, for an error."""
    worse = baseline.regressions
    return some_of((f"{one.variant}, {change_sentence(one)}" for one in worse), joint="; ")


def _share_sentence(name: str, share: ShareChange, *, worse: bool) -> str:
    return (
        f"{name} {percent_text(share.before)} before, now {percent_text(share.now)} "
        f"({points_text(share.now - share.before, sign=True)} points, 95 % interval "
        f"{interval_text(share.low, share.high)}{', worse beyond chance' if worse else ''})"
    )


def _size_sentence(before: int | None, now: int | None) -> str:
    texts = size_text(before), size_text(now)
    if texts[0] == texts[1]:  # a few bytes, such as the version of a tool in the contract
        texts = f"{before:,} bytes", f"{now:,} bytes"
    return f"size {texts[0]} before, now {texts[1]}"


def _is_same(change: Change) -> bool:
    same_verdict = change.verdict == change.verdict_before and change.replaces is None
    shares = [one for one in (change.accuracy, change.agreement) if one is not None]
    same_shares = all(one.now == one.before for one in shares)
    return same_verdict and same_shares and change.bytes == change.bytes_before

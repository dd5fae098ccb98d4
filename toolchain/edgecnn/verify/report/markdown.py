"""The verdicts as Markdown, for the description of a pull request or a job's summary."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from edgecnn.files import write_whole
from edgecnn.report import markdown_row, markdown_text
from edgecnn.report.text import dataset_text, interval_text, percent_text, points_text, size_text
from edgecnn.verify.changes import Baseline
from edgecnn.verify.report.corruptions import worst_sentence
from edgecnn.verify.report.page import headline
from edgecnn.verify.report.wording import (
    baseline_headline,
    basis_sentence,
    beyond_sentence,
    change_sentence,
    changed,
    clear_sentence,
    criterion_sentence,
    decidable_sentence,
    float_model_sentences,
    limits_text,
    near_ties_sentence,
    single_classes_sentence,
    top_five_sentence,
    unlabelled_agreement_sentence,
    unlabelled_sentence,
    verdict_sentence,
)
from edgecnn.verify.results import LOCAL, ArtifactRow, ParityReport

_SIGNS: Final = {
    "PASS": "✅",
    "FAIL": "❌",
    "ERROR": "❌",
    "INCONCLUSIVE": "❔",
    "NOT MADE": "\u2013",
}  # fmt: skip


def write_markdown(path: Path, report: ParityReport) -> None:
    """Write ``markdown_summary``.

    Raises:
        WorkspaceError: If it cannot be written.
    """
    write_whole(path, markdown_summary(report), option="--markdown")


def markdown_summary(report: ParityReport) -> str:
    """Return a verification as GitHub-flavoured Markdown.

    Names are escaped; nothing in it links to anything or mentions anybody.
    """
    lines = [
        f"## {_SIGNS[report.verdict]} Parity of {markdown_text(report.model)}: {report.verdict}",
        "",
        f"{markdown_text(headline(report))} {_about(report)}",
        "",
        *([] if report.own_scores is None else [markdown_text(report.own_scores.sentence), ""]),
        "| artifact | verdict | size | accuracy | drop, points (95 %) | agreement | worst class |",
        "| --- | --- | ---: | ---: | ---: | ---: | --- |",
        *(_row(row, report) for row in report.rows),
        "",
    ]
    for sentence in float_model_sentences(report):
        lines += [f"**{markdown_text(sentence)}**", ""]
    general = (
        near_ties_sentence(report),
        unlabelled_sentence(report),
        decidable_sentence(report),
        single_classes_sentence(report),
    )
    for sentence in general:
        lines += [markdown_text(sentence), ""] if sentence else []
    if report.baseline is not None:
        lines += _baseline(report.baseline)
    for row in report.rows:
        equal = row.judgement is not None and row.judgement.by_equality
        if equal or row.verdict not in ("PASS", "NOT MADE"):
            lines += [
                f"**{markdown_text(row.variant)}**: {markdown_text(verdict_sentence(row, report))}",
                "",
            ]
    lines += ["<details><summary>Criteria and limits</summary>", ""]
    lines += [f"Limits: {markdown_text(limits_text(report))}.", ""]
    for row in report.rows:
        if row.judgement is not None:
            lines += [f"- {markdown_text(row.variant)}"]
            more = (
                clear_sentence(row, report),
                unlabelled_agreement_sentence(row),
                top_five_sentence(row),
                beyond_sentence(row),
            )
            lines += [f"  - {markdown_text(sentence)}" for sentence in more if sentence]
            lines += [
                f"  - {markdown_text(criterion_sentence(one, report.class_names))}"
                for one in row.judgement.criteria
            ]
            # With a limit, the criterion above is about the same worst corruption.
            if row.corruptions is not None and "max_corruption_drop" not in report.limits:
                worst = markdown_text(worst_sentence(row.corruptions))
                lines += [f"  - Under corruptions: {worst}"]
    lines += ["", "</details>", ""]
    versions = ", ".join(f"{name} {version}" for name, version in report.versions.items())
    about = f"{report.created}; {_machine(report)}; {versions}"
    lines += [f"<sub>{markdown_text(about)}</sub>"]
    return "\n".join(lines) + "\n"


def _about(report: ParityReport) -> str:
    dataset = markdown_text(dataset_text(report.evaluated.dataset))
    images = f"{report.evaluated.images:,} test images of {dataset}"
    if report.until_decided:
        return f"Up to {images}, for each artifact until its verdict is sure."
    judged = [row.metrics for row in report.rows if row.metrics is not None]
    accuracy = (
        f"; the float model is right on {percent_text(judged[0].reference.accuracy)}"
        if judged
        else ""
    )
    return f"{images}{accuracy}."


def _machine(report: ParityReport) -> str:
    processor = str(report.machine.get("processor", ""))
    return processor if report.device == LOCAL else f"{report.device}, {processor}"


def _row(row: ArtifactRow, report: ParityReport) -> str:
    equal = row.judgement is not None and row.judgement.by_equality
    verdict = f"{row.verdict} by equality" if equal else row.verdict
    start = [f"`{row.variant}`", f"{_SIGNS[row.verdict]} {verdict}"]
    if row.metrics is None:
        why = row.error.problem if row.error is not None else row.reason
        return markdown_row([*start, size_text(row.bytes), "", "", "", markdown_text(why)])
    drop, worst = row.criterion("accuracy_drop"), row.criterion("class_drop")
    name = report.class_names[worst.class_index or 0]
    return markdown_row(
        [
            *start,
            size_text(row.bytes),
            percent_text(row.metrics.artifact.accuracy),
            f"{points_text(drop.estimate)} ({interval_text(drop.low, drop.high)})",
            percent_text(row.metrics.agreement),
            f"{markdown_text(name)} {points_text(-worst.estimate, 1, sign=True)}",
        ]
    )


def _baseline(baseline: Baseline) -> list[str]:
    sign = _SIGNS["FAIL" if baseline.regressions else "PASS"]
    lines = [
        f"### {sign} {markdown_text(baseline_headline(baseline))}",
        "",
        basis_sentence(baseline),
        "",
    ]
    some = changed(baseline)
    if not some:
        return [*lines, "All artifacts are as they were.", ""]
    lines += ["| artifact | what changed |", "| --- | --- |"]
    for one in some:
        mark = "❌ " if one.regressions else ""
        lines.append(markdown_row([f"`{one.variant}`", mark + markdown_text(change_sentence(one))]))
    return [*lines, ""]

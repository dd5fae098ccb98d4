"""What the commands print for people: tables and the next step."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgecnn.build.workspace import Workspace
from edgecnn.cli.render import command_line, explain, out_console, print_json
from edgecnn.errors import EdgeError
from edgecnn.report.text import count_text, duration_text, plural_text, size_text, times_text

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from edgecnn.commands.build import BuildResult
    from edgecnn.commands.doctor import Check
    from edgecnn.data.quality.inspection import ClassFacts
    from edgecnn.recipe.load import Recipe
    from edgecnn.verify import ParityReport
    from edgecnn.verify.changes import Baseline
    from edgecnn_runner.classifier import Result

_LONG_S = 0.5
"""Stages of a conversion that took less are not named."""
_STATE_STYLE = {
    "made": "green",
    "ok": "green",
    "note": "yellow",
    "refused": "yellow",
    "replaced": "yellow",
    "failed": "bold red",
    "bad": "bold red",
}


def _table(*columns: str) -> Table:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def variants_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """Lay out conversion rows: one per variant asked for, with its reason if there is no file."""
    from rich.text import Text

    table = _table("variant, size, file", "state", "runs on")
    for row in rows:
        state = str(row["status"])
        runtimes = ", ".join(f"{k} >= {v}" for k, v in (row.get("min_runtime") or {}).items())
        size = f" {size_text(row['bytes'])}" if row.get("bytes") else ""
        # Two lines a row, so that names are whole in 80 columns.
        table.add_row(
            Text.assemble(
                f"{row['variant']}{size}", (f"\n{row['file']}" if row["file"] else "", "dim")
            ),
            Text(state, style=_STATE_STYLE[state]),
            Text(runtimes if state == "made" else str(row["reason"])),
        )
    return table


def seconds_text(seconds: Mapping[str, float]) -> str:
    """Return how long the stages of a conversion took, those that took longest first."""
    longest = sorted(seconds.items(), key=lambda stage: -stage[1])
    named = [f"{name} {duration_text(1e9 * taken)}" for name, taken in longest if taken >= _LONG_S]
    total = duration_text(1e9 * sum(seconds.values()))
    return f"took {total}: {', '.join(named)}" if named else f"took {total}"


def checks_table(checks: Sequence[Check]) -> Table:
    """Lay out the doctor's checks, each lack with its fix."""
    from rich.text import Text

    table = _table("check", "state", "found", "fix")
    for check in checks:
        table.add_row(
            check.name,
            Text(check.state, style=_STATE_STYLE[check.state]),
            Text(check.found),
            Text(check.fix),
        )
    return table


def classes_table(classes: Sequence[ClassFacts]) -> Table:
    """Lay out what there is of each class of photos."""
    from rich.text import Text

    splits = list(dict.fromkeys(split for one in classes for split in one.splits))
    unread = any(one.unread for one in classes)
    table = _table("class", "photos", *splits, *(["not read"] if unread else []), "shorter side")
    for one in classes:
        sides = f"{count_text(one.short_side)} px"
        if one.smallest != one.largest:
            sides += f" ({count_text(one.smallest)} to {count_text(one.largest)})"
        table.add_row(
            Text(one.name),
            count_text(one.photos),
            *(count_text(one.splits.get(split, 0)) for split in splits),
            *([count_text(one.unread)] if unread else []),
            sides,
        )
    return table


def print_report(console: Console, report: ParityReport, page: Path) -> None:
    """Print the parity table and where the report is."""
    from edgecnn.verify.report.corruptions import render_corruptions
    from edgecnn.verify.report.table import render_layers, render_table

    console.print(render_table(report))
    if report.own_scores is not None:
        console.print(report.own_scores.sentence, markup=False, soft_wrap=True)
    if report.baseline is not None:
        _print_changes(console, report.baseline)
    if (corruptions := render_corruptions(report)) is not None:
        console.print(corruptions)
    for part in render_layers(report):
        console.print(part)
    took = [row.seconds for row in report.rows if row.seconds is not None]
    if took:
        files = plural_text(len(took), "file")
        console.print(f"{files} run and judged in {duration_text(sum(took) * 1e9)}", markup=False)
    if report.write_error is None:
        console.print(f"report: {page}", markup=False, soft_wrap=True)


def _print_changes(console: Console, baseline: Baseline) -> None:
    from rich.text import Text

    from edgecnn.verify.report.wording import (
        baseline_headline,
        basis_sentence,
        change_sentence,
        changed,
    )

    worse = bool(baseline.regressions)
    console.print(Text(baseline_headline(baseline), style="bold red" if worse else "bold green"))
    console.print(Text(basis_sentence(baseline), style="dim"))
    for one in changed(baseline):
        console.print(Text(f"  {one.variant}: {change_sentence(one)}"))
    console.print()


def explain_unwritten(report: ParityReport, ending: EdgeError | None) -> None:
    """Say on stderr why the reports are missing, unless the command ends with just that."""
    if report.write_error is not None:
        problem = report.write_error.to_error()
        if ending is None or str(problem) != str(ending):
            explain(problem)


def print_build(result: BuildResult, *, json_output: bool) -> None:
    """Print what a build came to: what was not made, the verdicts, and where the report is."""
    if json_output:
        print_json(result.to_dict())
    else:
        console = out_console()
        print_essence(result.essence, result.build / Workspace.TRAINING_PAGE)
        missing = [row for row in result.variants if row["status"] != "made"]
        if missing:
            console.print(variants_table(missing))
        print_repairs(console, result.variants)
        print_report(console, result.parity, result.build / Workspace.REPORT)
    explain_unwritten(result.parity, result.error)


def print_essence(essence: Mapping[str, str], page: Path) -> None:
    """Print what a training came to, and where its report is; nothing where there is none."""
    if not essence:
        return
    console = out_console()
    for name, text in essence.items():
        console.print(f"{name}: {text}", markup=False, highlight=False)
    console.print(f"training report: {page}\n", markup=False, highlight=False, soft_wrap=True)


def print_classification(console: Console, path: Path, result: Result) -> None:
    """Print an image's ranked classes with their scores as small bars."""
    from rich.text import Text

    console.print(Text.assemble((str(path), "bold"), "  ", result.label), soft_wrap=True)
    width = max(len(score.label) for score in result.ranked)
    for score in result.ranked:
        bar = "█" * round(20 * score.score)
        console.print(Text(f"  {score.label:<{width}}  {score.score:6.1%}  {bar}"), soft_wrap=True)


def show_demo(recipe: Recipe, build: Path) -> None:
    """Classify one evaluation picture with the int8 file, as a user would next."""
    from PIL import Image

    from edgecnn.build.artifact import artifact_name
    from edgecnn.data import load_dataset
    from edgecnn.files import write_whole
    from edgecnn_runner.classifier import Classifier
    from edgecnn_runner.runtimes.quiet import without_native_chatter

    console = out_console()
    dataset = load_dataset(recipe.data)
    sample = build / "sample.png"
    picture = io.BytesIO()
    Image.fromarray(dataset.test.pixels[0, :, :, 0]).resize((256, 256), 0).save(picture, "PNG")
    write_whole(sample, picture.getvalue())
    file = build / artifact_name(recipe.model.name, "tflite-int8")
    truth = dataset.class_names[int(dataset.test.labels[0])]
    console.print(
        f"\n$ {command_line('run', file, sample)}", style="bold", markup=False, soft_wrap=True
    )
    with without_native_chatter():
        classifier = Classifier(file)
    print_classification(console, sample, classifier.classify(sample, top=3))
    console.print(
        f"\nThat was a handwritten {truth}.\n"
        f"Next, with your own images: {command_line('init', 'leaves', '--data', 'photos/')}",
        markup=False,
        soft_wrap=True,
    )


def print_repairs(console: Console, rows: Sequence[Mapping[str, Any]]) -> None:
    """Print the repairs among conversion rows, those that were not needed in a line each."""
    for row in rows:
        repair = row.get("repair")
        # Of a file that does not run, its row says so.
        if repair is not None and row["status"] == "made":
            print_repair(console, str(row["variant"]), repair)


def print_repair(
    console: Console, variant: str, repair: Mapping[str, Any], *, layers: bool = True
) -> None:
    """Print one repair.

    Args:
        console: Where to.
        variant: The file's.
        repair: A ``RepairRecord`` as JSON values.
        layers: Whether to list the layers in float, too.
    """
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    from edgecnn.build.artifact import asked_for
    from edgecnn.convert.repair.record import repair_sentence

    console.print(Text(repair_sentence(asked_for(variant), repair)), soft_wrap=True)
    if repair["outcome"] != "mixed":
        return
    if layers:
        table = Table(box=SIMPLE_HEAD, pad_edge=False, header_style="bold")
        for column in ("in float", "why"):
            table.add_column(column, overflow="fold")
        for one in repair["kept"]:
            table.add_row(Text(f"{one['operator']}\n{one['name']}"), Text(str(one["why"])))
        console.print(table)
    console.print(Text(_cost(variant, repair["latency"])), soft_wrap=True)


def _cost(variant: str, latency: Mapping[str, Any]) -> str:
    """Say how long an image takes beside the other precisions, and where that was measured."""
    medians: Mapping[str, int] = latency["median_ns"]
    own = medians[variant]
    others = [
        f"{times_text(own / median)} times {name} ({duration_text(median)})"
        for name, median in sorted(medians.items(), key=lambda pair: pair[0].endswith("fp32"))
        if name != variant
    ]
    machine = latency["machine"]
    where = machine.get("model") or machine.get("processor") or machine.get("architecture")
    return (
        f"latency of {variant}: {duration_text(own)} an image, {', '.join(others)}; medians of "
        f"{latency['n']} calls in turns on this machine ({where}, {latency['runtime']}, "
        f"{latency['threads']} thread)"
    )

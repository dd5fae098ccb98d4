"""What ``edgecnn bench`` prints for people, and the files it writes for them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal

import typer

from edgecnn_runner.quantities import size_text

if TYPE_CHECKING:
    from rich.console import Console

    from edgecnn.bench.judge.recommendation import Recommendation
    from edgecnn.bench.judge.regressions import Gate, GateRow, Measure
if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from edgecnn.bench.report.profile_view import ProfileView
    from edgecnn.bench.results import BenchReport

if TYPE_CHECKING:
    from rich.console import Console

    from edgecnn.bench.judge.judgement import JudgedBench
    from edgecnn.bench.judge.recommendation import Recommendation
    from edgecnn.bench.results import DeviceBench

CsvOption = Annotated[
    Path | None,
    typer.Option(
        "--csv",
        metavar="FILE",
        help="Also write all figures as CSV: a row for each device, file and number of threads.",
    ),
]
MarkdownOption = Annotated[
    Path | None,
    typer.Option("--markdown", metavar="FILE", help="Also write a summary for a pull request."),
]


def print_bench(console: Console, judged: JudgedBench) -> None:
    """Print for each device its table, what makes it doubtful and what to ship; then the gate."""
    for device, recommendation in zip(judged.report.devices, judged.recommendations, strict=True):
        _print_device(console, device, recommendation)
    if judged.gate is not None:
        print_gate(console, judged.gate)


def write_bench_reports(
    console: Console | None,
    judged: JudgedBench,
    place: Path | None,
    *,
    csv: Path | None = None,
    markdown: Path | None = None,
) -> None:
    """Write the page and what else was asked for, and print where they are.

    Args:
        console: Where to print; None for nowhere.
        judged: What to write.
        place: Where ``bench.json`` was written; None if it was not.
        csv: See ``CsvOption``.
        markdown: See ``MarkdownOption``.

    Raises:
        WorkspaceError: If a file cannot be written.
    """
    from edgecnn.bench.report.exports import write_exports

    written = write_exports(judged, place, csv=csv, markdown=markdown)
    if console is None:
        return
    for name in written if place is None else (written[0], place, *written[1:]):
        console.print(f"report: {name}", markup=False, soft_wrap=True)


def _print_device(console: Console, device: DeviceBench, recommendation: Recommendation) -> None:
    from rich.padding import Padding
    from rich.text import Text

    from edgecnn.bench.report.device_facts import device_title
    from edgecnn.bench.report.table import render_table

    about = [device.system, device.machine.get("system")]
    title = ", ".join([device_title(device), *(str(one) for one in about if one)])
    console.print(Text(title, style="bold"))
    if device.error is not None:
        observed = f" ({device.error.observed})" if device.error.observed else ""
        console.print(Padding(Text(device.error.problem + observed, style="red"), (0, 0, 0, 2)))
        console.print(Padding(Text(device.error.remedy), (0, 0, 0, 2)))
    if device.rows:
        console.print(render_table(device, recommendation))
    conditions = device.conditions
    if conditions is not None and conditions.invalid is not None:
        console.print(Text(f"INVALID: {conditions.invalid}", style="bold red"))
    for warning in () if conditions is None else conditions.warnings:
        console.print(Text(f"warning: {warning}", style="yellow"))
    if device.error is None:
        print_recommendation(console, recommendation)
    console.print()


ProfileOption = Annotated[
    bool,
    typer.Option(
        "--profile",
        help="Also show where the time goes, operator by operator; where the runtime does not "
        "tell, how the multiply-accumulates are spread.",
    ),
]

_BAR = 12
_BETWEEN = 3
_PARTS = " ▏▎▍▌▋▊▉█"


def print_profiles(console: Console, report: BenchReport) -> None:
    """Print the profiles of a report, if it has any, after its other tables."""
    from edgecnn.bench.report.profile_view import profile_views

    for view in profile_views(report):
        console.print(f"\n{view.file} on {view.device}", style="bold", markup=False)
        for note in view.notes:
            console.print(note, markup=False, style="dim")
        if view.lines:
            console.print(profile_table(view, console.width))


def profile_table(view: ProfileView, width: int) -> Table:
    """Lay out one profile in so many columns of characters."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, pad_edge=False, header_style="bold")
    figures = [("share" if view.timed else "MAC share", 6), ("", _BAR), ("MACs", 7)]
    if view.timed:
        figures = [("time", 9), *figures, ("GMAC/s", 6)]
    # Where there is little room, names are cut short, and figures never are.
    room = width - sum(size + _BETWEEN for _, size in figures) - 2 * _BETWEEN
    for title in ("operator", "name"):
        table.add_column(title, overflow="ellipsis", no_wrap=True, max_width=max(6, room // 2))
    for title, size in figures:
        justify: Literal["left", "right"] = "right" if title else "left"
        table.add_column(title, justify=justify, no_wrap=True, min_width=size)
    for line in view.lines:
        table.add_row(
            *(Text(line.type), Text(line.name, style="dim")),
            *([line.time] if view.timed else []),
            line.share_text,
            _bar(line.bar / 100),
            line.macs,
            *([line.rate] if view.timed else []),
        )
    return table


def _bar(part: float) -> str:
    """Return a bar in eighths of a character; of a part above 0 at least one."""
    if not part:
        return ""
    eighths = max(1, round(8 * _BAR * part))
    return "█" * (eighths // 8) + _PARTS[eighths % 8].strip()


_STYLES: Final = {
    "kept": "green",
    "undecided": "yellow",
    "regression": "bold red",
    "missing": "bold red",
    "not comparable": "bold yellow",
    "new": "dim",
}


def print_recommendation(console: Console, recommendation: Recommendation) -> None:
    """Print what to ship on a device, and why not the others."""
    from rich.padding import Padding
    from rich.text import Text

    from edgecnn.bench.report.words import (
        front_sentence,
        headline,
        loss_sentence,
        warning_sentences,
    )

    style = "bold" if recommendation.choice is None else "bold green"
    console.print(Text(headline(recommendation), style=style))
    for warning in warning_sentences(recommendation):
        console.print(Text(f"warning: {warning}", style="yellow"))
    if (front := front_sentence(recommendation)) is not None:
        console.print(Text(front))
    lost = [one for one in recommendation.candidates if one.row != recommendation.chosen]
    for name, why in (
        *((one.name, loss_sentence(recommendation, one)) for one in lost),
        *((one.name, f"Left out: {one.reason}.") for one in recommendation.left_out),
    ):
        console.print(Padding(Text.assemble((f"{name}: ", "bold"), why), (0, 0, 0, 2)))


def print_gate(console: Console, gate: Gate) -> None:
    """Print what was compared: of each row size, or latency and memory; then the answer.

    Args:
        console: Where to.
        gate: The comparison.
    """
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    from edgecnn.bench.report.words import gate_headline

    table = Table(box=SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for column in (f"compared with {gate.source}", "before, now", "times (95 %)", "outcome"):
        table.add_column(column, overflow="fold")
    several = len({row.device for row in gate.rows}) > 1
    for row in gate.rows:
        # A tail never fails, and is worth a line only where it grew by more than is allowed.
        shown = [
            one
            for one in row.measures
            if one.name != "p90" or (one.ratio.low or 0) > 1 + gate.max_regression
        ]
        table.add_row(
            Text(_title(row, several=several)),
            Text("\n".join(_then_and_now(one) for one in shown)),
            Text("\n".join(_times(one) for one in shown)),
            Text.assemble(
                (row.outcome, _STYLES[row.outcome]), *(f"\n{one}" for one in _notes(row))
            ),
        )
    console.print(table)
    console.print(Text(gate_headline(gate)))


def _title(row: GateRow, *, several: bool) -> str:
    # The row of an artifact's file stands above those of its numbers of threads.
    if row.threads is not None:
        return f"  {row.threads} {'thread' if row.threads == 1 else 'threads'}"
    return f"{row.name} on {row.device}" if several else row.name


def _then_and_now(measure: Measure) -> str:
    from edgecnn.bench.report.words import duration_text

    text = duration_text if measure.name in ("latency", "p90") else size_text
    tail = "p90 " if measure.name == "p90" else ""
    return f"{tail}{text(measure.before)}, {text(measure.now)}"


def _times(measure: Measure) -> str:
    from edgecnn.bench.report.words import times_text

    ratio = measure.ratio
    if ratio.low is None or ratio.high is None:
        return times_text(ratio.value)
    return f"{times_text(ratio.value)} ({times_text(ratio.low)} to {times_text(ratio.high)})"


def _notes(row: GateRow) -> tuple[str, ...]:
    return (*((row.reason,) if row.reason else ()), *row.changes)

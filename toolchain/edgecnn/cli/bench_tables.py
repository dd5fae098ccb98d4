"""What ``edgecnn bench`` prints for people, and the files it writes for them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from edgecnn.bench.judge.judgement import JudgedBench
    from edgecnn.bench.judge.recommendation import Recommendation
    from edgecnn.bench.results import DeviceBench

__all__ = ["CsvOption", "MarkdownOption", "print_bench", "write_bench_reports"]

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
    from edgecnn.cli.bench_judged import print_gate

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
    from edgecnn.cli.bench_judged import print_recommendation

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

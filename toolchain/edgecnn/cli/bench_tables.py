"""What ``edgecnn bench`` prints for people."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from edgecnn.quantities import size_text

if TYPE_CHECKING:
    from rich.console import Console

    from edgecnn.bench.results import ArtifactBench, BenchReport, DeviceBench

__all__ = ["print_bench"]


def print_bench(console: Console, report: BenchReport, place: Path | None) -> None:
    """Print a table for each device, what makes it doubtful, and where the report is."""
    for device in report.devices:
        _print_device(console, device)
    if place is not None:
        console.print(f"report: {place}", markup=False, soft_wrap=True)


def _print_device(console: Console, device: DeviceBench) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    machine = device.machine
    parts = [machine.get("model") or machine.get("processor"), device.system, machine.get("system")]
    title = ", ".join([device.device, *(str(part) for part in parts if part)])
    console.print(Text(title, style="bold"))
    if device.error is not None:
        console.print(Text(f"  {device.error.problem} ({device.error.observed})", style="red"))
        console.print(Text(f"  {device.error.remedy}"))
    if device.rows:
        table = Table(box=SIMPLE_HEAD, pad_edge=False, header_style="bold")
        for column in ("file", "threads", "median", "p90", "start", "memory", "size"):
            table.add_column(column, justify="left" if column == "file" else "right")
        for row in device.rows:
            table.add_row(*map(Text, _cells(row)))
        console.print(table)
    conditions = device.conditions
    if conditions is not None and conditions.invalid is not None:
        console.print(Text(f"INVALID: {conditions.invalid}", style="bold red"))
    for warning in () if conditions is None else conditions.warnings:
        console.print(Text(f"warning: {warning}", style="yellow"))


def _cells(row: ArtifactBench) -> tuple[str, ...]:
    from edgecnn_runner.timing import percentile

    name = f"{row.file}\n{row.runtime or 'not run'}"
    best = row.best
    if best is None:
        why = "not measured" if row.error is None else row.error.problem
        return (f"{name}\n{why}", *["-"] * 5, size_text(row.bytes))
    ordered, starts = sorted(best.samples_ns), sorted(best.starts_ns)
    memory = best.peak_memory_bytes
    return (
        name,
        str(best.threads),
        f"{percentile(ordered, 50) / 1000:.1f} µs",
        f"{percentile(ordered, 90) / 1000:.1f} µs",
        f"{percentile(starts, 50) / 1e6:.0f} ms",
        "unknown" if memory is None else size_text(memory),
        size_text(row.bytes),
    )

"""A device's artifacts as a table for the terminal; readable in 80 columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from edgecnn.bench.judge.recommend import Recommendation
from edgecnn.bench.report.figures import RowFigures, rows_by_latency, runtime_text
from edgecnn.bench.results import DeviceBench
from edgecnn.report.text import (
    DASH,
    points_text,
    size_text,
    time_unit,
)

if TYPE_CHECKING:
    from rich.table import Table

_BAR: Final = 10
_EIGHTHS: Final = " ▏▎▍▌▋▊▉"
_STYLES: Final = {
    "PASS": "green",
    "FAIL": "bold red",
    "ERROR": "bold red",
    "INCONCLUSIVE": "yellow",
}
_MARK: Final = "★"


def render_table(device: DeviceBench, recommendation: Recommendation) -> Table:
    """Return a table of a device's rows, the fastest first.

    Each has two lines: variant and runtime; a bar as long as its median, with a whisker up to its
    90th percentile where that is a character further, both relative to the slowest 90th percentile
    of the device; median above p90; threads above memory; size above accuracy. Those without
    figures have their reason.

    Args:
        device: At least one row.
        recommendation: What is recommended there; its choice has a star.
    """
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    rows = rows_by_latency(device)
    measured = [one for one in rows if one.figures is not None]
    unit = time_unit([one.measured.times.median_ns for one in measured])
    slowest = max((one.measured.times.p90_ns for one in measured), default=1)
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    table.add_column("variant\nruntime", overflow="fold")
    table.add_column("latency", no_wrap=True, width=_BAR)
    for heading in (f"median {unit.name}\np90", "threads\nmemory", "size\nacc. %"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    front = {one.row for one in recommendation.front}
    for one in rows:
        row = one.row
        is_chosen = one.index == recommendation.chosen
        name = Text.assemble(
            (one.label, "bold" if is_chosen else ""), (f"\n{runtime_text(row)}", "dim")
        )
        size = f"{size_text(row.bytes)}\n{points_text(row.accuracy)}"
        verdict = Text(row.verdict or "not verified", style=_STYLES.get(row.verdict or "", "dim"))
        if row.fed:
            name.append(f"\n{row.fed_text}", style="dim")
        elif row.random_input:
            verdict.append(f"\n{row.fed_text}", style="dim")
        if is_chosen:
            verdict.append(f"\n{_MARK} ship", style="bold green")
        elif one.index in front:
            verdict.append("\nfront", style="dim")
        if one.figures is None:
            why = row.error.problem if row.error is not None else "not measured"
            name.append(f"\n{why}", style="red")
            table.add_row(name, "", "", "", size, verdict)
            continue
        times = one.figures.times
        table.add_row(
            name,
            Text(bar(times.median_ns / slowest, times.p90_ns / slowest), style="cyan"),
            f"{unit.number(times.median_ns)}\n{unit.number(times.p90_ns)}",
            f"{row.chosen}\n{_memory(one)}",
            size,
            verdict,
        )
    return table


def bar(median: float, p90: float, width: int = _BAR) -> str:
    """Return a bar of block characters, to an eighth of one, with a whisker.

    Args:
        median: Length of the bar, as a share of the width, 0..1.
        p90: End of the whisker, not less than ``median``.
        width: In characters.

    >>> bar(0.5, 1.0, 8), bar(0.3, 0.3, 8), bar(0.01, 0.02, 8)
    ('████───┤', '██▍', '▏')
    """
    # What is measured is seen, however short.
    eighths = max(1, round(median * width * 8))
    text = "█" * (eighths // 8) + _EIGHTHS[eighths % 8].strip()
    end = min(width, round(p90 * width))
    return text if end <= len(text) else text + "─" * (end - len(text) - 1) + "┤"


def _memory(one: RowFigures) -> str:
    best = one.row.best
    memory = None if best is None else best.peak_memory_bytes
    return DASH if memory is None else size_text(memory)

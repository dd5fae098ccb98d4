"""What ``edgecnn bench --profile`` adds to the command: the option, and its tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from edgecnn.bench.report.profile_view import ProfileView
    from edgecnn.bench.results import BenchReport

__all__ = ["ProfileOption", "print_profiles", "profile_table"]

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

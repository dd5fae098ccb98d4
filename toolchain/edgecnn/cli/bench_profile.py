"""What ``edgecnn bench --profile`` adds to the command: the option, and its tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from edgecnn.bench.profile_view import ProfileView
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

_BAR = 20
_PARTS = " ▏▎▍▌▋▊▉█"


def print_profiles(console: Console, report: BenchReport) -> None:
    """Print the profiles of a report, if it has any, after its other tables."""
    from edgecnn.bench.profile_view import profile_views

    for view in profile_views(report):
        console.print(f"\n{view.file} on {view.device}", style="bold", markup=False)
        for note in view.notes:
            console.print(note, markup=False, style="dim")
        if view.lines:
            console.print(profile_table(view))


def profile_table(view: ProfileView) -> Table:
    """Lay out one profile."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, pad_edge=False, header_style="bold")
    table.add_column("operator", overflow="ellipsis", no_wrap=True, min_width=12)
    table.add_column("name", overflow="ellipsis", no_wrap=True, style="dim")
    if view.timed:
        table.add_column("time", justify="right", no_wrap=True)
    table.add_column("share" if view.timed else "MAC share", justify="right", no_wrap=True)
    table.add_column("", width=_BAR, no_wrap=True)
    table.add_column("MACs", justify="right", no_wrap=True)
    if view.timed:
        table.add_column("GMAC/s", justify="right", no_wrap=True)
    for line in view.lines:
        table.add_row(
            *(Text(line.type), Text(line.name)),
            *([line.time] if view.timed else []),
            line.share_text,
            _bar(line.share),
            line.macs,
            *([line.rate] if view.timed else []),
        )
    return table


def _bar(share: float | None) -> str:
    """Return a bar in eighths of a character; of a share above 0 at least one."""
    if not share:
        return ""
    eighths = max(1, round(8 * _BAR * share))
    return "█" * (eighths // 8) + _PARTS[eighths % 8].strip()

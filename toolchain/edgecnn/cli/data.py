"""``edgecnn data``: what there is of one's own photos, what is wrong with them, and what to do."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from edgecnn.cli.options import JsonOption, QuietOption, WeightsOption

if TYPE_CHECKING:
    from rich.console import Console

    from edgecnn.commands.data import DataResult

_NAMED: Final = 3  # findings of a kind that the terminal names


def data(
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="FOLDER",
            help="Your photos: a folder of class folders, or one that comes split; or a recipe.",
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="FOLDER",
            help="Write a page with the pictures there, data.html, and all findings, data.json.",
        ),
    ] = None,
    weights: WeightsOption = None,
    quick: Annotated[
        bool,
        typer.Option(
            "--quick", help="Leave out what takes a pretrained network: labels likely wrong."
        ),
    ] = False,
    quiet: QuietOption = False,
    json_output: JsonOption = False,
) -> None:
    """Find what is wrong with your own photos before they are trained on.

    Copies and near duplicates, also in two classes or splits; files that cannot be read; blank,
    dark, burnt-out, blurred and small photos; with a pretrained network, labels that are likely
    wrong. Each finding says what to do. Nothing is changed, and findings are no error: the exit
    code is 21 only where the photos cannot be used for a training.

    Example: edgecnn data photos/ --out photos-report
    """
    from edgecnn.cli.progress import terminal_progress
    from edgecnn.cli.render import exit_for, out_console, print_json
    from edgecnn.commands import data as command

    request = command.DataRequest(folder=folder, out=out, weights=weights, quick=quick)
    result = command.data(request, progress=terminal_progress(quiet=quiet))
    if json_output:
        print_json(result.to_dict())
    else:
        print_quality(out_console(), result)
    exit_for(result.error)


def print_quality(console: Console, result: DataResult) -> None:
    """Print classes, findings and the next step."""
    from rich.markup import escape

    from edgecnn.cli.render import command_line
    from edgecnn.cli.tables import classes_table
    from edgecnn.data.quality.findings import KINDS, kinds_found
    from edgecnn.errors import some_of
    from edgecnn.report.text import plural_text, size_text

    quality = result.quality

    def line(text: str, *, indent: int = 0) -> None:
        # Names of files may hold what rich takes for markup, or for a picture.
        console.print(" " * indent + escape(text), emoji=False, soft_wrap=True)

    line(
        f"{plural_text(quality.photos, 'photo')} of {len(quality.classes)} classes in "
        f"{quality.folder}, {size_text(quality.size_bytes)}"
    )
    console.print(classes_table(quality.classes))
    for note in quality.notes:
        line(f"note: {note}")
    found = kinds_found(quality.findings)
    if not found:
        line("Nothing was found to be wrong with these photos.")
    for kind, findings in found.items():
        words = KINDS[kind]
        console.print(f"\n[bold]{words.title}[/bold]: {len(findings):,}")
        for finding in findings[:_NAMED]:
            line(f"{some_of(finding.photos)}: {finding.detail}", indent=2)
        if len(findings) > _NAMED:
            line(f"and {len(findings) - _NAMED:,} more", indent=2)
        line(f"{words.meaning} {words.advice}", indent=2)
    console.print()
    if quality.auto is not None:
        auto = quality.auto
        line(
            f'split_by = "auto" makes {plural_text(auto.groups, "group")} of these photos, the '
            f"largest of {auto.largest:,}: {auto.rule}"
        )
    if quality.split_effect is not None:
        line(quality.split_effect.sentence)
    for one in quality.not_checked:
        line(f"not checked: {one.check} ({one.why})")
    if result.page is None:
        line(f"With the pictures: {command_line('data', quality.folder, '--out', 'data-report')}")
    else:
        line(f"wrote {result.page} and {result.record}")

"""``edgecnn evaluate``: how often one's own file is right on new labelled photos."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from edgecnn.cli.options import (
    CropFractionOption,
    DeviceOption,
    FitOption,
    IdentityOption,
    InputMeanOption,
    InputRangeOption,
    InputStdOption,
    JsonOption,
    KnownHostsOption,
    LabelsOption,
    LayoutOption,
    ModelArgument,
    OutputKindOption,
    PrefixOption,
    QuietOption,
    ResampleOption,
    ThreadsOption,
)
from edgecnn.report.text import count_text, percent_text, points_text
from edgecnn_runner.input_options import Preprocessing

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from edgecnn.commands.evaluate import EvaluateResult
    from edgecnn.verify.evaluate import EvaluateReport

_MOST_CLASSES: Final = 20
_MOST_MISTAKES: Final = 3


def evaluate(
    model: ModelArgument,
    data: Annotated[
        str,
        typer.Argument(
            metavar="FOLDER",
            help="New labelled photos: a folder for each class, named as the labels are.",
        ),
    ],
    min_accuracy: Annotated[
        str | None,
        typer.Option(
            "--min-accuracy",
            metavar="PERCENT",
            help="Exit 3 where the file is surely right on less, e.g. 80%, and 4 where the photos "
            "are too few to tell.",
        ),
    ] = None,
    labels: LabelsOption = None,
    input_range: InputRangeOption = None,
    input_mean: InputMeanOption = None,
    input_std: InputStdOption = None,
    fit: FitOption = None,
    crop_fraction: CropFractionOption = None,
    resample: ResampleOption = None,
    output_kind: OutputKindOption = None,
    layout: LayoutOption = None,
    threads: ThreadsOption = 1,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="FILE",
            help="Write a page there, HTML: classes, confusion matrix, mistakes with pictures.",
        ),
    ] = None,
    csv: Annotated[
        Path | None,
        typer.Option("--csv", metavar="FILE", help="Write the answer to each photo there."),
    ] = None,
    device: DeviceOption = None,
    prefix: PrefixOption = None,
    identity: IdentityOption = None,
    known_hosts: KnownHostsOption = None,
    quiet: QuietOption = False,
    json_output: JsonOption = False,
) -> None:
    """Tell how often a file is right on new labelled photos, and show its mistakes.

    Accuracy and recall of each class with intervals, what is taken for what, and a warning where
    the photos are those that it was trained on. It exits 0 whatever the accuracy, but for
    --min-accuracy. A file made by edgecnn says itself how it wants its input; another one needs
    --labels and --input-range. With --device it runs there.

    Example: edgecnn evaluate build/leaves new-photos --out evaluation.html
    """
    from edgecnn.cli.progress import terminal_progress
    from edgecnn.cli.render import exit_for, out_console, print_json
    from edgecnn.commands import evaluate as command
    from edgecnn.devices import choose_device
    from edgecnn.recipe.section import number_or_text

    request = command.EvaluateRequest(
        model=model,
        data=data,
        min_accuracy=None if min_accuracy is None else number_or_text(min_accuracy),
        labels=labels,
        preprocessing=Preprocessing.of_options(
            input_range=input_range,
            input_mean=input_mean,
            input_std=input_std,
            fit=fit,
            crop_fraction=crop_fraction,
            resample=resample,
        ),
        output_kind=output_kind,
        layout=layout,
        threads=threads,
        device=choose_device(device, identity=identity, known_hosts=known_hosts, prefix=prefix),
        out=out,
        csv=csv,
    )
    result = command.evaluate(request, progress=terminal_progress(quiet=quiet))
    if json_output:
        print_json(result.to_dict())
    else:
        print_evaluation(out_console(), result)
    exit_for(result.error)


def print_evaluation(console: Console, result: EvaluateResult) -> None:
    """Print accuracy, classes, the worst mistakes, and what was written."""
    report = result.report

    def line(text: str) -> None:
        console.print(text, markup=False, soft_wrap=True)

    line(f"{report.model} on {report.data}, {report.rule}: {report.headline}")
    if report.top5 is not None:
        line(f"top 5: its class is among the five best on {report.top5.text}")
    console.print(recall_table(report))
    for note in report.notes():
        line(f"note: {note}")
    line(f"calibration error {percent_text(report.calibration_error, 1)}")
    for one in report.mistakes[:_MOST_MISTAKES]:
        line(f"{one.id}: {one.label}, taken for {one.answer} ({percent_text(one.score, 0)})")
    more = len(report.mistakes) - _MOST_MISTAKES
    if more > 0:
        shown = "" if result.page else "; --out PAGE shows them"
        line(f"and {count_text(more)} more mistakes{shown}")
    for written in (result.page, result.csv):
        if written is not None:
            line(f"wrote {written}")


def recall_table(report: EvaluateReport) -> Table:
    """Lay out the recall of each class; of many classes, the lowest."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, pad_edge=False, header_style="bold")
    table.add_column("class", overflow="fold")
    for column in ("photos", "recall %", "interval"):
        table.add_column(column, justify="right")
    table.add_column("most often taken for", overflow="fold")
    rows = [(one, one.recall) for one in report.classes if one.recall is not None]
    if len(rows) > _MOST_CLASSES:
        rows = sorted(rows, key=lambda row: (row[1].share, row[0].index))[:_MOST_CLASSES]
        table.caption = (
            f"the {_MOST_CLASSES} of {count_text(len(report.class_names))} classes with the lowest"
        )
    for one, recall in rows:
        table.add_row(
            Text(one.name),
            count_text(recall.images),
            points_text(recall.share, 1),
            f"{points_text(recall.low, 1)} to {points_text(recall.high, 1)}",
            Text(one.taken_for),
        )
    return table

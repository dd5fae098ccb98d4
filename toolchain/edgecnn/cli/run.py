"""``edgecnn run``: classify images on this machine with the runner that ships."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edgecnn.cli.options import (
    CropFractionOption,
    FitOption,
    InputMeanOption,
    InputRangeOption,
    InputStdOption,
    JsonOption,
    LabelsOption,
    LayoutOption,
    ModelArgument,
    OutputKindOption,
    QuietOption,
    ResampleOption,
    ThreadsOption,
)
from edgecnn_runner.input_options import Preprocessing


def run(
    model: ModelArgument,
    images: Annotated[
        list[Path],
        typer.Argument(
            metavar="IMAGE_OR_FOLDER",
            help="Image files of any size, and folders: all images in them and below.",
        ),
    ],
    top: Annotated[
        int | None,
        typer.Option(
            "--top",
            metavar="K",
            min=1,
            help="Classes to show. Default: 3, or 5 where the model knows more than 20.",
        ),
    ] = None,
    reject_below: Annotated[
        float,
        typer.Option(
            "--reject-below",
            metavar="P",
            min=0,
            max=1,
            help='Answer "unknown" when the best score is below P.',
        ),
    ] = 0.0,
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
    runtime: Annotated[
        str | None,
        typer.Option(
            "--runtime",
            metavar="NAME",
            help="litert, tflite-runtime or onnxruntime. Default: the best that is installed.",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="FILE",
            help="Write the answers there instead: .csv, or .jsonl for a JSON document a line.",
        ),
    ] = None,
    quiet: QuietOption = False,
    json_output: JsonOption = False,
) -> None:
    """Classify images with the runner that a device gets.

    A file made by edgecnn says itself how it wants its input; another one needs --labels and
    --input-range. An image that cannot be read does not keep the others from their answers; the
    command then exits with 12. For a folder of many: --out answers.csv.

    Example: edgecnn run build/demo/digits-int8.tflite build/demo/sample.png --top 3
    """
    from edgecnn.cli.progress import terminal_progress
    from edgecnn.cli.render import explain, out_console, print_json
    from edgecnn.cli.tables import print_classification
    from edgecnn.commands import run as command

    progress = terminal_progress(quiet=quiet)
    request = command.RunRequest(
        model=model,
        images=tuple(images),
        top=top,
        reject_below=reject_below,
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
        runtime=runtime,
        out=out,
    )
    running = command.open_run(request, progress=progress)
    shown = out is None and not json_output
    answers = []
    with progress.task("images", len(running.images)) as task:
        for answer in running.answers():
            answers.append(answer)
            task.advance()
            if answer.error is not None:
                explain(answer.error)
            elif answer.result is not None and shown:
                print_classification(out_console(), answer.image, answer.result)
    result = running.finish(tuple(answers))
    if json_output:
        print_json(result.to_dict())
    elif out is not None:
        read = sum(answer.result is not None for answer in answers)
        out_console().print(
            f"wrote {out}: {read:,} of {len(answers):,} images classified", markup=False
        )
    if result.error is not None:
        raise typer.Exit(result.error.exit_code)

"""``edgecnn convert``: every variant asked for, each a self-describing file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edgecnn.cli.options import (
    CropFractionOption,
    DataOption,
    FitOption,
    InputMeanOption,
    InputRangeOption,
    InputStdOption,
    JsonOption,
    LabelsOption,
    MinAccuracyOption,
    OutOption,
    QuietOption,
    ResampleOption,
    ScoresOption,
    data_option,
)
from edgecnn_runner.input_options import Preprocessing


def convert(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="SOURCE",
            help="A build, a recipe folder with weights, a .keras, .h5 or .onnx file, a "
            "SavedModel, or an architecture as JSON, with --weights.",
        ),
    ],
    out: OutOption = None,
    variant: Annotated[
        list[str] | None,
        typer.Option(
            "--variant",
            metavar="NAME",
            help="One variant to make, e.g. tflite-int8. Repeatable. Default: the recipe's.",
        ),
    ] = None,
    data: DataOption = None,
    labels: LabelsOption = None,
    weights: Annotated[
        Path | None,
        typer.Option(
            "--weights",
            metavar="FILE",
            help="The weights of an architecture: the .h5 file beside model.json.",
        ),
    ] = None,
    input_range: InputRangeOption = None,
    input_mean: InputMeanOption = None,
    input_std: InputStdOption = None,
    fit: FitOption = None,
    crop_fraction: CropFractionOption = None,
    resample: ResampleOption = None,
    image_size: Annotated[
        str | None,
        typer.Option(
            "--image-size",
            metavar="SIZE",
            help="Side of the images, or height and width as 96x128, for a model that takes any.",
        ),
    ] = None,
    opset: Annotated[
        int | None, typer.Option("--opset", metavar="N", help="ONNX opset. Default 17.")
    ] = None,
    ir_version: Annotated[
        int | None, typer.Option("--ir-version", metavar="N", help="ONNX IR version. Default 8.")
    ] = None,
    runtime: Annotated[
        str | None,
        typer.Option(
            "--runtime",
            metavar="NAME==VERSION",
            help="Refuse variants that this runtime cannot load, e.g. tflite-runtime==2.14.0.",
        ),
    ] = None,
    repair: Annotated[
        bool | None,
        typer.Option(
            "--repair/--no-repair",
            help="Where int8 misses the recipe's limits on images that the model has not seen: "
            "try other calibrations, then keep a few layers in float. Of a model made elsewhere "
            "it needs --unlabelled or --unseen-data. Default: the recipe's, or not.",
        ),
    ] = None,
    unlabelled: Annotated[
        Path | None,
        typer.Option(
            "--unlabelled",
            metavar="FOLDER",
            help="With --repair: pictures that the model has not seen, to judge by; labels are not "
            "needed.",
        ),
    ] = None,
    unseen_data: Annotated[
        bool,
        typer.Option(
            "--unseen-data",
            help="With --repair: the model has seen none of the images of --data, so that those of "
            "their validation split may judge.",
        ),
    ] = False,
    scores: ScoresOption = None,
    as_is: Annotated[
        bool,
        typer.Option(
            "--as-is",
            help="Also convert a model that is right on more images when it is fed or read "
            "otherwise; without this, convert stops and says how.",
        ),
    ] = False,
    min_accuracy: MinAccuracyOption = None,
    quiet: QuietOption = False,
    json_output: JsonOption = False,
) -> None:
    """Convert a float model to TFLite and ONNX files that explain themselves.

    A model made elsewhere needs --data, --labels and, unless it has its own preprocessing
    layers, --input-range. It is tried on up to 200 of the images in other ways, too: where it is
    surely right on more of them in one, convert stops and names the flag, or warns, if what it
    would change was given. Exits 41 if the float
    model is no better than guessing: the files are made all the same.

    Example: edgecnn convert my.keras --data images/ --labels labels.txt --input-range 0..1
    """
    from edgecnn.cli.progress import terminal_progress
    from edgecnn.cli.render import command_line, exit_for, out_console, print_json
    from edgecnn.cli.tables import print_repairs, seconds_text, variants_table
    from edgecnn.commands import convert as command
    from edgecnn.recipe.section import number_or_text

    result = command.convert(
        command.ConvertRequest(
            source=source,
            out=out,
            variants=tuple(variant or ()),
            data=data,
            labels=labels,
            weights=weights,
            preprocessing=Preprocessing.of_options(
                input_range=input_range,
                input_mean=input_mean,
                input_std=input_std,
                fit=fit,
                crop_fraction=crop_fraction,
                resample=resample,
            ),
            image_size=image_size,
            opset=opset,
            ir_version=ir_version,
            runtime=runtime,
            repair=repair,
            unlabelled=unlabelled,
            unseen_data=unseen_data,
            as_is=as_is,
            scores=scores,
            min_accuracy=None if min_accuracy is None else number_or_text(min_accuracy),
        ),
        progress=terminal_progress(quiet=quiet),
    )
    if json_output:
        print_json(result.to_dict())
    else:
        console, rows = out_console(), result.conversion.to_rows()
        console.print(variants_table(rows))
        print_repairs(console, rows)
        seconds = result.conversion.seconds
        if sum(seconds.values()) >= 60:
            console.print(seconds_text(seconds), style="dim", soft_wrap=True)
        following = command_line("verify", result.build, *data_option(data))
        console.print(f"next: {following}", markup=False, soft_wrap=True)
    exit_for(result.error)

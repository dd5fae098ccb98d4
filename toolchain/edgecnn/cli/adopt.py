"""``edgecnn adopt``: files that another program made become a build."""

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
    LayoutOption,
    OutputKindOption,
    QuietOption,
    ReferenceLabelsOption,
    ReferenceOption,
    ReferenceRangeOption,
    ResampleOption,
    data_option,
)
from edgecnn_runner.input_options import Preprocessing


def adopt(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE...",
            help=".tflite and .onnx files of one model that another program made.",
        ),
    ],
    reference: ReferenceOption = None,
    scores: Annotated[
        Path | None,
        typer.Option(
            "--scores",
            metavar="FILE",
            help="Your own program's scores of these images, CSV or .npz. Without --reference they "
            "stand in for the float model; with it they have to be the float model's.",
        ),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            "--data",
            metavar="PATH",
            help="Images that the files are judged on, and have not seen: a folder of class "
            "folders, cifar10 or digits.",
        ),
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option(
            "--labels", metavar="FILE", help="Class names in the files' output order, one a line."
        ),
    ] = None,
    input_range: InputRangeOption = None,
    input_mean: InputMeanOption = None,
    input_std: InputStdOption = None,
    fit: FitOption = None,
    crop_fraction: CropFractionOption = None,
    resample: ResampleOption = None,
    output_kind: OutputKindOption = None,
    layout: LayoutOption = None,
    reference_range: ReferenceRangeOption = None,
    reference_labels: ReferenceLabelsOption = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="FOLDER",
            help="Build folder, also one with files of the same model that were adopted before. "
            "Default: build/NAME.",
        ),
    ] = None,
    quiet: QuietOption = False,
    json_output: JsonOption = False,
) -> None:
    """Take files that another program made into a build.

    The model's own bytes stay as they are; behind them comes a contract: labels, input, resize
    rule, quantization, and who made the file. From then on verify, bench, package, deploy,
    evaluate, inspect and run take it as one that edgecnn made. What the flags say is checked
    against the file, and a warning says where it would fit the float model far better otherwise.
    Exits 41 if the float model is no better than guessing: the build is made all the same.

    Example: edgecnn adopt other.tflite --reference my.h5 --data images/ --labels labels.txt
    --input-range 0..1
    """
    from edgecnn.cli.progress import terminal_progress
    from edgecnn.cli.render import command_line, exit_for, out_console, print_json
    from edgecnn.cli.tables import variants_table
    from edgecnn.commands import adopt as command
    from edgecnn.errors import UsageError
    from edgecnn.verify import ForeignFiles

    preprocessing = Preprocessing.of_options(
        input_range=input_range,
        input_mean=input_mean,
        input_std=input_std,
        fit=fit,
        crop_fraction=crop_fraction,
        resample=resample,
    )
    needed = {
        "--data PATH": data,
        "--labels FILE": labels,
        "--input-range 0..1, for example": preprocessing.input_range,
    }
    missing = [flag for flag, value in needed.items() if value is None]
    if data is None or labels is None or missing:
        raise UsageError(
            "a file that another program made does not say how it is fed and read",
            observed=f"no {', no '.join(flag.split()[0] for flag in missing)}",
            expected="--data, --labels and --input-range, and --reference or --scores",
            remedy=f"give {'; '.join(missing)}",
        )
    result = command.adopt(
        command.AdoptRequest(
            files=ForeignFiles(
                artifacts=tuple(files),
                reference=reference,
                labels=labels,
                preprocessing=preprocessing,
                output_kind=output_kind,
                layout=layout,
                reference_range=reference_range,
                reference_labels=reference_labels,
            ),
            data=data,
            scores=scores,
            out=out,
        ),
        progress=terminal_progress(quiet=quiet),
    )
    if json_output:
        print_json(result.to_dict())
    else:
        console = out_console()
        console.print(variants_table([row.to_dict() for row in result.rows]))
        following = command_line("verify", result.build, *data_option(data))
        console.print(f"next: {following}", markup=False, soft_wrap=True)
    exit_for(result.error)

"""``edgecnn run``: classify images on this machine with the runner that ships."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from edgecnn.cli.options import (
    JsonOption,
    LabelsOption,
    LayoutOption,
    OutputKindOption,
    ThreadsOption,
    takes_preprocessing,
)
from edgecnn_runner.input_options import NOTHING_SAID, Preprocessing


@takes_preprocessing
def run(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A .tflite or .onnx file.")],
    images: Annotated[
        list[Path], typer.Argument(metavar="IMAGE...", help="Image files of any size.")
    ],
    top: Annotated[int, typer.Option("--top", metavar="K", min=1, help="Classes to show.")] = 3,
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
    preprocessing: Preprocessing = NOTHING_SAID,
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
    json_output: JsonOption = False,
) -> None:
    """Classify images with the runner that a device gets.

    A file made by edgecnn says itself how it wants its input; another one needs --labels and
    --input-range.

    Example: edgecnn run build/demo/digits-int8.tflite build/demo/sample.png --top 3
    """
    from edgecnn.cli.render import explain, out_console, print_json
    from edgecnn.cli.tables import print_classification
    from edgecnn.errors import ImageError
    from edgecnn_runner.classifier import Classifier
    from edgecnn_runner.labels import read_labels
    from edgecnn_runner.runtimes.quiet import without_native_chatter

    names = None if labels is None else read_labels(labels)
    with without_native_chatter():
        classifier = Classifier(
            file,
            labels=names,
            input_range=preprocessing.input_range,
            output_kind=output_kind,
            layout=layout,
            resize=preprocessing.resize,
            threads=threads,
            runtime=runtime,
        )
    rows: list[dict[str, Any]] = []
    failed: ImageError | None = None
    for path in images:
        try:
            result = classifier.classify(path, top=top, reject_below=reject_below)
        except ImageError as error:
            # One bad picture does not keep the others from their answers.
            failed = error
            explain(error)
            rows.append({"image": str(path), **error.to_dict()})
            continue
        rows.append({"image": str(path), **result.to_dict()})
        if not json_output:
            print_classification(out_console(), path, result)
    if json_output:
        print_json(rows)
    if failed is not None:
        raise typer.Exit(failed.exit_code)

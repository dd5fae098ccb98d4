"""Options that several commands share, so that they read the same everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

RecipeArgument = Annotated[
    Path, typer.Argument(metavar="RECIPE", help="A recipe.toml, or the folder that holds it.")
]
ModelArgument = Annotated[
    Path,
    typer.Argument(
        metavar="FILE_OR_BUILD",
        help="A .tflite or .onnx file; of a build, its int8 file or another with a PASS.",
    ),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Override one recipe key for this run, e.g. train.epochs=5. Repeatable.",
    ),
]
WeightsOption = Annotated[
    Path | None,
    typer.Option(
        "--weights",
        metavar="FILE",
        help="The published weights of the pretrained network, for a machine without a network. "
        "Default: the file that EDGECNN_WEIGHTS names, or else they are fetched once.",
    ),
]
OutOption = Annotated[
    Path | None,
    typer.Option(
        "--out",
        "-o",
        metavar="FOLDER",
        help="Build folder. Default: build beside the recipe; for convert, build/NAME for a model "
        "file.",
    ),
]
DataOption = Annotated[
    str | None,
    typer.Option(
        "--data",
        metavar="PATH",
        help="Where the images are: a folder of class folders; for CIFAR-10, the folder holding "
        "cifar-10-batches-py. convert and verify --artifact also take the names cifar10 and "
        "digits.",
    ),
]
JsonOption = Annotated[
    bool, typer.Option("--json", help="Print the result as JSON on standard output.")
]
QuietOption = Annotated[
    bool, typer.Option("--quiet", "-q", help="No progress and no messages; errors still show.")
]
ThreadsOption = Annotated[
    int, typer.Option("--threads", min=1, max=64, help="Threads of the runtime.")
]
LabelsOption = Annotated[
    Path | None,
    typer.Option(
        "--labels",
        metavar="FILE",
        help="Class names in output order: one a line, numbered as Teachable Machine does, or a "
        "list in JSON or of Python; or the word imagenet for its 1,000 classes. For a model that "
        "carries none.",
    ),
]
InputRangeOption = Annotated[
    str | None,
    typer.Option(
        "--input-range",
        metavar="RANGE",
        help="What the model wants pixels 0..255 turned into: 0..255, 0..1, -1..1 or imagenet; "
        "for a model that does not say.",
    ),
]
InputMeanOption = Annotated[
    str | None,
    typer.Option(
        "--input-mean",
        metavar="A[,B,C]",
        help="Instead of --input-range, with --input-std: what is subtracted from pixels brought "
        "to 0..1, as torchvision's Normalize has it.",
    ),
]
InputStdOption = Annotated[
    str | None,
    typer.Option(
        "--input-std", metavar="A[,B,C]", help="With --input-mean: what is divided by then."
    ),
]
FitOption = Annotated[
    str | None,
    typer.Option(
        "--fit",
        metavar="FIT",
        help="What became of images of another shape in training: crop keeps the middle, stretch "
        "distorts, pad adds black edges. Default: crop.",
    ),
]
CropFractionOption = Annotated[
    str | None,
    typer.Option(
        "--crop-fraction",
        metavar="F",
        help="With --fit crop: how much of height and width was kept; 0.875 for torchvision's "
        "Resize(256) and CenterCrop(224). Default: 1.",
    ),
]
ResampleOption = Annotated[
    str | None,
    typer.Option(
        "--resample",
        metavar="FILTER",
        help="How pixels were resampled in training: bilinear as image_dataset_from_directory, "
        "nearest as flow_from_directory, bilinear-antialias as Pillow and torchvision, or box. "
        "Default: box.",
    ),
]
ScoresOption = Annotated[
    Path | None,
    typer.Option(
        "--scores",
        metavar="FILE",
        help="Your own program's scores of these images, CSV or .npz: the float model here has "
        "to give the same classes.",
    ),
]
MinAccuracyOption = Annotated[
    str | None,
    typer.Option(
        "--min-accuracy",
        metavar="PERCENT",
        help="Right answers that every file has to reach, e.g. 80%. With 0, not even the float "
        "model has to beat guessing. Default: the recipe's.",
    ),
]
OutputKindOption = Annotated[
    str | None,
    typer.Option(
        "--output-kind",
        metavar="KIND",
        help="What scores of a file made elsewhere are, where they do not tell: probabilities "
        "or logits; of one number for two classes, binary-probability or binary-logit, of the "
        "second.",
    ),
]
LayoutOption = Annotated[
    str | None,
    typer.Option(
        "--layout",
        metavar="LAYOUT",
        help="The order of the axes of a file made elsewhere, where its shape does not tell: NHWC "
        "or NCHW.",
    ),
]
ReferenceOption = Annotated[
    Path | None,
    typer.Option(
        "--reference",
        metavar="FILE",
        help="The float model of files made elsewhere: .keras, .h5, SavedModel, or a float .tflite "
        "or .onnx.",
    ),
]
ReferenceRangeOption = Annotated[
    str | None,
    typer.Option(
        "--reference-range",
        metavar="RANGE",
        help="What the reference wants pixels turned into. Default: what its own layers do, else "
        "as --input-range.",
    ),
]
ReferenceLabelsOption = Annotated[
    Path | None,
    typer.Option(
        "--reference-labels",
        metavar="FILE",
        help="Class names in the reference's output order. Default: as --labels.",
    ),
]
DeviceOption = Annotated[
    str | None,
    typer.Option(
        "--device",
        metavar="ADDRESS",
        help="USER@HOST[:PORT], also with ssh:// before it, or cmd: and a command that starts "
        "Python elsewhere. Default: this machine.",
    ),
]
IdentityOption = Annotated[
    Path | None,
    typer.Option(
        "--identity",
        metavar="FILE",
        help="A private key for ssh://, besides the agent's. Default: those of ~/.ssh.",
    ),
]
KnownHostsOption = Annotated[
    Path | None,
    typer.Option(
        "--known-hosts",
        metavar="FILE",
        help="The host keys that are known. Default: ~/.ssh/known_hosts and the system's.",
    ),
]
PrefixOption = Annotated[
    str | None,
    typer.Option(
        "--prefix",
        metavar="DIR",
        help="A folder of the device that models are installed below. Default: /opt/edgecnn.",
    ),
]


def numbers_of_threads(texts: list[str] | None) -> tuple[int, ...]:
    """Return numbers of threads, 0 for ``all``.

    Args:
        texts: As typed; None or empty for none.

    Raises:
        UsageError: If one is neither a number from 1 to 64 nor ``all``.
    """
    from edgecnn.errors import UsageError

    found = []
    for text in texts or ():
        number = 0 if text == "all" else int(text) if text.isascii() and text.isdigit() else -1
        if text != "all" and not 1 <= number <= 64:
            raise UsageError(
                "--threads is no number of threads",
                observed=text,
                expected="1 to 64, or all",
                remedy="for example --threads 1 --threads all",
            )
        found.append(number)
    return tuple(dict.fromkeys(found))


def data_option(data: str | None) -> tuple[str, ...]:
    """Return ``--data`` as it was given: where images lie is not recorded in a build."""
    return () if data is None else ("--data", data)

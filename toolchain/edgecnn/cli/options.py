"""Options that several commands share, so that they read the same everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = [
    "DataOption",
    "InputRangeOption",
    "JsonOption",
    "LabelsOption",
    "OutOption",
    "QuietOption",
    "RecipeArgument",
    "SetOption",
    "ThreadsOption",
]

RecipeArgument = Annotated[
    Path, typer.Argument(metavar="RECIPE", help="A recipe.toml, or the folder that holds it.")
]
OutOption = Annotated[
    Path | None,
    typer.Option(
        "--out",
        metavar="FOLDER",
        help="Build folder. Default: build beside the recipe; build/NAME for a model file.",
    ),
]
DataOption = Annotated[
    str | None,
    typer.Option(
        "--data",
        metavar="PATH",
        help="Where the images are. For CIFAR-10: the folder holding cifar-10-batches-py; "
        "otherwise a folder of class folders.",
    ),
]
JsonOption = Annotated[
    bool, typer.Option("--json", help="Print the result as JSON on standard output.")
]
QuietOption = Annotated[
    bool, typer.Option("--quiet", "-q", help="No progress and no messages; errors still show.")
]
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Override one recipe key for this run, e.g. train.epochs=5. Repeatable.",
    ),
]
ThreadsOption = Annotated[
    int, typer.Option("--threads", min=1, max=64, help="Threads of the runtime.")
]
LabelsOption = Annotated[
    Path | None,
    typer.Option(
        "--labels",
        metavar="FILE",
        help="Class names in output order, one a line; for a model that carries none.",
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

"""Options that several commands share, so that they read the same everywhere."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

__all__ = [
    "DataOption",
    "DeviceOption",
    "IdentityOption",
    "InputRangeOption",
    "JsonOption",
    "KnownHostsOption",
    "LabelsOption",
    "LayoutOption",
    "OutOption",
    "OutputKindOption",
    "PrefixOption",
    "QuietOption",
    "RecipeRun",
    "ScoresOption",
    "ThreadsOption",
    "data_option",
    "numbers_of_threads",
    "of_recipe",
]

OutOption = Annotated[
    Path | None,
    typer.Option(
        "--out",
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
ScoresOption = Annotated[
    Path | None,
    typer.Option(
        "--scores",
        metavar="FILE",
        help="Your own program's scores of these images, CSV or .npz: the float model here has "
        "to give the same classes.",
    ),
]
OutputKindOption = Annotated[
    str | None,
    typer.Option(
        "--output-kind",
        metavar="KIND",
        help="What scores of a file made elsewhere are, where they do not tell: probabilities "
        "or logits.",
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
DeviceOption = Annotated[
    str | None,
    typer.Option(
        "--device",
        metavar="ADDRESS",
        help="ssh://USER@HOST[:PORT], or cmd: and a command that starts Python elsewhere. Default: "
        "this machine.",
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


@dataclass(frozen=True, kw_only=True)
class RecipeRun:
    """What a command that follows a recipe was asked.

    Attributes:
        recipe: The recipe, or its folder.
        out: The build folder; None for the default.
        data: Where the images are, where the recipe does not say.
        settings: ``KEY=VALUE`` texts that override keys of the recipe.
        quiet: Whether to show no progress.
        json_output: Whether the result is to be JSON.
    """

    recipe: Path
    out: Path | None
    data: str | None
    settings: list[str]
    quiet: bool
    json_output: bool

    def data_option(self) -> tuple[str, ...]:
        """Return what the next command needs to find the same images."""
        return data_option(self.data)


def data_option(data: str | None) -> tuple[str, ...]:
    """Return ``--data`` as it was given: where images lie is not recorded in a build."""
    return () if data is None else ("--data", data)


def of_recipe(command: Callable[[RecipeRun], None]) -> Callable[..., None]:
    """Give a command the arguments and options of every command that follows a recipe."""

    def parsed(
        recipe: Annotated[
            Path,
            typer.Argument(metavar="RECIPE", help="A recipe.toml, or the folder that holds it."),
        ],
        out: OutOption = None,
        data: DataOption = None,
        settings: Annotated[
            list[str] | None,
            typer.Option(
                "--set",
                metavar="KEY=VALUE",
                help="Override one recipe key for this run, e.g. train.epochs=5. Repeatable.",
            ),
        ] = None,
        quiet: QuietOption = False,
        json_output: JsonOption = False,
    ) -> None:
        command(
            RecipeRun(
                recipe=recipe,
                out=out,
                data=data,
                settings=settings or [],
                quiet=quiet,
                json_output=json_output,
            )
        )

    # Typer takes the name and the help from these; functools.wraps would also pass on the
    # signature.
    parsed.__name__, parsed.__doc__ = command.__name__, command.__doc__
    return parsed

"""``edgecnn verify --artifact``: its options, and which go together."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from edgecnn.errors import UsageError

ArtifactOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--artifact",
        metavar="FILE",
        help="In place of BUILD_OR_FILE: a .tflite or .onnx file that edgecnn did not make. "
        "Repeatable. Needs --reference, --data, --labels and --input-range.",
    ),
]
ReferenceOption = Annotated[
    Path | None,
    typer.Option(
        "--reference",
        metavar="FILE",
        help="The float model of --artifact: .keras, .h5, SavedModel, or a float .tflite or .onnx.",
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

_NEEDED: Final = ("--reference", "--data", "--labels", "--input-range")
_SHAPES: Final = {
    "--reference": "FILE",
    "--data": "PATH",
    "--labels": "FILE",
    "--input-range": "0..1, for example",
}


def flags_of(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return values by the flags that give them: ``output_kind`` by ``--output-kind``."""
    return {f"--{name.replace('_', '-')}": value for name, value in values.items()}


def is_foreign(
    target: Path | None,
    artifacts: list[Path],
    options: Mapping[str, Any],
    of_builds: Mapping[str, Any],
) -> bool:
    """Tell whether files made elsewhere are meant.

    Args:
        target: A build or a file in one, as it was given.
        artifacts: Files made elsewhere, as they were given.
        options: Flag to value, of all flags that say something of files made elsewhere, and
            ``--data``; None or empty where it was not given.
        of_builds: The same of the flags that ask for what a build alone has: a calibration, a
            float file, an order of its images.

    Raises:
        UsageError: If both are given, or neither, or a flag is missing or too many.
    """
    given = {flag for flag, value in options.items() if value}
    if target is not None and artifacts:
        raise UsageError(
            "two things to verify are given",
            observed=f"{target}, and --artifact {artifacts[0]}",
            expected="a build or a file in it, or --artifact FILE",
            remedy="leave one of them out",
        )
    if target is None and not artifacts:
        raise UsageError(
            "nothing to verify is given",
            observed=" ".join(["edgecnn verify", *sorted(given)]),
            expected="a build or a file in it, or --artifact FILE for a file made elsewhere",
            remedy="name one: edgecnn verify BUILD_OR_FILE",
        )
    if artifacts:
        # A mean and a deviation are a range as well.
        there = given | ({"--input-range"} if "--input-mean" in given else set())
        missing = [flag for flag in _NEEDED if flag not in there]
        if missing:
            raise UsageError(
                f"{shlex.quote(str(artifacts[0]))} was made elsewhere: more has to be said of it",
                observed=f"no {', no '.join(missing)}",
                expected=", ".join(_NEEDED),
                remedy="give " + ", ".join(f"{flag} {_SHAPES[flag]}" for flag in missing),
            )
        builds_alone = sorted(flag for flag, value in of_builds.items() if value)
        if builds_alone:
            raise UsageError(
                f"{', '.join(builds_alone)} {'is' if len(builds_alone) == 1 else 'are'} for what "
                "edgecnn converted",
                observed=f"{shlex.quote(str(artifacts[0]))}, made elsewhere",
                expected="these only with a build or a file in it",
                remedy="leave them out, or convert the float model with edgecnn convert",
            )
        return True
    too_many = sorted(given - {"--data"})
    if too_many:
        raise UsageError(
            f"{', '.join(too_many)} {'is' if len(too_many) == 1 else 'are'} for files made "
            "elsewhere",
            observed=f"{target}, which says itself what it needs",
            expected="these only with --artifact FILE",
            remedy=f"leave them out, or write --artifact {shlex.quote(str(target))} if edgecnn did "
            "not make it",
        )
    return False

"""``edgecnn build``: train, convert and verify, skipping what is up to date."""

from __future__ import annotations

from edgecnn.cli.options import (
    DataOption,
    JsonOption,
    OutOption,
    QuietOption,
    RecipeArgument,
    SetOption,
    WeightsOption,
)


def build(
    recipe: RecipeArgument,
    out: OutOption = None,
    data: DataOption = None,
    settings: SetOption = None,
    weights: WeightsOption = None,
    quiet: QuietOption = False,
    json_output: JsonOption = False,
) -> None:
    """Run the whole chain of a recipe: train, convert, verify.

    Stages whose inputs and results have not changed are skipped. Exits like
    `edgecnn verify`, or with 27 if a variant could not be made; 41 before all of these if the
    float model is no better than guessing.

    Example: edgecnn build models/seed_cnn --data ~/data
    """
    from edgecnn.cli.progress import terminal_progress
    from edgecnn.cli.render import exit_for
    from edgecnn.cli.tables import print_build
    from edgecnn.commands import build as command

    result = command.build(
        command.BuildRequest(
            recipe=recipe, out=out, data=data, settings=tuple(settings or ()), weights=weights
        ),
        progress=terminal_progress(quiet=quiet),
    )
    print_build(result, json_output=json_output)
    exit_for(result.error)

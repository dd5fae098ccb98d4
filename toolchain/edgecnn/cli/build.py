"""``edgecnn build``: train, convert and verify, skipping what is up to date."""

from __future__ import annotations

from edgecnn.cli.options import (
    DataOption,
    JsonOption,
    OutOption,
    QuietOption,
    RecipeArgument,
    SetOption,
)

__all__ = ["build"]


def build(
    recipe: RecipeArgument,
    out: OutOption = None,
    data: DataOption = None,
    settings: SetOption = None,
    quiet: QuietOption = False,
    json_output: JsonOption = False,
) -> None:
    """Run the whole chain of a recipe: train, convert, verify.

    Stages whose inputs and results have not changed are skipped. Exits like
    `edgecnn verify`.

    Example: edgecnn build models/seed_cnn --data ~/data
    """
    from edgecnn import chain
    from edgecnn.cli.progress import terminal_progress
    from edgecnn.cli.render import exit_for, out_console
    from edgecnn.cli.tables import print_build
    from edgecnn.locate import load_recipe_with, workspace_of_recipe

    loaded = load_recipe_with(recipe, settings or [])
    workspace = workspace_of_recipe(recipe, out)
    progress = terminal_progress(quiet=quiet)
    result = chain.build(loaded, workspace, data=data, progress=progress)
    print_build(out_console(), workspace, result, json_output=json_output)
    exit_for(result.error)

"""``edgecnn build``: train, convert and verify, skipping what is up to date."""

from __future__ import annotations

from edgecnn.cli.options import RecipeRun, of_recipe


@of_recipe
def build(asked: RecipeRun) -> None:
    """Run the whole chain of a recipe: train, convert, verify.

    Stages whose inputs and results have not changed are skipped. Exits like
    `edgecnn verify`, or with 27 if a variant could not be made; 41 before all of these if the
    float model is no better than guessing.

    Example: edgecnn build models/seed_cnn --data ~/data
    """
    from edgecnn.cli.progress import terminal_progress
    from edgecnn.cli.render import exit_for, out_console
    from edgecnn.cli.tables import print_build
    from edgecnn.commands import build as chain
    from edgecnn.commands.paths import load_recipe_with, workspace_of_recipe

    recipe = load_recipe_with(asked.recipe, asked.settings)
    workspace = workspace_of_recipe(asked.recipe, asked.out)
    progress = terminal_progress(quiet=asked.quiet)
    result = chain.build(recipe, workspace, data=asked.data, progress=progress)
    print_build(out_console(), workspace, result, json_output=asked.json_output)
    exit_for(result.error)

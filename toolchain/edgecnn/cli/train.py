"""``edgecnn train``: the float model of a recipe, with its history and reference scores."""

from __future__ import annotations

from edgecnn.cli.options import RecipeRun, of_recipe
from edgecnn.report.text import percent_text


@of_recipe
def train(asked: RecipeRun) -> None:
    """Train the float model of a recipe; resumes where a killed run stopped.

    Example: edgecnn train models/seed_cnn --data ~/data
    """
    from edgecnn.cli.progress import terminal_progress
    from edgecnn.cli.render import command_line, out_console, print_json
    from edgecnn.commands import build as chain
    from edgecnn.commands.paths import load_recipe_with, workspace_of_recipe

    recipe = load_recipe_with(asked.recipe, asked.settings)
    workspace = workspace_of_recipe(asked.recipe, asked.out)
    progress = terminal_progress(quiet=asked.quiet)
    result = chain.train(recipe, workspace, data=asked.data, progress=progress)
    if asked.json_output:
        print_json({"build": str(workspace.folder), **result})
        return
    test = result["test"]
    out_console().print(
        f"{recipe.model.name}: {result['parameters']:,} parameters, "
        f"test accuracy {percent_text(test['accuracy'])} on {test['images']:,} images\n"
        f"wrote {workspace.path('model.keras')}\n"
        f"next: {command_line('convert', workspace.folder, *asked.data_option())}",
        markup=False,
        soft_wrap=True,
    )

"""``edgecnn train``: the float model of a recipe, with its history and reference scores."""

from __future__ import annotations

from edgecnn.cli.options import (
    DataOption,
    JsonOption,
    OutOption,
    QuietOption,
    RecipeArgument,
    SetOption,
)

__all__ = ["train"]


def train(
    recipe: RecipeArgument,
    out: OutOption = None,
    data: DataOption = None,
    settings: SetOption = None,
    quiet: QuietOption = False,
    json_output: JsonOption = False,
) -> None:
    """Train the float model of a recipe; resumes where a killed run stopped.

    Example: edgecnn train models/seed_cnn --data ~/data
    """
    from edgecnn import chain
    from edgecnn.cli.progress import terminal_progress
    from edgecnn.cli.render import out_console, print_json, program
    from edgecnn.locate import load_recipe_with, workspace_of_recipe

    loaded = load_recipe_with(recipe, settings or [])
    workspace = workspace_of_recipe(recipe, out)
    result = chain.train(loaded, workspace, data=data, progress=terminal_progress(quiet=quiet))
    if json_output:
        print_json({"build": str(workspace.folder), **result})
        return
    test = result["test"]
    out_console().print(
        f"{loaded.model.name}: {result['parameters']:,} parameters, "
        f"test accuracy {100 * test['accuracy']:.2f} % on {test['images']:,} images\n"
        f"wrote {workspace.path('model.keras')}\n"
        f"next: {program()} convert {workspace.folder}",
        markup=False,
        soft_wrap=True,
    )

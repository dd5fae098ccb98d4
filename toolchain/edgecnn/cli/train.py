"""``edgecnn train``: the float model of a recipe, with its history and reference scores."""

from __future__ import annotations

from edgecnn.build.workspace import Workspace
from edgecnn.cli.options import (
    DataOption,
    JsonOption,
    OutOption,
    QuietOption,
    RecipeArgument,
    SetOption,
    WeightsOption,
    data_option,
)
from edgecnn.report.text import percent_text


def train(
    recipe: RecipeArgument,
    out: OutOption = None,
    data: DataOption = None,
    settings: SetOption = None,
    weights: WeightsOption = None,
    quiet: QuietOption = False,
    json_output: JsonOption = False,
) -> None:
    """Train the float model of a recipe; resumes where a killed run stopped.

    Example: edgecnn train models/seed_cnn --data ~/data
    """
    from edgecnn.cli.progress import terminal_progress
    from edgecnn.cli.render import command_line, out_console, print_json
    from edgecnn.cli.tables import print_essence
    from edgecnn.commands import train as command

    request = command.TrainRequest(
        recipe=recipe, out=out, data=data, settings=tuple(settings or ()), weights=weights
    )
    result = command.train(request, progress=terminal_progress(quiet=quiet))
    if json_output:
        print_json(result.to_dict())
        return
    print_essence(result.essence, result.build / Workspace.TRAINING_PAGE)
    metrics = result.metrics
    test = metrics["test"]
    out_console().print(
        f"{metrics['model']}: {metrics['parameters']:,} parameters, "
        f"test accuracy {percent_text(test['accuracy'])} on {test['images']:,} images\n"
        f"wrote {result.build / 'model.keras'}\n"
        f"next: {command_line('convert', result.build, *data_option(data))}",
        markup=False,
        soft_wrap=True,
    )

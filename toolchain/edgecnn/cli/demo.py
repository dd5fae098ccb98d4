"""``edgecnn demo``: the whole chain on embedded digits, and one classification at the end."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edgecnn.cli.options import JsonOption, QuietOption


def demo(
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="FOLDER", help="Build folder.")
    ] = Path("build/demo"),
    quiet: QuietOption = False,
    json_output: JsonOption = False,
) -> None:
    """Run the whole chain on handwritten digits: no download, about a minute.

    Trains a small CNN, converts it to six files, proves each against the float model, and
    classifies a picture with the int8 file.

    Example: edgecnn demo --out build/demo
    """
    from edgecnn.cli.progress import terminal_progress
    from edgecnn.cli.render import exit_for
    from edgecnn.cli.tables import print_build, show_demo
    from edgecnn.commands import build as command
    from edgecnn.commands.init import demo_recipe

    recipe = demo_recipe()
    request = command.BuildRequest(recipe=recipe, out=out)
    result = command.build(request, progress=terminal_progress(quiet=quiet))
    print_build(result, json_output=json_output)
    if not json_output and result.error is None:
        show_demo(recipe, out)
    exit_for(result.error)

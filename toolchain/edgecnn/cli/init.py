"""``edgecnn init``: a commented recipe and a place for one's own images."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edgecnn.cli.options import JsonOption

__all__ = ["init"]


def init(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Made if it does not exist.")],
    json_output: JsonOption = False,
) -> None:
    """Make a folder with a commented recipe for your own images.

    Put one folder per class under FOLDER/images, then run `edgecnn build FOLDER`.

    Example: edgecnn init leaves
    """
    from edgecnn.cli.render import command_line, out_console, print_json
    from edgecnn.scaffold import make_project

    made = make_project(folder)
    if json_output:
        print_json({"folder": str(folder), "files": [str(path) for path in made]})
        return
    console = out_console()
    for path in made:
        console.print(f"made {path}", markup=False, soft_wrap=True)
    console.print(
        f"\nNext: put your images into {folder}/images/<class>/, then\n"
        f"  {command_line('build', folder)}",
        markup=False,
        soft_wrap=True,
    )

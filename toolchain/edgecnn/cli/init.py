"""Runs ``edgecnn init``: a commented recipe for one's own images, and a place for them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edgecnn.cli.options import JsonOption


def init(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Made if it does not exist.")],
    data: Annotated[
        Path | None,
        typer.Option(
            "--data",
            metavar="PATH",
            help="Where your images are already: a folder of class folders, or one that comes "
            "split. Default: FOLDER/images.",
        ),
    ] = None,
    device_class: Annotated[
        str,
        typer.Option(
            "--device-class",
            metavar="NAME",
            help="What the classifier is for, which decides how large a network may be: pi-zero, "
            "pi-4, pi-5 or phone.",
        ),
    ] = "pi-4",
    from_scratch: Annotated[
        bool,
        typer.Option(
            "--from-scratch", help="Choose a network that knows nothing yet, not a pretrained one."
        ),
    ] = False,
    json_output: JsonOption = False,
) -> None:
    """Make a folder with a commented recipe for your own images.

    Where the images are there already, in FOLDER/images or at --data, the recipe suits them:
    network, size, augmentation, splits and limits, each with its reason. For photos in colour a
    pretrained network is chosen, by what the device carries. Else put one folder per
    class under FOLDER/images. Then run `edgecnn build FOLDER`.

    Example: edgecnn init leaves --data photos/
    """
    from edgecnn.cli.render import command_line, err_console, out_console, print_json
    from edgecnn.commands import init as command

    project = command.init(
        command.InitRequest(
            folder=folder, data=data, device_class=device_class, from_scratch=from_scratch
        )
    )
    if json_output:
        print_json(project.to_dict())
        return
    survey = project.survey
    for kind, lines in (("note", project.notes), ("warning", project.warnings)):
        for line in lines:
            err_console().print(f"{kind}: {line}", markup=False, soft_wrap=True)
    console = out_console()
    for path in project.made:
        console.print(f"made {path}", markup=False, soft_wrap=True)
    first = (
        f"put your images into {folder}/images/<class>/, then\n"
        if survey is None
        else f"the recipe was chosen for {survey.total:,} images of {len(survey.counts)} classes "
        f"in {project.images}; look it over, then\n"
    )
    if project.expected:
        console.print(f"what to expect: {project.expected}", markup=False, soft_wrap=True)
    console.print(f"\nNext: {first}  {command_line('build', folder)}", markup=False, soft_wrap=True)

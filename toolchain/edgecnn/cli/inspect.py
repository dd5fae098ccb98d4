"""``edgecnn inspect``: what is inside a model file, also one made elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edgecnn.cli.options import JsonOption

__all__ = ["inspect"]


def inspect(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A .tflite or .onnx file.")],
    json_output: JsonOption = False,
) -> None:
    """Show a model file's operators, sizes, multiply-accumulates, quantization and contract.

    Nothing is run; any .tflite or .onnx file will do.

    Example: edgecnn inspect build/demo/digits-int8.tflite
    """
    from edgecnn.cli.render import out_console, print_json
    from edgecnn.inspection import inspect_file
    from edgecnn.inspection_table import render_inspection

    inspection = inspect_file(file)
    if json_output:
        print_json(inspection.to_dict())
    else:
        out_console().print(render_inspection(inspection))

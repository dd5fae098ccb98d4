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
    from edgecnn.cli.inspection_table import render_inspection
    from edgecnn.cli.render import out_console, print_json
    from edgecnn.cli.repair_tables import print_repair, recorded_repair
    from edgecnn.commands.inspect import inspect_file

    inspection = inspect_file(file)
    recorded = recorded_repair(file, inspection.sha256)
    if json_output:
        repair = {} if recorded is None else {"repair": recorded[1]}
        print_json({**inspection.to_dict(), **repair})
    else:
        console = out_console()
        console.print(render_inspection(inspection))
        if recorded is not None and recorded[1]["outcome"] != "not needed":
            console.print()
            print_repair(console, *recorded, layers=False)  # the contract has them

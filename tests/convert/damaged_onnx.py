"""Loads damaged ONNX networks as sources; a program, since what it looks for ends processes.

    python damaged_onnx.py FOLDER FIRST COUNT

It prints the number of each file before it is loaded, and what was no result and no typed error.
"""

from __future__ import annotations

import random
import sys
from pathlib import Path

from convert.brightness import SIDE
from convert.onnx_sources import Form, network
from edgecnn.convert import find_source
from edgecnn.convert.graph.onnx_direct import direct_onnx
from edgecnn.convert.source.onnx_model import OnnxSource
from edgecnn.errors import EdgeError
from graph.mutation import damage


def main(folder: Path, first: int, count: int) -> None:
    """Damage and load files ``first`` to ``first + count``; each number gives the same file."""
    forms = (Form(), Form(opset=9, as_inputs=True, unfused=True), Form(nchw=False, folded=False))
    sound = [network(form).SerializeToString() for form in forms]
    taken = 0
    for number in range(first, first + count):
        random_ = random.Random(number)
        data = damage(sound[number % len(sound)], sound[(number + 1) % len(sound)], random_)
        path = folder / f"{number}.onnx"
        path.write_bytes(data)
        print("loading", number, flush=True)
        try:
            find_source(path)
            source = OnnxSource.load(path)
            size = (source.height or SIDE, source.width or SIDE)
            direct_onnx(
                source.core(*size), layout=source.layout, channels=source.channels,
                input_range="-1..1", opset=17, ir_version=8,
            )  # fmt: skip
            taken += 1
        except EdgeError:
            pass
        except Exception as error:  # noqa: BLE001 - whatever it is, it is what is looked for
            print("WRONG", number, type(error).__name__, error, flush=True)
        path.unlink()
    print("taken", taken)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))

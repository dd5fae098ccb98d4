"""What somebody writes who knows TFLite's interpreter well and checks nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from peers.serving import Image

__all__ = ["bare"]


def bare(interpreter_class: Any, path: Path, threads: int) -> Callable[[Image], int]:
    """Return the loop's body, everything looked up once.

    Args:
        interpreter_class: Of ai-edge-litert or tflite-runtime, which ship no types.
        path: A TFLite file that takes pixels 0..255, uint8 or float32, NHWC.
        threads: Of the interpreter.
    """
    interpreter = interpreter_class(model_path=str(path), num_threads=threads)
    interpreter.allocate_tensors()
    fed, given = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    source, target, dtype = fed["index"], given["index"], fed["dtype"]
    set_tensor, invoke, get_tensor = (
        interpreter.set_tensor,
        interpreter.invoke,
        interpreter.get_tensor,
    )

    def classify(image: Image) -> int:
        set_tensor(source, image[None].astype(dtype, copy=False))
        invoke()
        return int(get_tensor(target).argmax())

    return classify

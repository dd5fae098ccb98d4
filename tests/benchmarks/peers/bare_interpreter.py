"""What somebody writes who knows TFLite's interpreter well and checks nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from peers.serving import Image


def bare(interpreter_class: Any, path: Path, threads: int) -> Callable[[Image], int]:
    """Return the loop's body, everything looked up once.

    Args:
        interpreter_class: Of ai-edge-litert or tflite-runtime, which ship no types.
        path: A TFLite file, NHWC, that takes pixels 0..255 as uint8 or float32, or less 128 as
            int8.
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

    if dtype == np.int8:

        def classify_signed(image: Image) -> int:
            # Subtracting 128 from a byte is flipping its highest bit.
            set_tensor(source, np.bitwise_xor(image, 0x80).view(np.int8)[None])
            invoke()
            return int(get_tensor(target).argmax())

        return classify_signed

    def classify(image: Image) -> int:
        set_tensor(source, image[None].astype(dtype, copy=False))
        invoke()
        return int(get_tensor(target).argmax())

    return classify

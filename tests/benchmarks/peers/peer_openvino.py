"""A bare loop over OpenVINO, set for latency, without copies: infer, argmax."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from peers.serving import Image, Loaded, main


def load(path: Path, threads: int) -> Loaded:
    """Load an ONNX or TFLite file that takes pixels 0..255, uint8 or float32, NHWC."""
    import openvino

    core = openvino.Core()
    settings = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": threads}
    compiled = core.compile_model(core.read_model(path), "CPU", settings)
    request = compiled.create_infer_request()
    dtype = np.dtype(compiled.input(0).get_element_type().to_dtype())
    infer = request.infer
    precision = compiled.get_property("INFERENCE_PRECISION_HINT").get_type_name()

    def classify(image: Image) -> int:
        batch = image[None].astype(dtype, copy=False)
        return int(infer(batch, share_inputs=True, share_outputs=True)[0].argmax())

    return Loaded(
        classify=classify,
        version=f"openvino {openvino.__version__.partition('-')[0]}",
        details=f"PERFORMANCE_HINT LATENCY; floats computed in {precision}",
    )


if __name__ == "__main__":
    main(load)

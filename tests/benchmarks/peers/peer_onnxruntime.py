"""A bare loop over ONNX Runtime: run, argmax."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from peers.serving import Image, Loaded, main

from edgecnn_runner.runtimes.telemetry import no_telemetry


def load(path: Path, threads: int) -> Loaded:
    """Load an ONNX file that takes pixels 0..255, float32, NHWC."""
    no_telemetry()
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    # Without it, x86 processors that lack VNNI cut int8 sums off, and answer otherwise than ours:
    # there would be nothing to compare.
    options.add_session_config_entry("session.x64quantprecision", "1")
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    name, outputs = session.get_inputs()[0].name, [session.get_outputs()[0].name]
    run = session.run

    def classify(image: Image) -> int:
        return int(run(outputs, {name: image[None].astype(np.float32)})[0].argmax())

    return Loaded(classify=classify, version=f"onnxruntime {onnxruntime.__version__}")


if __name__ == "__main__":
    main(load)

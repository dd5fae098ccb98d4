"""What is inside a ``.tflite`` or ``.onnx`` file: operators, shapes, sizes, runtimes.

Works without TensorFlow and without a runtime, on any file, also a damaged one.
"""

from __future__ import annotations

from edgecnn.modelfile.precision import check_integer
from edgecnn.modelfile.read import read_graph
from edgecnn.modelfile.runtimes import RUNTIMES, loads
from edgecnn.modelfile.types import Graph, Operator, Quantization, Shape, Tensor

__all__ = [
    "RUNTIMES",
    "Graph",
    "Operator",
    "Quantization",
    "Shape",
    "Tensor",
    "check_integer",
    "loads",
    "read_graph",
]

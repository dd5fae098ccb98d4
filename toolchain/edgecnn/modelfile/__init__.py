"""What is inside a ``.tflite`` or ``.onnx`` file: operators, shapes, sizes, runtimes.

Works without TensorFlow and without a runtime, on any file, also a damaged one.
"""

from __future__ import annotations

from pathlib import Path

from edgecnn.errors import ArtifactError
from edgecnn.modelfile.precision import check_integer
from edgecnn.modelfile.runtimes import RUNTIMES, loads
from edgecnn.modelfile.types import DamagedGraphError, Graph, Operator, Quantization, Shape, Tensor
from edgecnn_runner.formats.container import Container, read_container, split_container
from edgecnn_runner.formats.flatbuffer import BrokenFlatbufferError

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


def read_graph(source: str | Path | bytes | Container, *, name: str | None = None) -> Graph:
    """Read what a ``.tflite`` or ``.onnx`` file holds, without running or trusting it.

    No runtime and no TensorFlow is involved, and no other file is read. Time and memory are
    bounded by the file's size.

    Args:
        source: A path, a file's bytes, or a file already taken apart.
        name: What to call it in errors; by default its path, where it has one.

    Returns:
        The graph.

    Raises:
        ArtifactError: If the file is missing, of another type, damaged, or a TFLite file that
            keeps its weights in other files. An ONNX file may: see ``Graph.external``.
        ContractError: If it carries a contract that cannot be read.
    """
    if isinstance(source, Container):
        name, container = name or "the model", source
    elif isinstance(source, bytes):
        name = name or "the model"
        container = split_container(source, name=name)
    else:
        name, container = name or str(source), read_container(source)
    payload = memoryview(container.data)[: container.payload_size]
    try:
        if container.format == "tflite":
            from edgecnn.modelfile.tflite import read_tflite

            return read_tflite(payload)
        from edgecnn.modelfile.onnx import read_onnx

        return read_onnx(payload)
    except (DamagedGraphError, BrokenFlatbufferError) as error:
        raise ArtifactError(
            f"{name} is not a usable {container.format} file: {error}",
            observed=f"{container.payload_size:,} bytes that do not hold together",
            expected=f"a sound {container.format} file with its weights inside",
            remedy="copy the file again from where it was made, or convert the model again",
        ) from error

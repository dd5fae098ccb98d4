"""Is a TFLite file built as it has to be: checked before a runtime follows its offsets.

Older runtimes (tflite-runtime 2.14 for one) trust every offset in a file, and read wherever a
damaged one points. This module walks the file by the parts of TFLite's schema
(tensorflow/lite/schema/schema.fbs) that runtimes follow, and refuses offsets, lengths and indices
that lead out of the file. It does not judge whether the operators make sense; the trial run in
``probe`` does that.
"""

from __future__ import annotations

import math
import struct
from typing import Final

from edgecnn_runner.errors import COPY_AGAIN, ArtifactError
from edgecnn_runner.formats.flatbuffer import BrokenFlatbufferError, Schema, Walker

_SCHEMA: Final[Schema] = {
    "Model": {
        0: 4,
        1: ("tables", "OperatorCode"),
        2: ("tables", "SubGraph"),
        3: "string",
        4: ("tables", "Buffer"),
        5: ("vector", 4),
        6: ("tables", "Metadata"),
        7: ("tables", "SignatureDef"),
    },
    "OperatorCode": {0: 1, 1: "string", 2: 4, 3: 4},
    "SubGraph": {
        0: ("tables", "Tensor"),
        1: ("vector", 4),
        2: ("vector", 4),
        3: ("tables", "Operator"),
        4: "string",
        5: 4,
    },
    "Tensor": {
        0: ("vector", 4),
        1: 1,
        2: 4,
        3: "string",
        4: ("table", "Quantization"),
        5: 1,
        6: ("table", "Sparsity"),
        7: ("vector", 4),
        8: 1,
        9: ("tables", "Variant"),
    },
    "Quantization": {
        0: ("vector", 4),
        1: ("vector", 4),
        2: ("vector", 4),
        3: ("vector", 8),
        4: 1,
        5: ("table", "Scalars"),
        6: 4,
    },
    "Sparsity": {0: ("vector", 4), 1: ("vector", 4), 2: ("tables", "Dimension")},
    "Dimension": {
        0: 1,
        1: 4,
        2: 1,
        3: ("table", "Scalars"),
        4: 1,
        5: ("table", "Scalars"),
    },
    "Variant": {0: ("vector", 4), 1: 1, 2: 1},
    "Operator": {
        0: 4,
        1: ("vector", 4),
        2: ("vector", 4),
        3: 1,
        4: ("union", 3),
        5: ("vector", 1),
        6: 1,
        7: ("vector", 1),
        8: ("vector", 4),
        9: 8,
        10: 8,
        11: 1,
        12: ("table", "Scalars"),
    },
    "Buffer": {0: ("vector", 1), 1: 8, 2: 8},
    "Metadata": {0: "string", 1: 4},
    "SignatureDef": {0: ("tables", "TensorMap"), 1: ("tables", "TensorMap"), 2: "string", 4: 4},
    "TensorMap": {0: "string", 1: 4},
    "Scalars": {},
    # Options that hold more than scalars, by their number in BuiltinOptions.
    "Options3": {1: ("vector", 4), 2: ("vector", 4)},
    "Options17": {0: ("vector", 4)},
    "Options30": {0: ("vector", 4)},
    "Options111": {0: "string", 1: "string"},
    "Options115": {0: ("vector", 4)},
}
# Bytes of an element by its number in TensorType, where they are whole.
_ELEMENT_BYTES: Final = {0: 4, 1: 2, 2: 4, 3: 1, 4: 8, 6: 1, 7: 2, 8: 8, 9: 1, 10: 8, 15: 4, 16: 2}


def check_tflite(data: bytes, *, name: str) -> None:
    """Refuse a TFLite file whose structure leads out of the file.

    Args:
        data: The file, or its payload.
        name: What to call it in errors.

    Raises:
        ArtifactError: If an offset, a length or an index is wrong.
    """
    try:
        walker = Walker(data, _SCHEMA)
        model = walker.root()
        walker.check_table(model, "Model")
        _check_indices(walker, model)
    except (BrokenFlatbufferError, struct.error) as error:
        raise ArtifactError(
            f"{name} is damaged: it is not built as a TFLite file has to be",
            observed=error,
            expected=f"offsets, lengths and indices that stay inside its {len(data)} bytes",
            remedy=COPY_AGAIN,
        ) from error


def _check_indices(walker: Walker, model: int) -> None:
    """Check that numbers which stand for tensors, buffers and operators have one."""
    codes, buffers = len(walker.tables(model, 1)), walker.tables(model, 4)
    graphs = walker.tables(model, 2)
    if not graphs:
        raise BrokenFlatbufferError("it holds no graph")
    for buffer in buffers:
        offset, size = walker.scalar(buffer, 1, "<Q"), walker.scalar(buffer, 2, "<Q")
        if offset > 1:
            walker.need(offset, size)
    for metadata in walker.tables(model, 6):
        _within([walker.scalar(metadata, 1, "<I")], len(buffers), "a buffer of metadata")
    for graph in graphs:
        tensors = walker.tables(graph, 0)
        count = len(tensors)
        for tensor in tensors:
            _check_tensor(walker, tensor, buffers)
        _within(walker.integers(graph, 1) + walker.integers(graph, 2), count, "an end of the graph")
        for operator in walker.tables(graph, 3):
            _within([walker.scalar(operator, 0, "<I")], codes, "an operator's kind")
            # An input that is left out is -1.
            inputs = [index for index in walker.integers(operator, 1) if index != -1]
            _within(inputs + walker.integers(operator, 2), count, "an operator's tensor")
            intermediates = walker.integers(operator, 8)
            _within([index for index in intermediates if index != -1], count, "an intermediate")
    for signature in walker.tables(model, 7):
        number = walker.scalar(signature, 4, "<I")
        _within([number], len(graphs), "a signature's graph")
        count = len(walker.tables(graphs[number], 0))
        for end in walker.tables(signature, 0) + walker.tables(signature, 1):
            _within([walker.scalar(end, 1, "<I")], count, "a signature's tensor")


def _check_tensor(walker: Walker, tensor: int, buffers: list[int]) -> None:
    shape = walker.integers(tensor, 0)
    if any(size < 0 for size in shape):
        raise BrokenFlatbufferError("a tensor has a negative size")
    number = walker.scalar(tensor, 2, "<I")
    _within([number], len(buffers), "a tensor's buffer")
    stored = walker.vector(buffers[number], 0, 1)[1]
    element = _ELEMENT_BYTES.get(walker.scalar(tensor, 1, "<B"))
    sparse = walker.slot(tensor, 6)
    if stored and element and not sparse and stored != element * math.prod(shape):
        raise BrokenFlatbufferError(f"a tensor of shape {tuple(shape)} holds {stored} bytes")
    quantization = walker.slot(tensor, 4)
    if quantization:
        table = walker.target(quantization)
        scales, zero_points = walker.vector(table, 2, 4)[1], walker.vector(table, 3, 8)[1]
        axis = walker.scalar(table, 6, "<i")
        per_channel = scales > 1 and (not 0 <= axis < len(shape) or shape[axis] != scales)
        if per_channel or zero_points not in (0, 1, scales):
            raise BrokenFlatbufferError("a tensor's scales do not fit its shape")


def _within(indices: list[int], count: int, what: str) -> None:
    for index in indices:
        if not 0 <= index < count:
            raise BrokenFlatbufferError(f"{what} has number {index}, of {count}")

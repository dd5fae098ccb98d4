"""Is a TFLite file built as it has to be: checked before a runtime follows its offsets.

Older runtimes (tflite-runtime 2.14 for one) trust every offset in a file, and read wherever a
damaged one points. This module walks the file by the parts of TFLite's schema
(tensorflow/lite/schema/schema.fbs) that runtimes follow, and refuses offsets, lengths and indices
that lead out of the file. It does not judge whether the operators make sense; the trial run in
``probe`` does that.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from edgecnn_runner.errors import COPY_AGAIN, ArtifactError
from edgecnn_runner.formats.flatbuffer import BrokenFlatbufferError, Reader, Table
from edgecnn_runner.formats.tflite_schema import SCHEMA, TENSOR_TYPES, constant_bytes


def check_tflite(data: bytes, *, name: str) -> None:
    """Refuse a TFLite file whose structure leads out of the file.

    Args:
        data: The file, or its payload.
        name: What to call it in errors.

    Raises:
        ArtifactError: If an offset, a length or an index is wrong.
    """
    try:
        reader = Reader(data, SCHEMA)
        model = reader.root("Model")
        model.check()
        _check_indices(reader, model)
    except BrokenFlatbufferError as error:
        raise ArtifactError(
            f"{name} is damaged: it is not built as a TFLite file has to be",
            observed=error,
            expected=f"offsets, lengths and indices that stay inside its {len(data)} bytes",
            remedy=COPY_AGAIN,
        ) from error


def _check_indices(reader: Reader, model: Table) -> None:
    """Check that numbers which stand for tensors, buffers and operators have one."""
    codes, buffers = model.count("operator_codes"), model.tables("buffers")
    graphs = model.tables("subgraphs")
    if not graphs:
        raise BrokenFlatbufferError("it holds no graph")
    for buffer in buffers:
        offset, size = buffer.number("offset"), buffer.number("size")
        if offset > 1:
            reader.need(offset, size)
    for metadata in model.tables("metadata"):
        _within([metadata.number("buffer")], len(buffers), "a buffer of metadata")
    for graph in graphs:
        tensors = graph.tables("tensors")
        count = len(tensors)
        for tensor in tensors:
            _check_tensor(tensor, buffers)
        ends = graph.integers("inputs") + graph.integers("outputs")
        _within(ends, count, "an end of the graph")
        for operator in graph.tables("operators"):
            _within([operator.number("opcode_index")], codes, "an operator's kind")
            # An input that is left out is -1.
            inputs = [index for index in operator.integers("inputs") if index != -1]
            _within([*inputs, *operator.integers("outputs")], count, "an operator's tensor")
            intermediates = operator.integers("intermediates")
            _within((index for index in intermediates if index != -1), count, "an intermediate")
    for signature in model.tables("signature_defs"):
        number = signature.number("subgraph_index")
        _within([number], len(graphs), "a signature's graph")
        count = graphs[number].count("tensors")
        for end in signature.tables("inputs") + signature.tables("outputs"):
            _within([end.number("tensor_index")], count, "a signature's tensor")


def _check_tensor(tensor: Table, buffers: Sequence[Table]) -> None:
    shape = tensor.integers("shape")
    if any(size < 0 for size in shape):
        raise BrokenFlatbufferError("a tensor has a negative size")
    number, kind = tensor.number("buffer"), tensor.number("type")
    _within([number], len(buffers), "a tensor's buffer")
    stored = buffers[number].count("data")
    if stored and not tensor.has("sparsity") and 0 <= kind < len(TENSOR_TYPES):
        needed = constant_bytes(TENSOR_TYPES[kind], math.prod(shape))
        if needed not in (None, stored):
            raise BrokenFlatbufferError(f"a tensor of shape {shape} holds {stored} bytes")
    quantization = tensor.table("quantization")
    if quantization is not None:
        scales, zero_points = quantization.count("scale"), quantization.count("zero_point")
        axis = quantization.number("quantized_dimension")
        per_channel = scales > 1 and (not 0 <= axis < len(shape) or shape[axis] != scales)
        if per_channel or zero_points not in (0, 1, scales):
            raise BrokenFlatbufferError("a tensor's scales do not fit its shape")


def _within(indices: Iterable[int], count: int, what: str) -> None:
    for index in indices:
        if not 0 <= index < count:
            raise BrokenFlatbufferError(f"{what} has number {index}, of {count}")

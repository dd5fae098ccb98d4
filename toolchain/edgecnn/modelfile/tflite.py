"""Read a TFLite file without a runtime, trusting nothing in it.

Whatever the interpreter would index without asking is checked here: tensor, buffer and operator
numbers, sizes of constants against their shapes, and that every operator's inputs exist before
it runs (so that there is no cycle).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from edgecnn.modelfile.macs import tflite_macs
from edgecnn.modelfile.runtimes import tflite_minimum
from edgecnn.modelfile.tflite_operators import OPERATOR_NAMES
from edgecnn.modelfile.types import (
    FLOAT_DTYPES,
    DamagedGraphError,
    Graph,
    Operator,
    Quantization,
    Shape,
    Tensor,
)
from edgecnn.modelfile.weights import Weights
from edgecnn_runner.formats.flatbuffer import Reader, Table
from edgecnn_runner.formats.tflite_schema import (
    ELEMENT_BITS,
    SCHEMA,
    SCHEMA_VERSION,
    TENSOR_TYPES,
    constant_bytes,
)

_MAX_OPERATORS: Final = 200_000
_MAX_METADATA_TEXT: Final = 64


@dataclass(frozen=True, kw_only=True)
class _Code:
    """An entry of the file's operator list."""

    name: str
    version: int
    custom: bool


def read_tflite(payload: memoryview) -> Graph:
    """Read a TFLite flatbuffer.

    Args:
        payload: The flatbuffer, without a contract behind it.

    Returns:
        What it holds.

    Raises:
        DamagedGraphError: If its structure is impossible.
        BrokenFlatbufferError: If it leads out of the file.
    """
    reader = Reader(payload, SCHEMA)
    model = reader.root("Model")
    version = model.number("version")
    if version != SCHEMA_VERSION:
        raise DamagedGraphError(f"its schema version is {version}, not {SCHEMA_VERSION}")
    codes = [_code(table) for table in model.tables("operator_codes")]
    buffers = [read_buffer(table, reader) for table in model.tables("buffers")]
    subgraphs = model.tables("subgraphs")
    if not subgraphs:
        raise DamagedGraphError("it holds no graph")

    weights = Weights()
    operators: list[Operator] = []
    ends: list[tuple[tuple[Tensor, ...], tuple[Tensor, ...]]] = []
    for index, subgraph in enumerate(subgraphs):
        tensors = [read_tensor(table, buffers) for table in subgraph.tables("tensors")]
        for read in tensors:
            weigh(weights, read)
        operators += _operators(subgraph, tensors, codes, index)
        ends.append((_named(subgraph, "inputs", tensors), _named(subgraph, "outputs", tensors)))
        if len(operators) > _MAX_OPERATORS:
            raise DamagedGraphError(f"it claims more than {_MAX_OPERATORS} operators")
    metadata = _metadata(model, buffers)
    custom = dict.fromkeys(op.name for op in operators if op.domain == "custom")
    return Graph(
        format="tflite",
        operators=tuple(operators),
        inputs=ends[0][0],
        outputs=ends[0][1],
        macs=sum(op.macs or 0 for op in operators),
        uncounted=tuple(dict.fromkeys(op.name for op in operators if op.macs is None)),
        parameters=weights.parameters,
        weight_bytes=weights.bytes,
        weight_dtypes=weights.dtypes,
        nonfinite=weights.nonfinite,
        payload_bytes=len(payload),
        min_runtime=tflite_minimum(operators, metadata.get("min_runtime_version", "")),
        flex=tuple(name for name in custom if name.startswith("Flex")),
        custom=tuple(name for name in custom if not name.startswith("Flex")),
        subgraphs=len(subgraphs),
        description=model.text("description"),
        metadata=metadata,
    )


def _code(table: Table) -> _Code:
    """Read an operator code; its number is in one of two fields, the newer one being wider."""
    number = max(table.number("deprecated_builtin_code"), table.number("builtin_code"))
    custom = table.text("custom_code")
    if number < 0:
        raise DamagedGraphError(f"operator number {number} does not exist")
    is_custom = number < len(OPERATOR_NAMES) and OPERATOR_NAMES[number] == "CUSTOM"
    if is_custom:
        name = custom or "CUSTOM"
    else:
        name = OPERATOR_NAMES[number] if number < len(OPERATOR_NAMES) else f"BUILTIN_{number}"
    return _Code(name=name, version=table.number("version"), custom=is_custom)


def _operators(
    subgraph: Table, tensors: Sequence[TensorRead], codes: Sequence[_Code], index: int
) -> list[Operator]:
    """Read a graph's operators, checking that each input has a value by then."""
    ready = {number for number, read in enumerate(tensors) if read.ready}
    ready.update(_indices(subgraph, "inputs", len(tensors)))
    operators = []
    for table in subgraph.tables("operators"):
        number = table.number("opcode_index")
        if number >= len(codes):
            raise DamagedGraphError(f"an operator names code {number} of {len(codes)}")
        code = codes[number]
        inputs, outputs = (_indices(table, name, len(tensors)) for name in ("inputs", "outputs"))
        if any(tensor not in ready and tensor != -1 for tensor in inputs):
            raise DamagedGraphError(f"{code.name} reads a tensor that nothing has computed yet")
        written = [tensor for tensor in outputs if tensor != -1]
        if any(tensor in ready and not _writable(tensors[tensor]) for tensor in written):
            raise DamagedGraphError(f"{code.name} writes a constant, an input, or a tensor twice")
        ready.update(written)
        operators.append(_operator(code, inputs, outputs, tensors, index))
    for output in _indices(subgraph, "outputs", len(tensors)):
        if output not in ready:
            raise DamagedGraphError(f"nothing computes output {tensors[output].tensor.name!r}")
    return operators


def _operator(
    code: _Code,
    inputs: tuple[int, ...],
    outputs: tuple[int, ...],
    tensors: Sequence[TensorRead],
    index: int,
) -> Operator:
    sources, results = (
        tuple(None if number == -1 else tensors[number].tensor for number in numbers)
        for numbers in (inputs, outputs)
    )
    return Operator(
        name=code.name,
        version=code.version,
        domain="custom" if code.custom else "",
        inputs=sources,
        outputs=results,
        macs=0 if code.custom else tflite_macs(code.name, sources, results),
        subgraph=index,
    )


def _writable(read: TensorRead) -> bool:
    """Tell whether an operator may write a tensor that already has a value."""
    return read.ready and not read.tensor.constant


def _indices(table: Table, name: str, count: int) -> tuple[int, ...]:
    """Read a vector of tensor numbers; -1 stands for an optional tensor left out."""
    numbers = table.integers(name)
    for number in numbers:
        if not -1 <= number < count:
            raise DamagedGraphError(f"tensor {number} of {count} does not exist")
    return numbers


def _named(subgraph: Table, name: str, tensors: Sequence[TensorRead]) -> tuple[Tensor, ...]:
    """Return a graph's inputs or outputs."""
    numbers = _indices(subgraph, name, len(tensors))
    if -1 in numbers:
        raise DamagedGraphError("a graph's input or output is left out")
    return tuple(tensors[number].tensor for number in numbers)


def _metadata(model: Table, buffers: Sequence[memoryview]) -> dict[str, str]:
    """Return the file's metadata: names, and values where they are short text."""
    found: dict[str, str] = {}
    for table in model.tables("metadata"):
        number = table.number("buffer")
        if number >= len(buffers):
            raise DamagedGraphError(f"metadata names buffer {number} of {len(buffers)}")
        data = bytes(buffers[number][: _MAX_METADATA_TEXT + 1]).rstrip(b"\0")
        is_text = len(data) <= _MAX_METADATA_TEXT and data.isascii() and data.decode().isprintable()
        found[table.text("name")] = data.decode() if is_text else ""
    return found


_MAX_RANK: Final = 16
_MAX_ELEMENTS: Final = 1 << 40
_FLOATS: Final = {"float16": "<f2", "float32": "<f4", "float64": "<f8"}


@dataclass(frozen=True, kw_only=True)
class TensorRead:
    """A tensor as read, with what only its reader needs."""

    tensor: Tensor
    buffer: int
    data: memoryview
    ready: bool
    """Has a value before any operator runs: a constant, a variable, or nothing to hold."""
    sparse: bool


def read_buffer(table: Table, reader: Reader) -> memoryview:
    """Return a buffer's bytes; large files keep them behind the flatbuffer, at offset and size."""
    offset, size = table.number("offset"), table.number("size")
    if offset > 1:  # the schema gives 0 and 1 no meaning
        return reader.bulk(offset, size)
    return table.blob("data")


def _shape(table: Table) -> Shape:
    sizes, signature = table.integers("shape"), table.integers("shape_signature")
    if signature and len(signature) != len(sizes):
        raise DamagedGraphError("a tensor's shape and shape signature disagree")
    if len(sizes) > _MAX_RANK:
        raise DamagedGraphError(f"a tensor has {len(sizes)} dimensions")
    if any(size < -1 for size in (*sizes, *signature)) or math.prod(sizes) > _MAX_ELEMENTS:
        raise DamagedGraphError(f"a tensor has the shape {sizes}")
    return tuple(None if size == -1 else size for size in (signature or sizes))


def _quantization(table: Table | None, shape: Shape) -> Quantization | None:
    """Read scales and zero points; None for a tensor that has ranges at most."""
    if table is None:
        return None
    scales, zero_points = table.floats("scale"), table.integers("zero_point")
    axis = table.number("quantized_dimension")
    if not scales:
        return None
    zero_points = zero_points or (0,) * len(scales)
    if len(zero_points) == 1:
        zero_points *= len(scales)
    if len(scales) != len(zero_points):
        raise DamagedGraphError(f"{len(scales)} scales and {len(zero_points)} zero points")
    if not all(math.isfinite(scale) and scale >= 0 for scale in scales):
        raise DamagedGraphError("a quantization scale is negative or not a number")
    if len(scales) == 1:
        return Quantization(scales=scales, zero_points=zero_points)
    if not 0 <= axis < len(shape) or shape[axis] not in (None, len(scales)):
        raise DamagedGraphError(f"{len(scales)} scales on dimension {axis} of the shape {shape}")
    return Quantization(scales=scales, zero_points=zero_points, axis=axis)


def read_tensor(table: Table, buffers: Sequence[memoryview]) -> TensorRead:
    """Read one tensor.

    Args:
        table: The tensor's table.
        buffers: The bytes of all buffers of the file.

    Returns:
        The tensor and its bytes, if it is a constant.

    Raises:
        DamagedGraphError: If its type, shape, quantization or buffer is impossible.
    """
    shape = _shape(table)
    kind, buffer = table.number("type"), table.number("buffer")
    if not 0 <= kind < len(TENSOR_TYPES):
        raise DamagedGraphError(f"a tensor has the unknown type {kind}")
    if buffer and buffer >= len(buffers):
        raise DamagedGraphError(f"a tensor names buffer {buffer} of {len(buffers)}")
    if table.number("external_buffer"):
        raise DamagedGraphError("it keeps weights in other files, which are not read")
    dtype = TENSOR_TYPES[kind]
    data = buffers[buffer] if buffer else memoryview(b"")  # buffer 0 is empty by convention
    sparse, variable = table.has("sparsity"), bool(table.number("is_variable"))
    tensor = Tensor(
        name=table.text("name"),
        shape=shape,
        dtype=dtype,
        quantization=_quantization(table.table("quantization"), shape),
        constant=len(data) > 0,
    )
    elements = math.prod(1 if size is None else size for size in shape)
    if tensor.constant and dtype in ELEMENT_BITS and not sparse:
        _check_size(tensor, len(data), elements)
    ready = tensor.constant or variable or elements == 0 or dtype in ("resource", "variant")
    return TensorRead(tensor=tensor, buffer=buffer, data=data, ready=ready, sparse=sparse)


def _check_size(tensor: Tensor, found: int, elements: int) -> None:
    """Check that a constant fills its shape; the interpreter refuses it otherwise, too."""
    expected = constant_bytes(tensor.dtype, elements)
    if None in (tensor.shape or ()) or found != expected:
        raise DamagedGraphError(
            f"constant {tensor.name!r} has {found} bytes, its shape asks for {expected}"
        )


def weigh(weights: Weights, read: TensorRead) -> None:
    """Count a constant that is, or stands for, real numbers."""
    tensor = read.tensor
    if not tensor.constant or tensor.dtype not in ELEMENT_BITS:
        return
    if tensor.dtype not in FLOAT_DTYPES and tensor.quantization is None:
        return
    kind = _FLOATS.get(tensor.dtype)
    weights.add(
        tensor,
        elements=math.prod(size or 0 for size in tensor.shape or ()),
        size=len(read.data),
        values=None if kind is None or read.sparse else np.frombuffer(read.data, kind),
        key=read.buffer,
    )

"""Tensors and buffers of a TFLite file; slots as in ``tflite``."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from edgecnn.modelfile.flatbuffer import Reader, Table
from edgecnn.modelfile.types import FLOAT_DTYPES, DamagedGraphError, Quantization, Shape, Tensor
from edgecnn.modelfile.weights import Weights

_MAX_RANK: Final = 16
_MAX_ELEMENTS: Final = 1 << 40

# TensorType of the schema.
_DTYPES: Final = (
    *("float32", "float16", "int32", "uint8", "int64", "string", "bool", "int16", "complex64"),
    *("int8", "float64", "complex128", "uint64", "resource", "variant", "uint32", "uint16"),
    *("int4", "bfloat16", "int2", "uint4", "float8_e4m3fn", "float8_e5m2"),
)
_BITS: Final = {
    "float32": 32,
    "float16": 16,
    "int32": 32,
    "uint8": 8,
    "int64": 64,
    "bool": 8,
    "int16": 16,
    "complex64": 64,
    "int8": 8,
    "float64": 64,
    "complex128": 128,
    "uint64": 64,
    "uint32": 32,
    "uint16": 16,
    "int4": 4,
    "bfloat16": 16,
    "int2": 2,
    "uint4": 4,
    "float8_e4m3fn": 8,
    "float8_e5m2": 8,
}

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
    offset, size = table.number(1, "Q"), table.number(2, "Q")
    if offset > 1:  # the schema gives 0 and 1 no meaning
        return reader.bulk(offset, size)
    return table.blob(0)


def _shape(table: Table) -> Shape:
    sizes, signature = table.integers(0), table.integers(7)
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
    scales, zero_points, axis = table.floats(2), table.integers(3, "q"), table.number(6, "i")
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
    kind, buffer = table.number(1, "b"), table.number(2, "I")
    if not 0 <= kind < len(_DTYPES):
        raise DamagedGraphError(f"a tensor has the unknown type {kind}")
    if buffer and buffer >= len(buffers):
        raise DamagedGraphError(f"a tensor names buffer {buffer} of {len(buffers)}")
    if table.number(10, "I"):
        raise DamagedGraphError("it keeps weights in other files, which are not read")
    dtype = _DTYPES[kind]
    data = buffers[buffer] if buffer else memoryview(b"")  # buffer 0 is empty by convention
    sparse, variable = table.has(6), bool(table.number(5, "b"))
    tensor = Tensor(
        name=table.text(3),
        shape=shape,
        dtype=dtype,
        quantization=_quantization(table.table(4), shape),
        constant=len(data) > 0,
    )
    elements = math.prod(1 if size is None else size for size in shape)
    if tensor.constant and dtype in _BITS and not sparse:
        _check_size(tensor, len(data), elements)
    ready = tensor.constant or variable or elements == 0 or dtype in ("resource", "variant")
    return TensorRead(tensor=tensor, buffer=buffer, data=data, ready=ready, sparse=sparse)


def _check_size(tensor: Tensor, found: int, elements: int) -> None:
    """Check that a constant fills its shape; the interpreter refuses it otherwise, too."""
    expected = (elements * _BITS[tensor.dtype] + 7) // 8
    if None in (tensor.shape or ()) or found != expected:
        raise DamagedGraphError(
            f"constant {tensor.name!r} has {found} bytes, its shape asks for {expected}"
        )


def weigh(weights: Weights, read: TensorRead) -> None:
    """Count a constant that is, or stands for, real numbers."""
    tensor = read.tensor
    if not tensor.constant or tensor.dtype not in _BITS:
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

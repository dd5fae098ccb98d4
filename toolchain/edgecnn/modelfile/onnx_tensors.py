"""Constants inside an ONNX file: checked, measured, and read where small.

Fields and types: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto, TensorProto.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray
from onnx import SparseTensorProto, TensorProto

from edgecnn.modelfile.types import DamagedGraphError, Shape

MAX_RANK: Final = 16
MAX_ELEMENTS: Final = 1 << 40

_NAMES: Final[dict[int, str]] = {
    number: {"FLOAT": "float32", "DOUBLE": "float64"}.get(name, name.lower())
    for name, number in TensorProto.DataType.items()
    if number
}
_BITS: Final = {
    "float32": 32,
    "uint8": 8,
    "int8": 8,
    "uint16": 16,
    "int16": 16,
    "int32": 32,
    "int64": 64,
    "bool": 8,
    "float16": 16,
    "float64": 64,
    "uint32": 32,
    "uint64": 64,
    "complex64": 64,
    "complex128": 128,
    "bfloat16": 16,
    "uint4": 4,
    "int4": 4,
    "uint2": 2,
    "int2": 2,
    "float8e4m3fn": 8,
    "float8e4m3fnuz": 8,
    "float8e5m2": 8,
    "float8e5m2fnuz": 8,
    "float4e2m1": 4,
    "float8e8m0": 8,
}
# What has no bytes of its own (raw_data) lies in one of these, by type; int32_data has the rest.
_FIELDS: Final = {
    "float32": "float_data",
    "complex64": "float_data",
    "float64": "double_data",
    "complex128": "double_data",
    "int64": "int64_data",
    "uint32": "uint64_data",
    "uint64": "uint64_data",
}
_NUMPY: Final = {
    "float32": "<f4",
    "float64": "<f8",
    "float16": "<f2",
    "int8": "i1",
    "uint8": "u1",
    "int16": "<i2",
    "uint16": "<u2",
    "int32": "<i4",
    "uint32": "<u4",
    "int64": "<i8",
    "uint64": "<u8",
    "bool": "u1",
}


def plain_text(value: str | bytes) -> str:
    """Return a protobuf string as text; undecodable ones come as bytes from its parser."""
    return value if isinstance(value, str) else value.decode("utf-8", "replace")


def dtype_name(number: int) -> str:
    """Return the name of an ONNX data type; ``unknown`` if there is none."""
    return _NAMES.get(number, "unknown")


def is_external(tensor: TensorProto) -> bool:
    """Tell whether a constant's values are in another file."""
    return tensor.data_location == TensorProto.EXTERNAL or len(tensor.external_data) > 0


def check_constant(tensor: TensorProto) -> Shape:
    """Return a constant's shape after checking that its values are all there.

    Those in another file are not looked for: what a file says of itself is no reason to open
    another one.

    Args:
        tensor: The constant.

    Returns:
        Its shape, without open sizes.

    Raises:
        DamagedGraphError: If its type is unknown, its shape impossible, or its values do not
            fill its shape.
    """
    name = plain_text(tensor.name)
    dtype = dtype_name(tensor.data_type)
    shape = tuple(tensor.dims)
    if dtype == "unknown":
        raise DamagedGraphError(f"constant {name!r} has the unknown type {tensor.data_type}")
    if len(shape) > MAX_RANK or any(size < 0 for size in shape):
        raise DamagedGraphError(f"constant {name!r} has the shape {shape}")
    elements = math.prod(shape)
    if elements > MAX_ELEMENTS:
        raise DamagedGraphError(f"constant {name!r} has the shape {shape}")
    if is_external(tensor):
        return shape
    if dtype == "string":
        found, expected = len(tensor.string_data), elements
    elif tensor.HasField("raw_data"):
        found, expected = len(tensor.raw_data), constant_bytes(dtype, elements)
    else:
        found = len(getattr(tensor, _FIELDS.get(dtype, "int32_data")))
        expected = _items(dtype, elements)
    if found != expected:
        raise DamagedGraphError(
            f"constant {name!r} has {found} values or bytes, its shape {shape} asks for {expected}"
        )
    return shape


def _items(dtype: str, elements: int) -> int:
    """Return how many items a typed field has for so many elements."""
    if dtype.startswith("complex"):
        return 2 * elements
    bits = _BITS.get(dtype, 8)
    return (elements * bits + 7) // 8 if bits < 8 else elements


def constant_bytes(dtype: str, elements: int) -> int:
    """Return the bytes that a constant's values take; sub-byte types are packed."""
    return (elements * _BITS.get(dtype, 8) + 7) // 8


def sparse_shape(tensor: SparseTensorProto) -> Shape:
    """Return the shape of a sparse constant, checked as ``check_constant`` does."""
    check_constant(tensor.values)
    check_constant(tensor.indices)
    shape = tuple(tensor.dims)
    if len(shape) > MAX_RANK or any(not 0 <= size <= MAX_ELEMENTS for size in shape):
        raise DamagedGraphError(f"a sparse constant has the shape {shape}")
    return shape


def constant_numbers(tensor: TensorProto) -> NDArray[np.generic] | None:
    """Return a checked constant's values, flat.

    Args:
        tensor: A constant that ``check_constant`` accepts.

    Returns:
        The values in a dtype of their own kind; None for types numpy does not have, and for
        values in another file.
    """
    dtype = dtype_name(tensor.data_type)
    if dtype not in _NUMPY or is_external(tensor):
        return None
    if tensor.HasField("raw_data"):
        return np.frombuffer(tensor.raw_data, _NUMPY[dtype])
    items = getattr(tensor, _FIELDS.get(dtype, "int32_data"))
    if dtype == "float16":  # stored as the bits of each value
        return np.array(items, np.int64).astype(np.uint16).view(np.float16)
    if dtype in ("float32", "float64"):
        with np.errstate(all="ignore"):
            return np.array(items, np.float64).astype(_NUMPY[dtype])
    # A value that its type cannot hold wraps around, as it does in C.
    kind = np.uint64 if dtype in ("uint32", "uint64") else np.int64
    return np.array(items, kind).astype(_NUMPY[dtype])

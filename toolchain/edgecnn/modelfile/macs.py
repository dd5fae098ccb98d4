"""Multiply-accumulates of an operator, from the shapes of its tensors.

One multiply-accumulate is one product added to a sum, so a convolution has as many as it has
output elements times kernel elements per output channel; biases, activations and pooling count
nothing. Sizes that a file leaves open count as 1, which for a batch left open gives the count for
one image. Quantized and float operators count alike.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Final

from edgecnn.modelfile.types import DamagedGraphError, Shape, Tensor

_Tensors = Sequence[Tensor | None]


def tflite_macs(name: str, inputs: _Tensors, outputs: _Tensors) -> int | None:
    """Count the multiply-accumulates of a TFLite operator.

    Args:
        name: Operator name, for example ``CONV_2D``.
        inputs: Its inputs.
        outputs: Its outputs.

    Returns:
        The count; 0 for operators without products of matrices; None if it cannot be told.

    Raises:
        DamagedGraphError: If the tensors are not those the operator needs.
    """
    return _count(_TFLITE, _TFLITE_UNCOUNTED, name, inputs, outputs)


def onnx_macs(name: str, inputs: _Tensors, outputs: _Tensors, *, transposed: bool) -> int | None:
    """Count the multiply-accumulates of an ONNX operator; see ``tflite_macs``.

    Args:
        name: Operator type, for example ``Conv``.
        inputs: Its inputs.
        outputs: Its outputs.
        transposed: Whether the first factor of a ``Gemm`` is transposed (``transA``).

    Returns:
        As ``tflite_macs``.

    Raises:
        DamagedGraphError: As ``tflite_macs``.
    """
    if name in _GEMMS:
        return _gemm(name, inputs, outputs, transposed)
    return _count(_ONNX, _ONNX_UNCOUNTED, name, inputs, outputs)


def _count(
    counters: dict[str, Callable[[str, _Tensors, _Tensors], int | None]],
    uncounted: frozenset[str],
    name: str,
    inputs: _Tensors,
    outputs: _Tensors,
) -> int | None:
    if name in counters:
        return counters[name](name, inputs, outputs)
    return None if name in uncounted else 0


def _shape(name: str, tensors: _Tensors, index: int, *ranks: int) -> list[int] | None:
    """Return a tensor's sizes, open ones as 1; None if its rank is not known."""
    tensor = tensors[index] if index < len(tensors) else None
    if tensor is None:
        raise DamagedGraphError(f"{name} lacks a tensor")
    shape: Shape | None = tensor.shape
    if shape is None:
        return None
    if ranks and len(shape) not in ranks:
        raise DamagedGraphError(f"{name} has a tensor of {len(shape)} dimensions")
    return [1 if size is None else size for size in shape]


def _product_of(whole: list[int] | None, kernel: list[int] | None, part: slice) -> int | None:
    if whole is None or kernel is None:
        return None
    return math.prod(whole) * math.prod(kernel[part])


def _conv_ohwi(name: str, inputs: _Tensors, outputs: _Tensors) -> int | None:
    """CONV_2D: weights are (out, height, width, in / groups)."""
    out = _shape(name, outputs, 0, 4)
    return _product_of(out, _shape(name, inputs, 1, 4), slice(1, None))


def _depthwise_tflite(name: str, inputs: _Tensors, outputs: _Tensors) -> int | None:
    """DEPTHWISE_CONV_2D: weights are (1, height, width, out)."""
    out = _shape(name, outputs, 0, 4)
    return _product_of(out, _shape(name, inputs, 1, 4), slice(1, 3))


def _conv_3d_tflite(name: str, inputs: _Tensors, outputs: _Tensors) -> int | None:
    """CONV_3D: weights are (depth, height, width, in / groups, out)."""
    out = _shape(name, outputs, 0, 5)
    return _product_of(out, _shape(name, inputs, 1, 5), slice(0, 4))


def _transpose_conv_tflite(name: str, inputs: _Tensors, outputs: _Tensors) -> int | None:
    """TRANSPOSE_CONV: weights are (out, height, width, in); each input pixel meets all of them."""
    del outputs
    source = _shape(name, inputs, 2, 4)
    return _product_of(source, _shape(name, inputs, 1, 4), slice(0, 3))


def _fully_connected(name: str, inputs: _Tensors, outputs: _Tensors) -> int | None:
    """FULLY_CONNECTED: weights are (out, in)."""
    out = _shape(name, outputs, 0)
    return _product_of(out, _shape(name, inputs, 1, 2), slice(1, None))


def _matmul(name: str, inputs: _Tensors, outputs: _Tensors, *, second: int = 1) -> int | None:
    """``a @ b``: the output's elements times the length of the sums, read off ``a`` and ``b``.

    ``a`` is (..., m, k) and ``out`` (..., m, n); with both and ``b``, k follows without knowing
    which of the factors is transposed: (m*k) * (k*n) = k*k * m*n.
    """
    left = _shape(name, inputs, 0)
    right = _shape(name, inputs, second)
    out = _shape(name, outputs, 0)
    if not left and right and out is None:
        return math.prod(right)  # rows not known count as open
    if left is None or right is None or out is None or not left or not right:
        return None
    if len(left) == 1 or len(right) == 1:
        return math.prod(out) * (left[-1] if len(left) == 1 else right[0])
    rows_columns = math.prod(out[-2:])
    if rows_columns == 0:
        return 0
    inner = math.isqrt(math.prod(left[-2:]) * math.prod(right[-2:]) // rows_columns)
    return math.prod(out) * inner


def _qlinear_matmul(name: str, inputs: _Tensors, outputs: _Tensors) -> int | None:
    return _matmul(name, inputs, outputs, second=3)


def _gemm(name: str, inputs: _Tensors, outputs: _Tensors, transposed: bool) -> int | None:
    """``Gemm``: the second factor has both sizes that matter; rows not known count as open."""
    right = _shape(name, inputs, 3 if name == "QGemm" else 1, 2)
    left, out = _shape(name, inputs, 0, 2), _shape(name, outputs, 0, 2)
    if right is None:
        return None
    rows = out[0] if out is not None else left[int(transposed)] if left is not None else 1
    return rows * math.prod(right)


def _conv_onnx(name: str, inputs: _Tensors, outputs: _Tensors) -> int | None:
    """Conv: weights are (out, in / groups, *kernel)."""
    weights = 3 if name.startswith("QLinear") else 1
    out = _shape(name, outputs, 0)
    return _product_of(out, _shape(name, inputs, weights), slice(1, None))


def _conv_transpose_onnx(name: str, inputs: _Tensors, outputs: _Tensors) -> int | None:
    """ConvTranspose: weights are (in, out / groups, *kernel)."""
    del outputs
    return _product_of(_shape(name, inputs, 0), _shape(name, inputs, 1), slice(1, None))


_Counters = dict[str, Callable[[str, _Tensors, _Tensors], int | None]]

_TFLITE: Final[_Counters] = {
    "CONV_2D": _conv_ohwi,
    "DEPTHWISE_CONV_2D": _depthwise_tflite,
    "CONV_3D": _conv_3d_tflite,
    "TRANSPOSE_CONV": _transpose_conv_tflite,
    "FULLY_CONNECTED": _fully_connected,
    "BATCH_MATMUL": _matmul,
}
_ONNX: Final[_Counters] = {
    "Conv": _conv_onnx,
    "FusedConv": _conv_onnx,
    "ConvInteger": _conv_onnx,
    "QLinearConv": _conv_onnx,
    "ConvTranspose": _conv_transpose_onnx,
    "MatMul": _matmul,
    "FusedMatMul": _matmul,
    "MatMulInteger": _matmul,
    "QLinearMatMul": _qlinear_matmul,
}
_GEMMS: Final = frozenset({"Gemm", "FusedGemm", "QGemm"})

# Operators that multiply matrices in ways no image classifier of this project uses; naming them
# keeps a sum without them from looking complete.
_TFLITE_UNCOUNTED: Final = frozenset(
    {
        "BIDIRECTIONAL_SEQUENCE_LSTM",
        "BIDIRECTIONAL_SEQUENCE_RNN",
        "CONV_3D_TRANSPOSE",
        "LSTM",
        "RNN",
        "STABLEHLO_CONVOLUTION",
        "STABLEHLO_DOT_GENERAL",
        "SVDF",
        "UNIDIRECTIONAL_SEQUENCE_LSTM",
        "UNIDIRECTIONAL_SEQUENCE_RNN",
    }
)
_ONNX_UNCOUNTED: Final = frozenset(
    {
        "Attention",
        "DeformConv",
        "DynamicQuantizeLSTM",
        "DynamicQuantizeMatMul",
        "Einsum",
        "GRU",
        "LSTM",
        "MatMulIntegerToFloat",
        "MatMulNBits",
        "MultiHeadAttention",
        "QAttention",
        "RNN",
    }
)

"""Finds the scales and zero points of the tensors of an ONNX graph.

They are inputs of the operators that quantize, in two forms: QuantizeLinear and DequantizeLinear
around float operators (QDQ), or operators that take integers themselves (QLinearConv, ...).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray
from onnx import GraphProto, NodeProto, TensorProto

from edgecnn.modelfile.onnx_tensors import check_constant, constant_numbers, plain_text
from edgecnn.modelfile.types import DamagedGraphError, Quantization

_MAX_NUMBERS: Final = 1 << 22
_MAX_CHANNELS: Final = 1 << 16

_UNARY: Final = ((0, 1, 2), (-1, 3, 4))
_BINARY: Final = ((0, 1, 2), (3, 4, 5), (-1, 6, 7))
# Operator to (tensor, scale, zero point) input numbers; -1 stands for output 0 as the tensor.
# com.microsoft: https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md
_PLACES: Final[Mapping[str, tuple[tuple[int, int, int], ...]]] = {
    "DequantizeLinear": ((0, 1, 2),),
    "QuantizeLinear": ((-1, 1, 2),),
    "QGemm": ((0, 1, 2), (3, 4, 5), (-1, 7, 8)),
    "QLinearAdd": _BINARY,
    "QLinearAveragePool": _UNARY,
    "QLinearConv": _BINARY,
    "QLinearGlobalAveragePool": _UNARY,
    "QLinearLeakyRelu": _UNARY,
    "QLinearMatMul": _BINARY,
    "QLinearMul": _BINARY,
    "QLinearSigmoid": _UNARY,
    "QLinearSoftmax": _UNARY,
}
# Where an operator with integer factors 0 and 3 has its bias.
_BIASES: Final = {"QLinearConv": 8, "QGemm": 6}
# Where the channels of the second factor lie when it has a scale for each.
_CHANNEL_AXIS: Final = {"QLinearConv": 0, "QLinearMatMul": -1, "QGemm": -1}


def find_quantization(graph: GraphProto) -> tuple[dict[str, Quantization], set[str]]:
    """Find the quantization of a graph's tensors.

    Args:
        graph: The graph; constants of graphs around it are not looked at.

    Returns:
        Tensor name to quantization (an axis may count from the end), and the names of the
        scales and zero points themselves.

    Raises:
        DamagedGraphError: If a scale is not a number, or scales and zero points do not match.
    """
    constants = dict(_constants(graph))
    known: dict[tuple[str, str, int], Quantization | None] = {}
    found: dict[str, Quantization] = {}
    factors: set[str] = set()
    numbers = 0
    for node in graph.node:
        for tensor, scale, zero_point, axis in _places(node):
            factors.update((scale, zero_point))
            key = (scale, zero_point, axis)
            quantization = known.get(key)
            if key not in known:
                known[key] = quantization = _quantization(constants, *key)
                numbers += 1 if quantization is None else len(quantization.scales)
            if quantization is not None:
                found.setdefault(tensor, quantization)
        for tensor, quantization in _bias(node, found):
            numbers += len(quantization.scales)
            found.setdefault(tensor, quantization)
        if numbers > _MAX_NUMBERS:
            raise DamagedGraphError("it has more scales than a sound file")
    return found, factors - {""}


def _bias(node: NodeProto, found: Mapping[str, Quantization]) -> Iterator[tuple[str, Quantization]]:
    """Yield an integer operator's bias; its step is that of the products it is added to."""
    place = _BIASES.get(plain_text(node.op_type))
    if place is None or place >= len(node.input):
        return
    data, weights, bias = (plain_text(node.input[index]) for index in (0, 3, place))
    if data in found and weights in found and bias:
        step = found[data].scales[0]
        scales = tuple(step * scale for scale in found[weights].scales)
        if all(math.isfinite(scale) for scale in scales):
            axis = 0 if len(scales) > 1 else None
            yield bias, Quantization(scales=scales, zero_points=(0,) * len(scales), axis=axis)


def _constants(graph: GraphProto) -> Iterator[tuple[str, TensorProto]]:
    for tensor in graph.initializer:
        yield plain_text(tensor.name), tensor
    for node in graph.node:
        if node.op_type == "Constant" and len(node.output) == 1:
            for attribute in node.attribute:
                if attribute.name == "value" and attribute.HasField("t"):
                    yield plain_text(node.output[0]), attribute.t


def _places(node: NodeProto) -> Iterator[tuple[str, str, str, int]]:
    """Yield tensor, scale and zero point names, and the axis, that an operator relates."""
    name = plain_text(node.op_type)
    inputs = [plain_text(source) for source in node.input]
    outputs = [plain_text(output) for output in node.output]
    axis = _CHANNEL_AXIS.get(name, 1)
    for attribute in node.attribute if name in _PLACES else ():
        if attribute.name == "axis":
            axis = attribute.i
        elif attribute.name == "transB" and attribute.i:
            axis = 0
        elif attribute.name == "block_size" and attribute.i:
            return  # a scale for each block of a channel is not told
    for tensor, scale, zero_point in _PLACES.get(name, ()):
        if scale < len(inputs) and tensor < len(inputs) and (tensor >= 0 or outputs):
            yield (
                outputs[0] if tensor < 0 else inputs[tensor],
                inputs[scale],
                inputs[zero_point] if zero_point < len(inputs) else "",
                axis,
            )


def _quantization(
    constants: Mapping[str, TensorProto], scale: str, zero_point: str, axis: int
) -> Quantization | None:
    """Read scales and zero points; None if they are computed or of unusual types."""
    scales = _numbers(constants.get(scale))
    if scales is None:
        return None
    zeros: NDArray[np.generic] | None = np.zeros(len(scales), np.int64)
    if zero_point:
        zeros = _numbers(constants.get(zero_point))
        if zeros is None:
            return None
    if zeros is None or len(zeros) != len(scales):
        raise DamagedGraphError(f"the scales {scale!r} and zero points {zero_point!r} do not match")
    steps = tuple(float(step) for step in scales)
    if not all(np.isfinite(step) and step >= 0 for step in steps):
        raise DamagedGraphError(f"the scale {scale!r} is negative or not a number")
    return Quantization(
        scales=steps,
        zero_points=tuple(int(zero) for zero in zeros),
        axis=axis if len(steps) > 1 else None,
    )


def _numbers(tensor: TensorProto | None) -> NDArray[np.generic] | None:
    if tensor is None or len(tensor.dims) > 1:
        return None
    shape = check_constant(tensor)
    if shape and (shape[0] or 0) > _MAX_CHANNELS:
        return None
    return constant_numbers(tensor)

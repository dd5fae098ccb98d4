"""In which numbers a file computes, from what its convolutions and products read."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from edgecnn.modelfile.types import FLOAT_DTYPES, INTEGER_DTYPES, Graph, Operator, Tensor

# Operators whose activations and weights are not their inputs 0 and 1.
_PLACES: Final = {
    "TRANSPOSE_CONV": (2, 1),
    "QGemm": (0, 3),
    "QLinearConv": (0, 3),
    "QLinearMatMul": (0, 3),
}
_REAL: Final = ("fp32", "fp16", "int8-weights")
_UNPACKING: Final = ("DEQUANTIZE", "DequantizeLinear", "Cast")


@dataclass(frozen=True, kw_only=True)
class Precision:
    """The arithmetic of a graph's products.

    Attributes:
        name: ``fp32``, ``fp16`` (16-bit weights or more), ``int8`` (integers throughout),
            ``int8-dynamic`` (integer weights, activations quantized at run time), ``int8-weights``
            (integer weights, float arithmetic), ``int16x8``, ``int8-mixed`` (some products in
            int8, the others in float32), ``mixed (...)`` for any other mixture, or ``none`` for
            a graph without products.
        per_channel: Whether quantized weights have a scale for each output channel: those of
            every convolution, or, in a graph without one, of every product. None if no weights
            are quantized.
        real_macs: Multiply-accumulates of the products of real numbers; those whose count is
            not known are left out. Not part of what makes two precisions equal.
    """

    name: str
    per_channel: bool | None
    real_macs: int = field(default=0, compare=False)


def find_precision(graph: Graph) -> Precision:
    """Tell in which numbers a graph computes.

    Args:
        graph: Any graph.

    Returns:
        Its precision. A few products left in a higher precision by a converter that quantizes
        weights only (small ones, by rule) do not make it mixed.
    """
    makers = {id(tensor): op for op in graph.operators for tensor in op.outputs}
    kinds: dict[str, None] = {}
    scaled: list[tuple[bool, bool]] = []
    real_macs = 0
    for operator in graph.operators:
        if operator.macs == 0:
            continue
        data, weights = _factors(operator)
        if data is None or weights is None:
            continue
        source, stored = _stored(data, makers), _stored(weights, makers)
        kind = _kind(operator, source, stored, makers)
        kinds[kind] = None
        real_macs += (operator.macs or 0) if kind in _REAL else 0
        if stored.quantization is not None and stored.constant:
            for_each = stored.quantization.per_channel or _channels(operator, graph) == 1
            scaled.append(("CONV" in operator.name.upper(), for_each))
    # A product is often left with one scale by a converter that gives every convolution many.
    decisive = [for_each for convolves, for_each in scaled if convolves] or [
        for_each for _, for_each in scaled
    ]
    return Precision(
        name=_summary(set(kinds)),
        per_channel=all(decisive) if decisive else None,
        real_macs=real_macs,
    )


def _channels(operator: Operator, graph: Graph) -> int | None:
    """Return how many output channels a product has, where its shape tells."""
    result = operator.outputs[0] if operator.outputs else None
    shape = None if result is None else result.shape
    if shape is None or len(shape) < 2:
        return None
    return shape[1] if graph.format == "onnx" and "Conv" in operator.name else shape[-1]


def _factors(operator: Operator) -> tuple[Tensor | None, Tensor | None]:
    first, second = _PLACES.get(operator.name, (0, 1))
    inputs = operator.inputs
    if max(first, second) >= len(inputs):
        return None, None
    return inputs[first], inputs[second]


def _stored(tensor: Tensor, makers: dict[int, Operator]) -> Tensor:
    """Return the tensor as it is stored, before it was unpacked to real numbers."""
    maker = makers.get(id(tensor))
    if maker is not None and maker.name in _UNPACKING and maker.inputs:
        return maker.inputs[0] or tensor
    return tensor


def _kind(operator: Operator, source: Tensor, stored: Tensor, makers: dict[int, Operator]) -> str:
    if stored.dtype in ("float16", "bfloat16"):
        return "fp16"
    if stored.dtype in FLOAT_DTYPES or stored.dtype == "unknown":
        return "fp32"
    if source.dtype in FLOAT_DTYPES:
        # TFLite's hybrid kernels take integer weights as they are; in ONNX, weights that were
        # unpacked meet float activations.
        return "int8-dynamic" if stored in operator.inputs else "int8-weights"
    maker = makers.get(id(source))
    if maker is not None and maker.name == "DynamicQuantizeLinear":
        return "int8-dynamic"
    return "int16x8" if source.dtype in ("int16", "uint16") else "int8"


def _summary(kinds: set[str]) -> str:
    if not kinds:
        return "none"
    for light in ("int8-dynamic", "int8-weights", "fp16"):
        if light in kinds and kinds <= {light, "fp32"}:
            return light
    if kinds == {"int8", "fp32"}:
        return "int8-mixed"
    return kinds.pop() if len(kinds) == 1 else f"mixed ({', '.join(sorted(kinds))})"


# ONNX operators that take and give integers themselves.
_ONNX_INTEGER: Final = frozenset({
    "ConvInteger", "MatMulInteger", "QGemm", "QLinearAdd", "QLinearAveragePool", "QLinearConcat",
    "QLinearConv", "QLinearGlobalAveragePool", "QLinearLeakyRelu", "QLinearMatMul", "QLinearMul",
    "QLinearSigmoid", "QLinearSoftmax", "QLinearWhere",
})  # fmt: skip
_ONNX_ENDS: Final = frozenset({"Constant", "DequantizeLinear", "QuantizeLinear"})
# They move numbers and compute nothing, so that it is no matter what the numbers are kept in.
_ONNX_MOVING: Final = frozenset({
    "DepthToSpace", "Expand", "Flatten", "Gather", "Identity", "Reshape", "Shape", "Slice",
    "SpaceToDepth", "Split", "Squeeze", "Tile", "Transpose", "Unsqueeze",
})  # fmt: skip
# ONNX Runtime computes them as the last step of the integer operator that they follow.
_ONNX_ACTIVATIONS: Final = frozenset({"Clip", "Relu"})
# How many inputs are data, where others are settings: limits, the value of a padding, sizes, and
# the scale and offset of what ONNX Runtime computes in float32 between two quantizations.
_ONNX_DATA: Final = {
    "Clip": 1, "LayerNormalization": 1, "Pad": 1, "ReduceMean": 1, "ReduceSum": 1, "Resize": 1,
}  # fmt: skip


def check_integer(graph: Graph) -> list[str]:
    """Name the operators that compute with real numbers.

    TFLite: every operator must have integer tensors only, but for ``QUANTIZE`` of a graph's
    inputs and ``DEQUANTIZE`` into its outputs. Custom and Flex operators are named in any case.
    ONNX: every operator that computes must read dequantized integers and be quantized again (the
    QDQ form, which ONNX Runtime fuses into integer kernels; for the few that it has none for,
    such as Tanh and LayerNormalization, it computes between the two in float32), or be an integer
    operator itself. That holds for a softmax at the end, too, of which ONNX Runtime has an integer
    kernel; a product that is the graph's answer need not be quantized again. Operators that only
    move numbers may do so before a quantization, or behind a dequantization.

    Args:
        graph: A file as ``read_graph`` gives it.

    Returns:
        ``NAME (operator INDEX)`` for each offender in order; empty if there is none.
    """
    return [
        f"{operator.name} (operator {index})" for index, operator in real_operators(graph).items()
    ]


def real_operators(graph: Graph) -> dict[int, Operator]:
    """Return the operators that compute with real numbers, by position; see ``check_integer``."""
    if graph.format == "tflite":
        offenders = [_tflite_offends(graph, operator) for operator in graph.operators]
    else:
        edges = _OnnxEdges(graph)
        offenders = [edges.offends(operator) for operator in graph.operators]
    pairs = enumerate(zip(graph.operators, offenders, strict=True))
    return {index: operator for index, (operator, offends) in pairs if offends}


def _tflite_offends(graph: Graph, operator: Operator) -> bool:
    if operator.domain:
        return True
    inputs = [tensor for tensor in operator.inputs if tensor is not None]
    outputs = [tensor for tensor in operator.outputs if tensor is not None]
    if operator.name == "QUANTIZE" and all(_is_one_of(tensor, graph.inputs) for tensor in inputs):
        inputs = []
    elif operator.name == "DEQUANTIZE":
        outputs = [tensor for tensor in outputs if not _is_one_of(tensor, graph.outputs)]
    return any(tensor.dtype not in INTEGER_DTYPES for tensor in (*inputs, *outputs))


def _is_one_of(tensor: Tensor, ends: tuple[Tensor, ...]) -> bool:
    """Tell by identity: names need not be unique in TFLite."""
    return any(tensor is end for end in ends)


class _OnnxEdges:
    """Who makes and who reads each tensor of an ONNX graph; by identity, as in TFLite."""

    def __init__(self, graph: Graph) -> None:
        self._outputs = {id(tensor) for tensor in graph.outputs}
        self._makers: dict[int, Operator] = {}
        self._readers: dict[int, list[Operator]] = {}
        for operator in graph.operators:
            self._makers.update((id(tensor), operator) for tensor in operator.outputs)
            for tensor in operator.inputs:
                self._readers.setdefault(id(tensor), []).append(operator)

    def offends(self, operator: Operator) -> bool:
        if operator.name in _ONNX_INTEGER | _ONNX_ENDS | _ONNX_MOVING:
            return False
        data = operator.inputs[: _ONNX_DATA.get(operator.name)]
        # A product at the end may add up in integers and give its answer in real numbers.
        results = [
            tensor for tensor in _made(operator) if not (operator.macs and self._ends(tensor))
        ]
        return not (
            all(self._is_dequantized(tensor, operator) for tensor in data if tensor is not None)
            and all(map(self._is_quantized, results))
        )

    def _ends(self, tensor: Tensor) -> bool:
        return id(tensor) in self._outputs and id(tensor) not in self._readers

    def _is_dequantized(self, tensor: Tensor, reader: Operator) -> bool:
        if tensor.dtype in INTEGER_DTYPES:
            return True  # sizes and axes
        maker = self._makers.get(id(tensor))
        if maker is None:
            return False
        follows = reader.name in _ONNX_ACTIVATIONS and bool(maker.macs)
        return maker.name == "DequantizeLinear" or follows

    def _is_quantized(self, tensor: Tensor) -> bool:
        if tensor.dtype in INTEGER_DTYPES:
            return True
        readers = self._readers.get(id(tensor), [])
        if id(tensor) in self._outputs or not readers:
            return False
        maker = self._makers.get(id(tensor))
        return all(
            reader.name == "QuantizeLinear"
            or (reader.name in _ONNX_ACTIVATIONS and maker is not None and bool(maker.macs))
            or (reader.name in _ONNX_MOVING and all(map(self._is_quantized, _made(reader))))
            for reader in readers
        )


def _made(operator: Operator) -> list[Tensor]:
    return [tensor for tensor in operator.outputs if tensor is not None]

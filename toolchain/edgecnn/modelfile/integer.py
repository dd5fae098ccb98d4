"""Does a file compute with integers, as its name says?"""

from __future__ import annotations

from typing import Final

from edgecnn.modelfile.types import INTEGER_DTYPES, Graph, Operator, Tensor

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
# How many inputs are data, where others are settings: limits, the value of a padding, sizes.
_ONNX_DATA: Final = {"Clip": 1, "Pad": 1, "ReduceMean": 1, "ReduceSum": 1, "Resize": 1}


def check_integer(graph: Graph) -> list[str]:
    """Name the operators that compute with real numbers.

    TFLite: every operator must have integer tensors only, but for ``QUANTIZE`` of a graph's
    inputs and ``DEQUANTIZE`` into its outputs. Custom and Flex operators are named in any case.
    ONNX: every operator that computes must read dequantized integers and be quantized again (the
    QDQ form, which ONNX Runtime fuses into integer kernels; for the few that it has none for,
    such as Tanh, it computes between the two in float32), or be an integer operator itself. That
    holds for a softmax at the end, too, of which ONNX Runtime has an integer kernel; a product
    that is the graph's answer need not be quantized again. Operators that only move numbers may
    do so before a quantization, or behind a dequantization.

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

"""Does a file compute with integers, as its name says?"""

from __future__ import annotations

from typing import Final

from edgecnn.graph.types import INTEGER_DTYPES, Graph, Operator, Tensor

__all__ = ["check_integer"]

# Operators that compute with integers by themselves in ONNX.
_ONNX_INTEGER: Final = frozenset(
    {"ConvInteger", "MatMulInteger", "QGemm", "QLinearConv", "QLinearMatMul"}
)


def check_integer(graph: Graph) -> list[str]:
    """Name the operators that compute with real numbers.

    TFLite: every operator must have integer tensors only, but for ``QUANTIZE`` of a graph's
    inputs and ``DEQUANTIZE`` into its outputs. Custom and Flex operators are named in any case.
    ONNX: every operator with multiply-accumulates must read dequantized integers (the QDQ form,
    which ONNX Runtime fuses into integer kernels) or be an integer operator itself.

    Args:
        graph: A file as ``read_graph`` gives it.

    Returns:
        ``NAME (operator INDEX)`` for each offender in order; empty if there is none.
    """
    if graph.format == "tflite":
        offenders = [_tflite_offends(graph, operator) for operator in graph.operators]
    else:
        dequantized = {
            id(tensor)
            for operator in graph.operators
            if operator.name == "DequantizeLinear"
            for tensor in operator.outputs
        }
        offenders = [_onnx_offends(operator, dequantized) for operator in graph.operators]
    return [
        f"{operator.name} (operator {index})"
        for index, (operator, offends) in enumerate(zip(graph.operators, offenders, strict=True))
        if offends
    ]


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


def _onnx_offends(operator: Operator, dequantized: set[int]) -> bool:
    """Tell by identity, too: ``dequantized`` holds the ids of tensors made from integers."""
    if operator.macs == 0 or operator.name in _ONNX_INTEGER:
        return False
    return any(id(tensor) not in dequantized for tensor in operator.inputs[:2])

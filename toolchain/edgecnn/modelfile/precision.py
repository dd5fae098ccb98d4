"""In which numbers a file computes, from what its convolutions and products read."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from edgecnn.modelfile.types import FLOAT_DTYPES, Graph, Operator, Tensor

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

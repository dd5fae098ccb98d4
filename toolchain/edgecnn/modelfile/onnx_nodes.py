"""One ONNX operator as plain values, apart from protobuf."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from onnx import AttributeProto, NodeProto, TensorProto

from edgecnn.modelfile.onnx_tensors import dtype_name, plain_text
from edgecnn.modelfile.types import Shape, Tensor

MAX_VALUES: Final = 64
"""Longest list of numbers that a shape may depend on."""

Attribute = int | float | str | tuple[int, ...] | tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class Node:
    """What the rules may look at.

    Attributes:
        name: Operator type.
        attributes: Its numbers and texts by name.
        shapes: Of its inputs; None where unknown or left out.
        values: Of its inputs: the numbers of small constants; None otherwise.
        outputs: How many outputs it has.
    """

    name: str
    attributes: Mapping[str, Attribute]
    shapes: Sequence[Shape | None]
    values: Sequence[tuple[int, ...] | None]
    outputs: int

    def integer(self, name: str, default: int) -> int:
        """Return an integer attribute, or its default."""
        value = self.attributes.get(name, default)
        return value if isinstance(value, int) else default

    def integers(self, name: str, default: tuple[int, ...]) -> tuple[int, ...]:
        """Return a list attribute, or its default."""
        value = self.attributes.get(name, default)
        if not isinstance(value, tuple):
            return default
        return tuple(int(item) for item in value if isinstance(item, int))

    def shape(self, index: int) -> Shape:
        """Return an input's shape.

        Raises:
            LookupError: If there is none; the operator's outputs are unknown then.
        """
        shape = self.shapes[index]
        if shape is None:
            raise LookupError(index)
        return shape

    def value(self, index: int) -> tuple[int, ...]:
        """Return an input's constant numbers; raises as ``shape`` does."""
        value = self.values[index]
        if value is None:
            raise LookupError(index)
        return value


def read_attributes(protos: Iterable[AttributeProto]) -> dict[str, Attribute]:
    """Return an operator's numbers, short lists and texts by name."""
    found: dict[str, Attribute] = {}
    for proto in protos:
        name = plain_text(proto.name)
        if proto.type == AttributeProto.INT:
            found[name] = proto.i
        elif proto.type == AttributeProto.STRING:
            found[name] = proto.s.decode("utf-8", "replace")
        elif proto.type == AttributeProto.INTS and len(proto.ints) <= MAX_VALUES:
            found[name] = tuple(proto.ints)
    return found


def constant_of(node: NodeProto) -> TensorProto | None:
    """Return the tensor of a Constant operator; None for its rarer forms."""
    for attribute in node.attribute:
        if attribute.name == "value" and attribute.HasField("t"):
            tensor: TensorProto = attribute.t
            return tensor
    return None


_DTYPE_OF: Final[Mapping[str, tuple[str, ...]]] = {
    **dict.fromkeys(("And", "Equal", "Greater", "GreaterOrEqual", "IsInf", "IsNaN"), ("bool",)),
    **dict.fromkeys(("Less", "LessOrEqual", "Not", "Or", "Xor"), ("bool",)),
    **dict.fromkeys(("ArgMax", "ArgMin", "NonZero", "Shape", "Size"), ("int64",)),
    **dict.fromkeys(("ConvInteger", "MatMulInteger"), ("int32",)),
    "DynamicQuantizeLinear": ("uint8", "float32", "uint8"),
}
# Operators whose output has the type of another input than the first.
_DTYPE_FROM: Final[Mapping[str, int]] = {
    "DequantizeLinear": 1,
    "QLinearConv": 7,
    "QLinearMatMul": 7,
    "Where": 1,
}


def output_dtype(
    name: str, attributes: Mapping[str, Attribute], inputs: list[Tensor | None], position: int
) -> str:
    """Return the type of an output that the file does not state."""
    stated = attributes.get({"Cast": "to", "QuantizeLinear": "output_dtype"}.get(name, ""))
    if isinstance(stated, int) and stated:
        return dtype_name(stated)
    if name in _DTYPE_OF:
        kinds = _DTYPE_OF[name]
        return kinds[position] if position < len(kinds) else "unknown"
    if name == "QuantizeLinear":
        zero_point = inputs[2] if len(inputs) > 2 else None
        return "uint8" if zero_point is None else zero_point.dtype
    source = _DTYPE_FROM.get(name, 0)
    tensor = inputs[source] if source < len(inputs) else None
    return "unknown" if tensor is None else tensor.dtype

"""The names of one ONNX graph, and the tensors behind them."""

from __future__ import annotations

from collections.abc import Iterable, MutableMapping
from dataclasses import replace

from onnx import GraphProto, ValueInfoProto

from edgecnn.modelfile.onnx_quantization import find_quantization
from edgecnn.modelfile.onnx_tensors import MAX_ELEMENTS, MAX_RANK, dtype_name, plain_text
from edgecnn.modelfile.types import DamagedGraphError, Quantization, Shape, Tensor

__all__ = ["Scope"]


class Scope:
    """The tensors of one graph.

    Args:
        graph: The graph.
        outer: Tensors of the graph around it, which its operators may read.
    """

    def __init__(self, graph: GraphProto, outer: MutableMapping[str, Tensor]) -> None:
        self.tensors: dict[str, Tensor] = {}
        self.values: dict[str, tuple[int, ...]] = {}
        self.declared = _declared((*graph.value_info, *graph.input, *graph.output))
        self.quantization, self.factors = find_quantization(graph)
        self.outer = outer

    def define(self, name: str, shape: Shape | None, dtype: str, constant: bool) -> Tensor:
        """Make a tensor.

        Raises:
            DamagedGraphError: If there is one of that name in this graph.
        """
        if name in self.tensors:
            raise DamagedGraphError(f"tensor {name!r} is computed twice")
        quantization = _fitting(self.quantization.get(name), shape)
        self.tensors[name] = Tensor(
            name=name, shape=shape, dtype=dtype, quantization=quantization, constant=constant
        )
        return self.tensors[name]

    def find(self, name: str, reader: str) -> Tensor:
        """Return a tensor that must exist by now."""
        found = self.tensors.get(name) or self.outer.get(name)
        if found is None:
            raise DamagedGraphError(f"{reader} reads {name!r}, which nothing has computed yet")
        return found


def _declared(values: Iterable[ValueInfoProto]) -> dict[str, tuple[Shape | None, str]]:
    """Return the shape and type that a graph states for its tensors."""
    found: dict[str, tuple[Shape | None, str]] = {}
    for value in values:
        kind = value.type.tensor_type
        shape: Shape | None = None
        if kind.HasField("shape"):
            sizes = [
                size.dim_value if size.HasField("dim_value") and size.dim_value >= 0 else None
                for size in kind.shape.dim
            ]
            if len(sizes) > MAX_RANK or any((size or 0) > MAX_ELEMENTS for size in sizes):
                raise DamagedGraphError(f"tensor {plain_text(value.name)!r} has an absurd shape")
            shape = tuple(sizes)
        found[plain_text(value.name)] = (shape, dtype_name(kind.elem_type))
    return found


def _fitting(quantization: Quantization | None, shape: Shape | None) -> Quantization | None:
    """Return a quantization with its axis counted from the front, if it fits the shape."""
    if quantization is None or quantization.axis is None or shape is None:
        return quantization
    axis, channels = quantization.axis, len(quantization.scales)
    if not -len(shape) <= axis < len(shape) or shape[axis] not in (None, channels):
        raise DamagedGraphError(f"{channels} scales on dimension {axis} of the shape {shape}")
    return replace(quantization, axis=axis % len(shape))

"""One operator of an ONNX graph as its importing function sees it: inputs, attributes, refusals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from edgecnn.convert.source.onnx.graph import Array, OnnxGraph, OnnxNode, Shape
from edgecnn.convert.source.onnx.views import Order, View, order_of, placed
from edgecnn.errors import SourceModelError

REMEDY: Final = (
    "make the ONNX variants, which take the file's own operators (--variant onnx-fp32 "
    "--variant onnx-int8); or convert it with another tool and check that file: edgecnn verify "
    "--artifact FILE"
)
"""Ways on for a model that cannot be imported."""


class Call:
    """An operator with its inputs.

    Args:
        graph: The graph that it is of.
        node: The operator.
        views: The tensors made so far, by name.

    Attributes:
        opset: The version of the standard operators.
        op: The operator's type.
    """

    def __init__(self, graph: OnnxGraph, node: OnnxNode, views: Mapping[str, View]) -> None:
        self._graph = graph
        self._node = node
        self._views = views
        self.opset = graph.opset
        self.op = node.op

    def refuse(self, observed: str) -> SourceModelError:
        """Return the error that says that this form of the operator is not imported."""
        name = f" ({self._node.name[:60]})" if self._node.name.isprintable() else ""
        return SourceModelError(
            f"the ONNX operator {self.op}{name.replace(' ()', '')} has a form that edgecnn does "
            "not import for TFLite",
            observed=observed,
            expected="an operator of an image classifier, applied to each image by itself",
            remedy=REMEDY,
        )

    @property
    def count(self) -> int:
        """The number of inputs, trailing ones that are left out not counted."""
        names = self._node.inputs
        return max((i + 1 for i, name in enumerate(names) if name), default=0)

    def has(self, index: int) -> bool:
        """Tell whether an input is there."""
        return index < len(self._node.inputs) and bool(self._node.inputs[index])

    def is_constant(self, index: int) -> bool:
        """Tell whether an input is there and does not depend on the image."""
        return self.has(index) and self._node.inputs[index] in self._graph.constants

    def view(self, index: int = 0) -> View:
        """Return an input that depends on the image."""
        if not self.has(index):
            raise self.refuse(f"its input {index + 1} is missing")
        name = self._node.inputs[index]
        if name not in self._views:
            raise self.refuse(f"its input {index + 1} is a constant")
        return self._views[name]

    def image(self, index: int = 0) -> View:
        """Return an input of shape (batch, channels, height, width) that depends on the image."""
        view = self.view(index)
        if len(view.groups) != 3:
            raise self.refuse(f"an input of shape {self.shape(index)}")
        return view

    def constant(self, index: int) -> Array:
        """Return an input that does not depend on the image."""
        if not self.is_constant(index):
            raise self.refuse(f"its input {index + 1} is no constant")
        return self._graph.constants[self._node.inputs[index]]

    def operand(self, index: int) -> View | Array:
        """Return an input of either kind."""
        return self.constant(index) if self.is_constant(index) else self.view(index)

    def shape(self, index: int = 0) -> Shape:
        """Return an input's shape, with the batch."""
        return self._graph.shapes[self._node.inputs[index]]

    def output_shape(self, index: int = 0) -> Shape:
        """Return an output's shape, with the batch.

        Raises:
            SourceModelError: If the batch is not its first axis.
        """
        shape = self._graph.shapes[self._node.outputs[index]]
        if shape[:1] != (1,):
            raise self.refuse(f"its result of shape {shape} has no axis for the batch")
        return shape

    @property
    def outputs(self) -> int:
        """The number of outputs."""
        return len(self._node.outputs)

    def integer(self, name: str, default: int) -> int:
        """Return an attribute that is a whole number."""
        value = self._node.attributes.get(name, default)
        if not isinstance(value, int):
            raise self.refuse(f"{name} is no whole number")
        return value

    def number(self, name: str, default: float) -> float:
        """Return an attribute that is a number."""
        value = self._node.attributes.get(name, default)
        if not isinstance(value, (int, float)):
            raise self.refuse(f"{name} is no number")
        return float(value)

    def text(self, name: str, default: str) -> str:
        """Return an attribute that is a word."""
        value = self._node.attributes.get(name, default)
        if not isinstance(value, str):
            raise self.refuse(f"{name} is no word")
        return value

    def ints(self, name: str, default: Sequence[int]) -> tuple[int, ...]:
        """Return an attribute that is a list of whole numbers."""
        value = self._node.attributes.get(name, list(default))
        if not isinstance(value, list) or not all(isinstance(item, int) for item in value):
            raise self.refuse(f"{name} is no list of whole numbers")
        return tuple(int(item) for item in value)

    def listed(self, name: str, index: int) -> tuple[int, ...] | None:
        """Return whole numbers that older versions have as an attribute and newer as an input."""
        if self.has(index):
            return tuple(int(item) for item in np.atleast_1d(self.constant(index)))
        return self.ints(name, ()) if name in self._node.attributes else None

    def axis(self, axis: int, rank: int | None = None) -> int:
        """Return which of a view's axes an axis of ONNX is.

        Args:
            axis: As ONNX counts it, the batch being 0; negative from the end.
            rank: The number of axes with the batch; None: those of the first input.

        Raises:
            SourceModelError: If it is the batch, or there is none.
        """
        rank = len(self.shape()) if rank is None else rank
        at = axis + rank if axis < 0 else axis
        if not 0 < at < rank:
            raise self.refuse(f"it works on axis {axis} of {rank}; axis 0 is the batch")
        return at - 1


def laid(view: View) -> tuple[Any, Order]:
    """Return a view's tensor with one axis for each of ONNX's, and in which order they lie."""
    order = order_of(view)
    return placed(view, order), order


def taking(order: Order, axis: int) -> int:
    """Return where an axis of ONNX lies in a tensor, the batch counted."""
    return order.index(axis) + 1

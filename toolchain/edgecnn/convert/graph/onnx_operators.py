"""Teaches tf2onnx TensorFlow operators that it does not know, in terms of standard ONNX ones.

``gelu`` computes ``Erfc``, ``celu`` ``Expm1``, ``logaddexp`` ``Log1p``; tf2onnx 1.17 has none of
them (its issue 2347), though ONNX can say them all. What tf2onnx comes to know itself is left to
it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np

__all__ = ["teach_operators"]

Handler = Callable[..., None]
_SINCE: Final = 9
"""The opset that has ``Erf``; edgecnn writes 13 and later."""


def teach_operators() -> None:
    """Register the operators with tf2onnx; a second call does nothing."""
    from tf2onnx.handler import tf_op

    known = {name for opsets in tf_op.get_opsets().values() for opset in opsets for name in opset}
    for name, handler in _HANDLERS.items():
        if name not in known:
            tf_op.register_handler(handler, _SINCE, [name], "", {})


def _erfc(graph: Any, node: Any, **_: Any) -> None:
    """Write ``erfc(x) = 1 - erf(x)``, absolutely as exact as float32 has numbers near 1."""
    erf = graph.make_node("Erf", [node.input[0]]).output[0]
    _replace(graph, node, "Sub", [_constant(graph, node, 1.0), erf])


def _expm1(graph: Any, node: Any, **_: Any) -> None:
    """Write ``expm1(x) = exp(x) - 1``, absolutely as exact as float32 has numbers near 1."""
    power = graph.make_node("Exp", [node.input[0]]).output[0]
    _replace(graph, node, "Sub", [power, _constant(graph, node, 1.0)])


def _log1p(graph: Any, node: Any, **_: Any) -> None:
    """Write ``log1p(x) = log(1 + x)``, absolutely as exact as float32 has numbers near 1."""
    shifted = graph.make_node("Add", [node.input[0], _constant(graph, node, 1.0)]).output[0]
    _replace(graph, node, "Log", [shifted])


_HANDLERS: Final[Mapping[str, Handler]] = {"Erfc": _erfc, "Expm1": _expm1, "Log1p": _log1p}


def _constant(graph: Any, node: Any, value: float) -> str:
    from tf2onnx import utils

    kind = utils.map_onnx_to_numpy_type(graph.get_dtype(node.input[0]))
    name = utils.make_name(f"{node.name}_constant")
    return str(graph.make_const(name, np.array(value, kind)).output[0])


def _replace(graph: Any, node: Any, operator: str, inputs: list[str]) -> None:
    """Put an operator in a node's place, under the node's output name."""
    shapes, types = node.output_shapes, node.output_dtypes
    graph.remove_node(node.name)
    graph.make_node(
        operator, inputs, name=node.name, outputs=node.output, shapes=shapes, dtypes=types
    )

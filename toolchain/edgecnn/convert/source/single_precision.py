"""Turns a TensorFlow graph that computes in half or double precision into a float32 graph.

Runtimes of devices compute in float32; neither TFLite nor tf2onnx takes bfloat16 or float64, and
half precision inside a file is a matter of its variant. So every tensor of another float type
becomes float32, with three effects on the scores:

- what was rounded to 11 (float16) or 8 (bfloat16) bits after each operator is rounded no more,
- float32 weights that were rounded to half before they were used are used as they are,
- sums that left the range of float16 (65504) and became infinite stay finite.

Numbers that the source model wrote down for its type (an epsilon rounded to half, a limit such as
-65504 in a mask) stay what they are. How far the scores move is measured, not assumed: see
``deployable.Deployable.unfolded``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import tensorflow as tf

from edgecnn.errors import SourceModelError

COMPUTES: Final = ("bfloat16", "float16", "float64", "float32")
"""What a model can compute in; the coarsest type first."""

_FLOAT32: Final = tf.float32.as_datatype_enum
_OTHERS: Final = {kind.as_datatype_enum: kind for kind in (tf.bfloat16, tf.float16, tf.float64)}
# They read a tensor's bytes as another type, so the bytes' type is part of what they compute.
_OF_BYTES: Final = {"Bitcast", "DecodeRaw", "DecodePaddedRaw"}


def in_float32(graph_def: Any) -> tuple[Any, str]:
    """Return a graph in which every float is float32.

    Args:
        graph_def: A GraphDef, with the functions in its library; it is not changed.

    Returns:
        The graph (the same object if it was float32 throughout), and the coarsest type that it
        held before, one of ``COMPUTES``. Casts between two float types have become casts from
        float32 to float32, which change nothing. Casts from and to integers stay.

    Raises:
        SourceModelError: If it reads the bytes of such a number as another type.
    """
    found: set[int] = set()
    for node in _nodes(graph_def):
        kinds = set(_other_floats(node))
        if kinds and node.op in _OF_BYTES:
            raise SourceModelError(
                "the model reads the bytes of half or double precision numbers as another type",
                observed=f"the operator {node.op} ({node.name}) on "
                + ", ".join(sorted(_OTHERS[kind].name for kind in kinds)),
                expected="arithmetic that float32 can do as well",
                remedy="build the model under the policy float32 and export it again",
            )
        found |= kinds
    if not found:
        return graph_def, "float32"
    result = type(graph_def)()
    result.CopyFrom(graph_def)
    for node in _nodes(result):
        for value in node.attr.values():
            _convert(value)
    for function in result.library.function:
        for argument in (*function.signature.input_arg, *function.signature.output_arg):
            if argument.type in _OTHERS:
                argument.type = _FLOAT32
        for value in function.attr.values():
            _convert(value)
    names = {_OTHERS[kind].name for kind in found}
    return result, next(name for name in COMPUTES if name in names)


def _nodes(graph_def: Any) -> Iterator[Any]:
    yield from graph_def.node
    for function in graph_def.library.function:
        yield from function.node_def


def _other_floats(node: Any) -> Iterator[int]:
    """Yield the float types but float32 that a node's attributes name."""
    for value in node.attr.values():
        yield from (kind for kind in (value.type, *value.list.type) if kind in _OTHERS)


def _convert(value: Any) -> None:
    """Make an attribute's types, and the constant it may hold, float32."""
    if value.type in _OTHERS:
        value.type = _FLOAT32
    for index, kind in enumerate(value.list.type):
        if kind in _OTHERS:
            value.list.type[index] = _FLOAT32
    if value.HasField("tensor") and value.tensor.dtype in _OTHERS:
        # A number beyond float32's range becomes infinite, which the caller refuses.
        with np.errstate(over="ignore"):
            number = tf.make_ndarray(value.tensor).astype(np.float32)
        value.tensor.CopyFrom(tf.make_tensor_proto(number))

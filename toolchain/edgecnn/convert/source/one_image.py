"""Tells the loops of a graph that it is given one image, which they were not traced for.

An exported model takes a batch of any size. Outside of loops TensorFlow infers all shapes anew for
one image; the operators of a loop and the lists it fills say themselves what shapes they have, with
an open batch, and TFLite's converter does not take a list whose elements have an open shape. So an
open first dimension becomes 1 there: what a loop gets from outside has that shape.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import tensorflow as tf

from edgecnn.convert.source.library import functions_of

_LOOPS: Final = {"StatelessWhile", "While"}
# Operators of lists, and which input holds the shape of an element.
_LISTS: Final = {
    "EmptyTensorList": 0, "TensorListFromTensor": 1, "TensorListGetItem": 2,
    "TensorListPopBack": 1, "TensorListReserve": 0, "TensorListStack": 1,
}  # fmt: skip
_FUNCTIONS: Final = ("cond", "body")


def for_one_image(graph_def: Any) -> Any:
    """Close the open batch of a graph's loops.

    Args:
        graph_def: A GraphDef of one image whose functions are each called once; it is changed
            where its loops' state has an open first dimension and begins with 1 there.

    Returns:
        The same GraphDef.
    """
    if not any(node.op in _LOOPS for node in graph_def.node):
        return graph_def
    functions = functions_of(graph_def)
    for body in (graph_def.node, *(function.node_def for function in functions.values())):
        inside = {node.name: node for node in body}
        for node in body:
            if node.op in _LISTS:
                shape = inside.get(node.input[_LISTS[node.op]].partition(":")[0])
                if shape is not None and shape.op == "Const":
                    _close_elements(shape)
    nodes = {node.name: node for node in graph_def.node}
    # What one loop gives may be what another begins with.
    loops = sum(node.op in _LOOPS for node in graph_def.node)
    for _ in range(1 + loops if loops else 0):  # importing a graph copies all its weights
        graph = tf.Graph()
        with graph.as_default():
            tf.graph_util.import_graph_def(graph_def, name="")
        changed = [
            _close_state(nodes[op.name], [tensor.shape for tensor in op.inputs], functions)
            for op in graph.get_operations()
            if op.type in _LOOPS
        ]
        if not any(changed):
            break
    return graph_def


def _close_elements(shape: Any) -> None:
    """Let a list's elements have a first dimension of 1 where it is the only open one."""
    value = tf.make_ndarray(shape.attr["value"].tensor)
    if value.ndim == 1 and len(value) > 1 and value[0] == -1 and np.all(value[1:] >= 0):
        closed = value.copy()
        closed[0] = 1
        shape.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(closed))


def _close_state(node: Any, begins: list[Any], functions: dict[str, Any]) -> bool:
    """Let a loop's state have the shape that it begins with; tell whether that is news."""
    if "output_shapes" not in node.attr:
        return False
    shapes = node.attr["output_shapes"].list.shape
    changed = False
    for index, begin in enumerate(begins):
        if index >= len(shapes) or not begin.is_fully_defined():
            continue
        declared = tf.TensorShape(shapes[index])
        open_batch = (
            declared.rank is not None
            and declared.rank == begin.rank
            and declared.rank > 0
            and declared[0] is None
            and begin[0] == 1
            and declared[1:] == begin[1:]
        )
        if not open_batch:
            continue
        closed = begin.as_proto()
        shapes[index].CopyFrom(closed)
        for name in _FUNCTIONS:
            function = functions.get(node.attr[name].func.name)
            if function is not None:
                told = function.arg_attr[index].attr["_output_shapes"].list
                del told.shape[:]
                told.shape.add().CopyFrom(closed)
        changed = True
    return changed

"""Keeps the large kernels of a network aside while tf2onnx works on the rest of its graph.

tf2onnx copies the graph before each of its optimizers, with all its constants: 94 MB of weights
took 9 GB. Nothing that it does depends on the numbers in a kernel. So a kernel becomes an input of
the graph, of the same shape; what tf2onnx puts between such an input and the operator that reads it
(a transpose from HWIO to OIHW, a reshape of a depthwise kernel) is computed here by numpy, mostly
as a view; and the numbers go into the finished model, one kernel after the other.

Until then a kernel stands in the model as a ``TensorProto`` of its shape without numbers, whose
``doc_string`` says which one it is, so that it may be renamed and moved.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import onnx
import tensorflow as tf
from onnx import numpy_helper

from edgecnn.convert.graph.constants import constant_value, producer
from edgecnn.convert.graph.editor import LINEAR

Array = npt.NDArray[Any]

_FLOAT32: Final = tf.float32.as_datatype_enum
_AT_LEAST: Final = 1024
"""Numbers in a kernel that is worth keeping aside."""
_MARK: Final = "edgecnn-kernel:"


class Kernels:
    """The kernels of one network that are kept aside.

    Attributes:
        values: By name: of the graph's input, or later of a mark in the model. float32, of the
            shape that an operator reads.
    """

    def __init__(self) -> None:
        self.values: dict[str, Array] = {}
        self._marked: dict[str, Array] = {}

    def take_from(self, graph_def: Any) -> Any:
        """Take the large kernels out of a graph.

        Args:
            graph_def: As ``folding.fold`` makes it; it is not changed. Drop it afterwards: what is
                returned holds the rest alone.

        Returns:
            The graph with a placeholder, named as in ``values``, where a kernel was. Kernels of
            equal numbers have one.
        """
        names = self._names(graph_def)
        rest = tf.compat.v1.GraphDef(versions=graph_def.versions, library=graph_def.library)
        for node in graph_def.node:
            if node.name not in names:
                copied = rest.node.add()
                copied.CopyFrom(node)
                for place, tensor in enumerate(copied.input):
                    copied.input[place] = names.get(producer(tensor), tensor)
        for name, value in self.values.items():
            placeholder = tf.compat.v1.NodeDef(name=name, op="Placeholder")
            placeholder.attr["dtype"].type = _FLOAT32
            placeholder.attr["shape"].shape.CopyFrom(tf.TensorShape(value.shape).as_proto())
            rest.node.append(placeholder)
        return rest

    def _names(self, graph_def: Any) -> dict[str, str]:
        """Take the values; return the names of their nodes, and the placeholder of each."""
        constants = {
            node.name: node
            for node in graph_def.node
            if node.op == "Const"
            and node.attr["dtype"].type == _FLOAT32
            and _size(node.attr["value"].tensor) >= _AT_LEAST
        }
        read_as_kernels: set[str] = set()
        read_otherwise: set[str] = set()
        for node in graph_def.node:
            for place, tensor in enumerate(node.input):
                is_kernel = node.op in LINEAR and place == 1
                (read_as_kernels if is_kernel else read_otherwise).add(producer(tensor))
        names: dict[str, str] = {}
        by_content: dict[tuple[Any, ...], str] = {}
        taken = {node.name for node in graph_def.node}
        for name, node in constants.items():
            if name not in read_as_kernels or name in read_otherwise:
                continue
            value = constant_value(node)
            content = (value.shape, hashlib.sha256(np.ascontiguousarray(value).data).digest())
            if content not in by_content:
                own = f"kernel_{len(by_content) + 1}"
                while own in taken:
                    own += "_"
                by_content[content], self.values[own] = own, value
            names[name] = by_content[content]
        return names

    def leave_marks(self, model: Any) -> bool:
        """Let a model's graph hold marks of the kernels where it has them as inputs, in place.

        Args:
            model: ModelProto that tf2onnx made of the graph that ``take_from`` returned.

        Returns:
            True; False if the model computes more with a kernel than this class knows, and had
            better be made with its kernels inside. It is of no more use then.
        """
        graph = model.graph
        constants = {tensor.name: tensor for tensor in graph.initializer}
        found = {value.name: self.values[value.name] for value in graph.input
                 if value.name in self.values}  # fmt: skip
        left = []
        for node in graph.node:
            if not any(name in found for name in node.input):
                left.append(node)
                continue
            if all(name in found or name in constants for name in node.input):
                value = _computed(node, found, constants)
                if value is None:
                    return False
                found[node.output[0]] = value
            else:
                left.append(node)
        outputs = {output.name for output in graph.output}
        if outputs & found.keys():
            return False
        inputs = [value for value in graph.input if value.name not in self.values]
        _set(graph.input, inputs)
        _set(graph.node, left)
        for name in dict.fromkeys(name for node in left for name in node.input if name in found):
            self.mark(graph, name, found[name])
        self.values.clear()
        return True

    def mark(self, graph: Any, name: str, value: Array) -> None:
        """Add a kernel to a graph, as a mark under a name."""
        key = str(len(self._marked))
        self._marked[key] = value
        graph.initializer.add(
            name=name, data_type=onnx.TensorProto.FLOAT, dims=value.shape, doc_string=_MARK + key
        )

    def value(self, tensor: Any) -> Array:
        """Return the numbers of an initializer, be it a mark or not."""
        key = self._key(tensor)
        value: Array = numpy_helper.to_array(tensor) if key is None else self._marked[key]
        return value

    def is_marked(self, tensor: Any) -> bool:
        """Tell whether an initializer is a mark, whose numbers are kept here."""
        return self._key(tensor) is not None

    def _key(self, tensor: Any) -> str | None:
        text = str(tensor.doc_string)
        key = text.removeprefix(_MARK)
        return key if text.startswith(_MARK) and key in self._marked else None

    def put_into(self, model: Any) -> None:
        """Put the numbers into a model's marks, in place, and let go of them here."""
        for tensor in model.graph.initializer:
            key = self._key(tensor)
            if key is not None:
                tensor.ClearField("doc_string")
                tensor.raw_data = np.ascontiguousarray(self._marked.pop(key), "<f4").tobytes()
        self._marked.clear()


def _size(tensor: Any) -> int:
    size = 1
    for dim in tensor.tensor_shape.dim:
        size *= int(dim.size)
    return size


def _computed(
    node: Any, kernels: Mapping[str, Array], constants: Mapping[str, Any]
) -> Array | None:
    """Return what a node makes of a kernel and constants; None if it does more than rearrange."""
    if node.domain not in ("", "ai.onnx") or node.input[0] not in kernels or len(node.output) != 1:
        return None
    value = kernels[node.input[0]]
    if node.op_type == "Identity":
        return value
    if node.op_type == "Transpose":
        orders = [list(attribute.ints) for attribute in node.attribute if attribute.name == "perm"]
        return value.transpose(orders[0] if orders else None)
    if node.op_type == "Reshape" and node.input[1] in constants:
        shape = numpy_helper.to_array(constants[node.input[1]]).tolist()
        copied = [value.shape[place] if size == 0 else size for place, size in enumerate(shape)]
        return value.reshape(copied)
    return None


def _set(field: Any, content: list[Any]) -> None:
    """Let a repeated field hold some of its messages alone."""
    kept = list(content)
    del field[:]
    field.extend(kept)

"""A TensorFlow graph as a dictionary, with the few edits that folding needs."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import tensorflow as tf

from edgecnn.convert.graph import in_order
from edgecnn.convert.graph.constants import (
    Array,
    constant_node,
    constant_value,
    input_name,
    producer,
)

LINEAR: Final = {"Conv2D", "DepthwiseConv2dNative", "MatMul"}
"""Operators that are linear in their first input, with a kernel as their second."""


class GraphEditor:
    """A frozen graph being edited; the functions in its library stay as they are.

    Args:
        graph_def: As ``constants.frozen_graph`` makes it; it is copied.
        output: Its output tensor.

    Attributes:
        nodes: Node name to NodeDef.
        image: Name of the placeholder.
        output: The output tensor.
    """

    def __init__(self, graph_def: Any, output: str) -> None:
        self.nodes: dict[str, Any] = {}
        for node in graph_def.node:
            copied = tf.compat.v1.NodeDef()
            copied.CopyFrom(node)
            self.nodes[node.name] = copied
        self.output = output
        self.image = input_name(graph_def)
        self._versions, self._library = graph_def.versions, graph_def.library

    def linear_nodes(self) -> list[Any]:
        """Return the convolutions and matrix products with constant weights."""
        return [
            node
            for node in self.nodes.values()
            if node.op in LINEAR and self.is_constant(node.input[1])
        ]

    def constant(self, tensor: str) -> Array | None:
        """Return a tensor's value if it is a constant."""
        node = self.nodes[producer(tensor)]
        return constant_value(node) if node.op == "Const" else None

    def is_constant(self, tensor: str) -> bool:
        """Tell whether a tensor is a constant, without a copy of its numbers."""
        return bool(self.nodes[producer(tensor)].op == "Const")

    def shape(self, tensor: str) -> tuple[int, ...]:
        """Return the shape of a constant, without a copy of its numbers."""
        value = self.nodes[producer(tensor)].attr["value"].tensor
        return tuple(int(dim.size) for dim in value.tensor_shape.dim)

    def only_consumer(self, name: str) -> Any | None:
        """Return the one node that reads ``name``; None if there are more, or it is the output."""
        found = [
            node
            for node in self.nodes.values()
            if any(producer(tensor) == name for tensor in node.input)
        ]
        if len(found) != 1 or producer(self.output) == name:
            return None
        readings = [tensor for tensor in found[0].input if producer(tensor) == name]
        return found[0] if len(readings) == 1 else None

    def add_constant(self, name: str, value: Array) -> str:
        """Add a float32 constant; return its name, ``name`` if that is free."""
        unique = name
        while unique in self.nodes:
            unique += "_"
        self.nodes[unique] = constant_node(unique, value.astype(np.float32))
        return unique

    def replace(self, old: str, new: str) -> None:
        """Let everything that reads ``old`` read ``new``; drop what nothing needs any more."""
        for node in self.nodes.values():
            if node.name != new:
                for index, tensor in enumerate(node.input):
                    if producer(tensor) == old:
                        node.input[index] = new
        if producer(self.output) == old:
            self.output = new
        # A node that is left over would still count as a reader of what it read.
        self.nodes = {name: self.nodes[name] for name in self._in_order()}

    def to_graph_def(self) -> tuple[Any, str]:
        """Return the nodes that the output needs, each after those it reads, and the output.

        Nodes are named by operator and position, so that equal models give equal files, whatever
        a training session had counted its layers up to.
        """
        result = tf.compat.v1.GraphDef(versions=self._versions, library=self._library)
        names: dict[str, str] = {}
        counts: dict[str, int] = {}
        for name in self._in_order():
            node = tf.compat.v1.NodeDef()
            node.CopyFrom(self.nodes[name])
            counts[node.op] = counts.get(node.op, 0) + 1
            names[name] = node.name = f"{node.op}_{counts[node.op]}"
            node.input[:] = [_renamed(tensor, names) for tensor in node.input]
            result.node.append(node)
        return result, _renamed(self.output, names)

    def _in_order(self) -> list[str]:
        # The placeholder stays, also in the odd model whose answer does not depend on it.
        return in_order(
            (self.image, producer(self.output)),
            lambda name: (producer(tensor) for tensor in self.nodes[name].input),
        )


def _renamed(tensor: str, names: dict[str, str]) -> str:
    name, colon, index = tensor.partition(":")
    return f"{names[name]}{colon}{index}"


def flag(node: Any, name: str) -> bool:
    """Return a boolean attribute of a node; False if the node does not have it."""
    # Reading an absent entry of a protobuf map would add it, empty, and spoil the node.
    return name in node.attr and bool(node.attr[name].b)

"""Finds in an ONNX graph what exporters wrote out in single operators, and makes it one again.

``Gelu`` is five operators before opset 20, one of which TFLite lacks; ``LayerNormalization`` is
nine before opset 17; a dense layer over a sequence or an image is ``MatMul`` and ``Add``.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import replace

import numpy as np

from edgecnn.convert.source.onnx.graph import OnnxGraph, OnnxNode


def simplified(graph: OnnxGraph) -> OnnxGraph:
    """Return a graph in which such groups of operators are one; the results are the same.

    Args:
        graph: The graph; it is not changed.

    Returns:
        The graph with ``Gelu`` for ``0.5 * x * (1 + erf(x / sqrt(2)))`` and for its approximation
        by tanh, in any order, ``LayerNormalization`` for the same over the last axis,
        ``MatMul`` for what was reshaped for a ``Gemm`` and back, with a third input, the addend,
        which ONNX's own does not have, and no row of all numbers that is taken apart again.
    """
    return _Finder(graph).found()


class _Finder:
    def __init__(self, graph: OnnxGraph) -> None:
        self._graph = graph
        self._makers = {name: node for node in graph.nodes for name in node.outputs if name}
        self._users: dict[str, list[OnnxNode]] = defaultdict(list)
        for node in graph.nodes:
            for name in set(node.inputs):
                if name:
                    self._users[name].append(node)
        self._new: dict[str, OnnxNode] = {}

    def found(self) -> OnnxGraph:
        for node in self._graph.nodes:
            made = None
            if node.op in ("Erf", "Tanh"):
                made = self._gelu(node)
            elif node.op == "MatMul":
                made = self._dense(node)
            elif node.op == "Div":
                made = self._layer_normalization(node)
            elif node.op == "Gemm":
                made = self._dense_of_rows(node)
            elif node.op == "Gather":
                made = self._flattened_and_back(node)
            if made is not None:
                self._new[made.outputs[0]] = made
        nodes = [self._new.get(node.outputs[0], node) for node in self._graph.nodes]
        wanted = {self._graph.output}
        kept = []
        for node in reversed(nodes):
            if wanted.intersection(node.outputs):
                wanted.update(node.inputs)
                kept.append(node)
        return replace(self._graph, nodes=tuple(reversed(kept)))

    def _dense(self, node: OnnxNode) -> OnnxNode | None:
        kernel = self._graph.constants.get(node.inputs[1])
        after = self._only_user(node)
        if kernel is None or kernel.ndim != 2 or after is None or after.op != "Add":
            return None
        (other,) = [name for name in after.inputs if name != node.outputs[0]] or [""]
        addend = self._graph.constants.get(other)
        if addend is None or addend.size != kernel.shape[1] or addend.ndim > 1:
            return None
        return replace(node, inputs=(*node.inputs[:2], other), outputs=after.outputs)

    def _dense_of_rows(self, node: OnnxNode) -> OnnxNode | None:
        """Return the dense layer over an image that ONNX Runtime writes as one of a matrix.

        It reshapes the image to rows of its last axis, across the batch, and the result back.
        """
        before, after = self._makers.get(node.inputs[0]), self._only_user(node)
        kernel = self._graph.constants.get(node.inputs[1])
        if before is None or after is None or kernel is None:
            return None
        if before.op != "Reshape" or after.op != "Reshape":
            return None
        options = {"alpha": 1.0, "beta": 1.0, "transA": 0, "transB": 0}
        if any(node.attributes.get(name, value) != value for name, value in options.items()):
            return None
        source = self._graph.shapes[before.inputs[0]]
        rows, result = self._graph.shapes[node.inputs[0]], self._graph.shapes[after.outputs[0]]
        if rows[0] == 1 or len(rows) != 2 or source[-1:] != rows[-1:]:
            return None
        if result != (*source[:-1], kernel.shape[1]):
            return None
        addend = self._graph.constants.get(node.inputs[2]) if len(node.inputs) > 2 else None
        if len(node.inputs) > 2 and (addend is None or addend.shape != (kernel.shape[1],)):
            return None
        return replace(
            node,
            op="MatMul",
            inputs=(before.inputs[0], *node.inputs[1:]),
            outputs=after.outputs,
            attributes={},
        )

    def _flattened_and_back(self, node: OnnxNode) -> OnnxNode | None:
        """Return the reshaping that PyTorch's new exporter writes as taking each number in turn.

        It is how ``as_strided`` comes out: everything in one row, batch and all, then places of it.
        """
        before = self._makers.get(node.inputs[0])
        places = self._graph.constants.get(node.inputs[1])
        if before is None or before.op != "Reshape" or places is None or places.ndim < 2:
            return None
        if len(self._graph.shapes[node.inputs[0]]) != 1:
            return None
        length = self._graph.shapes[node.inputs[0]][0]
        if not np.array_equal(places.ravel(), np.arange(length)):
            return None
        return replace(node, op="Reshape", inputs=(before.inputs[0], ""), attributes={})

    def _layer_normalization(self, node: OnnxNode) -> OnnxNode | None:
        """Return the operator for (x - mean) / sqrt(variance + epsilon) * scale + offset."""
        centred, root = node.inputs
        minus, square_root = self._makers.get(centred), self._makers.get(root)
        if minus is None or minus.op != "Sub" or square_root is None or square_root.op != "Sqrt":
            return None
        source, mean = minus.inputs
        plus = self._makers.get(square_root.inputs[0])
        if plus is None or plus.op != "Add" or not self._is_last_mean(mean, source):
            return None
        epsilon = next((n for n in map(self._number, plus.inputs) if n is not None), None)
        variance = next((n for n in plus.inputs if self._number(n) is None), "")
        squares = self._makers.get(variance)
        if epsilon is None or squares is None or not self._is_power(squares.inputs[0], centred, 2):
            return None
        times = self._only_user(node)
        if not self._is_last_mean(variance, squares.inputs[0]):
            return None
        if times is None or times.op != "Mul":
            return None
        length = self._graph.shapes[source][-1]
        scale = self._other(times, node.outputs[0])
        if not self._is_vector(scale, length):
            return None
        inputs: tuple[str, ...] = (source, scale)
        end = times
        after = self._only_user(times)
        if after is not None and after.op == "Add":
            offset = self._other(after, times.outputs[0])
            if self._is_vector(offset, length):
                inputs, end = (source, scale, offset), after
        return OnnxNode(
            op="LayerNormalization",
            name=end.name,
            inputs=inputs,
            outputs=end.outputs,
            attributes={"axis": -1, "epsilon": epsilon},
        )

    def _is_last_mean(self, name: str, source: str) -> bool:
        """Tell whether a tensor is another one's mean over its last axis, which stays."""
        node = self._makers.get(name)
        if node is None or node.op != "ReduceMean" or node.inputs[0] != source:
            return False
        axes = node.attributes.get("axes")
        if len(node.inputs) > 1 and node.inputs[1] in self._graph.constants:
            axes = [int(axis) for axis in np.ravel(self._graph.constants[node.inputs[1]])]
        last = len(self._graph.shapes[source]) - 1
        return axes in ([-1], [last]) and node.attributes.get("keepdims", 1) == 1

    def _is_vector(self, name: str, length: int) -> bool:
        value = self._graph.constants.get(name)
        return value is not None and value.shape == (length,)

    def _gelu(self, node: OnnxNode) -> OnnxNode | None:
        approximate = node.op == "Tanh"
        if approximate:
            source = self._with_its_cube(node.inputs[0])
        else:
            source = self._scaled(node.inputs[0], 1 / math.sqrt(2))
        plus = self._only_user(node)
        if source is None or plus is None or plus.op != "Add":
            return None
        if self._number(self._other(plus, node.outputs[0])) != 1:
            return None
        # x, a half and the sum are multiplied, in any order.
        at, factor, times_source = plus, 1.0, False
        while not times_source or not math.isclose(factor, 0.5, rel_tol=1e-6):
            name = at.outputs[0]
            after = self._only_user(at)
            if after is None or after.op != "Mul":
                return None
            other = self._other(after, name)
            number = self._number(other)
            if number is not None:
                factor *= number
            elif not times_source and other == source:
                times_source = True
            elif not times_source and self._scaled(other, 0.5) == source:
                times_source = True
                factor *= 0.5
            else:
                return None
            at = after
        return OnnxNode(
            op="Gelu",
            name=at.name,
            inputs=(source,),
            outputs=at.outputs,
            attributes={"approximate": "tanh" if approximate else "none"},
        )

    def _with_its_cube(self, name: str) -> str | None:
        """Return x where a tensor is sqrt(2 / pi) * (x + 0.044715 * x^3)."""
        inner = self._scaled(name, math.sqrt(2 / math.pi))
        plus = self._makers.get(inner or "")
        if plus is None or plus.op != "Add":
            return None
        for source, other in (plus.inputs, plus.inputs[::-1]):
            cube = self._scaled(other, 0.044715)
            if cube is not None and self._is_power(cube, source, 3):
                return source
        return None

    def _is_power(self, name: str, source: str, power: int) -> bool:
        """Tell whether a tensor is another one's power, by ``Pow`` or by multiplications."""
        if power == 1:
            return name == source
        node = self._makers.get(name)
        if node is None or node.op not in ("Mul", "Pow"):
            return False
        if node.op == "Pow":
            return node.inputs[0] == source and self._number(node.inputs[1]) == power
        return any(
            one == source and self._is_power(other, source, power - 1)
            for one, other in (node.inputs, node.inputs[::-1])
        )

    def _only_user(self, node: OnnxNode) -> OnnxNode | None:
        name = node.outputs[0]
        users = self._users[name]
        return users[0] if len(users) == 1 and name != self._graph.output else None

    @staticmethod
    def _other(node: OnnxNode, name: str) -> str:
        first, second = node.inputs
        return second if first == name else first

    def _number(self, name: str) -> float | None:
        value = self._graph.constants.get(name)
        return float(np.reshape(value, ())) if value is not None and value.size == 1 else None

    def _scaled(self, name: str, factor: float) -> str | None:
        """Return what a tensor is ``factor`` times of, if it is made so."""
        node = self._makers.get(name)
        if node is None or node.op not in ("Div", "Mul"):
            return None
        for source, other in (node.inputs, node.inputs[::-1]):
            number = self._number(other)
            if number is None or (node.op == "Div" and other == node.inputs[0]):
                continue
            seen = 1 / number if node.op == "Div" and number else number
            if math.isclose(seen, factor, rel_tol=1e-5):
                return source
        return None

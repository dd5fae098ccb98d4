"""Counts how often the loops of a frozen graph go round, before any of them runs.

A recurrent layer goes round once for each row of a picture. A loop that somebody wrote may go
round for ever, and TensorFlow would not come back from it. So what decides about the next round (a
counter, a limit) is followed here in plain numpy; everything that depends on the image is unknown,
and where the unknown decides, the loop is taken to go on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from edgecnn.convert.library import functions_of
from edgecnn.errors import SourceModelError

__all__ = ["CALLING", "MOST_ROUNDS", "check_rounds", "loops_of"]

_LOOPS: Final = {"StatelessWhile", "While"}
_BRANCHES: Final = {"Case", "If", "StatelessCase", "StatelessIf"}
_CALLS: Final = {"PartitionedCall", "StatefulPartitionedCall"}
CALLING: Final = _LOOPS | _BRANCHES | _CALLS
"""Operators that call functions in the graph's library."""

MOST_ROUNDS: Final = 100_000
"""Rounds of all loops for one image; more take a device minutes. A recurrent layer over the rows of
a picture goes round some hundred times."""
_DEEPEST: Final = 50

Value = npt.NDArray[Any] | None
"""A tensor of few numbers; None for what is not known."""
_FEW: Final = 16

_ARITHMETIC: Final[Mapping[str, Callable[..., Any]]] = {
    "Add": np.add, "AddV2": np.add, "Equal": np.equal, "FloorDiv": np.floor_divide,
    "FloorMod": np.mod, "Greater": np.greater, "GreaterEqual": np.greater_equal,
    "Identity": np.asarray, "Less": np.less, "LessEqual": np.less_equal,
    "LogicalNot": np.logical_not, "Maximum": np.maximum, "Minimum": np.minimum,
    "Mul": np.multiply, "Neg": np.negative, "NotEqual": np.not_equal, "Sub": np.subtract,
}  # fmt: skip


def loops_of(graph_def: Any) -> tuple[str, ...]:
    """Return the names of a graph's loops, with those in its functions."""
    bodies = [graph_def.node, *(function.node_def for function in graph_def.library.function)]
    return tuple(node.name for nodes in bodies for node in nodes if node.op in _LOOPS)


def check_rounds(graph_def: Any) -> None:
    """Refuse a graph whose loops may go round too often.

    Args:
        graph_def: A GraphDef whose constants are Const nodes; functions are looked up in its
            library.

    Raises:
        SourceModelError: If its loops may go round more than ``MOST_ROUNDS`` times for one image,
            or its functions call themselves.
    """
    _Follower(functions_of(graph_def)).graph(graph_def.node)


class _Follower:
    """Follows known numbers through a graph and its functions.

    Args:
        functions: By name.
    """

    def __init__(self, functions: Mapping[str, Any]) -> None:
        self._functions = functions
        self._order: dict[str, list[Any]] = {}
        self._constants: dict[tuple[str, str], Value] = {}
        self._rounds = 0

    def graph(self, nodes: Sequence[Any]) -> None:
        """Follow a graph's own nodes."""
        values: dict[str, list[Value]] = {}
        for node in _in_order(nodes):
            values[node.name] = self._node("", node, [_read(values, t) for t in _data(node)], 0)

    def _function(self, name: str, arguments: Sequence[Value], depth: int) -> list[Value]:
        if depth > _DEEPEST:
            raise SourceModelError(
                "the functions of the model call one another without end",
                observed=f"{name} is called {depth} deep",
                expected="functions that do not call themselves",
                remedy="export the model again without them",
            )
        function = self._functions.get(name)
        if function is None:
            return []
        if name not in self._order:
            self._order[name] = _in_order(function.node_def)
        names = [argument.name for argument in function.signature.input_arg]
        values = {
            name: [value]
            for name, value in zip(names, [*arguments, *[None] * len(names)], strict=False)
        }
        for node in self._order[name]:
            inputs = [_read(values, tensor) for tensor in _data(node)]
            values[node.name] = self._node(name, node, inputs, depth)
        returned = (function.ret[output.name] for output in function.signature.output_arg)
        return [_read(values, tensor) for tensor in returned]

    def _node(self, function: str, node: Any, inputs: list[Value], depth: int) -> list[Value]:
        """Return the values of a node's outputs, as far as they are known."""
        if node.op in _LOOPS:
            return self._loop(node, inputs, depth)
        if node.op in _BRANCHES:
            return self._branches(node, inputs, depth)
        if node.op in _CALLS:
            return self._function(node.attr["f"].func.name, inputs, depth + 1)
        if node.op in self._functions:  # how TensorFlow 1 calls functions
            return self._function(node.op, inputs, depth + 1)
        if node.op == "Const":
            place = (function, node.name)
            if place not in self._constants:
                self._constants[place] = _few(tf.make_ndarray(node.attr["value"].tensor))
            return [self._constants[place]]
        return [_computed(node, inputs)]

    def _loop(self, node: Any, variables: list[Value], depth: int) -> list[Value]:
        condition, body = node.attr["cond"].func.name, node.attr["body"].func.name
        while True:
            (go_on,) = self._function(condition, variables, depth + 1) or [None]
            if go_on is not None and not np.any(go_on):
                return variables
            self._rounds += 1
            if self._rounds > MOST_ROUNDS:
                raise SourceModelError(
                    "the model has a loop that does not come to an end soon enough",
                    observed=f"{node.name} goes round more than {MOST_ROUNDS:,} times, or its "
                    "image decides how often",
                    expected=f"at most {MOST_ROUNDS:,} rounds of all loops, whatever the image",
                    remedy="give the loop a limit (tf.while_loop(..., maximum_iterations=...)) "
                    "and export the model again",
                )
            variables = self._function(body, variables, depth + 1)

    def _branches(self, node: Any, inputs: list[Value], depth: int) -> list[Value]:
        named = [node.attr[name].func.name for name in ("then_branch", "else_branch")]
        names = [name for name in named if name]
        names += [entry.name for entry in node.attr["branches"].list.func]
        answers = [self._function(name, inputs[1:], depth + 1) for name in names]
        # What is the same in every branch is known.
        return [
            first if all(_same(first, other) for other in others) else None
            for first, *others in zip(*answers, strict=False)
        ]


def _in_order(nodes: Sequence[Any]) -> list[Any]:
    """Return nodes each behind those it reads."""
    by_name = {node.name: node for node in nodes}
    ordered: dict[str, Any] = {}
    todo = [(node, False) for node in reversed(nodes)]
    while todo:
        node, inputs_done = todo.pop()
        if node.name in ordered:
            continue
        if inputs_done:
            ordered[node.name] = node
            continue
        todo.append((node, True))
        sources = (tensor.removeprefix("^").partition(":")[0] for tensor in node.input)
        todo += [(by_name[name], False) for name in sources if name in by_name]
    return list(ordered.values())


def _data(node: Any) -> list[str]:
    return [tensor for tensor in node.input if not tensor.startswith("^")]


def _read(values: Mapping[str, list[Value]], tensor: str) -> Value:
    """Look a tensor up: ``a``, ``a:1`` in a graph, ``a:output:1`` in a function."""
    name, *rest = tensor.split(":")
    index = int(rest[-1]) if rest else 0
    found = values.get(name, [])
    return found[index] if index < len(found) else None


def _computed(node: Any, inputs: list[Value]) -> Value:
    if node.op in ("LogicalAnd", "LogicalOr"):
        # One of them may settle it alone.
        settles = node.op == "LogicalOr"
        if any(value is not None and bool(np.all(value)) is settles for value in inputs):
            return np.asarray(settles)
        unknown = any(value is None for value in inputs)
        return None if unknown else np.asarray(not settles)
    if not inputs or any(value is None for value in inputs):
        return None
    with np.errstate(all="ignore"):
        if node.op == "Cast":
            kind = tf.as_dtype(node.attr["DstT"].type)
            return _few(np.asarray(inputs[0]).astype(kind.as_numpy_dtype))
        rule = _ARITHMETIC.get(node.op)
        return None if rule is None else _few(np.asarray(rule(*inputs)))


def _few(value: npt.NDArray[Any]) -> Value:
    return value if value.size <= _FEW and value.dtype.kind in "biuf" else None


def _same(first: Value, second: Value) -> bool:
    return first is not None and second is not None and np.array_equal(first, second)

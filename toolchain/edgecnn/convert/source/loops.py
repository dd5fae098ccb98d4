"""Counts how often the loops of a frozen graph go round, before any of them runs.

A recurrent layer goes round once for each row of a picture. A loop that somebody wrote may go
round for ever, and TensorFlow would not come back from it. So what decides about the next round (a
counter, a limit) is followed here in plain numpy; everything that depends on the image is unknown,
and where the unknown decides, the loop is taken to go on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from edgecnn.convert.graph import in_order
from edgecnn.convert.source.library import functions_of
from edgecnn.errors import SourceModelError

_LOOPS: Final = {"StatelessWhile", "While"}
_BRANCHES: Final = {"Case", "If", "StatelessCase", "StatelessIf"}
_CALLS: Final = {"PartitionedCall", "StatefulPartitionedCall"}
CALLING: Final = _LOOPS | _BRANCHES | _CALLS
"""Operators that call functions in the graph's library."""

MOST_ROUNDS: Final = 10_000
"""Rounds of all loops for one image. A recurrent layer over the rows of a picture goes round some
hundred times."""
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


@dataclass(frozen=True)
class _Step:
    """A node, read once: where its inputs come from as (place, index), and what it computes."""

    node: Any
    inputs: tuple[tuple[int, int], ...]
    constant: Value
    rule: Callable[..., Any] | None


@dataclass(frozen=True)
class _Body:
    """A graph or function: values stand in places, first those of its arguments."""

    arguments: int
    steps: tuple[_Step, ...]
    returned: tuple[tuple[int, int], ...]


class _Follower:
    """Follows known numbers through a graph and its functions.

    Args:
        functions: By name.
    """

    def __init__(self, functions: Mapping[str, Any]) -> None:
        self._functions = functions
        self._bodies: dict[str, _Body] = {}
        self._rounds = 0

    def graph(self, nodes: Sequence[Any]) -> None:
        """Follow a graph's own nodes."""
        with np.errstate(all="ignore"):
            self._run(_read_body((), nodes, ()), (), 0)

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
        if name not in self._bodies:
            signature = function.signature
            self._bodies[name] = _read_body(
                [argument.name for argument in signature.input_arg],
                function.node_def,
                [function.ret[output.name] for output in signature.output_arg],
            )
        return self._run(self._bodies[name], arguments, depth)

    def _run(self, body: _Body, arguments: Sequence[Value], depth: int) -> list[Value]:
        given = [*arguments, *[None] * body.arguments][: body.arguments]
        values: list[Sequence[Value]] = [(value,) for value in given]
        for step in body.steps:
            if step.constant is not None:
                values.append((step.constant,))
            elif step.rule is not None:
                found = [_value(values, place) for place in step.inputs]
                values.append((step.rule(*found),))
            else:
                values.append(self._called(step, values, depth))
        return [_value(values, place) for place in body.returned]

    def _called(self, step: _Step, values: list[Sequence[Value]], depth: int) -> list[Value]:
        """Return what a node that calls functions answers, as far as it is known."""
        node = step.node
        calls = node.op in CALLING or node.op in self._functions  # the latter as in TensorFlow 1
        if not calls:
            return []
        inputs = [_value(values, place) for place in step.inputs]
        if node.op in _LOOPS:
            return self._loop(node, inputs, depth)
        if node.op in _BRANCHES:
            return self._branches(node, inputs, depth)
        name = node.attr["f"].func.name if node.op in _CALLS else node.op
        return self._function(name, inputs, depth + 1)

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
                    remedy="build recurrent layers with unroll=True, give a loop of your own "
                    "maximum_iterations, and export the model again",
                )
            variables = self._function(body, variables, depth + 1)

    def _branches(self, node: Any, inputs: list[Value], depth: int) -> list[Value]:
        # Asking a node for an attribute that it lacks adds an empty one, with which TensorFlow no
        # longer runs the graph.
        two = ("then_branch", "else_branch")
        named = [node.attr[name].func.name for name in two if name in node.attr]
        names = [name for name in named if name]
        if "branches" in node.attr:
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

    def reads(name: str) -> list[str]:
        sources = (tensor.removeprefix("^").partition(":")[0] for tensor in by_name[name].input)
        return [source for source in sources if source in by_name]

    return [by_name[name] for name in in_order(by_name, reads)]


def _read_body(arguments: Sequence[str], nodes: Sequence[Any], returned: Sequence[str]) -> _Body:
    ordered = _in_order(nodes)
    places = {name: index for index, name in enumerate((*arguments, *(n.name for n in ordered)))}

    def place(tensor: str) -> tuple[int, int]:
        """Look a tensor up: ``a``, ``a:1`` in a graph, ``a:output:1`` in a function."""
        name, *rest = tensor.split(":")
        return places.get(name, -1), int(rest[-1]) if rest else 0

    steps = [
        _Step(
            node=node,
            inputs=tuple(place(tensor) for tensor in node.input if not tensor.startswith("^")),
            constant=_few(tf.make_ndarray(node.attr["value"].tensor))
            if node.op == "Const"
            else None,
            rule=_rule(node),
        )
        for node in ordered
    ]
    return _Body(
        arguments=len(arguments),
        steps=tuple(steps),
        returned=tuple(place(tensor) for tensor in returned),
    )


def _value(values: Sequence[Sequence[Value]], place: tuple[int, int]) -> Value:
    index, output = place
    found = values[index] if index >= 0 else ()
    return found[output] if output < len(found) else None


def _rule(node: Any) -> Callable[..., Value] | None:
    """Return how a node computes known numbers; None for nodes that are not arithmetic."""
    if node.op in ("LogicalAnd", "LogicalOr"):
        settles = node.op == "LogicalOr"

        def logical(*inputs: Value) -> Value:
            # One of them may settle it alone.
            if any(value is not None and bool(np.all(value)) is settles for value in inputs):
                return np.asarray(settles)
            unknown = any(value is None for value in inputs)
            return None if unknown else np.asarray(not settles)

        return logical
    compute = _ARITHMETIC.get(node.op)
    if node.op == "Cast":
        kind = tf.as_dtype(node.attr["DstT"].type).as_numpy_dtype

        def compute(value: Any) -> Any:
            return value.astype(kind)

    if compute is None:
        return None

    def rule(*inputs: Value) -> Value:
        for value in inputs:
            if value is None:
                return None
        return _few(np.asarray(compute(*inputs)))

    return rule


def _few(value: npt.NDArray[Any]) -> Value:
    return value if value.size <= _FEW and value.dtype.kind in "biuf" else None


def _same(first: Value, second: Value) -> bool:
    return first is not None and second is not None and np.array_equal(first, second)

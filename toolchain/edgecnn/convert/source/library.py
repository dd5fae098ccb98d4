"""Follows the calls between the functions in a TensorFlow graph's library, and names them anew."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

# Importing a graph does not define its functions where they are called; TensorFlow's own
# convert_variables_to_constants_v2 defines them in the same way.
from tensorflow.python.eager import context

_COPIES: Final = 1000
"""How many functions are copied for each call; a file may call one function 2^n times."""


def functions_of(graph_def: Any) -> dict[str, Any]:
    """Return the functions in a GraphDef's library by name."""
    return {entry.signature.name: entry for entry in graph_def.library.function}


def called(node: Any) -> Iterator[str]:
    """Yield the names of the functions that a node may call: its operator's, its attributes'."""
    yield node.op
    for value in node.attr.values():
        yield value.func.name
        yield from (func.name for func in value.list.func)


def reached(names: Iterable[str], functions: Mapping[str, Any]) -> set[str]:
    """Return the functions among ``names`` and those that they call, and so on."""
    todo, seen = list(names), set[str]()
    while todo:
        name = todo.pop()
        if name in functions and name not in seen:
            seen.add(name)
            for node in functions[name].node_def:
                todo += called(node)
    return seen


def named_by_content(graph_def: Any) -> Any:
    """Name the functions of a graph by what is in them, and drop those that it does not reach.

    TensorFlow keeps functions of all graphs by name, and refuses another one of the same name; and
    it counts up the names that it gives. So a function that was changed needs a new name, and equal
    models get equal files only if equal functions have equal names, inside and outside. Two calls
    of one function get a function each: TFLite's converter changes the body of one loop, and then
    cannot convert another loop with the same body.

    Args:
        graph_def: A GraphDef; it is changed.

    Returns:
        The same GraphDef. A function that calls itself is left out.
    """
    namer = _Namer(functions_of(graph_def))
    for node in graph_def.node:
        namer.call(node, ())
    graph_def.library.Clear()
    graph_def.library.function.extend(namer.named.values())
    return graph_def


class _Namer:
    """Copies functions under new names, one for each call.

    Args:
        functions: By old name.

    Attributes:
        named: By new name.
    """

    def __init__(self, functions: Mapping[str, Any]) -> None:
        self._functions = functions
        self._shared: dict[str, str] = {}
        self._uses: dict[str, int] = {}
        self.named: dict[str, Any] = {}

    def call(self, node: Any, callers: tuple[str, ...]) -> None:
        """Let a node call copies of the functions that it calls."""
        if node.op in self._functions:
            node.op = self._name(node.op, callers)
        for value in node.attr.values():
            for function in (value.func, *value.list.func):
                if function.name in self._functions:
                    function.name = self._name(function.name, callers)

    def _name(self, name: str, callers: tuple[str, ...]) -> str:
        """Return the new name of a copy of a function."""
        if name in callers:
            return name
        if len(self.named) >= _COPIES and name in self._shared:
            return self._shared[name]
        copy = type(self._functions[name])()
        copy.CopyFrom(self._functions[name])
        for node in copy.node_def:
            self.call(node, (*callers, name))
        _name_inside(copy)
        digest = hashlib.sha256(copy.SerializeToString(deterministic=True)).hexdigest()[:16]
        self._uses[digest] = self._uses.get(digest, 0) + 1
        new = copy.signature.name = f"function_{digest}_{self._uses[digest]}"
        self._shared[name], self.named[new] = new, copy
        return new


def define_functions(graph_def: Any) -> None:
    """Define a graph's functions for the functions of Python that will import it.

    Args:
        graph_def: Its functions are named by content, so that one which is there is the same.
    """
    for function in graph_def.library.function:
        if not context.context().has_function(function.signature.name):
            context.context().add_function_def(function)


def _name_inside(function: Any) -> None:
    """Name a function's ends and nodes by position; drop what only tells of their origin."""
    signature = function.signature
    signature.name = signature.description = ""
    names: dict[str, str] = {}
    for index, argument in enumerate(signature.input_arg):
        names[argument.name] = f"in_{index}"
        argument.name, argument.description = names[argument.name], ""
    counts: dict[str, int] = {}
    for node in function.node_def:
        counts[node.op] = counts.get(node.op, 0) + 1
        names[node.name] = f"{node.op}_{counts[node.op]}"
    for node in function.node_def:
        node.name = names[node.name]
        node.input[:] = [_renamed(tensor, names) for tensor in node.input]
        node.ClearField("experimental_debug_info")
        node.device = ""
        for attribute in ("_class", "_original_func_name"):
            if attribute in node.attr:
                del node.attr[attribute]
    returned = []
    for index, output in enumerate(signature.output_arg):
        returned.append((f"out_{index}", _renamed(function.ret[output.name], names)))
        output.name, output.description = returned[-1][0], ""
    function.ret.clear()
    function.ret.update(returned)
    function.control_ret.clear()
    del signature.control_output[:]
    function.attr.clear()
    for attributes in function.arg_attr.values():
        for attribute in [name for name in attributes.attr if name != "_output_shapes"]:
            del attributes.attr[attribute]


def _renamed(tensor: str, names: Mapping[str, str]) -> str:
    """Rename a tensor of a function: ``a``, ``a:output:1`` or ``^a``."""
    control = "^" if tensor.startswith("^") else ""
    name, colon, rest = tensor.removeprefix("^").partition(":")
    return f"{control}{names[name]}{colon}{rest}"

"""Follows the calls between the functions in a TensorFlow graph's library."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

__all__ = ["called", "functions_of", "pruned", "reached"]


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


def pruned(graph_def: Any) -> Any:
    """Drop the functions that no node of a GraphDef reaches, in place; return the GraphDef."""
    functions = functions_of(graph_def)
    needed = reached((name for node in graph_def.node for name in called(node)), functions)
    kept = [entry for name, entry in functions.items() if name in needed]
    graph_def.library.Clear()
    graph_def.library.function.extend(kept)
    return graph_def

"""TensorFlow and ONNX graphs: read, folded and edited."""

from __future__ import annotations

from collections.abc import Callable, Iterable


def in_order(starts: Iterable[str], reads: Callable[[str], Iterable[str]]) -> list[str]:
    """Return what a walk from some nodes meets, each behind what it reads.

    Args:
        starts: Names of nodes, in the order in which they are walked from.
        reads: Returns the names that a node reads, in the order in which they are walked to.
    """
    ordered: dict[str, None] = {}
    todo = [(name, False) for name in reversed([*starts])]
    while todo:
        name, inputs_done = todo.pop()
        if name in ordered:
            continue
        if inputs_done:
            ordered[name] = None
            continue
        todo.append((name, True))
        todo.extend((source, False) for source in reversed([*reads(name)]))
    return list(ordered)

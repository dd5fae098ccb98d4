"""Read nodes of a frozen graph as arithmetic per channel: ``x * scale + offset``."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from edgecnn.convert.graph.constants import Array, producer
from edgecnn.convert.graph.editor import GraphEditor, flag

Vector = npt.NDArray[np.float64]

ARITHMETIC: Final = frozenset({"Add", "AddV2", "BiasAdd", "Div", "Mul", "RealDiv", "Sub"})
"""Operators of two tensors that may be ``x * scale + offset``."""


def affine_chain(graph: GraphEditor, start: str, channels: int) -> tuple[str, Vector, Vector]:
    """Follow the per-channel arithmetic behind a node.

    Args:
        graph: The graph.
        start: Name of the node.
        channels: How many there are.

    Returns:
        The chain's last node (``start`` if there is no chain), scale and offset of all of it.
    """
    scale, offset = np.ones(channels), np.zeros(channels)
    last = start
    while (node := graph.only_consumer(last)) is not None:
        step = affine(graph, node, last, channels)
        if step is None:
            break
        scale, offset = scale * step[0], offset * step[0] + step[1]
        last = node.name
    return last, scale, offset


def affine(
    graph: GraphEditor, node: Any, source: str, channels: int
) -> tuple[Vector, Vector] | None:
    """Read a node as ``x * scale + offset`` per channel.

    Args:
        graph: The graph.
        node: The node.
        source: Name of the node that ``x`` comes from.
        channels: How many there are.

    Returns:
        Scale and offset, shape (channels,); None if the node is not of that form.
    """
    ones, zeros = np.ones(channels), np.zeros(channels)
    if node.op == "FusedBatchNormV3" and producer(node.input[0]) == source:
        vectors = [graph.constant(tensor) for tensor in node.input[1:]]
        if flag(node, "is_training") or any(vector is None for vector in vectors):
            return None
        gamma, beta, mean, variance = (np.asarray(v, np.float64) for v in vectors)
        scale = gamma / np.sqrt(variance + node.attr["epsilon"].f)
        return scale, beta - mean * scale
    # The operator first: a convolution's kernel is not copied only to see that it is no vector.
    if len(node.input) != 2 or node.op not in ARITHMETIC:
        return None
    first = producer(node.input[0]) == source
    value = _per_channel(graph.constant(node.input[1 if first else 0]), channels)
    if value is None:
        return None
    if node.op in ("Add", "AddV2", "BiasAdd"):
        return ones, value
    if node.op == "Mul":
        return value, zeros
    if node.op == "Sub":
        return (ones, -value) if first else (-ones, value)
    if node.op in ("RealDiv", "Div") and first and np.all(value != 0):
        return 1 / value, zeros
    return None


def _per_channel(value: Array | None, channels: int) -> Vector | None:
    """Bring an operand to one number a channel (the last axis); None if it is not that."""
    if value is None or not np.issubdtype(value.dtype, np.floating) or value.ndim > 4:
        return None
    if value.size == 1:
        return np.full(channels, float(value.reshape(())))
    if value.shape[-1] != channels or value.size != channels:
        return None
    return value.reshape(channels).astype(np.float64)

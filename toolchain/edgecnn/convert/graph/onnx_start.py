"""Reads the arithmetic on pixels at the start of an ONNX network, and the layout of its input.

Exporters write ``(x - mean) / std`` as it stands, in front of the first convolution; see
``source.normalization``, which judges by its values what range it takes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from onnx import TensorProto, numpy_helper

from edgecnn.convert.graph.onnx_core import attribute, constants_of, readers_of

Vector = npt.NDArray[np.float64]

FROM_NHWC: Final = {"NCHW": (0, 3, 1, 2), "NHWC": (0, 1, 2, 3)}
"""How an image (1, height, width, channels) is transposed to each layout."""


@dataclass(kw_only=True, eq=False)
class OnnxStart:
    """The chain of operators between the image and the first one that mixes its pixels.

    Attributes:
        permutation: What the chain, the input's layout included, makes of the axes of an image
            (1, height, width, channels).
        scale: Shape (channels,); what the chain multiplies by.
        offset: Shape (channels,); what it adds behind that.
        nodes: The operators of the chain, in order.
        end: The tensor behind the last of them.
    """

    permutation: tuple[int, ...]
    scale: Vector
    offset: Vector
    end: str
    nodes: list[Any] = field(default_factory=list)

    @property
    def channel_axis(self) -> int:
        """The axis of ``end`` that holds the channels."""
        return self.permutation.index(3)


def start_of(graph: Any, layout: str, channels: int) -> OnnxStart:
    """Follow a graph from its image to the first operator that is no arithmetic per channel.

    Args:
        graph: GraphProto with one input.
        layout: ``NCHW`` or ``NHWC``.
        channels: 1 or 3.

    Returns:
        The chain; without operators where the graph begins with another one, or goes into branches.
    """
    weights, readers = constants_of(graph), readers_of(graph)
    found = OnnxStart(
        permutation=FROM_NHWC[layout],
        scale=np.ones(channels),
        offset=np.zeros(channels),
        end=graph.input[0].name,
    )
    while True:
        following = readers.get(found.end, [])
        if len(following) != 1 or following[0] is None:
            return found
        node = following[0]
        if not _taken(node, found, weights):
            return found
        found.nodes.append(node)
        found.end = node.output[0]


def _taken(node: Any, start: OnnxStart, weights: dict[str, Any]) -> bool:
    """Add a node to the chain if it is one; tell whether it is."""
    if node.op_type == "Cast":
        return bool(attribute(node, "to") == TensorProto.FLOAT)
    if node.op_type in ("Identity", "Dropout"):
        return len(node.output) == 1
    if node.op_type == "Transpose":
        order: Sequence[int] = attribute(node, "perm", [3, 2, 1, 0])
        start.permutation = tuple(start.permutation[axis] for axis in order)
        return True
    if node.op_type not in ("Add", "Sub", "Mul", "Div") or len(node.input) != 2:
        return False
    first = node.input[0] == start.end
    other = weights.get(node.input[1 if first else 0])
    value = None if other is None else _per_channel(other, start)
    if value is None:
        return False
    match node.op_type:
        case "Add":
            start.offset = start.offset + value
        case "Sub" if first:
            start.offset = start.offset - value
        case "Sub":
            start.scale, start.offset = -start.scale, value - start.offset
        case "Mul":
            start.scale, start.offset = start.scale * value, start.offset * value
        case _ if first and np.all(value != 0):
            start.scale, start.offset = start.scale / value, start.offset / value
        case _:
            return False
    return True


def _per_channel(tensor: Any, start: OnnxStart) -> Vector | None:
    """Return a constant as one number per channel; None if it differs between pixels."""
    value = np.asarray(numpy_helper.to_array(tensor), np.float64)
    channels = len(start.scale)
    if value.ndim > 4 or not np.all(np.isfinite(value)):
        return None
    shape = (1,) * (4 - value.ndim) + value.shape
    fits = [size == 1 or (axis == start.channel_axis and size == channels)
            for axis, size in enumerate(shape)]  # fmt: skip
    if not all(fits):
        return None
    return np.broadcast_to(value.reshape(-1), (channels,)).copy()

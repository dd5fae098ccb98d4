"""Judges by its values how a model normalizes its input, and so what range it wants to be fed.

The values are those of the arithmetic at the start of the model's graph, ``x * scale + offset`` per
channel. Which layers compute it does not matter: a ``Rescaling``, a ``Normalization``, a batch
normalization or ``x / 127.5 - 1`` say the same by the same numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from edgecnn.convert.graph.arithmetic import Vector, affine
from edgecnn.convert.graph.constants import Array, producer
from edgecnn.convert.graph.editor import GraphEditor
from edgecnn_runner.contract import affine_of

# What may lie between the image and its normalization: none changes a value beyond mixing
# neighbours, clipping, or moving it.
_PASSING: Final = frozenset({
    "Cast", "ClipByValue", "ExpandDims", "GatherV2", "MirrorPad", "Pack", "Pad", "PadV2",
    "Reshape", "ResizeArea", "ResizeBicubic", "ResizeBilinear", "ResizeNearestNeighbor",
    "ReverseV2", "Split", "SplitV", "Squeeze", "StridedSlice", "Transpose", "Unpack",
})  # fmt: skip
_RAW: Final = "0..255"
_TELLING: Final = (_RAW, "0..1", "-1..1")
# A normalized image is a few units wide. One of less than a fifth of a unit was squashed: what
# scales raw pixels down was fed small numbers.
_SQUASHED: Final = 0.2
# Nothing scales raw pixels up.
_RAW_SCALE: Final = 1.25
# A mean lies within the range, not next to its end: for raw pixels 2 of 255 or more away from it.
_MARGIN: Final = 2 / 255
_EXACT: Final = 1e-3
# The middle of 0..1, where the means of usual data lie; -1..1 with such a mean is rare.
_MIDDLE: Final = (0.3, 0.7)


@dataclass(frozen=True, kw_only=True, eq=False)
class Normalization:
    """The arithmetic per channel at the start of a model: ``x * scale + offset``.

    Attributes:
        scale: Shape (channels,), not zero.
        offset: Shape (channels,).
    """

    scale: Vector
    offset: Vector

    @property
    def meaning(self) -> str | None:
        """The range that it takes pixels to be in, a key of ``INPUT_RANGES``; None if open."""
        possible = [name for name in _TELLING if self.fits(name)]
        if possible == [_RAW]:
            return _RAW
        if _RAW in possible or not np.any(self.offset):
            return None
        centre = self.centre
        if "0..1" in possible and np.all((centre > _MIDDLE[0]) & (centre < _MIDDLE[1])):
            return "0..1"
        # ``(x + 1) / 2`` and ``(x + 1) * 127.5`` begin at the lower end of -1..1, exactly.
        if possible == ["-1..1"] and np.all(np.abs(centre + 1) < _EXACT):
            return "-1..1"
        return None

    @property
    def centre(self) -> Vector:
        """The input that it makes 0, shape (channels,)."""
        return -self.offset / self.scale

    def fits(self, input_range: str) -> bool:
        """Tell whether the values allow that pixels are in a range.

        Args:
            input_range: A range; see ``edgecnn_runner.contract``.

        Returns:
            False if the range would be squashed, scaled up from raw pixels, or has its mean
            outside of it.
        """
        low, high = _ends(input_range)
        width = high - low
        scale = np.abs(self.scale)
        if np.mean(scale * width) < _SQUASHED:
            return False
        if input_range == _RAW and np.mean(scale) > _RAW_SCALE:
            return False
        if not np.any(self.offset):
            return True  # a scale alone says nothing of the middle
        place = (self.centre - low) / width
        at_end = np.minimum(np.abs(place), np.abs(place - 1)) < _EXACT
        inside = (place >= _MARGIN) & (place <= 1 - _MARGIN)
        return bool(np.all(at_end | inside))

    def contradicts(self, input_range: str) -> bool:
        """Tell whether the values rule a range out that somebody says the model was trained on.

        More is possible than what may be guessed from the values alone: one channel may be nearly
        black, and a batch normalization's own shift moves the middle beyond an end. What cannot be
        is a range that is far too narrow or far too wide for the middle, or squashed.
        """
        if self.fits(input_range):
            return False
        low, high = _ends(input_range)
        scale = np.abs(self.scale) * (high - low)
        if np.mean(scale) < _SQUASHED:
            return True
        if input_range == _RAW and np.mean(np.abs(self.scale)) > _RAW_SCALE:
            return True
        place = float(np.mean((self.centre - low) / (high - low)))
        return min(abs(place), abs(place - 1)) < _MARGIN or not -1 < place < 2

    def result(self, input_range: str) -> str:
        """Say what the layers behind it would be fed, as ``-1 to 509``."""
        ends = np.stack([end * self.scale + self.offset for end in _ends(input_range)])
        return f"{ends.min():.4g} to {ends.max():.4g}"

    def __str__(self) -> str:
        """Say it as it would be written: ``x * 2 - 1``."""
        scale, offset = _shown(self.scale), _shown(self.offset)
        if not np.any(self.offset):
            return f"x * {scale}"
        if scale == "1":
            return f"x + {offset}".replace("+ -", "- ")
        return f"x * {scale} + {offset}".replace("+ -", "- ")


def normalization_of(graph_def: Any, output: str) -> Normalization | None:
    """Read the arithmetic at the start of a graph.

    Args:
        graph_def: As ``constants.frozen_graph`` makes it of a model that is fed as it is.
        output: Its output tensor.

    Returns:
        The arithmetic; None if there is none, or if the branches that an image goes into begin
        with different ones.
    """
    graph = GraphEditor(graph_def, output)
    channels = int(graph.nodes[graph.image].attr["shape"].shape.dim[-1].size)
    found = _behind(graph, graph.image, np.ones(channels), np.zeros(channels), _readers(graph))
    if not found:
        return None
    scale, offset = found[0]
    same = all(np.allclose(scale, s) and np.allclose(offset, o) for s, o in found[1:])
    changes = np.any(scale != 1) or np.any(offset != 0)
    if not same or not changes or not np.all(np.isfinite(scale) & (scale != 0)):
        return None
    return Normalization(scale=scale, offset=offset)


def _readers(graph: GraphEditor) -> dict[str, list[Any]]:
    readers: dict[str, list[Any]] = {}
    for node in graph.nodes.values():
        for name in dict.fromkeys(producer(tensor) for tensor in node.input):
            readers.setdefault(name, []).append(node)
    return readers


def _behind(
    graph: GraphEditor,
    start: str,
    scale: Vector,
    offset: Vector,
    readers: dict[str, list[Any]],
) -> list[tuple[Vector, Vector]]:
    """Return the arithmetic up to the first other operator of each branch behind a node."""
    found: list[tuple[Vector, Vector]] = []
    todo = [(start, scale, offset)]
    # Channels that are taken apart and stacked again lead to the same node several times.
    seen: set[tuple[str, bytes, bytes]] = set()
    while todo:
        name, scale, offset = todo.pop()
        key = (name, scale.tobytes(), offset.tobytes())
        if key in seen:
            continue
        seen.add(key)
        for node in readers.get(name, ()):
            step = _step(graph, node, name, len(scale))
            if step is None:
                found.append((scale, offset))
            else:
                todo.append((node.name, scale * step[0], offset * step[0] + step[1]))
    return found


def _step(
    graph: GraphEditor, node: Any, source: str, channels: int
) -> tuple[Vector, Vector] | None:
    """Read a node as arithmetic per channel; None if it is something else."""
    if node.op in _PASSING or (
        node.op == "ConcatV2" and {producer(t) for t in node.input[:-1]} == {source}
    ):
        return np.ones(channels), np.zeros(channels)
    if node.op == "Neg":
        return -np.ones(channels), np.zeros(channels)
    step = affine(graph, node, source, channels)
    if step is not None or len(node.input) != 2:
        return step
    first = producer(node.input[0]) == source
    value = _typical(graph.constant(node.input[1 if first else 0]), channels)
    if value is None:
        return None
    ones, zeros = np.ones(channels), np.zeros(channels)
    match node.op:
        case "Maximum" | "Minimum":
            return ones, zeros
        case "Add" | "AddV2":
            return ones, value
        case "Sub":
            return (ones, -value) if first else (-ones, value)
        case "Mul":
            return value, zeros
        case "RealDiv" | "Div" if first and np.all(value != 0):
            return 1 / value, zeros
    return None


def _typical(value: Array | None, channels: int) -> Vector | None:
    """Return an operand's median per channel, of a mean image for example; None if it has none.

    The median, since a pixel that is the same in all images has a deviation of nearly 0.
    """
    if value is None or not value.size or value.dtype.kind not in "fV":
        return None
    numbers = value.astype(np.float64)
    if numbers.ndim and numbers.shape[-1] == channels:
        return np.asarray(np.median(numbers.reshape(-1, channels), axis=0))
    if numbers.size == channels:  # channels first: (channels, 1, 1)
        return numbers.reshape(channels)
    return np.full(channels, np.median(numbers))


def _ends(input_range: str) -> tuple[Vector, Vector]:
    """Return what pixels 0 and 255 are in a range, per channel."""
    scale, offset = (np.asarray(values, np.float64) for values in affine_of(input_range))
    return offset, 255 * scale + offset


def _shown(values: Sequence[float] | Vector) -> str:
    texts = list(dict.fromkeys(f"{value:.4g}" for value in values))
    return texts[0] if len(texts) == 1 else f"({', '.join(f'{value:.4g}' for value in values)})"

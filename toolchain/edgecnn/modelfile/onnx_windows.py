"""Shapes of what ONNX operators make that slide a window over a picture.

Each takes one operator and raises LookupError, ValueError, ZeroDivisionError or TypeError where
its inputs do not fit it; see ``onnx_shapes``.
"""

from __future__ import annotations

from edgecnn.modelfile.onnx_nodes import Node
from edgecnn.modelfile.types import Shape

__all__ = ["conv_shapes", "conv_transpose_shapes", "global_pool_shapes", "pool_shapes"]


def conv_shapes(node: Node) -> list[Shape | None]:
    """Return what Conv and its integer relatives make: (n, out, *spatial)."""
    weights = node.shape(3 if node.name == "QLinearConv" else 1)
    kernel = tuple(size or 0 for size in weights[2:])
    return [(node.shape(0)[0], weights[0], *_windows(node, kernel))]


def conv_transpose_shapes(node: Node) -> list[Shape | None]:
    """Return what ConvTranspose makes: (n, out, *spatial)."""
    source, weights = node.shape(0), node.shape(1)
    rank = len(source) - 2
    strides = node.integers("strides", (1,) * rank)
    dilations = node.integers("dilations", (1,) * rank)
    pads = node.integers("pads", (0,) * (2 * rank))
    extra = node.integers("output_padding", (0,) * rank)
    channels = None if weights[1] is None else weights[1] * node.integer("group", 1)
    forced = node.integers("output_shape", ())
    sizes: list[int | None] = []
    for axis in range(rank):
        size, kernel = source[2 + axis], weights[2 + axis] or 0
        if forced:
            sizes.append(forced[axis])
        elif size is None:
            sizes.append(None)
        elif node.attributes.get("auto_pad") in ("SAME_UPPER", "SAME_LOWER"):
            sizes.append(size * strides[axis])
        else:
            reach = dilations[axis] * (kernel - 1) + 1
            whole = strides[axis] * (size - 1) + extra[axis] + reach
            sizes.append(whole - pads[axis] - pads[rank + axis])
    return [(source[0], channels, *sizes)]


def pool_shapes(node: Node) -> list[Shape | None]:
    """Return what AveragePool, MaxPool and their relatives make: (n, channels, *spatial)."""
    source = node.shape(0)
    return [(*source[:2], *_windows(node, node.integers("kernel_shape", ())))] * node.outputs


def _windows(node: Node, kernel: tuple[int, ...]) -> list[int | None]:
    """Return how many windows fit along each spatial axis of input 0."""
    source = node.shape(0)[2:]
    rank = len(kernel)
    if len(source) != rank:
        raise ValueError
    strides = node.integers("strides", (1,) * rank)
    dilations = node.integers("dilations", (1,) * rank)
    pads = node.integers("pads", (0,) * (2 * rank))
    same = node.attributes.get("auto_pad") in ("SAME_UPPER", "SAME_LOWER")
    sizes: list[int | None] = []
    for axis, size in enumerate(source):
        if size is None:
            sizes.append(None)
        elif same:
            sizes.append(-(-size // strides[axis]))
        else:
            reach = dilations[axis] * (kernel[axis] - 1) + 1
            free = size + pads[axis] + pads[rank + axis] - reach
            steps = (
                -(-free // strides[axis])
                if node.integer("ceil_mode", 0)
                else (free // strides[axis])
            )
            sizes.append(steps + 1)
    return sizes


def global_pool_shapes(node: Node) -> list[Shape | None]:
    """Return what pooling over all of a picture makes: (n, channels, 1, ...)."""
    source = node.shape(0)
    return [(*source[:2], *(1,) * (len(source) - 2))]

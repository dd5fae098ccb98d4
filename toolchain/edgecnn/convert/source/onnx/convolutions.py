"""Imports convolutions and pooling: operators that move a window over the image."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from edgecnn.convert.source.onnx.call import Call
from edgecnn.convert.source.onnx.graph import Array
from edgecnn.convert.source.onnx.views import LAST, View, edges_repeated, placed, viewed

Pair = tuple[int, int]


@dataclass(frozen=True, kw_only=True)
class Window:
    """A window that moves over an image; each pair is of height and width.

    Attributes:
        kernel: Rows and columns that it takes.
        strides: How far it moves.
        dilations: The distance between the rows or columns that it takes.
        before: Padding at the top and the left.
        after: Padding at the bottom and the right that is used.
        declared: Padding at the bottom and the right that the file states.
        sides: The image's.
        steps: The result's height and width.
    """

    kernel: Pair
    strides: Pair
    dilations: Pair
    before: Pair
    after: Pair
    declared: Pair
    sides: Pair
    steps: Pair

    @property
    def padded(self) -> bool:
        """Whether there is any padding."""
        return any((*self.before, *self.after))

    @property
    def same(self) -> bool:
        """Whether its padding is the one that TensorFlow calls SAME."""
        for axis in (0, 1):
            steps = math.ceil(self.sides[axis] / self.strides[axis])
            whole = (self.kernel[axis] - 1) * self.dilations[axis] + 1
            total = max((steps - 1) * self.strides[axis] + whole - self.sides[axis], 0)
            if (steps, total // 2, total - total // 2) != (
                self.steps[axis],
                self.before[axis],
                self.after[axis],
            ):
                return False
        return True


def window_of(call: Call, kernel: tuple[int, ...]) -> Window:
    """Return the window of an operator, by its attributes and the size of its result."""
    strides = call.ints("strides", (1, 1))
    dilations = call.ints("dilations", (1, 1))
    pads = call.ints("pads", (0, 0, 0, 0))
    if len(pads) != 4 or {len(kernel), len(strides), len(dilations)} != {2} or min(pads) < 0:
        raise call.refuse(f"a window {kernel} with strides {strides} and padding {pads}")
    if min(*kernel, *strides, *dilations) < 1:
        raise call.refuse(f"a window {kernel} with strides {strides}, dilations {dilations}")
    sides, steps = call.shape()[2:], call.output_shape()[2:]
    automatic = call.text("auto_pad", "NOTSET")
    before, after, declared = [], [], []
    for axis in (0, 1):
        whole = (kernel[axis] - 1) * dilations[axis] + 1
        reach = (steps[axis] - 1) * strides[axis] + whole
        if automatic in ("SAME_UPPER", "SAME_LOWER"):
            total = max(reach - sides[axis], 0)
            first = total // 2 if automatic == "SAME_UPPER" else total - total // 2
            stated = total - first
        elif automatic == "VALID":
            first = stated = 0
        else:
            first, stated = pads[axis], pads[axis + 2]
        before.append(first)
        after.append(max(reach - sides[axis] - first, 0))
        declared.append(stated)
    return Window(
        kernel=_pair(kernel),
        strides=_pair(strides),
        dilations=_pair(dilations),
        before=_pair(before),
        after=_pair(after),
        declared=_pair(declared),
        sides=_pair(sides),
        steps=_pair(steps),
    )


def _pair(numbers: Any) -> Pair:
    first, second = numbers
    return int(first), int(second)


def _conv(call: Call) -> View:
    from keras import layers

    tensor = placed(call.image(), LAST)
    kernel = call.constant(1)
    if kernel.ndim != 4:
        raise call.refuse(f"a kernel of shape {kernel.shape}")
    bias = call.constant(2) if call.has(2) else None
    window = window_of(call, kernel.shape[2:])
    groups = call.integer("group", 1)
    outputs, channels = kernel.shape[0], int(tensor.shape[-1])
    depthwise = groups == channels and groups > 1
    strides, dilations, thin = window.strides, window.dilations, False
    if window.dilations != (1, 1) and (
        window.strides != (1, 1) or depthwise or dilations[0] != dilations[1]
    ):
        # TensorFlow has no such convolution; a kernel with zeros between its numbers is the same.
        kernel, dilations = _spread(kernel, dilations), (1, 1)
    if depthwise and strides[0] != strides[1]:
        strides, thin = (1, 1), True
    same = window.same and not thin
    if window.padded and not same:
        tensor = _zeros_around(tensor, window)
    options: dict[str, Any] = {
        "strides": strides,
        "padding": "same" if same and window.padded else "valid",
        "dilation_rate": dilations,
        "use_bias": bias is not None,
    }
    if depthwise:
        layer = layers.DepthwiseConv2D(
            kernel.shape[2:], depth_multiplier=outputs // channels, **options
        )
        weights = kernel.reshape(channels, outputs // channels, *kernel.shape[2:])
        weights = weights.transpose(2, 3, 0, 1)
    else:
        layer = layers.Conv2D(outputs, kernel.shape[2:], groups=groups, **options)
        weights = kernel.transpose(2, 3, 1, 0)
    result = layer(tensor)
    layer.set_weights([weights] if bias is None else [weights, bias])
    if thin:
        result = result[:, :: window.strides[0], :: window.strides[1], :]
    return viewed(result, LAST)


def _spread(kernel: Array, dilations: Pair) -> Array:
    height, width = (
        (side - 1) * d + 1 for side, d in zip(kernel.shape[2:], dilations, strict=True)
    )
    wide = np.zeros((*kernel.shape[:2], height, width), kernel.dtype)
    wide[:, :, :: dilations[0], :: dilations[1]] = kernel
    return wide


def _zeros_around(tensor: Any, window: Window) -> Any:
    from keras import layers

    return layers.ZeroPadding2D(tuple(zip(window.before, window.after, strict=True)))(tensor)


def _conv_transpose(call: Call) -> View:
    """Compute the whole transposed convolution, then cut its edges as the padding says."""
    from keras import layers, ops

    tensor = placed(call.image(), LAST)
    kernel = call.constant(1)
    if kernel.ndim != 4:
        raise call.refuse(f"a kernel of shape {kernel.shape}")
    groups = call.integer("group", 1)
    strides = call.ints("strides", (1, 1))
    dilations = call.ints("dilations", (1, 1))
    if len(strides) != 2 or len(dilations) != 2:
        raise call.refuse(f"strides {strides} and dilations {dilations}")
    kernel = _spread(kernel, _pair(dilations))
    parts = [tensor]
    if groups > 1:
        parts = ops.split(tensor, groups, axis=-1)
    results = []
    for part, weights in zip(parts, np.split(kernel, groups), strict=True):
        layer = layers.Conv2DTranspose(
            weights.shape[1], weights.shape[2:], strides=strides, use_bias=False
        )
        results.append(layer(part))
        layer.set_weights([weights.transpose(2, 3, 1, 0)])
    result = results[0] if groups == 1 else layers.Concatenate()(results)
    begins = _transposed_begins(call, kernel.shape[2:], strides)
    wanted = call.output_shape()[2:]
    missing = []
    for axis in (0, 1):
        # TensorFlow leaves out rows that no kernel reaches: with a stride above the kernel.
        have = int(result.shape[1 + axis])
        missing.append(max(begins[axis] + wanted[axis] - have, 0))
    if any(missing):
        result = layers.ZeroPadding2D(((0, missing[0]), (0, missing[1])))(result)
    crops = tuple(
        (begins[axis], int(result.shape[1 + axis]) - begins[axis] - wanted[axis]) for axis in (0, 1)
    )
    if any(any(crop) for crop in crops):
        result = layers.Cropping2D(crops)(result)
    if call.has(2):
        result = ops.add(result, call.constant(2))
    return viewed(result, LAST)


def _transposed_begins(call: Call, kernel: tuple[int, ...], strides: tuple[int, ...]) -> Pair:
    automatic = call.text("auto_pad", "NOTSET")
    if automatic == "NOTSET" and not call.ints("output_shape", ()):
        pads = call.ints("pads", (0, 0, 0, 0))
        if len(pads) != 4 or min(pads) < 0:
            raise call.refuse(f"padding {pads}")
        return pads[0], pads[1]
    begins = []
    extra = call.ints("output_padding", (0, 0))
    for axis in (0, 1):
        side, wanted = call.shape()[2 + axis], call.output_shape()[2 + axis]
        total = max((side - 1) * strides[axis] + extra[axis] + kernel[axis] - wanted, 0)
        half = total // 2
        begins.append(half if automatic == "SAME_UPPER" else total - half)
    return _pair(begins)


def _max_pool(call: Call) -> View:
    from keras import layers

    if call.outputs > 1 or call.integer("storage_order", 0):
        raise call.refuse("it also gives the places of the largest values")
    view = call.image()
    window = window_of(call, call.ints("kernel_shape", ()))
    if window.dilations != (1, 1):
        raise call.refuse(f"dilations {window.dilations}")
    tensor = placed(view, LAST)
    padding = "valid"
    if window.padded:
        if window.same:
            padding = "same"
        else:
            tensor = _edges_for_max(call, tensor, window, view.least)
    pool = layers.MaxPooling2D(window.kernel, window.strides, padding)
    return viewed(pool(tensor), LAST, least=view.least)


def _edges_for_max(call: Call, tensor: Any, window: Window, least: float | None) -> Any:
    """Pad an image with numbers that no maximum is changed by.

    That is the smallest number that the image can hold, where it is known: a far smaller one would
    spoil the scale of an int8 file. Otherwise it is the image's own edge: mirrored, where the
    padding is at most half of the window, so that each window holds the numbers that it sees
    mirrored; else repeated, since every window that reaches over an edge holds that edge.
    """
    from keras import ops

    if least == 0:
        return _zeros_around(tensor, window)
    pads = ((0, 0), *zip(window.before, window.after, strict=True), (0, 0))
    if least is not None:
        return ops.pad(tensor, pads, constant_values=least)
    for axis in (0, 1):
        if max(window.before[axis], window.after[axis]) >= window.kernel[axis]:
            raise call.refuse(
                f"padding {window.before} and {window.after} of a window {window.kernel}: some "
                "windows see nothing of the image"
            )
    if any(
        2 * max(window.before[axis], window.after[axis]) > window.kernel[axis] for axis in (0, 1)
    ):
        return edges_repeated(tensor, pads)
    return ops.pad(tensor, pads, mode="symmetric")


def _average_pool(call: Call) -> View:
    from keras import layers, ops

    view = call.image()
    window = window_of(call, call.ints("kernel_shape", ()))
    if window.dilations != (1, 1):
        raise call.refuse(f"dilations {window.dilations}")
    tensor = placed(view, LAST)
    with_padding = bool(call.integer("count_include_pad", 0))
    if window.padded and window.same and not with_padding:
        pool = layers.AveragePooling2D(window.kernel, window.strides, "same")
        return viewed(pool(tensor), LAST, least=view.least)
    if window.padded:
        tensor = _zeros_around(tensor, window)
    if window.kernel == tuple(tensor.shape[1:3]):
        result = layers.GlobalAveragePooling2D(keepdims=True)(tensor)
    else:
        result = layers.AveragePooling2D(window.kernel, window.strides, "valid")(tensor)
    factors = _shares(window, with_padding)
    if np.any(factors != 1):
        result = ops.multiply(result, factors)
    return viewed(result, LAST, least=view.least if not window.padded else None)


def _shares(window: Window, with_padding: bool) -> Array:
    """Return the window's size divided by the number of pixels that count, at each step."""
    counts = []
    for axis in (0, 1):
        starts = np.arange(window.steps[axis]) * window.strides[axis] - window.before[axis]
        low = -window.before[axis] if with_padding else 0
        high = window.sides[axis] + (window.declared[axis] if with_padding else 0)
        ends = np.minimum(starts + window.kernel[axis], high)
        counts.append(np.maximum(ends - np.maximum(starts, low), 1))
    whole = window.kernel[0] * window.kernel[1]
    shares: Array = whole / (counts[0][:, None] * counts[1][None, :])
    return np.asarray(shares[None, :, :, None], np.float32)


def _global_pool(call: Call) -> View:
    from keras import layers

    view = call.image()
    pool = (
        layers.GlobalAveragePooling2D
        if call.op == "GlobalAveragePool"
        else layers.GlobalMaxPooling2D
    )
    return viewed(pool(keepdims=True)(placed(view, LAST)), LAST, least=view.least)


WINDOWS: Final[dict[str, Callable[[Call], View]]] = {
    "AveragePool": _average_pool,
    "Conv": _conv,
    "ConvTranspose": _conv_transpose,
    "GlobalAveragePool": _global_pool,
    "GlobalMaxPool": _global_pool,
    "MaxPool": _max_pool,
}
"""Each operator's importing function."""

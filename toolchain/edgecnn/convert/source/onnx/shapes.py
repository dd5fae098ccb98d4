"""Imports operators that move numbers: reshaping, joining, cutting, padding and resizing."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final

import numpy as np

from edgecnn.convert.source.onnx.call import Call, laid, taking
from edgecnn.convert.source.onnx.graph import Array
from edgecnn.convert.source.onnx.views import (
    LAST,
    View,
    edges_repeated,
    order_of,
    placed,
    reshaped,
    transposed,
    viewed,
)


def _reshape(call: Call) -> View:
    """Take the result's shape, which is known: of Reshape, Flatten, Squeeze and Unsqueeze."""
    return reshaped(call.view(), call.output_shape()[1:])


def _transpose(call: Call) -> View:
    rank = len(call.shape())
    order = call.ints("perm", tuple(reversed(range(rank))))
    if sorted(order) != list(range(rank)) or order[0] != 0:
        raise call.refuse(f"the order {order}, which moves the batch")
    return transposed(call.view(), tuple(axis - 1 for axis in order[1:]))


def _concat(call: Call) -> View:
    from keras import layers, ops

    axis = call.axis(call.integer("axis", 1))
    operands = [call.operand(index) for index in range(call.count)]
    views = [operand for operand in operands if isinstance(operand, View)]
    if len(operands) == 1:
        return views[0]
    order = order_of(max(views, key=lambda view: math.prod(view.factors)))
    tensors: list[Any] = []
    for operand in operands:
        if isinstance(operand, View):
            tensors.append(placed(operand, order))
            continue
        # A constant is as long as the batch only when it depends on it: the first image's zeros.
        value = operand.astype(np.float32).transpose(0, *(a + 1 for a in order))
        start = placed(views[0], order_of(views[0]))
        zero = ops.multiply(ops.sum(start, axis=tuple(range(1, start.ndim)), keepdims=True), 0.0)
        zero = ops.reshape(zero, (-1,) + (1,) * (value.ndim - 1))
        tensors.append(ops.add(zero, value))
    result = layers.Concatenate(axis=taking(order, axis))(tensors)
    leasts = [o.least if isinstance(o, View) else float(o.min(initial=0)) for o in operands]
    known = [least for least in leasts if least is not None]
    return viewed(result, order, least=min(known) if len(known) == len(leasts) else None)


def _split(call: Call) -> list[View]:
    from keras import ops

    view = call.view()
    axis = call.axis(call.integer("axis", 0))
    lengths = [call.output_shape(index)[axis + 1] for index in range(call.outputs)]
    tensor, order = laid(view)
    ends = [int(end) for end in np.cumsum(lengths)[:-1]]
    parts = ops.split(tensor, ends, axis=taking(order, axis)) if ends else [tensor]
    return [viewed(part, order, least=view.least) for part in parts]


def _slice(call: Call) -> View:
    view = call.view()
    starts, ends = call.listed("starts", 1), call.listed("ends", 2)
    if starts is None or ends is None or len(starts) != len(ends):
        raise call.refuse("begins and ends that do not fit")
    axes = call.listed("axes", 3) or tuple(range(len(starts)))
    steps = call.listed("steps", 4) or (1,) * len(starts)
    tensor, order = laid(view)
    cuts = [slice(None)] * (len(order) + 1)
    shape = call.shape()
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        at = axis + len(shape) if axis < 0 else axis
        if not 0 <= at < len(shape) or step == 0:
            raise call.refuse(f"axis {axis} of {len(shape)}, step {step}")
        chosen = range(shape[at])[_bound(start) : _bound(end) : step]
        if len(chosen) == shape[at] and step > 0:
            continue
        if step < 0 or not chosen:
            raise call.refuse(f"a step of {step}, {len(chosen)} of {shape[at]} numbers")
        place = taking(order, call.axis(axis))
        cuts[place] = slice(chosen.start, chosen.stop, step)
    if all(cut == slice(None) for cut in cuts):
        return view
    return viewed(tensor[tuple(cuts)], order, least=view.least)


def _bound(number: int) -> int:
    """Return an end that Python's range takes; ONNX writes the largest int64 for "to the end"."""
    return max(-(2**31), min(number, 2**31))


def _gather(call: Call) -> View:
    from keras import ops

    view = call.view()
    axis = call.axis(call.integer("axis", 0))
    places = call.constant(1).astype(np.int64)
    length = view.shape[axis]
    if places.ndim > 1 or np.any(places < -length) or np.any(places >= length):
        raise call.refuse(f"places of shape {places.shape} in an axis of {length}")
    tensor, order = laid(view)
    at = taking(order, axis)
    wanted = np.atleast_1d(places % length)
    first, count = int(wanted[0]), len(wanted)
    if np.array_equal(wanted, np.arange(first, first + count)):
        cuts = [slice(None)] * (len(order) + 1)
        cuts[at] = slice(first, first + count)
        result = tensor[tuple(cuts)]
    else:
        result = ops.take(tensor, wanted.astype(np.int32), axis=at)
    made = viewed(result, order, least=view.least)
    return made if places.ndim else reshaped(made, call.output_shape()[1:])


def _pad(call: Call) -> View:
    from keras import layers, ops

    view = call.view()
    pads = call.listed("pads", 1)
    rank = len(call.shape())
    mode = call.text("mode", "constant")
    value = call.number("value", 0.0) if call.opset < 11 else 0.0
    if call.has(2) and call.opset >= 11:
        value = float(call.constant(2).reshape(()))
    axes = call.listed("axes", 3) or tuple(range(rank))
    if pads is None or len(pads) != 2 * len(axes):
        raise call.refuse(f"padding {pads}")
    tensor, order = laid(view)
    wanted = [(0, 0)] * (len(order) + 1)
    for index, axis in enumerate(axes):
        pair = (pads[index], pads[index + len(axes)])
        if any(pair):
            if min(pair) < 0:
                raise call.refuse(f"padding {pair}, which cuts")
            wanted[taking(order, call.axis(axis))] = pair
    if not any(any(pair) for pair in wanted):
        return view
    if mode == "constant":
        least = None if view.least is None else min(view.least, value)
        if value == 0 and len(order) == 3 and not any(wanted[3]):
            return viewed(layers.ZeroPadding2D(tuple(wanted[1:3]))(tensor), order, least=least)
        return viewed(ops.pad(tensor, wanted, constant_values=value), order, least=least)
    if mode == "reflect":
        return viewed(ops.pad(tensor, wanted, mode="reflect"), order, least=view.least)
    if mode == "edge":
        return viewed(edges_repeated(tensor, wanted), order, least=view.least)
    raise call.refuse(f"the mode {mode}")


def _depth_to_space(call: Call) -> View:
    view = call.image()
    channels, height, width = view.shape
    block = call.integer("blocksize", 0)
    if call.op == "SpaceToDepth":
        if block < 1 or height % block or width % block:
            raise call.refuse(f"blocks of {block} in {height} x {width}")
        cut = reshaped(view, (channels, height // block, block, width // block, block))
        moved = transposed(cut, (2, 4, 0, 1, 3))
    else:
        if block < 1 or channels % block**2:
            raise call.refuse(f"blocks of {block} of {channels} channels")
        rest = channels // block**2
        if call.text("mode", "DCR") == "DCR":
            cut = reshaped(view, (block, block, rest, height, width))
            moved = transposed(cut, (2, 3, 0, 4, 1))
        else:
            cut = reshaped(view, (rest, block, block, height, width))
            moved = transposed(cut, (0, 3, 1, 4, 2))
    return reshaped(moved, call.output_shape()[1:])


def _resize(call: Call) -> View:
    """Resize height and width, each as its rule says: places for nearest, shares for linear."""
    from keras import layers, ops

    view = call.image()
    tensor = placed(view, LAST)
    mode = call.text("mode", "nearest")
    wanted = call.output_shape()
    if wanted[1] != call.shape()[1] or mode not in ("nearest", "linear"):
        raise call.refuse(f"the mode {mode} from {call.shape()} to {wanted}")
    if call.integer("antialias", 0):
        raise call.refuse("antialias")
    scales = _scales(call)
    points = [_points(call, call.shape()[axis], wanted[axis], scales[axis]) for axis in (2, 3)]
    sides = call.shape()[2:]
    if mode == "nearest":
        places = [
            np.clip(_rounded(call, point), 0, side - 1).astype(np.int32)
            for point, side in zip(points, sides, strict=True)
        ]
        factors = [
            wanted[2 + i] // side
            if np.array_equal(places[i], np.repeat(np.arange(side), wanted[2 + i] // side))
            else 0
            for i, side in enumerate(sides)
        ]
        if all(factors):
            result = tensor if factors == [1, 1] else layers.UpSampling2D(tuple(factors))(tensor)
        else:
            result = ops.take(ops.take(tensor, places[0], axis=1), places[1], axis=2)
        return viewed(result, LAST, least=view.least)
    if _is_half_pixel(call, sides, wanted[2:], points):
        result = ops.image.resize(
            tensor, wanted[2:], interpolation="bilinear", antialias=False,
            data_format="channels_last",
        )  # fmt: skip
        return viewed(result, LAST, least=view.least)
    rows, columns = (_shares(p, side) for p, side in zip(points, sides, strict=True))
    # (H', H) by (n, H, W * C), then (W', W) by (n, H', W, C).
    height, width, channels = tensor.shape[1:]
    result = layers.Reshape((height, width * channels))(tensor)
    result = layers.Reshape((len(rows), width, channels))(ops.matmul(rows[None], result))
    result = ops.matmul(columns[None, None], result)
    return viewed(result, LAST, least=view.least)


def _scales(call: Call) -> list[float]:
    """Return the factors of all axes: those that the file states, or those of the sizes."""
    shape, wanted = call.shape(), call.output_shape()
    scales = [new / old for new, old in zip(wanted, shape, strict=True)]
    index = 1 if call.op == "Upsample" or call.opset < 11 else 2
    if call.is_constant(index) and call.constant(index).size == len(shape):
        return [float(scale) for scale in call.constant(index)]
    return scales


def _points(call: Call, old: int, new: int, scale: float) -> Array:
    """Return where in an axis of the source each number of the result lies."""
    default = "asymmetric" if call.op == "Upsample" or call.opset < 11 else "half_pixel"
    rule = call.text("coordinate_transformation_mode", default)
    at = np.arange(new, dtype=np.float64)
    match rule:
        case "half_pixel":
            return (at + 0.5) / scale - 0.5
        case "half_pixel_symmetric":
            middle = old / 2 * (1 - new / (scale * old))
            return middle + (at + 0.5) / scale - 0.5
        case "pytorch_half_pixel":
            return (at + 0.5) / scale - 0.5 if new > 1 else at * 0
        case "align_corners":
            return at * ((old - 1) / (new - 1)) if new > 1 else at * 0
        case "asymmetric":
            return at / scale
    raise call.refuse(f"the rule {rule}")


def _rounded(call: Call, points: Array) -> Array:
    default = "floor" if call.op == "Upsample" or call.opset < 11 else "round_prefer_floor"
    rule = call.text("nearest_mode", default)
    match rule:
        case "round_prefer_floor":
            return np.ceil(points - 0.5)
        case "round_prefer_ceil":
            return np.floor(points + 0.5)
        case "floor":
            return np.floor(points)
        case "ceil":
            return np.ceil(points)
    raise call.refuse(f"the rounding {rule}")


def _is_half_pixel(
    call: Call, sides: tuple[int, ...], wanted: tuple[int, ...], points: list[Array]
) -> bool:
    """Tell whether the rule is that of TensorFlow's resizing."""
    del call
    return all(
        np.allclose(p, (np.arange(new) + 0.5) * (old / new) - 0.5, rtol=0, atol=1e-6)
        for p, old, new in zip(points, sides, wanted, strict=True)
    )


def _shares(points: Array, side: int) -> Array:
    """Return how much of each number of the source is in each of the result, (new, old)."""
    at = np.clip(points, 0, side - 1)
    low = np.floor(at).astype(int)
    high = np.minimum(low + 1, side - 1)
    share = at - low
    result = np.zeros((len(points), side))
    rows = np.arange(len(points))
    np.add.at(result, (rows, low), 1 - share)
    np.add.at(result, (rows, high), share)
    return result.astype(np.float32)


def _cast(call: Call) -> View:
    """Leave numbers as they are: what is cast to float32 here is the image, uint8 in the file."""
    if call.op == "Cast" and call.integer("to", 0) != 1:
        raise call.refuse(f"a cast to the type {call.integer('to', 0)}")
    return call.view()


def _expand(call: Call) -> View:
    """Repeat numbers along axes: of Expand those of length 1, of Tile any, as a whole."""
    from keras import ops

    view = call.view()
    wanted = call.output_shape()[1:]
    groups = ((),) * (len(wanted) - len(view.groups)) + view.groups
    view = View(tensor=view.tensor, factors=view.factors, groups=groups, least=view.least)
    if view.shape == wanted:
        return view
    tensor, order = laid(view)
    times = [wanted[axis] // view.shape[axis] for axis in order]
    return viewed(ops.tile(tensor, (1, *times)), order, least=view.least)


SHAPES: Final[dict[str, Callable[[Call], View | list[View]]]] = {
    "Cast": _cast,
    "Concat": _concat,
    "DepthToSpace": _depth_to_space,
    "Expand": _expand,
    "Flatten": _reshape,
    "Gather": _gather,
    "Pad": _pad,
    "Reshape": _reshape,
    "Resize": _resize,
    "Slice": _slice,
    "SpaceToDepth": _depth_to_space,
    "Split": _split,
    "Squeeze": _reshape,
    "Tile": _expand,
    "Transpose": _transpose,
    "Unsqueeze": _reshape,
    "Upsample": _resize,
}
"""Each operator's importing function."""

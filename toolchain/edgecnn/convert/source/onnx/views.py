"""Keeps for each ONNX tensor how its axes lie in a Keras tensor, so that few are ever turned.

ONNX says in which order a tensor's axes count; Keras keeps images with channels last. A ``View`` is
a Keras tensor and the way in which its axes make the axes that ONNX means. ``Transpose``,
``Flatten``, ``Squeeze`` and most ``Reshape`` change the way and not the tensor. Numbers are moved
where an operator needs another order, and not before: a graph that turns an image twice turns
nothing, and a channel shuffle is one transposition.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

Order = tuple[int, ...]
Shape = tuple[int, ...]
LAST: Final[Order] = (1, 2, 0)
"""Height, width and channels of (batch, channels, height, width), counted behind the batch."""


@dataclass(frozen=True, kw_only=True, eq=False)
class View:
    """A Keras tensor, and what of it makes each axis that ONNX means.

    The batch is the first axis of both and is not counted.

    Attributes:
        tensor: Of Keras.
        factors: The lengths of the parts that its axes consist of, in the order in which they lie;
            none is 1.
        groups: For each axis of ONNX the indices of its parts, the slowest first. An axis of
            length 1 has none.
        least: No number of it is smaller, where that is known.
        turned: What was made of the tensor by moving its numbers, by factors, parts and shape: two
            operators that want the same get the same.
    """

    tensor: Any
    factors: Shape
    groups: tuple[Order, ...]
    least: float | None = None
    turned: dict[tuple[Shape, Order, Shape], Any] = field(default_factory=dict)

    @property
    def shape(self) -> Shape:
        """The lengths of the axes that ONNX means, without the batch."""
        return tuple(math.prod(self.factors[part] for part in group) for group in self.groups)

    @property
    def parts(self) -> Order:
        """The indices of all parts in the order that ONNX means."""
        return tuple(part for group in self.groups for part in group)


def viewed(tensor: Any, order: Order, *, least: float | None = None) -> View:
    """Return the view of a tensor that has one axis for each axis of ONNX.

    Args:
        tensor: Of Keras, with the batch first.
        order: For each of its axes behind the batch which of ONNX's it is.
        least: See ``View``.
    """
    sides = tuple(int(side) for side in tensor.shape[1:])
    places = [place for place, side in enumerate(sides) if side != 1]
    part_of = {order[place]: part for part, place in enumerate(places)}
    return View(
        tensor=tensor,
        factors=tuple(sides[place] for place in places),
        groups=tuple((part_of[axis],) if axis in part_of else () for axis in range(len(order))),
        least=least,
    )


def order_of(view: View) -> Order:
    """Return an order of a view's axes in which it lies already, or nearly.

    Images have their channels last wherever that moves nothing.
    """
    axes = range(len(view.groups))
    whole = all(
        group == tuple(range(group[0], group[0] + len(group))) for group in view.groups if group
    )
    if not whole:
        return LAST if len(view.groups) == 3 else tuple(axes)
    if len(view.groups) == 3 and _lies(view, LAST):
        return LAST
    if _lies(view, tuple(axes)):
        return tuple(axes)
    # Axes of length 1 come first; where they stand changes nothing.
    return tuple(sorted(axes, key=lambda axis: view.groups[axis] or (-1,)))


def placed(view: View, order: Order) -> Any:
    """Return a view's numbers as a Keras tensor with one axis for each axis of ONNX.

    Args:
        view: The view.
        order: For each axis of the result behind the batch which axis of ONNX it is.
    """
    shape = view.shape
    return _arranged(
        view,
        tuple(part for axis in order for part in view.groups[axis]),
        tuple(shape[axis] for axis in order),
    )


def flat(view: View) -> Any:
    """Return a view's numbers as a Keras tensor (n, elements), in the order in which they lie."""
    return _arranged(view, tuple(range(len(view.factors))), (math.prod(view.factors),))


def transposed(view: View, order: Order) -> View:
    """Return a view with its axes in another order; nothing moves.

    Args:
        view: The view.
        order: For each new axis behind the batch which of the old ones it is.
    """
    return _changed(view, view.factors, tuple(view.groups[axis] for axis in order))


def reshaped(view: View, shape: Shape) -> View:
    """Return a view with other axes over the same numbers in ONNX's order.

    Args:
        view: The view.
        shape: The new lengths, without the batch; their product is the old one's.
    """
    split = _split(view, shape)
    if split is not None:
        return split
    # The new axes cut across the old: the numbers have to lie in ONNX's order.
    tensor = _arranged(view, view.parts, shape)
    return viewed(tensor, tuple(range(len(shape))), least=view.least)


def edges_repeated(tensor: Any, pads: Sequence[tuple[int, int]]) -> Any:
    """Return a Keras tensor with its first and last numbers of each axis repeated.

    Args:
        tensor: Of Keras.
        pads: For each axis how often the first and the last number stand there once more.
    """
    from keras import layers

    for axis, (before, after) in enumerate(pads):
        if not before and not after:
            continue
        place = [slice(None)] * len(pads)
        place[axis] = slice(0, 1)
        first = tensor[tuple(place)]
        place[axis] = slice(int(tensor.shape[axis]) - 1, int(tensor.shape[axis]))
        last = tensor[tuple(place)]
        parts = [first] * before + [tensor] + [last] * after
        tensor = layers.Concatenate(axis=axis)(parts)
    return tensor


def _changed(view: View, factors: Shape, groups: tuple[Order, ...]) -> View:
    return View(
        tensor=view.tensor, factors=factors, groups=groups, least=view.least, turned=view.turned
    )


def _lies(view: View, order: Order) -> bool:
    parts = [part for axis in order for part in view.groups[axis]]
    return parts == sorted(parts)


def _split(view: View, shape: Shape) -> View | None:
    """Return the view whose new axes consist of its parts, some cut; None if they do not."""
    pieces: dict[int, list[int]] = {part: [] for part in range(len(view.factors))}
    made: list[list[tuple[int, int]]] = []
    waiting = [(part, view.factors[part]) for part in view.parts]
    for side in shape:
        group: list[tuple[int, int]] = []
        left = side
        while left > 1:
            if not waiting:
                return None
            part, length = waiting.pop(0)
            if left % length == 0:
                piece = length
            elif length % left == 0:
                piece = left
                waiting.insert(0, (part, length // left))
            else:
                return None
            group.append((part, len(pieces[part])))
            pieces[part].append(piece)
            left //= piece
        made.append(group)
    if waiting:
        return None
    begin = {}
    factors: list[int] = []
    for part, lengths in pieces.items():
        begin[part] = len(factors)
        factors.extend(lengths)
    return _changed(
        view,
        tuple(factors),
        tuple(tuple(begin[part] + piece for part, piece in group) for group in made),
    )


def _arranged(view: View, parts: Order, shape: Shape) -> Any:
    """Return a view's numbers with its parts in an order, as a tensor of a shape."""
    from keras import layers

    tensor = view.tensor
    # Neighbours that stay neighbours are one axis: runtimes turn few axes fast, many not at all.
    runs: list[list[int]] = []
    for part in parts:
        if runs and runs[-1][-1] + 1 == part:
            runs[-1].append(part)
        else:
            runs.append([part])
    if len(runs) > 1:
        known = (view.factors, parts, shape)
        if known in view.turned:
            return view.turned[known]
        lying = sorted(runs)
        tensor = _of_shape(
            tensor, tuple(math.prod(view.factors[part] for part in run) for run in lying)
        )
        tensor = layers.Permute(tuple(lying.index(run) + 1 for run in runs))(tensor)
        view.turned[known] = _of_shape(tensor, shape)
        return view.turned[known]
    return _of_shape(tensor, shape)


def _of_shape(tensor: Any, shape: Shape) -> Any:
    from keras import layers

    if tuple(tensor.shape[1:]) == tuple(shape):
        return tensor
    return layers.Reshape(shape)(tensor)

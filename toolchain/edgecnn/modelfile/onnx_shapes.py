"""Shapes of ONNX tensors from the operators that make them.

Many files name shapes for their ends only. ONNX's own shape inference is native code that was
not written for damaged files, so the few rules image classifiers need are here, on plain tuples;
an operator without a rule, or with inputs that do not fit it, gives an unknown shape.

Operators: https://onnx.ai/onnx/operators/
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from edgecnn.modelfile.onnx_nodes import Node
from edgecnn.modelfile.types import Shape

# Each takes one operator and raises LookupError, ValueError, ZeroDivisionError or TypeError where
# its inputs do not fit it; see ``onnx_shapes``.


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


_MAX_RANK: Final = 16
_MAX_SIZE: Final = 1 << 40


def infer_shapes(node: Node) -> list[Shape | None]:
    """Return the shape of each output of an operator, None where it does not follow.

    Args:
        node: The operator.

    Returns:
        As many shapes as the operator has outputs.
    """
    rule = _RULES.get(node.name)
    if rule is None:
        return [None] * node.outputs
    try:
        shapes = rule(node)
    except (LookupError, ValueError, ZeroDivisionError, TypeError):
        # The inputs do not fit the operator; whoever runs the file will say so.
        return [None] * node.outputs
    shapes = [shape if _plausible(shape) else None for shape in shapes]
    return (shapes + [None] * node.outputs)[: node.outputs]


def _plausible(shape: Shape | None) -> bool:
    """Keep numbers small: a few hostile operators in a row could make them enormous."""
    return shape is None or (
        len(shape) <= _MAX_RANK and all(size is None or 0 <= size <= _MAX_SIZE for size in shape)
    )


_Shapes = list[Shape | None]


def _same(node: Node) -> _Shapes:
    return [node.shape(0)] * node.outputs


def _broadcast(node: Node) -> _Shapes:
    shapes = [node.shape(index) for index in range(len(node.shapes))]
    rank = max(map(len, shapes))
    aligned = [(1,) * (rank - len(shape)) + shape for shape in shapes]
    return [tuple(_common(sizes) for sizes in zip(*aligned, strict=True))]


def _broadcast_integers(node: Node) -> _Shapes:
    """QLinearAdd and QLinearMul: the factors are inputs 0 and 3, scales lie between them."""
    return _broadcast(replace(node, shapes=[node.shape(0), node.shape(3)]))


def _common(sizes: Sequence[int | None]) -> int | None:
    """Return the size that the others stretch to."""
    larger = [size for size in sizes if size != 1]
    known = {size for size in larger if size is not None}
    if len(known) > 1:
        raise ValueError
    return known.pop() if known else (None if larger else 1)


def _gemm(node: Node) -> _Shapes:
    left, right = node.shape(0), node.shape(3 if node.name == "QGemm" else 1)
    if len(left) != 2 or len(right) != 2:
        raise ValueError
    rows = left[1 if node.integer("transA", 0) else 0]
    return [(rows, right[0 if node.integer("transB", 0) else 1])]


def _matmul(node: Node) -> _Shapes:
    left, right = node.shape(0), node.shape(3 if node.name == "QLinearMatMul" else 1)
    if not left or not right:
        raise ValueError
    rows = left[-2:-1]
    columns = right[-1:] if len(right) > 1 else ()
    rank = max(len(left), len(right), 2) - 2
    stacks = [(1,) * (rank - len(shape[:-2])) + shape[:-2] for shape in (left, right)]
    return [(*(_common(sizes) for sizes in zip(*stacks, strict=True)), *rows, *columns)]


def _flatten(node: Node) -> _Shapes:
    source = node.shape(0)
    axis = _axis(node.integer("axis", 1), len(source) + 1)
    return [(_product(source[:axis]), _product(source[axis:]))]


def _product(sizes: Shape) -> int | None:
    if None in sizes:
        return None
    return math.prod(size or 0 for size in sizes)


def _axis(axis: int, rank: int) -> int:
    if not -rank <= axis < rank:
        raise ValueError
    return axis % rank


def _reshape(node: Node) -> _Shapes:
    source, target = node.shape(0), node.value(1)
    keep_zero = node.integer("allowzero", 0)
    sizes: list[int | None] = [
        source[index] if size == 0 and not keep_zero else size for index, size in enumerate(target)
    ]
    if -1 in sizes:
        # Open sizes that are kept divide out; others make the rest open, too.
        total = _product(tuple(size for size in source if size is not None))
        opened = source.count(None) - sizes.count(None)
        rest = math.prod(size for size in sizes if size is not None and size != -1)
        exact = opened == 0 and total is not None and total % rest == 0
        sizes[sizes.index(-1)] = (total or 0) // rest if exact else None
    if None not in source and None not in sizes and _product(source) != _product(tuple(sizes)):
        raise ValueError
    return [tuple(sizes)]


def _transpose(node: Node) -> _Shapes:
    source = node.shape(0)
    order = node.integers("perm", tuple(reversed(range(len(source)))))
    if sorted(order) != list(range(len(source))):
        raise ValueError
    return [tuple(source[axis] for axis in order)]


def _axes(node: Node, rank: int) -> set[int] | None:
    """Return the axes given as an attribute (older opsets) or as input 1; None if not given."""
    axes = node.integers("axes", ())
    if not axes and len(node.shapes) > 1 and node.shapes[1] is not None:
        axes = node.value(1)
    return {_axis(axis, rank) for axis in axes} if axes else None


def _squeeze(node: Node) -> _Shapes:
    source = node.shape(0)
    axes = _axes(node, len(source))
    if axes is None:
        axes = {axis for axis, size in enumerate(source) if size == 1}
    return [tuple(size for axis, size in enumerate(source) if axis not in axes)]


def _unsqueeze(node: Node) -> _Shapes:
    source = node.shape(0)
    count = len(node.integers("axes", ())) or len(node.value(1))
    axes = _axes(node, len(source) + count) or set()
    rest = iter(source)
    return [tuple(1 if axis in axes else next(rest) for axis in range(len(source) + len(axes)))]


def _reduce(node: Node) -> _Shapes:
    source = node.shape(0)
    axes = _axes(node, len(source))
    if axes is None:
        axes = set() if node.integer("noop_with_empty_axes", 0) else set(range(len(source)))
    kept = node.integer("keepdims", 1)
    return [
        tuple(
            1 if axis in axes else size
            for axis, size in enumerate(source)
            if kept or axis not in axes
        )
    ]


def _concat(node: Node) -> _Shapes:
    shapes = [node.shape(index) for index in range(len(node.shapes))]
    axis = _axis(node.integer("axis", 0), len(shapes[0]))
    along = [shape[axis] for shape in shapes]
    total = None if None in along else sum(size or 0 for size in along)
    return [(*shapes[0][:axis], total, *shapes[0][axis + 1 :])]


def _pad(node: Node) -> _Shapes:
    source = node.shape(0)
    pads = node.integers("pads", ()) or node.value(1)
    rank = len(source)
    if len(pads) != 2 * rank:
        raise ValueError
    return [
        tuple(
            None if size is None else size + pads[axis] + pads[rank + axis]
            for axis, size in enumerate(source)
        )
    ]


def _shape_of(node: Node) -> _Shapes:
    return [(len(node.shape(0)),)]


_ELEMENTWISE: Final = (
    *("Abs", "BatchNormalization", "Cast", "Ceil", "Celu", "Clip", "DequantizeLinear", "Dropout"),
    *("Elu", "Erf", "Exp", "Floor", "Gelu", "GroupNormalization", "HardSigmoid", "HardSwish"),
    *("Hardmax", "Identity", "InstanceNormalization", "LRN", "LayerNormalization", "LeakyRelu"),
    *("Log", "LogSoftmax", "LpNormalization", "Mish", "Neg", "Not", "QuantizeLinear"),
    *("QuickGelu", "Reciprocal", "Relu", "Round", "Selu", "Sigmoid", "Sign", "Softmax"),
    *("Softplus", "Softsign", "Sqrt", "Swish", "Tanh", "ThresholdedRelu"),
)
_BROADCASTING: Final = (
    *("Add", "And", "Div", "Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Max"),
    *("Mean", "Min", "Mod", "Mul", "Or", "PRelu", "Pow", "Sub", "Sum", "Where", "Xor"),
)
_REDUCING: Final = (
    *("ReduceL1", "ReduceL2", "ReduceMax", "ReduceMean", "ReduceMin", "ReduceProd", "ReduceSum"),
    *("ReduceSumSquare",),
)
_RULES: Final[Mapping[str, Callable[[Node], _Shapes]]] = {
    **dict.fromkeys(_ELEMENTWISE, _same),
    **dict.fromkeys(_BROADCASTING, _broadcast),
    **dict.fromkeys(_REDUCING, _reduce),
    **dict.fromkeys(("Conv", "FusedConv", "ConvInteger", "QLinearConv"), conv_shapes),
    **dict.fromkeys(("AveragePool", "MaxPool", "LpPool"), pool_shapes),
    **dict.fromkeys(("GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool"), global_pool_shapes),
    **dict.fromkeys(("Gemm", "FusedGemm", "QGemm"), _gemm),
    **dict.fromkeys(("MatMul", "MatMulInteger", "QLinearMatMul"), _matmul),
    **dict.fromkeys(("QLinearAdd", "QLinearMul"), _broadcast_integers),
    **dict.fromkeys(("QLinearLeakyRelu", "QLinearSigmoid", "QLinearSoftmax"), _same),
    "QLinearAveragePool": pool_shapes,
    "QLinearGlobalAveragePool": global_pool_shapes,
    "Concat": _concat,
    "ConvTranspose": conv_transpose_shapes,
    "Flatten": _flatten,
    "Pad": _pad,
    "Reshape": _reshape,
    "Shape": _shape_of,
    "Squeeze": _squeeze,
    "Transpose": _transpose,
    "Unsqueeze": _unsqueeze,
}

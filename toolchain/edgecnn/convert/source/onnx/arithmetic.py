"""Imports operators that compute number by number, or over whole axes: activations, sums, norms."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final

import numpy as np

from edgecnn.convert.source.onnx.call import Call, laid, taking
from edgecnn.convert.source.onnx.graph import Array
from edgecnn.convert.source.onnx.views import (
    LAST,
    Order,
    View,
    flat,
    order_of,
    placed,
    reshaped,
    viewed,
)

Compute = Callable[[Any], Any]


def same_place(view: View, tensor: Any, least: float | None = None) -> View:
    """Return the view of a tensor whose numbers lie as another view's do."""
    return View(tensor=tensor, factors=view.factors, groups=view.groups, least=least)


def _alone(compute: Compute, least: float | None = None) -> Callable[[Call], View]:
    """Return the function that imports an operator of one number each."""

    def import_(call: Call) -> View:
        view = call.view()
        return same_place(view, compute(view.tensor), least)

    return import_


def _layer(name: str) -> Compute:
    def compute(tensor: Any) -> Any:
        from keras import layers

        return layers.Activation(name)(tensor)

    return compute


def _op(name: str) -> Compute:
    def compute(tensor: Any) -> Any:
        from keras import ops

        return getattr(ops, name)(tensor)

    return compute


def _relu(tensor: Any) -> Any:
    from keras import layers

    return layers.ReLU()(tensor)


def _mish(tensor: Any) -> Any:
    from keras import ops

    # log(1 + exp(x)), which grows over no number.
    soft = ops.add(ops.relu(tensor), ops.log(ops.add(ops.exp(ops.negative(ops.abs(tensor))), 1.0)))
    return ops.multiply(tensor, ops.tanh(soft))


def _softplus(tensor: Any) -> Any:
    from keras import ops

    return ops.add(ops.relu(tensor), ops.log(ops.add(ops.exp(ops.negative(ops.abs(tensor))), 1.0)))


def _erf(tensor: Any) -> Any:
    """Return the error function, by Abramowitz and Stegun 7.1.26: within 1.5e-7."""
    from keras import ops

    size = ops.abs(tensor)
    t = ops.divide(1.0, ops.add(ops.multiply(size, 0.3275911), 1.0))
    total: Any = 1.061405429
    for factor in (-1.453152027, 1.421413741, -0.284496736, 0.254829592):
        total = ops.add(ops.multiply(t, total), factor)
    total = ops.multiply(ops.multiply(t, total), ops.exp(ops.negative(ops.square(tensor))))
    return ops.multiply(ops.sign(tensor), ops.subtract(1.0, total))


def _leaky_relu(call: Call) -> View:
    from keras import layers

    view = call.view()
    slope = call.number("alpha", 0.01)
    return same_place(view, layers.LeakyReLU(negative_slope=slope)(view.tensor))


def _prelu(call: Call) -> View:
    from keras import ops

    slope = call.constant(1)
    view = call.view()
    if slope.size == 1:
        return _leaky(view, float(slope.reshape(())))
    order = order_of(view)
    tensor = placed(view, order)
    laid_slope = _constant_in(call, slope, len(view.groups), order)
    # In TFLite PRELU's slope has no axis for the batch, so this is written out.
    result = ops.subtract(
        ops.relu(tensor), ops.multiply(laid_slope, ops.relu(ops.negative(tensor)))
    )
    return viewed(result, order)


def _leaky(view: View, slope: float) -> View:
    from keras import layers

    return same_place(view, layers.LeakyReLU(negative_slope=slope)(view.tensor))


def _elu(call: Call) -> View:
    from keras import layers

    view = call.view()
    alpha = call.number("alpha", 1.0)
    return same_place(view, layers.ELU(alpha=alpha)(view.tensor), -alpha)


def _selu(call: Call) -> View:
    from keras import layers, ops

    view = call.view()
    alpha = call.number("alpha", 1.67326319217681884765625)
    gamma = call.number("gamma", 1.05070102214813232421875)
    result = ops.multiply(layers.ELU(alpha=alpha)(view.tensor), gamma)
    return same_place(view, result, -alpha * gamma)


def _clip(call: Call) -> View:
    from keras import layers, ops

    view = call.view()
    if call.opset < 11:
        low, high = call.number("min", -math.inf), call.number("max", math.inf)
    else:
        low = float(call.constant(1).reshape(())) if call.has(1) else -math.inf
        high = float(call.constant(2).reshape(())) if call.has(2) else math.inf
    # Exporters write the largest float32 for "no limit".
    if low < -3e38:
        low = -math.inf
    if high > 3e38:
        high = math.inf
    tensor = view.tensor
    if low == 0 and high > 0:
        tensor = layers.ReLU(max_value=None if high == math.inf else high)(tensor)
    else:
        if low > -math.inf:
            tensor = ops.maximum(tensor, low)
        if high < math.inf:
            tensor = ops.minimum(tensor, high)
    return same_place(view, tensor, max(low, view.least or -math.inf) if low > -math.inf else None)


def _hard_sigmoid(call: Call) -> View:
    from keras import layers, ops

    view = call.view()
    alpha, beta = call.number("alpha", 0.2), call.number("beta", 0.5)
    if abs(alpha - 1 / 6) < 1e-6 and beta == 0.5:
        return same_place(view, layers.Activation("hard_sigmoid")(view.tensor), 0.0)
    line = ops.add(ops.multiply(view.tensor, alpha), beta)
    return same_place(view, ops.minimum(layers.ReLU()(line), 1.0), 0.0)


def _gelu(call: Call) -> View:
    from keras import ops

    view = call.view()
    approximate = call.text("approximate", "none") == "tanh"
    return same_place(view, ops.gelu(view.tensor, approximate=approximate), -0.17005)


def _swish(call: Call) -> View:
    from keras import layers, ops

    view = call.view()
    alpha = call.number("alpha", 1.0)
    if alpha == 1:
        return same_place(view, layers.Activation("silu")(view.tensor), -0.27847)
    return same_place(
        view, ops.multiply(view.tensor, ops.sigmoid(ops.multiply(view.tensor, alpha)))
    )


def _constant_in(call: Call, value: Array, rank: int, order: Order) -> Array:
    """Return a constant so that it fits a tensor of an order of axes.

    Args:
        call: The operator.
        value: It stretches over ``rank`` axes and the batch.
        rank: The number of axes behind the batch.
        order: In which they lie.
    """
    shape = (1,) * (rank + 1 - value.ndim) + value.shape
    if len(shape) != rank + 1 or shape[0] != 1:
        raise call.refuse(f"a constant of shape {value.shape}, which is not one for each image")
    whole = value.astype(np.float32).reshape(shape)
    return whole.transpose(0, *(axis + 1 for axis in order))


def together(call: Call, operands: list[View | Array]) -> tuple[list[Any], Order]:
    """Return operands that stretch over each other so that Keras stretches them alike.

    Returns:
        The Keras tensors and constants, and the order in which their axes lie.
    """
    rank = len(call.output_shape()) - 1
    views = []
    for operand in operands:
        if isinstance(operand, View):
            groups = ((),) * (rank - len(operand.groups)) + operand.groups
            views.append(
                View(
                    tensor=operand.tensor,
                    factors=operand.factors,
                    groups=groups,
                    least=operand.least,
                )
            )
    largest = max(views, key=lambda view: math.prod(view.factors))
    order = order_of(largest)
    found = iter(views)
    return [
        placed(next(found), order)
        if isinstance(operand, View)
        else _constant_in(call, operand, rank, order)
        for operand in operands
    ], order


def _pairwise(name: str) -> Callable[[Call], View]:
    def import_(call: Call) -> View:
        return _binary(call, name, [call.operand(index) for index in range(call.count)])

    return import_


def _binary(call: Call, name: str, operands: list[View | Array]) -> View:
    """Apply a function of Keras to two operands or, one after the other, to more."""
    from keras import layers, ops

    if not operands:
        raise call.refuse("no inputs")
    compute = getattr(ops, name)
    least = _least_of(name, operands)
    views = [operand for operand in operands if isinstance(operand, View)]
    if len(operands) == 1:
        return views[0]
    scalars = [o for o in operands if not isinstance(o, View) and o.size == 1]
    if len(views) == 1 and len(scalars) == len(operands) - 1:
        rank = len(call.output_shape()) - 1
        if rank == len(views[0].groups):
            values = [o.tensor if isinstance(o, View) else float(o.reshape(())) for o in operands]
            result = values[0]
            for value in values[1:]:
                result = compute(result, value)
            return same_place(views[0], result, least)
    values, order = together(call, operands)
    if name == "add" and len(views) == len(operands) and len({v.shape for v in values}) == 1:
        return viewed(layers.Add()(values), order, least=least)
    result = values[0]
    for value in values[1:]:
        result = compute(result, value)
    return viewed(result, order, least=least)


def _least_of(name: str, operands: list[View | Array]) -> float | None:
    leasts = [o.least if isinstance(o, View) else float(o.min(initial=0)) for o in operands]
    known = [least for least in leasts if least is not None]
    if name == "maximum":
        return max(known, default=None)
    if len(known) < len(leasts):
        return None
    if name == "add":
        return sum(known)
    if name == "minimum":
        return min(known)
    return 0.0 if name == "multiply" and min(known) >= 0 else None


def _power(call: Call) -> View:
    from keras import ops

    exponent = call.operand(1)
    if isinstance(exponent, View) or exponent.size != 1 or call.is_constant(0):
        return _pairwise("power")(call)
    view = call.view()
    power = float(exponent.reshape(()))
    tensor = view.tensor
    match power:
        case 1.0:
            return view
        case 2.0:
            return same_place(view, ops.square(tensor), 0.0)
        case 3.0:
            return same_place(view, ops.multiply(ops.square(tensor), tensor))
        case 0.5:
            return same_place(view, ops.sqrt(tensor), 0.0)
        case -1.0:
            return same_place(view, ops.divide(1.0, tensor))
    return same_place(view, ops.power(tensor, power))


def _mean_of(call: Call) -> View:
    from keras import ops

    count = call.count
    total = _binary(call, "add", [call.operand(index) for index in range(count)])
    return same_place(total, ops.multiply(total.tensor, 1 / count))


def _reduce(call: Call) -> View:
    view = call.view()
    axes = call.listed("axes", 1)
    if not axes:
        if call.integer("noop_with_empty_axes", 0):
            return view
        axes = tuple(range(len(call.shape())))
        if call.shape()[0] == 1 and call.integer("keepdims", 1):
            axes = axes[1:]
    wanted = sorted({call.axis(axis) for axis in axes})
    tensor, order = laid(view)
    result = _reduced(call.op, tensor, order, wanted)
    made = viewed(result, order)
    if not call.integer("keepdims", 1):
        made = reshaped(made, tuple(s for i, s in enumerate(made.shape) if i not in wanted))
    return made


def _reduced(op: str, tensor: Any, order: Order, axes: list[int]) -> Any:
    from keras import layers, ops

    places = tuple(sorted(taking(order, axis) for axis in axes))
    if places == (1, 2) and len(order) == 3 and op in ("ReduceMean", "ReduceMax"):
        pool = layers.GlobalAveragePooling2D if op == "ReduceMean" else layers.GlobalMaxPooling2D
        return pool(keepdims=True)(tensor)
    if op == "ReduceL2":
        return ops.sqrt(ops.sum(ops.square(tensor), axis=places, keepdims=True))
    if op == "ReduceSumSquare":
        return ops.sum(ops.square(tensor), axis=places, keepdims=True)
    if op == "ReduceL1":
        return ops.sum(ops.abs(tensor), axis=places, keepdims=True)
    compute = {"ReduceMax": ops.max, "ReduceMean": ops.mean, "ReduceMin": ops.min,
               "ReduceSum": ops.sum}[op]  # fmt: skip
    return compute(tensor, axis=places, keepdims=True)


def _softmax(call: Call) -> View:
    from keras import layers, ops

    view = call.view()
    shape = view.shape
    if call.opset >= 13:
        axis = call.axis(call.integer("axis", -1))
        order = (*tuple(a for a in range(len(shape)) if a != axis), axis)
        tensor = placed(view, order)
    else:
        # All axes from this one on are one.
        begin = call.axis(call.integer("axis", 1))
        rows = reshaped(view, (math.prod(shape[:begin]), math.prod(shape[begin:])))
        order = tuple(range(len(shape)))
        tensor = placed(rows, (0, 1))
        if rows.shape[0] == 1:
            tensor = placed(reshaped(view, (math.prod(shape),)), (0,))
    result = layers.Softmax()(tensor) if call.op == "Softmax" else ops.log_softmax(tensor, axis=-1)
    least = 0.0 if call.op == "Softmax" else None
    if call.opset >= 13:
        return viewed(result, order, least=least)
    made = viewed(result, tuple(range(len(result.shape) - 1)), least=least)
    return reshaped(made, shape)


def _batch_normalization(call: Call) -> View:
    from keras import layers

    view = call.view()
    scale, offset, mean, variance = (call.constant(index) for index in range(1, 5))
    if not view.groups or scale.shape != (view.shape[0],):
        raise call.refuse(f"an input of shape {call.shape()}, a scale of shape {scale.shape}")
    order = (*range(1, len(view.groups)), 0)
    layer = layers.BatchNormalization(epsilon=call.number("epsilon", 1e-5))
    result = layer(placed(view, order))
    layer.set_weights([scale, offset, mean, variance])
    return viewed(result, order)


def _instance_normalization(call: Call) -> View:
    from keras import ops

    tensor = placed(call.image(), LAST)
    scale, offset = call.constant(1), call.constant(2)
    normal = _normalized(tensor, (1, 2), call.number("epsilon", 1e-5))
    return viewed(ops.add(ops.multiply(normal, scale), offset), LAST)


def _normalized(tensor: Any, axes: tuple[int, ...], epsilon: float) -> Any:
    from keras import ops

    centred = ops.subtract(tensor, ops.mean(tensor, axis=axes, keepdims=True))
    variance = ops.mean(ops.square(centred), axis=axes, keepdims=True)
    return ops.multiply(centred, ops.rsqrt(ops.add(variance, epsilon)))


def _group_normalization(call: Call) -> View:
    from keras import ops

    view = call.image()
    groups = call.integer("num_groups", 1)
    channels, height, width = view.shape
    scale, offset = call.constant(1), call.constant(2)
    if groups < 1 or channels % groups:
        raise call.refuse(f"{groups} groups of {channels} channels")
    if scale.shape == (groups,):  # opset 18 has one number for each group
        scale, offset = (np.repeat(v, channels // groups) for v in (scale, offset))
    rows = placed(reshaped(view, (groups, math.prod(view.shape) // groups)), (0, 1))
    normal = viewed(_normalized(rows, (2,), call.number("epsilon", 1e-5)), (0, 1))
    tensor = placed(reshaped(normal, (channels, height, width)), LAST)
    return viewed(ops.add(ops.multiply(tensor, scale), offset), LAST)


def _layer_normalization(call: Call) -> View:
    from keras import layers, ops

    if call.outputs > 1:
        raise call.refuse("it also gives mean and deviation")
    view = call.view()
    begin = call.axis(call.integer("axis", -1))
    rank = len(view.groups)
    epsilon = call.number("epsilon", 1e-5)
    scale = call.constant(1)
    offset = call.constant(2) if call.has(2) else np.zeros(view.shape[begin:], np.float32)
    if begin == rank - 1 and scale.size == offset.size == view.shape[-1]:
        # The axis lies last, whatever the others' order is.
        own = order_of(view)
        order = (*(axis for axis in own if axis != begin), begin)
        layer = layers.LayerNormalization(epsilon=epsilon)
        result = layer(placed(view, order))
        layer.set_weights([scale.reshape(-1), offset.reshape(-1)])
        return viewed(result, order)
    order = tuple(range(rank))
    normal = _normalized(placed(view, order), tuple(range(begin + 1, rank + 1)), epsilon)
    return viewed(ops.add(ops.multiply(normal, scale), offset), order)


def _lrn(call: Call) -> View:
    """Divide by a power of the sum of squares over neighbouring channels."""
    from keras import ops

    tensor = placed(call.image(), LAST)
    size = call.integer("size", 1)
    alpha, beta = call.number("alpha", 1e-4), call.number("beta", 0.75)
    bias = call.number("bias", 1.0)
    channels = int(tensor.shape[-1])
    first = np.arange(channels)[:, None] - np.arange(channels)[None, :]
    band = (first >= -((size - 1) // 2)) & (first <= size - 1 - (size - 1) // 2)
    sums = ops.matmul(ops.square(tensor), band.astype(np.float32) * (alpha / size))
    return viewed(ops.multiply(tensor, ops.power(ops.add(sums, bias), -beta)), LAST)


def _gemm(call: Call) -> View:
    if call.integer("transA", 0) or call.is_constant(0):
        raise call.refuse("its first input is turned, or a constant")
    kernel = call.constant(1)
    if call.integer("transB", 0):
        kernel = kernel.T
    alpha, beta = call.number("alpha", 1.0), call.number("beta", 1.0)
    kernel = kernel * np.float32(alpha)
    bias = call.constant(2) * np.float32(beta) if call.has(2) else None
    if bias is not None and bias.size not in (1, kernel.shape[1]):
        raise call.refuse(f"an addend of shape {bias.shape}")
    return _dense(call, call.view(), kernel, bias)


def _dense(call: Call, view: View, kernel: Array, bias: Array | None) -> View:
    """Multiply a view's last axis with a kernel (inputs, units), by a layer with weights."""
    from keras import layers

    if kernel.ndim != 2 or not view.groups or view.shape[-1] != kernel.shape[0]:
        raise call.refuse(f"inputs of shapes {call.shape(0)} and {call.shape(1)}")
    units = kernel.shape[1]
    if len(view.groups) == 1:
        # The numbers stay where they lie, and the kernel's rows go there.
        lengths = [view.factors[part] for part in view.groups[0]]
        places = np.argsort(view.groups[0]) if lengths else np.arange(0)
        whole = kernel.reshape(*lengths, units).transpose(*places, len(lengths))
        kernel = whole.reshape(-1, units)
        order: Order = (0,)
        tensor = flat(view)
    else:
        own = order_of(view)
        last = len(view.groups) - 1
        order = (*(axis for axis in own if axis != last), last)
        tensor = placed(view, order)
    weights = kernel
    if len(order) == 3:
        # For an image a convolution of one pixel is the same, and is quantized by channel.
        layer = layers.Conv2D(units, 1, use_bias=bias is not None)
        weights = kernel[None, None]
    else:
        layer = layers.Dense(units, use_bias=bias is not None)
    result = layer(tensor)
    layer.set_weights(
        [weights] if bias is None else [weights, np.broadcast_to(bias.reshape(-1), (units,))]
    )
    return viewed(result, order)


def _matmul(call: Call) -> View:
    from keras import ops

    if call.is_constant(1) and call.constant(1).ndim == 2:
        bias = call.constant(2) if call.has(2) else None  # added by ``patterns``
        return _dense(call, call.view(0), call.constant(1), bias)
    ranks = [len(call.shape(index)) for index in (0, 1)]
    if ranks[0] != ranks[1] or ranks[0] < 3:
        raise call.refuse(f"inputs of shapes {call.shape(0)} and {call.shape(1)}")
    order = tuple(range(ranks[0] - 1))
    values = [
        placed(operand, order)
        if isinstance(operand, View)
        else _constant_in(call, operand, len(order), order)
        for operand in (call.operand(0), call.operand(1))
    ]
    return viewed(ops.matmul(*values), order)


ARITHMETIC: Final[dict[str, Callable[[Call], View]]] = {
    "Abs": _alone(_op("abs"), 0.0),
    "Add": _pairwise("add"),
    "BatchNormalization": _batch_normalization,
    "Clip": _clip,
    "Div": _pairwise("divide"),
    "Elu": _elu,
    "Erf": _alone(_erf, -1.0),
    "Exp": _alone(_op("exp"), 0.0),
    "Gelu": _gelu,
    "Gemm": _gemm,
    "GroupNormalization": _group_normalization,
    "HardSigmoid": _hard_sigmoid,
    "HardSwish": _alone(_layer("hard_swish"), -0.375),
    "InstanceNormalization": _instance_normalization,
    "LRN": _lrn,
    "LayerNormalization": _layer_normalization,
    "LeakyRelu": _leaky_relu,
    "Log": _alone(_op("log")),
    "LogSoftmax": _softmax,
    "MatMul": _matmul,
    "Max": _pairwise("maximum"),
    "Mean": _mean_of,
    "Min": _pairwise("minimum"),
    "Mish": _alone(_mish, -0.30885),
    "Mul": _pairwise("multiply"),
    "Neg": _alone(_op("negative")),
    "PRelu": _prelu,
    "Pow": _power,
    "Reciprocal": _alone(_op("reciprocal")),
    "ReduceL1": _reduce,
    "ReduceL2": _reduce,
    "ReduceMax": _reduce,
    "ReduceMean": _reduce,
    "ReduceMin": _reduce,
    "ReduceSum": _reduce,
    "ReduceSumSquare": _reduce,
    "Relu": _alone(_relu, 0.0),
    "Selu": _selu,
    "Sigmoid": _alone(_layer("sigmoid"), 0.0),
    "Softmax": _softmax,
    "Softplus": _alone(_softplus, 0.0),
    "Sqrt": _alone(_op("sqrt"), 0.0),
    "Sub": _pairwise("subtract"),
    "Sum": _pairwise("add"),
    "Swish": _swish,
    "Tanh": _alone(_layer("tanh"), -1.0),
}
"""Each operator's importing function."""

"""Fold per-channel arithmetic into the weights next to it.

Three places in a classifier multiply and add per channel: the normalization in front of the first
layer, the batch normalization behind a convolution, and the one between flattening and a dense
layer. Left to the converters, TFLite keeps a
mean and deviation at the input as SUB and MUL (some 12 % slower), ONNX keeps any scale as a Mul,
and a batch normalization behind a depthwise convolution survives in ONNX. Folded here, once, both
formats get the same weights:

- in front: ``x * s + o`` becomes ``x + o / s`` with ``s`` in the kernel, since a kernel is linear
  in its input. With no padding the offset moves on into the bias, ``sum(kernel * o)``; with padding
  it cannot, because padded zeros stand for ``0`` after the offset, not before it.
- behind: ``conv(x, k) * s + b`` is ``conv(x, k * s) + b``.

Sums are formed in float64 and rounded once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import tensorflow as tf

from edgecnn.convert.graph.arithmetic import ARITHMETIC, Vector, affine, affine_chain
from edgecnn.convert.graph.constants import Array, producer
from edgecnn.convert.graph.editor import LINEAR, GraphEditor, flag

_PADDING: Final = {"Pad", "PadV2"}


@dataclass(frozen=True, kw_only=True)
class Folding:
    """What became of the normalization at the input.

    Attributes:
        scale: True if a scale went into the first kernel.
        offset: ``none``, ``bias`` (went into a bias) or ``kept`` (an addition is left).
        normalizations: How many scales behind a convolution or matrix went into it.
    """

    scale: bool = False
    offset: str = "none"
    normalizations: int = 0


def fold(graph_def: Any, output: str) -> tuple[Any, str, Folding]:
    """Fold the arithmetic at the input and behind every convolution of a frozen graph.

    Args:
        graph_def: As ``constants.frozen_graph`` makes it; it is not changed.
        output: Its output tensor.

    Returns:
        The folded graph, its output tensor, and what was folded at the input.
    """
    graph = GraphEditor(graph_def, output)
    behind = sum(_fold_behind(graph, node) for node in list(graph.linear_nodes()))
    scale, offset = _fold_in_front(graph)
    for node in list(graph.linear_nodes()):
        if node.op == "MatMul":
            _fold_before_matrix(graph, node)
    # The bias that an offset became is added to the one that was there.
    for node in list(graph.linear_nodes()):
        _fold_behind(graph, node)
    _keep_one_bias(graph)
    _multiply_instead_of_negating(graph)
    folding = Folding(scale=scale, offset=offset, normalizations=behind)
    return *graph.to_graph_def(), folding


def _keep_one_bias(graph: GraphEditor) -> None:
    """Let only a constant that is added to a linear node be a bias; any other is a plain sum.

    Keras adds two tensors as a bias where one of them is one pixel of one image. tf2onnx 1.17
    moves every bias behind a convolution into it, also a second one: an operator that does not
    exist.
    """
    for node in graph.nodes.values():
        if node.op != "BiasAdd" or (
            "data_format" in node.attr and node.attr["data_format"].s != b"NHWC"
        ):
            continue
        biased = graph.nodes[producer(node.input[0])].op == "BiasAdd"
        if biased or not graph.is_constant(node.input[1]):
            node.op = "AddV2"
            node.attr.pop("data_format", None)


def _multiply_instead_of_negating(graph: GraphEditor) -> None:
    """Let ``-x`` be ``x * -1``, which is the same number; Keras's LayerNormalization negates.

    TFLite's converter (TensorFlow 2.21) has no int8 form of NEG, and leaves it in float32. But it
    knows GELU by ``Erfc`` of ``-x * sqrt(1/2)``.
    """
    known = set()
    for node in graph.nodes.values():
        if node.op == "Erfc":
            above = graph.nodes[producer(node.input[0])]
            known |= {above.name, *map(producer, above.input)}
    for node in list(graph.nodes.values()):
        if node.op != "Neg" or node.name in known:
            continue
        if node.attr["T"].type == tf.float32.as_datatype_enum:
            node.op = "Mul"
            node.input.append(graph.add_constant(f"{node.name}/minus_one", np.asarray(-1.0)))


def _fold_behind(graph: GraphEditor, linear: Any) -> int:
    """Fold the chain of per-channel arithmetic behind a linear node; return how many scales."""
    shape = graph.shape(linear.input[1])
    channels = _outputs(linear, shape)
    scale, offset = np.ones(channels), np.zeros(channels)
    last, scales = linear.name, 0
    while (node := graph.only_consumer(last)) is not None:
        step = affine(graph, node, last, channels)
        if step is None:
            break
        scale, offset = scale * step[0], offset * step[0] + step[1]
        scales += bool(np.any(step[0] != 1))
        last = node.name
    if last == linear.name:
        return 0
    if np.any(scale != 1):
        kernel = np.asarray(graph.constant(linear.input[1]), np.float64)
        places = shape[2:] if linear.op == "DepthwiseConv2dNative" else (channels,)
        if linear.op == "MatMul" and flag(linear, "transpose_b"):
            places = (channels, 1)
        kernel = kernel * scale.reshape(places)
        linear.input[1] = graph.add_constant(f"{linear.name}/kernel", kernel)
    if np.any(offset != 0):
        graph.replace(last, _add_bias(graph, linear, offset))
    else:
        graph.replace(last, linear.name)
    return scales


def _outputs(linear: Any, kernel: tuple[int, ...]) -> int:
    """Return the number of output channels of a linear node with a kernel of some shape."""
    if linear.op == "DepthwiseConv2dNative":
        return kernel[2] * kernel[3]
    if linear.op == "MatMul" and flag(linear, "transpose_b"):
        return kernel[0]
    return kernel[-1]


def _add_bias(graph: GraphEditor, linear: Any, offset: Vector) -> str:
    """Add a BiasAdd that reads ``linear``; the caller sends the readers of the old chain to it."""
    name = f"{linear.name}/bias_add"
    while name in graph.nodes:
        name += "_"
    bias = graph.add_constant(f"{linear.name}/bias", offset)
    node = tf.compat.v1.NodeDef(name=name, op="BiasAdd", input=[linear.name, bias])
    node.attr["T"].type = tf.float32.as_datatype_enum
    graph.nodes[name] = node
    return name


def _fold_in_front(graph: GraphEditor) -> tuple[bool, str]:
    """Fold the chain of per-channel arithmetic at the input into the first linear node."""
    image = graph.image
    shape = graph.nodes[image].attr["shape"].shape.dim
    last, scale, offset = affine_chain(graph, image, int(shape[-1].size))
    if last == image or np.any(scale == 0):
        return False, "none" if last == image else "kept"
    between, linear = _first_linear(graph, last, channels=len(scale))
    if linear is None:
        return False, "kept" if np.any(offset != 0) else "none"
    kernel = np.asarray(graph.constant(linear.input[1]), np.float64)
    folded = kernel * _on_inputs(linear, kernel, scale)
    linear.input[1] = graph.add_constant(f"{linear.name}/kernel", folded)
    if np.all(offset == 0):
        graph.replace(last, image)
        return True, "none"
    padded = "Pad" in between or (linear.op != "MatMul" and linear.attr["padding"].s != b"VALID")
    if not padded:
        graph.replace(last, image)
        bias = _bias_of(linear, kernel * _on_inputs(linear, kernel, offset))
        _insert_bias(graph, linear, bias)
        return True, "bias"
    name = "image/centred"
    centre = graph.add_constant("image/centre", offset / scale)
    node = tf.compat.v1.NodeDef(name=name, op="AddV2", input=[image, centre])
    node.attr["T"].type = tf.float32.as_datatype_enum
    graph.nodes[name] = node
    graph.replace(last, name)
    return True, "kept"


def _fold_before_matrix(graph: GraphEditor, matrix: Any) -> None:
    """Fold the per-channel arithmetic in front of a matrix product, also before a flattening."""
    rows = graph.shape(matrix.input[1])[1 if flag(matrix, "transpose_b") else 0]
    scale, offset = np.ones(rows), np.zeros(rows)
    name, flattened, found = producer(matrix.input[0]), False, False
    while graph.only_consumer(name) is not None:
        node = graph.nodes[name]
        if node.op == "Reshape" and _flattens(graph, node) and not flattened:
            name, flattened = producer(node.input[0]), True
            continue
        step = _step(graph, node, rows)
        if step is None or flag(matrix, "transpose_a"):
            break
        source, inner_scale, inner_offset = step
        scale, offset = scale * inner_scale, scale * inner_offset + offset
        graph.replace(name, source)
        name, found = producer(source), True
    if found:
        kernel = np.asarray(graph.constant(matrix.input[1]), np.float64)
        folded = kernel * _on_inputs(matrix, kernel, scale)
        matrix.input[1] = graph.add_constant(f"{matrix.name}/kernel", folded)
        if np.any(offset != 0):
            bias = _bias_of(matrix, kernel * _on_inputs(matrix, kernel, offset))
            _insert_bias(graph, matrix, bias)


def _step(graph: GraphEditor, node: Any, rows: int) -> tuple[str, Vector, Vector] | None:
    """Read a node as per-channel arithmetic on one tensor, repeated for the rows of a matrix."""
    if node.op not in ARITHMETIC and node.op != "FusedBatchNormV3":
        return None
    constants = [graph.constant(tensor) for tensor in node.input]
    computed = [
        tensor for tensor, value in zip(node.input, constants, strict=True) if value is None
    ]
    if len(computed) != 1:
        return None
    # Flattened NHWC: the channel varies fastest.
    channels = max(
        (value.shape[-1] for value in constants if value is not None and value.ndim), default=1
    )
    if rows % channels:
        return None
    step = affine(graph, node, producer(computed[0]), channels)
    return (
        None if step is None else (computed[0], *(np.tile(part, rows // channels) for part in step))
    )


def _first_linear(graph: GraphEditor, last: str, *, channels: int) -> tuple[list[str], Any | None]:
    """Walk from the normalization to the first linear node, over zero padding and reshapes.

    A scale passes both: padded zeros stay zero, and a reshape only needs the scale repeated. A
    grouped convolution is not one of them: its kernel does not see every channel.
    """
    between: list[str] = []
    while (node := graph.only_consumer(last)) is not None:
        if node.op in LINEAR and producer(node.input[0]) == last:
            if not graph.is_constant(node.input[1]) or flag(node, "transpose_a"):
                return between, None
            nhwc = node.op == "MatMul" or node.attr["data_format"].s == b"NHWC"
            grouped = node.op == "Conv2D" and graph.shape(node.input[1])[2] != channels
            return between, node if nhwc and not grouped else None
        if node.op in _PADDING and _pads_with_zero(graph, node):
            between.append("Pad")
        elif node.op == "Reshape" and _flattens(graph, node):
            between.append("Reshape")
        else:
            return between, None
        last = node.name
    return between, None


def _pads_with_zero(graph: GraphEditor, node: Any) -> bool:
    if len(node.input) < 3:
        return True
    value = graph.constant(node.input[2])
    return value is not None and not np.any(value)


def _flattens(graph: GraphEditor, node: Any) -> bool:
    shape = graph.constant(node.input[1])
    return shape is not None and len(shape) == 2


def _on_inputs(linear: Any, kernel: Array, per_channel: Vector) -> Array:
    """Repeat a value per input channel so that it multiplies the kernel."""
    if linear.op != "MatMul":
        return per_channel.reshape((1, 1, -1, 1))
    transposed = flag(linear, "transpose_b")
    # Flattened NHWC: the channel varies fastest.
    rows = kernel.shape[1 if transposed else 0]
    repeated = np.tile(per_channel, rows // len(per_channel))
    return repeated.reshape((1, -1) if transposed else (-1, 1))


def _bias_of(linear: Any, products: Array) -> Vector:
    """Sum what a constant input adds to each output channel."""
    if linear.op == "MatMul":
        total = products.sum(axis=1 if flag(linear, "transpose_b") else 0)
    elif linear.op == "DepthwiseConv2dNative":
        total = products.sum(axis=(0, 1)).reshape(-1)
    else:
        total = products.sum(axis=(0, 1, 2))
    return np.asarray(total, np.float64)


def _insert_bias(graph: GraphEditor, linear: Any, bias: Vector) -> None:
    name = _add_bias(graph, linear, bias)
    graph.replace(linear.name, name)
    graph.nodes[name].input[0] = linear.name

"""Small ONNX files made of parts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, helper, numpy_helper

FLOAT = TensorProto.FLOAT


def end(name: str, shape: Sequence[int | str | None] | None, kind: int = FLOAT) -> Any:
    """Return an input or output; a text or None as a size leaves it open."""
    return helper.make_tensor_value_info(name, kind, shape)


def constant(name: str, values: ArrayLike) -> TensorProto:
    """Return a constant."""
    return numpy_helper.from_array(np.asarray(values), name)


def weight(name: str, *shape: int) -> TensorProto:
    """Return seeded float32 weights."""
    return constant(name, np.random.default_rng(7).normal(size=shape).astype(np.float32))


def model(
    nodes: Sequence[NodeProto],
    inputs: Sequence[Any],
    outputs: Sequence[Any],
    constants: Sequence[TensorProto] = (),
    *,
    opset: int = 17,
    ir_version: int = 8,
    **graph: Any,
) -> ModelProto:
    """Return a model of one graph."""
    made: GraphProto = helper.make_graph(nodes, "g", inputs, outputs, constants, **graph)
    return helper.make_model(
        made,
        opset_imports=[helper.make_opsetid("", opset)],
        ir_version=ir_version,
        producer_name="test",
        producer_version="1",
    )


def float_cnn() -> ModelProto:
    """A classifier with no shapes between its ends: 8 x 8 x 3 (NHWC) to 5 scores.

    4 filters of 3 x 3 with stride 2, pooling, dense: 4*4*4*27 + 16*5 = 1,808
    multiply-accumulates, 108 + 4 + 80 + 5 = 197 parameters.
    """
    node = helper.make_node
    return model(
        [
            node("Transpose", ["x"], ["t"], perm=[0, 3, 1, 2]),
            node("Conv", ["t", "w", "b"], ["c"], pads=[1, 1, 1, 1], strides=[2, 2]),
            node("Relu", ["c"], ["r"]),
            node("MaxPool", ["r"], ["p"], kernel_shape=[2, 2], strides=[2, 2]),
            node("Flatten", ["p"], ["f"]),
            node("Gemm", ["f", "g", "gb"], ["l"], transB=1),
            node("Softmax", ["l"], ["y"]),
        ],
        [end("x", [1, 8, 8, 3])],
        [end("y", [1, 5])],
        [weight("w", 4, 3, 3, 3), weight("b", 4), weight("g", 5, 16), weight("gb", 5)],
    )


def qdq_cnn() -> ModelProto:
    """A quantized convolution and product, QDQ form, 1 x 3 x 6 x 6 to 2 scores.

    4 filters of 1 x 1 per channel, then 144 to 2: 6*6*4*3 + 144*2 = 720 multiply-accumulates,
    12 + 4 + 288 = 304 parameters.
    """
    node = helper.make_node
    constants = [
        constant("xs", np.float32(0.5)),
        constant("xz", np.uint8(128)),
        constant("w", np.ones((4, 3, 1, 1), np.int8)),
        constant("ws", np.array([0.1, 0.2, 0.3, 0.4], np.float32)),
        constant("wz", np.zeros(4, np.int8)),
        constant("b", np.zeros(4, np.int32)),
        constant("bs", np.array([0.05, 0.1, 0.15, 0.2], np.float32)),
        constant("bz", np.zeros(4, np.int32)),
        constant("m", np.ones((144, 2), np.int8)),
        constant("ms", np.float32(0.25)),
        constant("mz", np.int8(0)),
    ]
    nodes = [
        node("QuantizeLinear", ["x", "xs", "xz"], ["xq"]),
        node("DequantizeLinear", ["xq", "xs", "xz"], ["xd"]),
        node("DequantizeLinear", ["w", "ws", "wz"], ["wd"], axis=0),
        node("DequantizeLinear", ["b", "bs", "bz"], ["bd"], axis=0),
        node("Conv", ["xd", "wd", "bd"], ["c"]),
        node("QuantizeLinear", ["c", "xs", "xz"], ["cq"]),
        node("DequantizeLinear", ["cq", "xs", "xz"], ["cd"]),
        node("Flatten", ["cd"], ["f"]),
        node("QuantizeLinear", ["f", "xs", "xz"], ["fq"]),
        node("DequantizeLinear", ["fq", "xs", "xz"], ["fd"]),
        node("DequantizeLinear", ["m", "ms", "mz"], ["md"]),
        node("MatMul", ["fd", "md"], ["y"]),
    ]
    return model(nodes, [end("x", [1, 3, 6, 6])], [end("y", [1, 2])], constants)

"""The two networks whose multiply-accumulates are published, as graphs without sense in them."""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, helper

from graph.onnx_files import constant, end, model
from graph.tflite_files import File, Part, Step, options

SEED_CNN_MACS = 23_876_608
SEED_CNN_PARAMETERS = 1_676_842
RESNET_8_MACS = 12_501_632


class _Net:
    """Collects layers; weights are zeros."""

    def __init__(self) -> None:
        self.nodes: list[NodeProto] = []
        self.constants: list[TensorProto] = []

    def zeros(self, *shape: int) -> str:
        name = f"w{len(self.constants)}"
        self.constants.append(constant(name, np.zeros(shape, np.float32)))
        return name

    def add(self, kind: str, inputs: list[str], **attributes: Any) -> str:
        name = f"t{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [name], **attributes))
        return name

    def conv(self, x: str, shape: tuple[int, int, int, int], stride: int = 1, pad: int = 1) -> str:
        inputs = [x, self.zeros(*shape), self.zeros(shape[0])]
        return self.add("Conv", inputs, strides=[stride] * 2, pads=[pad] * 4)

    def model(self, y: str, classes: int, **settings: Any) -> ModelProto:
        self.nodes.append(helper.make_node("Identity", [y], ["y"]))
        ends = [end("x", [1, 3, 32, 32])], [end("y", [1, classes])]
        return model(self.nodes, *ends, self.constants, **settings)


def seed_cnn_onnx() -> ModelProto:
    """The notebook's network."""
    net = _Net()
    x = net.conv(net.conv("x", (32, 3, 3, 3)), (32, 32, 3, 3))
    x = net.add("MaxPool", [x], kernel_shape=[2, 2], strides=[2, 2])
    x = net.conv(net.conv(x, (64, 32, 3, 3)), (64, 64, 3, 3), pad=0)
    x = net.add("MaxPool", [x], kernel_shape=[2, 2], strides=[2, 2])
    x = net.add("Flatten", [x])
    x = net.add("Gemm", [x, net.zeros(3136, 512), net.zeros(512)])
    return net.model(net.add("Gemm", [x, net.zeros(512, 10), net.zeros(10)]), 10)


def resnet_8_onnx() -> ModelProto:
    """MLPerf Tiny's image classification network, batch normalization folded."""
    net = _Net()
    x = net.conv("x", (16, 3, 3, 3))
    for before, after, stride in ((16, 16, 1), (16, 32, 2), (32, 64, 2)):
        inner = net.conv(net.conv(x, (after, before, 3, 3), stride), (after, after, 3, 3))
        if stride > 1:
            x = net.conv(x, (after, before, 1, 1), stride, pad=0)
        x = net.add("Add", [inner, x])
    x = net.add("Flatten", [net.add("GlobalAveragePool", [x])])
    return net.model(net.add("Gemm", [x, net.zeros(64, 10), net.zeros(10)]), 10)


def seed_cnn_tflite() -> File:
    """The notebook's network in int8, without its pooling (TFLite files state their shapes)."""
    scale: dict[str, Any] = {"scales": [0.1]}
    parts = [Part("x", (1, 32, 32, 3), "int8", **scale)]
    steps = []
    layers = [
        ("CONV_2D", (32, 3, 3, 3), (1, 32, 32, 32)),
        ("CONV_2D", (32, 3, 3, 32), (1, 32, 32, 32)),
        ("MAX_POOL_2D", None, (1, 16, 16, 32)),
        ("CONV_2D", (64, 3, 3, 32), (1, 16, 16, 64)),
        ("CONV_2D", (64, 3, 3, 64), (1, 14, 14, 64)),
        ("MAX_POOL_2D", None, (1, 7, 7, 64)),
        ("FULLY_CONNECTED", (512, 3136), (1, 512)),
        ("FULLY_CONNECTED", (10, 512), (1, 10)),
    ]
    for index, (name, kernel, shape) in enumerate(layers):
        inputs = [parts[0].name if index == 0 else f"t{index - 1}"]
        if kernel is not None:
            weights, bias = np.zeros(kernel, np.int8), np.zeros(kernel[0], np.int32)
            parts.append(Part(f"w{index}", kernel, "int8", weights, **scale))
            parts.append(Part(f"b{index}", kernel[:1], "int32", bias, **scale))
            inputs += [f"w{index}", f"b{index}"]
        parts.append(Part(f"t{index}", shape, "int8", **scale))
        steps.append(Step(name, inputs, [f"t{index}"], options=options("Conv2DOptions")))
    return File(parts, steps, ["x"], [f"t{len(layers) - 1}"])

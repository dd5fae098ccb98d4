"""The classifier of ``brightness`` as ONNX, in the forms that exporters give one network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from convert.brightness import _LUMINANCE, _SCORES, SIDE
from edgecnn.convert.graph.onnx_core import core_of


@dataclass(frozen=True, kw_only=True)
class Form:
    """How the network is written.

    Attributes:
        opset: Of its operators.
        nchw: Whether it takes channels first.
        batch: 1, or a name for an open one.
        side: Height and width; a name for open ones.
        half: Whether it is float16, its ends too.
        as_inputs: Whether its weights are inputs as well, as before IR version 4.
        kernel: Side of the first kernel, which is zero but for its middle; padded if above 1.
        unfused: Whether a batch normalization is left behind the convolution.
        mean: What it subtracts first, three numbers, and ...
        std: ... what it divides by then; empty for nothing.
        softmax: Whether it answers with probabilities.
        folded: False to leave the arithmetic on shapes of PyTorch's old exporter in it.
        strange: An operator that Keras has none for, behind the convolution.
    """

    opset: int = 17
    nchw: bool = True
    batch: int | str = 1
    side: int | str = SIDE
    half: bool = False
    as_inputs: bool = False
    kernel: int = 1
    unfused: bool = False
    mean: Sequence[float] = ()
    std: Sequence[float] = ()
    softmax: bool = True
    folded: bool = True
    strange: bool = False


def network(form: Form) -> Any:
    """Return the network as a ModelProto; it takes pixels in -1..1, or what ``mean`` says."""
    kind = np.float16 if form.half else np.float32
    proto = TensorProto.FLOAT16 if form.half else TensorProto.FLOAT
    weights: dict[str, Any] = {}
    nodes: list[Any] = []

    def add(op: str, *inputs: str, to: str, **attributes: Any) -> str:
        nodes.append(helper.make_node(op, inputs, [to], name=f"{op}_{len(nodes)}", **attributes))
        return to

    def weight(name: str, value: Any, dtype: Any = kind) -> str:
        weights[name] = numpy_helper.from_array(np.asarray(value, dtype), name)
        return name

    at = "pixels"
    if not form.nchw:
        at = add("Transpose", at, to="moved", perm=[0, 3, 1, 2])
    if form.mean:
        at = add("Sub", at, weight("mean", np.reshape(form.mean, (1, 3, 1, 1))), to="centred")
        at = add("Div", at, weight("std", np.reshape(form.std, (1, 3, 1, 1))), to="normalized")
    size, middle = form.kernel, form.kernel // 2
    kernel = np.zeros((2, 3, size, size))
    kernel[0, :, middle, middle], kernel[1, :, middle, middle] = _LUMINANCE, np.negative(_LUMINANCE)
    halves = [at, weight("halves", kernel * (4 if form.unfused else 1))]
    if not form.unfused:
        halves.append(weight("none", np.zeros(2)))
    at = add("Conv", *halves, to="halved", kernel_shape=[size, size], pads=[middle] * 4)
    if form.unfused:
        statistics = [("gamma", [0.5, 0.5]), ("beta", [0.25, -0.125]), ("average", [1.0, -0.5])]
        # gamma / sqrt(variance + epsilon) is 1/4, so the network stays as it is.
        names = [weight(name, value) for name, value in statistics]
        names.append(weight("variance", [4 - 1e-3, 4 - 1e-3]))
        at = add("BatchNormalization", at, *names, to="bn", epsilon=1e-3)
    if form.strange:
        at = add("Acosh", add("Cosh", add("Relu", at, to="half"), to="cosh"), to="relu")
    else:
        at = add("Relu", at, to="relu")
    at = add("GlobalAveragePool", at, to="pooled")
    if form.folded:
        at = add("Flatten", at, to="flat", axis=1)
    else:
        rows = add("Gather", add("Shape", at, to="shape"), weight("zero", 0, np.int64), to="rows")
        if form.opset < 13:
            rows = add("Unsqueeze", rows, to="first", axes=[0])
        else:
            rows = add("Unsqueeze", rows, weight("axes", [0], np.int64), to="first")
        wanted = add("Concat", rows, weight("rest", [-1], np.int64), to="wanted", axis=0)
        at = add("Reshape", at, wanted, to="flat")
    matrix = np.asarray([pair for pair, _ in _SCORES])
    biases = weight("biases", [bias for _, bias in _SCORES])
    at = add("Gemm", at, weight("matrix", matrix), biases, to="logits", transB=1)
    if form.softmax:
        at = add("Softmax", at, to="answer", axis=1)
    sides = [3, form.side, form.side] if form.nchw else [form.side, form.side, 3]
    inputs = [helper.make_tensor_value_info("pixels", proto, [form.batch, *sides])]
    if form.as_inputs:
        inputs += [
            helper.make_tensor_value_info(name, tensor.data_type, list(tensor.dims))
            for name, tensor in weights.items()
        ]
    outputs = [helper.make_tensor_value_info(at, proto, [form.batch, 3])]
    graph = helper.make_graph(nodes, "main", inputs, outputs, list(weights.values()))
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", form.opset)], producer_name="pytorch"
    )
    model.ir_version = 3 if form.as_inputs else max(6, min(10, model.ir_version))
    onnx.checker.check_model(model)
    return model


def written(form: Form, path: Path, *, external: bool = False) -> Path:
    """Write the network to a file; ``external`` keeps its weights in ``weights.bin`` beside it."""
    model = network(form)
    if external:
        onnx.save(model, path, save_as_external_data=True, location="weights.bin", size_threshold=0)
    else:
        onnx.save(model, path)
    return path


def core(form: Form) -> Any:
    """Return the network as it is brought to one form."""
    shape = (1, 3, SIDE, SIDE) if form.nchw else (1, SIDE, SIDE, 3)
    return core_of(network(form), shape)

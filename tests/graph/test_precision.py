"""Naming the arithmetic of a file."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import ModelProto, TensorProto, helper

from edgecnn.modelfile import read_graph
from edgecnn.modelfile.precision import Precision, find_precision
from graph.onnx_files import constant, end, float_cnn, model, qdq_cnn
from graph.tflite_files import File, Part, Step, float_dense, integer_cnn, options

node = helper.make_node


def of_tflite(file: File) -> Precision:
    return find_precision(read_graph(file.data()))


def of_onnx(made: ModelProto) -> Precision:
    return find_precision(read_graph(made.SerializeToString()))


def halves() -> File:
    file = float_dense(np.ones((2, 3), np.float16), name="half", dtype="float16")
    file.parts = [*file.parts, Part("w", (2, 3))]
    file.steps = [Step("DEQUANTIZE", ["half"], ["w"]), *file.steps]
    return file


def sixteen_by_eight() -> File:
    file = integer_cnn()
    for part in file.parts:
        if part.data is None:
            part.dtype = "int16"
    return file


def hybrid() -> File:
    return float_dense(np.ones((2, 3), np.int8), dtype="int8", scales=[0.1, 0.2])


def hybrid_with_a_float_layer() -> File:
    file = hybrid()
    file.parts = [*file.parts, Part("v", (2, 2), data=np.ones((2, 2), "f4")), Part("z", (1, 2))]
    file.steps = [*file.steps, Step("FULLY_CONNECTED", ["y", "v", ""], ["z"])]
    file.outputs = ["z"]
    return file


def no_products() -> File:
    parts = [Part("x", (1,)), Part("y", (1,))]
    return File(parts, [Step("ABS", ["x"], ["y"])], ["x"], ["y"])


@pytest.mark.parametrize(
    ("file", "name", "per_channel"),
    [
        (float_dense(), "fp32", None),
        (halves(), "fp16", None),
        (integer_cnn(), "int8", True),
        (sixteen_by_eight(), "int16x8", True),
        (hybrid(), "int8-dynamic", True),
        (hybrid_with_a_float_layer(), "int8-dynamic", True),
        (
            File([Part("x", (1,)), Part("y", (1,))], [Step("ABS", ["x"], ["y"])], ["x"], ["y"]),
            "none",
            None,
        ),
    ],
    ids=["fp32", "fp16", "int8", "int16x8", "dynamic", "dynamic and float", "no products"],
)
def test_names_tflite_precisions(file: File, name: str, per_channel: bool | None) -> None:
    assert of_tflite(file) == Precision(name=name, per_channel=per_channel)


@pytest.mark.parametrize(
    ("filters", "scales", "per_channel"),
    [(4, [0.01], False), (4, [0.01, 0.02, 0.03, 0.04], True), (1, [0.01], True)],
    ids=["one scale", "a scale each", "one channel"],
)
def test_every_convolution_has_to_have_a_scale_for_each_channel(
    filters: int, scales: list[float], per_channel: bool
) -> None:
    file = integer_cnn()
    kernel = np.ones((filters, 1, 1, 4), np.int8)
    file.parts = [
        *file.parts,
        Part("second", kernel.shape, "int8", kernel, scales=scales),
        Part("again", (1, 4, 4, filters), "int8", scales=[0.02]),
    ]
    conv = options("Conv2DOptions", strideW=1, strideH=1, dilationWFactor=1, dilationHFactor=1)
    file.steps = [*file.steps, Step("CONV_2D", ["pool", "second", ""], ["again"], 3, conv)]
    assert of_tflite(file) == Precision(name="int8", per_channel=per_channel)


def test_an_operator_without_outputs_has_no_channels() -> None:
    made = model(
        [
            node("DequantizeLinear", ["w", "s"], ["d"]),
            node("Einsum", ["x", "d"], [], equation="ij,jk->ik"),
            node("Identity", ["x"], ["y"]),
        ],
        [end("x", [1, 2])],
        [end("y", [1, 2])],
        [constant("w", np.ones((2, 3), np.uint8)), constant("s", np.float32(0.1))],
    )
    assert of_onnx(made).per_channel is False


def test_integers_with_a_float_layer_are_mixed() -> None:
    file = integer_cnn()
    file.parts = [
        *file.parts,
        Part("real", (1, 5)),
        Part("v", (2, 5), data=np.ones((2, 5), np.float32)),
        Part("end", (1, 2)),
    ]
    file.steps = [
        *file.steps,
        Step("DEQUANTIZE", ["answer"], ["real"]),
        Step("FULLY_CONNECTED", ["real", "v", ""], ["end"]),
    ]
    assert of_tflite(file).name == "int8-mixed"


def test_names_onnx_precisions() -> None:
    assert of_onnx(float_cnn()) == Precision(name="fp32", per_channel=None)
    assert of_onnx(qdq_cnn()) == Precision(name="int8", per_channel=True)


def test_names_half_precision_onnx() -> None:
    kind = TensorProto.FLOAT16
    made = model(
        [node("MatMul", ["x", "w"], ["y"])],
        [end("x", [1, 2], kind)],
        [end("y", [1, 3], kind)],
        [constant("w", np.ones((2, 3), np.float16))],
    )
    assert of_onnx(made) == Precision(name="fp16", per_channel=None)


def test_names_dynamic_onnx() -> None:
    made = model(
        [
            node("DynamicQuantizeLinear", ["x"], ["q", "s", "z"]),
            node("MatMulInteger", ["q", "w", "z"], ["y"]),
        ],
        [end("x", [1, 2])],
        [end("y", [1, 3], TensorProto.INT32)],
        [constant("w", np.ones((2, 3), np.int8))],
    )
    assert of_onnx(made).name == "int8-dynamic"


def test_names_integer_weights_with_float_arithmetic() -> None:
    made = model(
        [node("DequantizeLinear", ["w", "s"], ["d"]), node("MatMul", ["x", "d"], ["y"])],
        [end("x", [1, 2])],
        [end("y", [1, 3])],
        [constant("w", np.ones((2, 3), np.uint8)), constant("s", np.float32(0.1))],
    )
    assert of_onnx(made) == Precision(name="int8-weights", per_channel=False)

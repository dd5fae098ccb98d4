"""Telling integer arithmetic from real arithmetic."""

from __future__ import annotations

import numpy as np
from onnx import TensorProto, helper

from edgecnn.graph import check_integer, read_graph
from graph.onnx_files import end, float_cnn, model, qdq_cnn
from graph.tflite_files import File, Part, Step, float_dense, integer_cnn, options


def test_an_integer_file_has_no_offenders() -> None:
    assert check_integer(read_graph(integer_cnn().data())) == []


def test_float_ends_with_conversions_at_them_are_allowed() -> None:
    file = integer_cnn()
    file.parts[0].dtype, file.parts[0].scales = "float32", []
    file.parts[-1].dtype, file.parts[-1].scales = "float32", []
    file.steps[-1].name = "DEQUANTIZE"
    file.steps[-1].options = options("DequantizeOptions")
    assert check_integer(read_graph(file.data())) == []


def test_a_softmax_between_dequantize_and_quantize_is_named_with_both() -> None:
    file = integer_cnn()
    file.parts = [*file.parts, Part("real", (1, 5)), Part("soft", (1, 5))]
    file.steps = [
        *file.steps[:5],
        Step("DEQUANTIZE", ["logits"], ["real"]),
        Step("SOFTMAX", ["real"], ["soft"]),
        Step("QUANTIZE", ["soft"], ["scores"]),
        file.steps[6],
    ]
    assert check_integer(read_graph(file.data())) == [
        "DEQUANTIZE (operator 5)",
        "SOFTMAX (operator 6)",
        "QUANTIZE (operator 7)",
    ]


def test_a_float_file_offends_everywhere() -> None:
    assert check_integer(read_graph(float_dense().data())) == ["FULLY_CONNECTED (operator 0)"]


def test_half_precision_weights_offend() -> None:
    file = float_dense(np.ones((2, 3), np.float16), name="half", dtype="float16")
    file.parts = [*file.parts, Part("w", (2, 3))]
    file.steps = [Step("DEQUANTIZE", ["half"], ["w"]), *file.steps]
    assert check_integer(read_graph(file.data())) == [
        "DEQUANTIZE (operator 0)",
        "FULLY_CONNECTED (operator 1)",
    ]


def test_custom_operators_offend_whatever_their_tensors() -> None:
    parts = [Part("x", (1, 2), "int8", scales=[1]), Part("y", (1, 2), "int8", scales=[1])]
    step = Step("CUSTOM", ["x"], ["y"], custom="FlexThing")
    graph = read_graph(File(parts, [step], ["x"], ["y"]).data())
    assert check_integer(graph) == ["FlexThing (operator 0)"]


def test_a_qdq_file_has_no_offenders() -> None:
    assert check_integer(read_graph(qdq_cnn().SerializeToString())) == []


def test_a_product_without_dequantized_factors_offends() -> None:
    made = qdq_cnn()
    made.graph.node[11].input[0] = "f"  # the flattened real numbers, not their integers
    assert check_integer(read_graph(made.SerializeToString())) == ["MatMul (operator 11)"]
    offenders = check_integer(read_graph(float_cnn().SerializeToString()))
    assert offenders == ["Conv (operator 1)", "Gemm (operator 5)"]


def test_integer_operators_of_onnx_do_not_offend() -> None:
    kinds = TensorProto.UINT8, TensorProto.INT32
    made = model(
        [helper.make_node("MatMulInteger", ["a", "b"], ["y"])],
        [end("a", [2, 3], kinds[0]), end("b", [3, 4], kinds[0])],
        [end("y", [2, 4], kinds[1])],
    )
    assert check_integer(read_graph(made.SerializeToString())) == []

"""Telling integer arithmetic from real arithmetic."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from onnx import NodeProto, TensorProto, helper

from edgecnn.modelfile import check_integer, read_graph
from graph.onnx_files import constant, end, float_cnn, model, qdq_cnn
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
    names = [f"{name} (operator {index})" for index, name in enumerate(FLOAT_CNN)]
    assert offenders == [names[index] for index in (1, 2, 3, 5, 6)]  # all that computes


FLOAT_CNN = ("Transpose", "Conv", "Relu", "MaxPool", "Flatten", "Gemm", "Softmax")


def sandwich(*nodes: NodeProto, constants: Sequence[TensorProto] = ()) -> list[str]:
    """Check operators that turn xd, dequantized, into y; step and zero point are s and z."""
    before = [
        helper.make_node("QuantizeLinear", ["x", "s", "z"], ["xq"]),
        helper.make_node("DequantizeLinear", ["xq", "s", "z"], ["xd"]),
    ]
    after = helper.make_node("QuantizeLinear", ["y", "s", "z"], ["yq"])
    last = helper.make_node("DequantizeLinear", ["yq", "s", "z"], ["end"])
    made = model(
        [*before, *nodes, after, last], [end("x", [1, 4, 6, 6])], [end("end", None)],
        [constant("s", np.float32(0.1)), constant("z", np.uint8(3)), *constants],
    )  # fmt: skip
    return check_integer(read_graph(made.SerializeToString()))


@pytest.mark.parametrize("name", ["Tanh", "Softmax", "Relu", "LeakyRelu", "GlobalAveragePool"])
def test_one_operator_between_dequantize_and_quantize_does_not_offend(name: str) -> None:
    assert sandwich(helper.make_node(name, ["xd"], ["y"])) == []


def test_an_operator_that_reads_or_gives_real_numbers_is_named_with_its_neighbour() -> None:
    chain = [helper.make_node("Tanh", ["xd"], ["t"]), helper.make_node("Sigmoid", ["t"], ["y"])]
    assert sandwich(*chain) == ["Tanh (operator 2)", "Sigmoid (operator 3)"]


def test_a_real_constant_offends_as_a_factor_and_not_as_a_limit() -> None:
    number = constant("c", np.float32(2))
    scaled = helper.make_node("Mul", ["xd", "c"], ["y"])
    assert sandwich(scaled, constants=[number]) == ["Mul (operator 2)"]
    limited = helper.make_node("Clip", ["xd", "", "c"], ["y"])
    assert sandwich(limited, constants=[number]) == []


def test_moving_numbers_is_no_computing() -> None:
    moves = [
        helper.make_node("Transpose", ["xd"], ["t"], perm=[0, 2, 3, 1]),
        helper.make_node("Flatten", ["t"], ["y"]),
    ]
    assert sandwich(*moves) == []
    # But a product has to read integers itself: what ONNX Runtime fuses is the pair.
    weights = [constant("w", np.ones((144, 2), np.int8)), constant("wz", np.int8(0))]
    product = [
        moves[0],
        helper.make_node("Flatten", ["t"], ["f"]),
        helper.make_node("DequantizeLinear", ["w", "s", "wz"], ["wd"]),
        helper.make_node("MatMul", ["f", "wd"], ["y"]),
    ]
    assert sandwich(*product, constants=weights) == ["MatMul (operator 5)"]


def test_an_activation_belongs_to_the_product_before_it() -> None:
    weights = [constant("w", np.ones((2, 4, 1, 1), np.int8)), constant("wz", np.int8(0))]
    product = [
        helper.make_node("DequantizeLinear", ["w", "s", "wz"], ["wd"]),
        helper.make_node("Conv", ["xd", "wd"], ["c"]),
    ]
    relu = helper.make_node("Relu", ["c"], ["y"])
    assert sandwich(*product, relu, constants=weights) == []
    tanh = helper.make_node("Tanh", ["c"], ["y"])
    assert sandwich(*product, tanh, constants=weights) == ["Conv (operator 3)", "Tanh (operator 4)"]


def test_integer_operators_of_onnx_do_not_offend() -> None:
    kinds = TensorProto.UINT8, TensorProto.INT32
    made = model(
        [helper.make_node("MatMulInteger", ["a", "b"], ["y"])],
        [end("a", [2, 3], kinds[0]), end("b", [3, 4], kinds[0])],
        [end("y", [2, 4], kinds[1])],
    )
    assert check_integer(read_graph(made.SerializeToString())) == []

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnx.reference
from onnx import helper, numpy_helper

from edgecnn.convert.graph.onnx_graph import tidy


def test_shapes_are_inferred_under_the_models_own_opset() -> None:
    # From opset 18 on ReduceMean takes its axes as an input; under 13 it has no shape then.
    constants: dict[str, npt.NDArray[Any]] = {
        "axes": np.array([4], np.int64),
        "flat": np.array([1, 16], np.int64),
        "weight": np.ones((16, 3), np.float32),
    }
    graph = helper.make_graph(
        [
            helper.make_node("ReduceMean", ["x", "axes"], ["mean"], keepdims=0),
            helper.make_node("Transpose", ["mean"], ["nhwc"], perm=[0, 2, 3, 1]),
            helper.make_node("Reshape", ["nhwc", "flat"], ["row"]),
            helper.make_node("MatMul", ["row", "weight"], ["y"]),
        ],
        "g",
        [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1, 4, 2, 2, 5])],
        [helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1, 3])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])
    tidy(model, input_name="image", output_name="scores", ir_version=9)
    assert "Transpose" not in [node.op_type for node in model.graph.node]


def test_a_convolution_with_two_biases_gets_their_sum() -> None:
    constants: dict[str, npt.NDArray[Any]] = {
        "weight": np.ones((2, 3, 1, 1), np.float32),
        "bias": np.array([1, 2], np.float32),
        "second": np.array([0.5, -2], np.float32),
        "axes": np.array([2, 3], np.int64),
    }
    graph = helper.make_graph(
        [
            helper.make_node("Conv", ["x", "weight", "bias", "second"], ["hidden"]),
            helper.make_node("ReduceMean", ["hidden"], ["y"], axes=[2, 3], keepdims=0),
        ],
        "g",
        [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1, 3, 4, 4])],
        [helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1, 2])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    tidy(model, input_name="image", output_name="scores", ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    (scores,) = onnx.reference.ReferenceEvaluator(model).run(
        None, {"image": np.ones((1, 3, 4, 4), np.float32)}
    )
    np.testing.assert_allclose(np.asarray(scores, np.float32), np.array([[4.5, 3.0]]))
    assert len(model.graph.initializer) == 2

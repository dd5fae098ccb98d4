from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnx.reference
import pytest
from onnx import helper, numpy_helper

Array = npt.NDArray[Any]


def _kernels(**values: Array) -> Any:
    pytest.importorskip("tensorflow")
    from edgecnn.convert.graph.kernels import Kernels

    kernels = Kernels()
    kernels.values.update(values)
    return kernels


def _model(nodes: list[Any], kernel: Array, constants: dict[str, Array]) -> Any:
    graph = helper.make_graph(
        nodes,
        "g",
        [
            helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1, 3, 8, 8]),
            helper.make_tensor_value_info("kernel_1", onnx.TensorProto.FLOAT, kernel.shape),
        ],
        [helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1, 16, 6, 6])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])


def _conv(*, before: list[Any], read: str) -> list[Any]:
    return [*before, helper.make_node("Conv", ["x", read], ["y"])]


def test_what_rearranges_a_kernel_is_computed_and_the_numbers_come_back() -> None:
    kernel = np.random.default_rng(0).normal(size=(3, 3, 3, 16)).astype(np.float32)
    nodes = _conv(
        before=[
            helper.make_node("Reshape", ["kernel_1", "shape"], ["reshaped"]),
            helper.make_node("Transpose", ["reshaped"], ["oihw"], perm=[3, 2, 0, 1]),
        ],
        read="oihw",
    )
    model = _model(nodes, kernel, {"shape": np.array([3, 3, 0, -1], np.int64)})
    kernels = _kernels(kernel_1=kernel)
    assert kernels.leave_marks(model)
    assert [node.op_type for node in model.graph.node] == ["Conv"]
    assert [value.name for value in model.graph.input] == ["x"]
    mark = next(tensor for tensor in model.graph.initializer if tensor.name == "oihw")
    assert kernels.is_marked(mark)
    assert not mark.raw_data
    mark.name = model.graph.node[0].input[1] = "renamed"
    kernels.put_into(model)
    onnx.checker.check_model(model, full_check=True)
    image = np.random.default_rng(1).normal(size=(1, 3, 8, 8)).astype(np.float32)
    direct = helper.make_model(
        helper.make_graph(
            _conv(before=[], read="w"),
            "g",
            [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1, 3, 8, 8])],
            [helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1, 16, 6, 6])],
            [numpy_helper.from_array(np.ascontiguousarray(kernel.transpose(3, 2, 0, 1)), "w")],
        ),
        opset_imports=[helper.make_opsetid("", 17)],
    )
    (found,) = onnx.reference.ReferenceEvaluator(model).run(None, {"x": image})
    (expected,) = onnx.reference.ReferenceEvaluator(direct).run(None, {"x": image})
    np.testing.assert_array_equal(np.asarray(found), np.asarray(expected))


@pytest.mark.parametrize(
    "node",
    [
        helper.make_node("Mul", ["kernel_1", "two"], ["changed"]),
        helper.make_node("Cast", ["kernel_1"], ["changed"], to=onnx.TensorProto.FLOAT),
    ],
)
def test_what_computes_with_a_kernel_alone_has_to_see_it(node: Any) -> None:
    kernel = np.ones((16, 3, 3, 3), np.float32)
    model = _model(
        _conv(before=[node], read="changed"), kernel, {"two": np.asarray([2], np.float32)}
    )
    assert not _kernels(kernel_1=kernel).leave_marks(model)


def test_equal_kernels_are_one_input_and_what_others_read_stays() -> None:
    tf = pytest.importorskip("tensorflow")
    from edgecnn.convert.graph.constants import constant_node
    from edgecnn.convert.graph.kernels import Kernels

    kernel = np.random.default_rng(0).normal(size=(3, 3, 16, 16)).astype(np.float32)
    graph_def = tf.compat.v1.GraphDef()
    image = graph_def.node.add(name="image", op="Placeholder")
    image.attr["dtype"].type = tf.float32.as_datatype_enum
    for name, value in {
        "a": kernel,
        "b": kernel,
        "small": kernel[:1, :1],
        "also_added": kernel + 1,
    }.items():
        graph_def.node.append(constant_node(name, value))
        graph_def.node.add(name=f"conv_{name}", op="Conv2D", input=["image", name])
    graph_def.node.add(name="sum", op="AddV2", input=["conv_a", "also_added"])
    before = graph_def.SerializeToString(deterministic=True)
    kernels = Kernels()
    rest = {node.name: node for node in kernels.take_from(graph_def).node}
    assert graph_def.SerializeToString(deterministic=True) == before
    assert list(kernels.values) == ["kernel_1"]
    np.testing.assert_array_equal(kernels.values["kernel_1"], kernel)
    assert rest["conv_a"].input[1] == rest["conv_b"].input[1] == "kernel_1"
    assert rest["conv_small"].input[1] == "small"
    assert rest["conv_also_added"].input[1] == "also_added"
    assert rest["kernel_1"].op == "Placeholder"
    assert not {"a", "b"} & rest.keys()


def test_a_batch_normalization_behind_an_activation_becomes_arithmetic() -> None:
    # Keras 2 and TensorFlow write it as one operator, which no integers of ONNX compute.
    tf = pytest.importorskip("tensorflow")
    from edgecnn.convert.graph.deployable import deployable_of
    from edgecnn.convert.to_onnx import onnx_fp32

    chance = np.random.default_rng(5)
    kernel = tf.constant(chance.normal(0, 0.1, (3, 3, 3, 8)), tf.float32)
    scale, offset, mean = (chance.normal(0, 1, 8).astype(np.float32) for _ in range(3))
    variance = chance.uniform(0.5, 2, 8).astype(np.float32)
    last = tf.constant(chance.normal(0, 1, (8, 3)), tf.float32)

    def call(images: Any) -> Any:
        hidden = tf.nn.relu(tf.nn.conv2d(images / 255.0, kernel, 1, "SAME"))
        hidden = tf.raw_ops.FusedBatchNormV3(
            x=hidden, scale=scale, offset=offset, mean=mean, variance=variance, is_training=False
        )[0]
        return tf.reduce_mean(hidden, (1, 2)) @ last

    deployable = deployable_of(call, shape=(16, 16, 3), input_range="0..255")
    data = onnx_fp32(deployable, opset=17, ir_version=8)
    model = onnx.load_from_string(data)
    assert "BatchNormalization" not in {node.op_type for node in model.graph.node}
    assert len({node.name for node in model.graph.node} - {""}) == len(model.graph.node)
    pixels = chance.integers(0, 256, (1, 16, 16, 3)).astype(np.float32)
    (scores,) = onnx.reference.ReferenceEvaluator(model).run(None, {"image": pixels})
    assert np.abs(scores - call(tf.constant(pixels)).numpy()).max() < 1e-5

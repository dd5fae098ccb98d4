"""Layer normalization in int8: TFLite has no int8 negation, ONNX Runtime no int8 kernel for it."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from keras import layers
from onnx import TensorProto, helper, numpy_helper

from convert.networks import activated, pixels
from convert.test_payload import TOLERANCE, maker, names, run_onnx, run_tflite
from edgecnn.convert.to_onnx import onnx_int8
from edgecnn.modelfile import read_graph
from edgecnn.modelfile.precision import check_integer

SHAPE = (12, 10, 3)


@pytest.mark.slow
def test_tflite_int8_of_a_keras_layer_computes_with_integers_alone() -> None:
    model = activated(layers.LayerNormalization())
    images = pixels(20, SHAPE, seed=3)
    expected = model(images.astype(np.float32), training=False).numpy()
    shared = maker(model)
    for precision in ("fp32", "int8"):
        payload = shared.make(f"tflite-{precision}")
        assert "NEG" not in names(payload.graph)
        difference = np.abs(run_tflite(payload.data, images) - expected).max()
        assert difference < TOLERANCE[precision], precision


@pytest.mark.slow
def test_tflite_still_knows_an_exact_gelu() -> None:
    shared = maker(activated(layers.Activation("gelu")))
    for variant in ("tflite-fp32", "tflite-int8"):
        assert "GELU" in names(shared.make(variant).graph)


def normalizing(*, offset: bool = True) -> bytes:
    """Return a network of two layer normalizations with one scale, as exporters share constants."""
    random = np.random.default_rng(4)
    weights: dict[str, Any] = {
        "kernel": random.normal(0, 0.02, (8, 3, 3, 3)),
        "scale": random.uniform(0.5, 1.5, 8),
        "offset": random.normal(0, 0.3, 8),
        "dense": random.normal(0, 1, (8, 8)),
        "head": random.normal(0, 1, (8, 3)),
    }
    affine = ["scale", "offset"] if offset else ["scale"]
    nodes = [
        helper.make_node("Transpose", ["image"], ["moved"], "front", perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["moved", "kernel"], ["hidden"], "conv"),
        helper.make_node("Transpose", ["hidden"], ["last"], "back", perm=[0, 2, 3, 1]),
        helper.make_node("LayerNormalization", ["last", *affine], ["n"], "one", epsilon=1e-6),
        helper.make_node("MatMul", ["n", "dense"], ["d"], "dense"),
        helper.make_node("LayerNormalization", ["d", *affine], ["m"], "two", epsilon=1e-6),
        helper.make_node("ReduceMean", ["m"], ["mean"], "mean", axes=[1, 2], keepdims=0),
        helper.make_node("MatMul", ["mean", "head"], ["logits"], "head"),
        helper.make_node("Softmax", ["logits"], ["scores"], "softmax"),
    ]
    graph = helper.make_graph(
        nodes, "g",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, *SHAPE])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, [1, 3])],
        [numpy_helper.from_array(value.astype(np.float32), name)
         for name, value in weights.items() if name != "offset" or offset],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return bytes(model.SerializeToString())


@pytest.mark.parametrize("offset", [True, False], ids=["offset", "scale alone"])
def test_onnx_int8_keeps_scale_and_offset_in_float32_and_loads(offset: bool) -> None:
    source = normalizing(offset=offset)
    made = onnx_int8(source, pixels(30, SHAPE, seed=7))
    assert not check_integer(read_graph(made))
    model = onnx.load_from_string(made)
    held = {one.name: numpy_helper.to_array(one) for one in model.graph.initializer}
    given = {one.name: numpy_helper.to_array(one)
             for one in onnx.load_from_string(source).graph.initializer}  # fmt: skip
    found = [node for node in model.graph.node if node.op_type == "LayerNormalization"]
    assert len(found) == 2
    for node in found:
        for name, wanted in zip(node.input[1:], ["scale", "offset"], strict=False):
            np.testing.assert_array_equal(held[name], given[wanted])
    read = {name for node in model.graph.node for name in node.input}
    assert set(held) <= read  # nothing is left over
    images = pixels(20, SHAPE, seed=3)
    session = onnxruntime.InferenceSession(source, providers=["CPUExecutionProvider"])
    right = [session.run(None, {"image": one[None].astype(np.float32)})[0][0] for one in images]
    assert np.abs(run_onnx(made, images) - np.array(right)).max() < TOLERANCE["int8"]

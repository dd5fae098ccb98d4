"""Builds small ONNX graphs with random weights, and runs them by ONNX Runtime and by Keras."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from edgecnn.convert.source.onnx.graph import read_graph
from edgecnn.convert.source.onnx.importer import to_keras

Array = npt.NDArray[Any]
Weights = Mapping[str, Array]


def rng() -> np.random.Generator:
    return np.random.default_rng(11)


def model_of(
    nodes: Sequence[onnx.NodeProto],
    weights: Weights | None = None,
    *,
    shape: Sequence[Any] = (1, 4, 9, 11),
    opset: int = 17,
    output: str = "y",
    inputs: bool = False,
) -> bytes:
    """Return a model whose last tensor ``y`` is averaged to scores where it is an image.

    Args:
        nodes: From the tensor ``x`` to ``y``.
        weights: Initializers.
        shape: Of ``x``; a name is an open side.
        opset: Of the standard operators.
        output: The name of the scores.
        inputs: Whether the initializers are listed as inputs, too.
    """
    held = weights or {}
    given = [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)]
    if inputs:
        given += [
            helper.make_tensor_value_info(
                name, helper.np_dtype_to_tensor_dtype(value.dtype), value.shape
            )
            for name, value in held.items()
        ]
    graph = helper.make_graph(
        list(nodes),
        "small",
        given,
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, None)],
        [numpy_helper.from_array(value, name) for name, value in held.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    return bytes(model.SerializeToString())


def image_model(
    nodes: Sequence[onnx.NodeProto],
    weights: Weights | None = None,
    *,
    shape: Sequence[Any] = (1, 4, 9, 11),
    opset: int = 17,
) -> bytes:
    """Return a model whose ``y`` of any shape is flattened: every number of it is a score."""
    ends = [helper.make_node("Flatten", ["y"], ["scores"])]
    return model_of([*nodes, *ends], weights, shape=shape, opset=opset, output="scores")


def by_runtime(data: bytes, images: Array) -> Array:
    """Return what ONNX Runtime answers, an image at a time, shape (n, classes)."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return np.concatenate(
        [session.run(None, {name: image[None]})[0].reshape(1, -1) for image in images]
    )


def check_same(data: bytes, *, bound: float = 1e-5, images: Array | None = None) -> Any:
    """Assert that the imported model answers as ONNX Runtime; return the Keras model.

    Args:
        data: A model.
        bound: The largest difference, as a share of the largest score.
        images: In the model's own layout; None: random ones of both signs.
    """
    graph = read_graph(data)
    if images is None:
        images = rng().normal(size=(2, *graph.shapes[graph.input][1:])).astype(np.float32)
    right = by_runtime(data, images)
    model = to_keras(graph)
    pixels = images.transpose(0, 2, 3, 1) if graph.channels_first else images
    found = np.asarray(model(pixels, training=False))
    assert found.shape == right.shape
    assert np.isfinite(right).all()
    assert right.std() > 0
    assert np.abs(found - right).max() <= bound * np.abs(right).max()
    return model

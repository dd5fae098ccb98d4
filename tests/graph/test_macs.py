"""Multiply-accumulates against published counts and counts by hand."""

from __future__ import annotations

import numpy as np
import pytest

from edgecnn.modelfile import Shape, Tensor, read_graph
from edgecnn.modelfile.macs import onnx_macs, tflite_macs
from graph.networks import (
    RESNET_8_MACS,
    SEED_CNN_MACS,
    SEED_CNN_PARAMETERS,
    resnet_8_onnx,
    seed_cnn_onnx,
    seed_cnn_tflite,
)
from graph.tflite_files import File, Part, Step


def test_the_seed_cnn_has_the_notebooks_counts_in_onnx() -> None:
    graph = read_graph(seed_cnn_onnx().SerializeToString())
    assert (graph.macs, graph.parameters) == (SEED_CNN_MACS, SEED_CNN_PARAMETERS)


def test_the_seed_cnn_has_the_notebooks_counts_in_integer_tflite() -> None:
    graph = read_graph(seed_cnn_tflite().data())
    assert (graph.macs, graph.parameters) == (SEED_CNN_MACS, SEED_CNN_PARAMETERS)


def test_resnet_8_has_its_published_count() -> None:
    graph = read_graph(resnet_8_onnx().SerializeToString())
    assert (graph.macs, graph.parameters) == (RESNET_8_MACS, 77_706)


def tensors(*shapes: Shape | None) -> list[Tensor]:
    return [Tensor(name="", shape=shape, dtype="float32") for shape in shapes]


@pytest.mark.parametrize(
    ("name", "inputs", "output", "count"),
    [
        ("CONV_2D", [(1, 9, 9, 8), (6, 3, 3, 4)], (1, 7, 7, 6), 7 * 7 * 6 * 36),  # two groups
        ("DEPTHWISE_CONV_2D", [(1, 9, 9, 4), (1, 3, 3, 8)], (1, 7, 7, 8), 7 * 7 * 8 * 9),
        ("CONV_3D", [(1, 5, 5, 5, 2), (3, 3, 3, 2, 4)], (1, 3, 3, 3, 4), 27 * 4 * 54),
        ("TRANSPOSE_CONV", [(4,), (6, 3, 3, 4), (1, 5, 5, 4)], (1, 10, 10, 6), 25 * 4 * 54),
        ("FULLY_CONNECTED", [(2, 7), (5, 7)], (2, 5), 70),
        ("BATCH_MATMUL", [(3, 2, 7), (3, 7, 5)], (3, 2, 5), 210),
        ("BATCH_MATMUL", [(3, 7, 2), (3, 5, 7)], (3, 2, 5), 210),  # both transposed
        ("MAX_POOL_2D", [(1, 8, 8, 4)], (1, 4, 4, 4), 0),
        ("ADD", [(1, 8), (1, 8)], (1, 8), 0),
        ("LSTM", [(1, 8)], (1, 8), None),
    ],
)
def test_counts_tflite_operators(
    name: str, inputs: list[Shape], output: Shape, count: int | None
) -> None:
    assert tflite_macs(name, tensors(*inputs), tensors(output)) == count


@pytest.mark.parametrize(
    ("name", "inputs", "output", "count"),
    [
        ("Conv", [(1, 8, 9, 9), (6, 4, 3, 3)], (1, 6, 7, 7), 7 * 7 * 6 * 36),
        ("Conv", [(None, 8, 9), (6, 8, 3)], (None, 6, 7), 7 * 6 * 24),
        ("QLinearConv", [(1, 2, 4, 4), (), (), (3, 2, 1, 1)], (1, 3, 4, 4), 16 * 3 * 2),
        ("ConvTranspose", [(1, 4, 5, 5), (4, 6, 3, 3)], (1, 6, 10, 10), 25 * 4 * 54),
        ("Gemm", [(2, 7), (7, 5)], (2, 5), 70),
        ("Gemm", [None, (7, 5)], None, 35),  # rows not known count as open
        ("MatMul", [(4, 2, 7), (7, 5)], (4, 2, 5), 280),
        ("MatMul", [(7,), (7, 5)], (5,), 35),
        ("MatMul", [(2, 7), (7,)], (2,), 14),
        ("MatMul", [(0, 7), (7, 5)], (0, 5), 0),
        ("MatMul", [None, (7, 5)], None, 35),
        ("MatMul", [(2, 7), None], None, None),
        ("QLinearMatMul", [(2, 7), (), (), (7, 5)], (2, 5), 70),
        ("Conv", [None, (6, 4, 3, 3)], None, None),
        ("Relu", [None], None, 0),
        ("Attention", [None], None, None),
    ],
)
def test_counts_onnx_operators(
    name: str, inputs: list[Shape | None], output: Shape | None, count: int | None
) -> None:
    assert onnx_macs(name, tensors(*inputs), tensors(output), transposed=False) == count


def test_operators_that_are_not_counted_are_named() -> None:
    parts = [Part("x", (1, 4)), Part("y", (1, 4)), Part("w", (4, 4), data=np.ones((4, 4), "f4"))]
    graph = read_graph(File(parts, [Step("SVDF", ["x", "w"], ["y"])], ["x"], ["y"]).data())
    assert graph.operators[0].macs is None
    assert (graph.macs, graph.uncounted) == (0, ("SVDF",))

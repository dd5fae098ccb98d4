"""The network of the reference job in every variant."""

from __future__ import annotations

import numpy as np
import pytest

from edgecnn.build.reference import read_reference
from edgecnn.build.workspace import Workspace
from edgecnn.convert import Conversion, find_source, run
from edgecnn.data import Dataset, Images
from edgecnn.modelfile import check_integer, loads, read_graph
from edgecnn.quiet import captured_log
from edgecnn.recipe.load import VARIANTS, parse_recipe
from edgecnn_runner.session import Session

pytestmark = pytest.mark.slow

SHAPE = (32, 32, 3)


def random_images(name: str, count: int, seed: int) -> Images:
    random = np.random.default_rng(seed)
    return Images(
        pixels=random.integers(0, 256, (count, *SHAPE), np.uint8),
        labels=np.arange(count, dtype=np.int64) % 10,
        ids=tuple(f"{name}/{index}" for index in range(count)),
    )


DATA = Dataset(
    name="folder",
    class_names=tuple("abcdefghij"),
    train=random_images("train", 100, 1),
    validation=random_images("validation", 10, 2),
    test=random_images("test", 40, 3),
)

Built = tuple[Workspace, Conversion]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """All eight variants of the seed CNN with random weights."""
    from edgecnn.train.architectures import build_network

    folder = tmp_path_factory.mktemp("seed")
    network = build_network("seed_cnn", shape=SHAPE, classes=10, precision="float32", seed=1)
    assert network.count_params() == 1_676_842
    random = np.random.default_rng(4)
    for weight in network.weights:
        if weight.path.endswith("bias"):  # they start at zero, and would be dropped
            weight.assign(random.normal(0, 0.1, weight.shape))
    with captured_log():
        network.save(folder / "seed_cnn.keras")
    raw = {
        "model": {"name": "seed_cnn"},
        "convert": {"variants": list(VARIANTS)},
        "calibration": {"images": 50},
    }
    workspace = Workspace(folder / "build")
    source = find_source(folder / "seed_cnn.keras")
    return workspace, run(source, parse_recipe(raw, source="test"), workspace, DATA)


def test_all_eight_variants_load_and_follow_the_float_model(built: Built) -> None:
    workspace, result = built
    assert [row.status for row in result.rows] == ["made"] * 8
    reference = read_reference(workspace.path(Workspace.REFERENCE)).scores
    for row in result.rows:
        assert row.file is not None
        with Session.open(workspace.path(row.file)) as session:
            scores = session.predict(DATA.test.pixels)
        tolerance = 1e-5 if row.variant.endswith("fp32") else 0.03
        assert np.abs(scores - reference).max() < tolerance, row.variant


def test_a_scale_costs_nothing_and_int8_is_whole(built: Built) -> None:
    graph = read_graph(built[0].path("seed_cnn-int8.tflite"))
    assert [operator.name for operator in graph.operators] == [
        "QUANTIZE", "CONV_2D", "CONV_2D", "MAX_POOL_2D", "CONV_2D", "CONV_2D", "MAX_POOL_2D",
        "RESHAPE", "FULLY_CONNECTED", "FULLY_CONNECTED", "SOFTMAX", "QUANTIZE",
    ]  # fmt: skip
    assert check_integer(graph) == []
    onnx = read_graph(built[0].path("seed_cnn-fp32.onnx"))
    assert [operator.name for operator in onnx.operators] == [
        "Transpose", "Conv", "Relu", "Conv", "Relu", "MaxPool", "Conv", "Relu", "Conv", "Relu",
        "MaxPool", "Reshape", "Gemm", "Relu", "Gemm", "Softmax",
    ]  # fmt: skip


def test_the_last_tflite_runtime_loads_all_but_the_dynamic_one(built: Built) -> None:
    for row in built[1].rows:
        assert row.file is not None
        if row.variant.startswith("tflite"):
            graph = read_graph(built[0].path(row.file))
            refused = loads(graph, "tflite-runtime", "2.14.0")
            assert (refused is not None) == (row.variant == "tflite-int8-dynamic")

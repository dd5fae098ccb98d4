from __future__ import annotations

import random
import re
from pathlib import Path
from typing import get_args

import numpy as np
import pytest

from edgecnn.recipe.load import Architecture as ArchitectureName
from edgecnn.train.architectures import ARCHITECTURES, build_network


def test_the_registry_has_what_recipes_may_name() -> None:
    assert set(ARCHITECTURES) == set(get_args(ArchitectureName))


def test_seed_cnn_is_the_network_of_the_notebook() -> None:
    network = build_network("seed_cnn", shape=(32, 32, 3), classes=10, precision="float32", seed=0)
    assert network.count_params() == 1_676_842
    rows = [
        (type(layer).__name__, tuple(layer.output.shape[1:]), layer.count_params())
        for layer in network.layers
    ]
    assert rows == [
        ("InputLayer", (32, 32, 3), 0),
        ("Rescaling", (32, 32, 3), 0),
        ("Conv2D", (32, 32, 32), 896),
        ("Conv2D", (32, 32, 32), 9_248),
        ("MaxPooling2D", (16, 16, 32), 0),
        ("Dropout", (16, 16, 32), 0),
        ("Conv2D", (16, 16, 64), 18_496),
        ("Conv2D", (14, 14, 64), 36_928),
        ("MaxPooling2D", (7, 7, 64), 0),
        ("Dropout", (7, 7, 64), 0),
        ("Flatten", (3136,), 0),
        ("Dense", (512,), 1_606_144),
        ("Dropout", (512,), 0),
        ("Dense", (10,), 5_130),
    ]
    rates = [layer.rate for layer in network.layers if type(layer).__name__ == "Dropout"]
    assert rates == [0.25, 0.25, 0.5]
    activations = [
        layer.activation.__name__ for layer in network.layers if hasattr(layer, "activation")
    ]
    assert activations == ["relu"] * 5 + ["softmax"]


@pytest.mark.parametrize(
    ("name", "parameters"),
    [("resnet8", 78_666), ("wren", 226_570), ("finch", 226_570)],
)
def test_the_residual_networks_have_the_size_they_promise(name: str, parameters: int) -> None:
    network = build_network(name, shape=(32, 32, 3), classes=10, precision="float32", seed=0)
    assert network.count_params() == parameters


def test_resnet8_is_the_one_of_mlperf_tiny() -> None:
    network = build_network("resnet8", shape=(32, 32, 3), classes=10, precision="float32", seed=0)
    rows = [
        (layer.filters, layer.kernel_size, layer.strides, tuple(layer.output.shape[1:3]))
        for layer in network.layers
        if type(layer).__name__ == "Conv2D"
    ]
    three, one = (3, 3), (1, 1)
    assert sorted(rows) == sorted(
        [
            *[(16, three, (1, 1), (32, 32))] * 3,
            (32, three, (2, 2), (16, 16)),
            (32, three, (1, 1), (16, 16)),
            (32, one, (2, 2), (16, 16)),
            (64, three, (2, 2), (8, 8)),
            (64, three, (1, 1), (8, 8)),
            (64, one, (2, 2), (8, 8)),
        ]
    )


def test_the_factor_on_dropout_reaches_every_dropout() -> None:
    network = build_network(
        "seed_cnn", shape=(32, 32, 3), classes=10, precision="float32", seed=0, dropout=0.5
    )
    rates = [layer.rate for layer in network.layers if type(layer).__name__ == "Dropout"]
    assert rates == [0.125, 0.125, 0.25]


@pytest.mark.parametrize(
    ("shape", "parameters"), [((8, 8, 1), 9_930), ((32, 32, 3), 28_714), ((16, 16, 3), 19_466)]
)
def test_tiny_cnn_is_tiny(shape: tuple[int, int, int], parameters: int) -> None:
    network = build_network("tiny_cnn", shape=shape, classes=10, precision="float32", seed=0)
    assert network.count_params() == parameters


@pytest.mark.parametrize("name", ARCHITECTURES)
@pytest.mark.parametrize("channels", [1, 3])
def test_every_network_takes_its_smallest_images_and_odd_ones(name: str, channels: int) -> None:
    smallest = ARCHITECTURES[name].smallest_side
    for height, width in ((smallest, smallest), (smallest, 3 * smallest + 1), (37, 23)):
        network = build_network(
            name, shape=(height, width, channels), classes=3, precision="float32", seed=0
        )
        assert network.output_shape == (None, 3)


@pytest.mark.parametrize("precision", ["float32", "mixed_bfloat16"])
def test_scores_are_float32_probabilities_and_weights_float32(precision: str) -> None:
    network = build_network("tiny_cnn", shape=(8, 8, 3), classes=4, precision=precision, seed=0)
    pixels = np.random.default_rng(0).integers(0, 256, (5, 8, 8, 3), dtype=np.uint8)
    scores = np.asarray(network(pixels))
    assert scores.dtype == np.float32
    np.testing.assert_allclose(scores.sum(axis=1), 1, atol=1e-6)
    assert {str(weight.dtype) for weight in network.weights} == {"float32"}
    hidden = network.get_layer("conv1").compute_dtype
    assert hidden == ("bfloat16" if precision == "mixed_bfloat16" else "float32")


def test_bytes_and_floats_of_equal_value_give_equal_scores() -> None:
    network = build_network("tiny_cnn", shape=(8, 8, 3), classes=4, precision="float32", seed=0)
    pixels = np.random.default_rng(0).integers(0, 256, (5, 8, 8, 3), dtype=np.uint8)
    floats = pixels.astype(np.float32)
    np.testing.assert_array_equal(np.asarray(network(pixels)), np.asarray(network(floats)))


def test_the_seed_alone_decides_the_initial_weights() -> None:
    def weights(seed: int) -> list[np.ndarray]:
        network = build_network(
            "tiny_cnn", shape=(8, 8, 1), classes=3, precision="float32", seed=seed
        )
        return [np.asarray(weight) for weight in network.get_weights()]

    before = random.getstate()
    first, again, other = weights(3), weights(3), weights(4)
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first[0], other[0])
    # Layers of equal shape do not start equal.
    assert not np.array_equal(first[2].ravel()[:100], first[0].ravel()[:100])
    assert random.getstate() == before


def test_the_manuals_table_of_architectures_is_true() -> None:
    recipe = (Path(__file__).parents[2] / "toolchain/docs/recipe.md").read_text("utf-8")
    rows = re.findall(r"^\| `(\w+)` \| [^|]+ \| ([\d,]+) \|$", recipe, re.MULTILINE)
    found = {name: int(count.replace(",", "")) for name, count in rows}
    expected = {
        name: build_network(
            name, shape=(32, 32, 3), classes=10, precision="float32", seed=0
        ).count_params()
        for name in ARCHITECTURES
    }
    assert found == expected

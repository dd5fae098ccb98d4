"""The function that is converted gives the scores of the model it came from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from convert.networks import (
    CLASSES,
    averaging,
    dense,
    grouped,
    normalized,
    pixels,
    plain,
    randomized,
    residual,
)
from edgecnn.convert import find_source
from edgecnn.convert.graph.deployable import deployable_of, in_range
from edgecnn.convert.source.model import load_source
from edgecnn.errors import SourceModelError
from edgecnn.quiet import captured_log

pytestmark = pytest.mark.slow  # trains or converts whole networks

RANGES = ("0..255", "0..1", "-1..1", "imagenet")


def deployed(model: Any, input_range: str = "0..255") -> Any:
    return deployable_of(
        lambda images: model(images, training=False),
        shape=model.input_shape[1:],
        input_range=input_range,
    )


def operators(deployable: Any) -> list[str]:
    kept = [op.type for op in deployable.function.graph.get_operations()]
    return [name for name in kept if name not in ("Const", "Placeholder", "Identity", "NoOp")]


def largest_difference(model: Any, deployable: Any, input_range: str = "0..255") -> float:
    images = pixels(20, deployable.shape, seed=5).astype(np.float32)
    expected = model(in_range(images, input_range), training=False).numpy()
    # Logits of these networks reach some hundreds; probabilities are at most 1.
    scale = max(1, np.abs(expected).max())
    both = (deployable.scores(images), deployable.scores(images, folded=False))
    return float(max(np.abs(answers - expected).max() for answers in both) / scale)


@pytest.mark.parametrize("input_range", RANGES)
@pytest.mark.parametrize("padding", ["same", "valid"])
def test_folding_a_range_changes_no_score(input_range: str, padding: str) -> None:
    model = plain(before=[], padding=padding)
    deployable = deployed(model, input_range)
    assert largest_difference(model, deployable, input_range) < 1e-5


@pytest.mark.parametrize(
    "make",
    [
        plain,
        residual,
        dense,
        averaging,
        normalized,
        grouped,
        lambda: residual((9, 14, 1), softmax=True),
    ],
    ids=["plain", "residual", "dense", "averaging", "normalized", "grouped", "residual-1-channel"],
)
def test_deploying_changes_no_score(make: Callable[[], Any]) -> None:
    model = make()
    assert largest_difference(model, deployed(model)) < 1e-5


@pytest.mark.parametrize("name", ["grouped.keras", "exported"])
def test_a_grouped_convolution_is_one_operator(name: str, tmp_path: Path) -> None:
    # Keras hides it in a function that TensorFlow does not inline.
    model = grouped()
    with captured_log():
        if name == "exported":
            model.export(tmp_path / name, verbose=False)
        else:
            model.save(tmp_path / name)
    source = load_source(find_source(tmp_path / name))
    deployable = deployable_of(source.call, shape=(12, 10, 3), input_range="0..255")
    assert largest_difference(model, deployable) < 1e-5
    convolutions = ["Conv2D", "BiasAdd", "Conv2D", "BiasAdd"]
    assert operators(deployable) == [*convolutions, "Relu", "Mean", "MatMul", "BiasAdd"]


def test_the_casts_of_a_model_of_bytes_disappear() -> None:
    image = layers.Input((12, 10, 3), dtype="uint8")
    hidden = layers.Conv2D(4, 3, activation="relu")(layers.Rescaling(1 / 255)(image))
    model = randomized(keras.Model(image, layers.Dense(5)(layers.Flatten()(hidden))))
    deployable = deployable_of(
        lambda images: model(tf.cast(images, "uint8"), training=False),
        shape=(12, 10, 3),
        input_range="0..255",
    )
    assert "Cast" not in operators(deployable)
    assert largest_difference(model, deployable) < 1e-5


@pytest.mark.parametrize("make", [plain, averaging])
def test_a_plain_scale_disappears_into_the_first_kernel(make: Callable[[], Any]) -> None:
    deployable = deployed(make())
    assert deployable.folding.scale
    assert deployable.folding.offset == "none"
    assert not {"Mul", "AddV2", "Sub", "RealDiv"} & set(operators(deployable))


def test_a_normalization_in_front_of_a_dense_layer_disappears_into_it() -> None:
    found = operators(deployed(normalized()))
    assert found == [
        "Conv2D", "BiasAdd", "Relu", "Reshape", "MatMul", "BiasAdd", "Relu", "MatMul", "BiasAdd",
        "Softmax",
    ]  # fmt: skip


def test_a_normalization_that_others_read_too_stays() -> None:
    image = layers.Input((6, 5, 1))
    shared = layers.BatchNormalization()(layers.Flatten()(image))
    joined = layers.Concatenate()([layers.Dense(4)(shared), shared])
    model = randomized(keras.Model(image, layers.Dense(len(CLASSES))(layers.ReLU()(joined))))
    deployable = deployed(model)
    assert "Mul" in operators(deployable)
    assert largest_difference(model, deployable) < 1e-5


def test_an_offset_before_padding_stays_as_one_addition() -> None:
    deployable = deployed(plain(before=[], padding="same"), "imagenet")
    assert deployable.folding.offset == "kept"
    assert operators(deployable)[:2] == ["AddV2", "Conv2D"]
    assert "Mul" not in operators(deployable)


def test_an_offset_without_padding_becomes_a_bias() -> None:
    for deployable in (deployed(plain(before=[], padding="valid"), "imagenet"), deployed(dense())):
        assert deployable.folding.offset == "bias"
        # Added to the bias that is there, not behind it.
        linear = {"Conv2D", "MatMul"} & set(operators(deployable))
        count = sum(operators(deployable).count(name) for name in linear)
        assert operators(deployable).count("BiasAdd") == count
        assert not {"Mul", "AddV2"} & set(operators(deployable))


def test_per_channel_deviation_of_a_normalization_layer_is_folded() -> None:
    before = [layers.Normalization(mean=[100.0, 120.0, 90.0], variance=[900.0, 1600.0, 400.0])]
    model = plain(before=before, padding="valid")
    deployable = deployed(model)
    assert deployable.folding.scale
    assert deployable.folding.offset == "bias"
    assert largest_difference(model, deployable) < 1e-5


def test_batch_normalization_disappears_into_convolutions() -> None:
    deployable = deployed(residual())
    assert deployable.folding.normalizations == 4
    assert not {"Mul", "Rsqrt", "Sub", "FusedBatchNormV3"} & set(operators(deployable))
    # One addition at the input (an offset before padding) and the residual one.
    assert operators(deployable).count("AddV2") == 2


def test_a_fused_batch_normalization_is_folded_too() -> None:
    # What TensorFlow 1 and Keras 2 exported; Keras 3 writes it out as arithmetic.
    random = np.random.default_rng(2)
    gamma, beta, mean = random.normal(1, 0.2, (3, 4)).astype(np.float32)
    variance = random.uniform(0.5, 2, 4).astype(np.float32)
    kernel = random.normal(0, 0.2, (3, 3, 3, 4)).astype(np.float32)

    def call(images: tf.Tensor, **_: object) -> tf.Tensor:
        hidden = tf.nn.conv2d(images / 255.0, kernel, 1, "SAME")
        hidden, _, _ = tf.compat.v1.nn.fused_batch_norm(
            hidden, gamma, beta, mean, variance, epsilon=1e-3, is_training=False
        )
        return tf.reduce_mean(tf.nn.relu(hidden), axis=(1, 2))

    deployable = deployable_of(call, shape=(8, 8, 3), input_range="0..255")
    assert operators(deployable) == ["Conv2D", "BiasAdd", "Relu", "Mean"]
    assert largest_difference(call, deployable) < 1e-5


def test_shape_arithmetic_of_an_open_batch_is_computed(tmp_path: Path) -> None:
    model = plain()
    with captured_log():
        model.export(tmp_path / "exported", verbose=False)
        loaded = load_source(find_source(tmp_path / "exported", input_range="0..255"))
    deployable = deployable_of(loaded.call, shape=(12, 10, 3), input_range="0..255")
    assert operators(deployable)[0] == "Conv2D"  # the scale is found there, too
    assert not {"Shape", "StridedSlice", "Pack", "Cast"} & set(operators(deployable))
    assert largest_difference(model, deployable) < 1e-5


def test_a_scale_read_by_two_layers_is_left_alone() -> None:
    image = layers.Input((8, 8, 3))
    scaled = layers.Rescaling(1 / 255)(image)
    both = layers.Concatenate()([layers.Conv2D(2, 3, padding="same")(scaled), scaled])
    import keras

    model = keras.Model(image, layers.Dense(3)(layers.Flatten()(both)))
    deployable = deployed(model)
    assert not deployable.folding.scale
    assert largest_difference(model, deployable) < 1e-5


def test_the_models_own_weights_are_untouched() -> None:
    model = plain()
    before = [weight.copy() for weight in model.get_weights()]
    deployed(model)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_batch_is_one_and_no_shape_arithmetic_is_left() -> None:
    for make in (plain, residual, dense, averaging):
        deployable = deployed(make())
        assert not {"Shape", "StridedSlice", "Pack", "Cast"} & set(operators(deployable))
        assert deployable.function.inputs[0].shape.as_list() == [1, *deployable.shape]
        assert deployable.function.outputs[0].shape.as_list() == [1, 5]


def test_equal_models_give_equal_graphs() -> None:
    # Keras counts the layers of a session, so the second model's names differ from the first's.
    first, second = (deployed(residual()).function.graph.as_graph_def() for _ in range(2))
    assert [node.name for node in first.node] == [node.name for node in second.node]


def test_every_output_of_a_constant_operator_is_kept() -> None:
    parts = tf.Variable(np.arange(20, dtype=np.float32).reshape(4, 5))

    def call(images: tf.Tensor) -> tf.Tensor:
        first, second, third, _ = tf.unstack(parts)
        flat = tf.reshape(images, (1, -1))[:, :5]
        return flat * second + tf.nn.relu(flat - third) + first

    deployable = deployable_of(call, shape=(4, 4, 3), input_range="0..255")
    images = pixels(5, (4, 4, 3), seed=5)
    expected = np.concatenate([call(tf.constant(image[None], tf.float32)) for image in images])
    np.testing.assert_allclose(deployable.scores(images), expected, rtol=1e-5)


def test_a_graph_that_reads_files_is_refused() -> None:
    def call(images: tf.Tensor) -> tf.Tensor:
        text = tf.io.read_file("/etc/hostname")
        return tf.reshape(images, (1, -1))[:, :5] + tf.cast(tf.strings.length(text), tf.float32)

    with pytest.raises(SourceModelError, match="ReadFile"):
        deployable_of(call, shape=(4, 4, 3), input_range="0..255")


def test_a_weight_that_is_not_a_number_is_named() -> None:
    model = plain()
    kernel = model.layers[1].kernel.numpy()
    kernel[0, 0, 0, 0] = np.nan
    model.layers[1].kernel.assign(kernel)
    with pytest.raises(SourceModelError, match="conv2d"):
        deployed(model)

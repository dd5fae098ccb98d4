"""Half and double precision become float32; integers, booleans and the answers stay."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from convert.networks import CLASSES, pixels, randomized
from edgecnn.convert import find_source
from edgecnn.convert.graph.deployable import Deployable, deployable_of
from edgecnn.convert.source.model import load_source
from edgecnn.convert.source.single_precision import in_float32
from edgecnn.errors import SourceModelError
from edgecnn.quiet import captured_log

SHAPE = (12, 10, 3)
# The limits of the issue: what rounding to 11 and to 8 bits may do to a probability.
LIMITS = {"float16": 2e-2, "bfloat16": 1e-1, "float64": 1e-5}


def network(policy: str) -> Any:
    """Normalization, batch normalization, a depthwise convolution, a dense layer, a softmax."""
    image = layers.Input(SHAPE)
    hidden = layers.Rescaling(1 / 127.5, offset=-1, dtype=policy)(image)
    hidden = layers.Conv2D(8, 3, use_bias=False, dtype=policy)(hidden)
    hidden = layers.ReLU(dtype=policy)(layers.BatchNormalization(dtype=policy)(hidden))
    hidden = layers.DepthwiseConv2D(3, padding="same", dtype=policy)(hidden)
    hidden = layers.GlobalAveragePooling2D(dtype=policy)(layers.ReLU(6.0, dtype=policy)(hidden))
    scores = layers.Dense(len(CLASSES), activation="softmax", dtype=policy)(hidden)
    return randomized(keras.Model(image, scores))


def operators(deployable: Deployable) -> list[str]:
    kept = [op.type for op in deployable.function.graph.get_operations()]
    return [name for name in kept if name not in ("Const", "Placeholder", "Identity", "NoOp")]


def differences(call: Callable[[Any], Any], deployable: Deployable) -> tuple[float, float]:
    """Return how far the function and its unfolded form are from the model as it runs."""
    images = pixels(20, SHAPE, seed=4).astype(np.float32)
    expected = tf.cast(call(tf.constant(images)), tf.float32).numpy()
    return (
        float(np.abs(deployable.scores(images) - expected).max()),
        float(np.abs(deployable.scores(images, folded=False) - expected).max()),
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("policy", "computes"),
    [
        ("mixed_float16", "float16"),
        ("mixed_bfloat16", "bfloat16"),
        ("float16", "float16"),
        ("bfloat16", "bfloat16"),
        ("float64", "float64"),
    ],
)
def test_an_exported_model_becomes_what_its_float32_twin_becomes(
    policy: str, computes: str, tmp_path: Path
) -> None:
    with captured_log():
        network(policy).export(tmp_path / "m", verbose=False)
    source = load_source(find_source(tmp_path / "m"))
    assert source.input_range == "0..255"  # the normalization is seen behind a cast
    deployable = deployable_of(source.call, shape=SHAPE, input_range="0..255")
    assert deployable.computes == computes
    twin = network("float32")
    expected = deployable_of(
        lambda images: twin(images, training=False), shape=SHAPE, input_range="0..255"
    )
    assert operators(deployable) == operators(expected)
    assert "Cast" not in operators(deployable)
    assert max(differences(source.call, deployable)) < LIMITS[computes]
    # Weights that were rounded only to compute with them are used as they were saved.
    if policy.startswith("mixed"):
        images = pixels(20, SHAPE, seed=4)
        difference = np.abs(deployable.scores(images) - expected.scores(images)).max()
        assert difference < 1e-5


def test_a_fused_batch_normalization_of_two_types_is_converted() -> None:
    # What Keras 2 exports under mixed_float16: images in half, the four vectors in float32.
    random = np.random.default_rng(2)
    gamma, beta, mean = random.normal(1, 0.2, (3, 5)).astype(np.float32)
    variance = random.uniform(0.5, 2, 5).astype(np.float32)
    kernel = random.normal(0, 0.2, (3, 3, 3, 5)).astype(np.float16)

    def call(images: Any) -> Any:
        hidden = tf.nn.conv2d(tf.cast(images / 255.0, tf.float16), kernel, 1, "SAME")
        hidden, _, _ = tf.compat.v1.nn.fused_batch_norm(
            hidden, gamma, beta, mean, variance, epsilon=1e-3, is_training=False
        )
        scores = tf.reduce_mean(tf.nn.relu(hidden), axis=(1, 2))
        return tf.nn.softmax(tf.cast(scores, tf.float32))

    deployable = deployable_of(call, shape=SHAPE, input_range="0..255")
    assert deployable.computes == "float16"
    assert operators(deployable) == ["Conv2D", "BiasAdd", "Relu", "Mean", "Softmax"]
    assert max(differences(call, deployable)) < LIMITS["float16"]


def test_casts_of_integers_and_booleans_stay() -> None:
    def call(images: Any) -> Any:
        half = tf.cast(tf.reshape(images, (1, -1))[:, :4] / 255.0, tf.bfloat16)
        bright = tf.cast(half > 0.5, tf.bfloat16)
        level = tf.cast(tf.cast(half * 10, tf.int32), tf.bfloat16)
        return tf.nn.softmax(tf.cast(bright + level, tf.float32))

    deployable = deployable_of(call, shape=(2, 2, 3), input_range="0..255")
    assert operators(deployable).count("Cast") == 3
    answers = deployable.scores(np.array([0, 100, 200, 255] * 3, np.uint8).reshape(1, 2, 2, 3))
    levels = np.array([0, 3, 1 + 7, 1 + 10], np.float64)
    np.testing.assert_allclose(answers[0], np.exp(levels) / np.exp(levels).sum(), rtol=1e-5)


def test_functions_in_the_library_are_converted_with_their_signatures() -> None:
    weights = np.eye(4, dtype=np.float16)

    def call(images: Any) -> Any:
        state = tf.cast(tf.reshape(images, (1, -1))[:, :4], tf.float16) / 255
        _, state = tf.while_loop(
            lambda index, _: index < 3,
            lambda index, state: (index + 1, tf.nn.relu(state @ weights) + tf.cast(1, tf.float16)),
            (0, state),
        )
        return tf.cast(state, tf.float32)

    deployable = deployable_of(call, shape=(2, 2, 3), input_range="0..255")
    graph = deployable.function.graph.as_graph_def()
    _, computes = in_float32(graph)
    assert (deployable.computes, computes) == ("float16", "float32")
    kinds = {arg.type for f in graph.library.function for arg in f.signature.input_arg}
    assert tf.float16.as_datatype_enum not in kinds
    image = np.array([0, 51, 102, 255] * 3, np.uint8).reshape(1, 2, 2, 3)
    np.testing.assert_allclose(deployable.scores(image)[0], [3, 3.2, 3.4, 4], atol=1e-5)


def test_a_graph_in_float32_is_left_alone() -> None:
    graph = tf.compat.v1.GraphDef()
    graph.node.add(name="a", op="Relu").attr["T"].type = tf.float32.as_datatype_enum
    same, computes = in_float32(graph)
    assert same is graph
    assert computes == "float32"


def test_bytes_of_half_precision_are_refused() -> None:
    def call(images: Any) -> Any:
        half = tf.cast(tf.reshape(images, (1, -1))[:, :4], tf.float16)
        return tf.cast(tf.bitcast(half, tf.int16), tf.float32)

    with pytest.raises(SourceModelError, match="Bitcast"):
        deployable_of(call, shape=(2, 2, 3), input_range="0..255")


def test_a_double_beyond_float32_is_refused_as_no_number() -> None:
    def call(images: Any) -> Any:
        wide = tf.cast(tf.reshape(images, (1, -1))[:, :4], tf.float64)
        return tf.cast(wide * 1e300 / 1e300, tf.float32)

    with pytest.raises(SourceModelError, match="not a number"):
        deployable_of(call, shape=(2, 2, 3), input_range="0..255")

"""The fused normalization against Keras's own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from edgecnn.train.architectures import build_network
from edgecnn.train.backend import keras, tf
from edgecnn.train.batch_norm import FusedBatchNormalization, PopulationAverages

SHAPE = (16, 7, 5, 3)


def layers(precision: str) -> tuple[Any, Any]:
    """Return ours and Keras's with equal, uneven parameters."""
    generator = np.random.default_rng(1)
    values = [generator.uniform(0.5, 1.5, 3).astype("f4") for _ in range(4)]
    made = []
    for kind in (FusedBatchNormalization, keras.layers.BatchNormalization):
        layer = kind(dtype=keras.DTypePolicy(precision))
        layer.build(SHAPE)
        layer.set_weights(values)
        made.append(layer)
    return made[0], made[1]


def images(precision: str) -> Any:
    values = np.random.default_rng(0).normal(3, 2, SHAPE).astype("f4")
    return tf.cast(tf.constant(values), "bfloat16" if "bfloat16" in precision else "float32")


@pytest.mark.parametrize(("precision", "tolerance"), [("float32", 1e-5), ("mixed_bfloat16", 0.03)])
def test_in_training_values_gradients_and_moving_means_are_those_of_keras(
    precision: str, tolerance: float
) -> None:
    results = []
    for layer in layers(precision):
        inputs = images(precision)
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            outputs = layer(inputs, training=True)
            loss = tf.reduce_sum(tf.sin(tf.cast(outputs, tf.float32)))
        gradients = tape.gradient(loss, [inputs, *(w.value for w in layer.trainable_weights)])
        assert outputs.dtype == inputs.dtype
        results.append(
            [np.asarray(v, "f4") for v in (outputs, *gradients, layer.moving_mean.value)]
        )
    for ours, theirs in zip(*results, strict=True):
        scale = np.abs(theirs).max()
        np.testing.assert_allclose(ours / scale, theirs / scale, atol=tolerance)


def test_the_moving_variance_has_bessels_correction() -> None:
    ours, theirs = layers("float32")
    before = np.asarray(ours.moving_variance)
    for layer in (ours, theirs):
        layer(images("float32"), training=True)
    count = SHAPE[0] * SHAPE[1] * SHAPE[2]
    gains = [np.asarray(layer.moving_variance) - 0.99 * before for layer in (ours, theirs)]
    np.testing.assert_allclose(gains[0], gains[1] * count / (count - 1), rtol=1e-3)


def test_outside_of_training_it_is_keras() -> None:
    ours, theirs = layers("float32")
    inputs = images("float32")
    np.testing.assert_array_equal(ours(inputs, training=False), theirs(inputs, training=False))
    np.testing.assert_array_equal(ours.moving_mean, theirs.moving_mean)


def network(name: str = "wren", **more: Any) -> Any:
    return build_network(name, shape=(12, 12, 3), classes=4, precision="float32", seed=1, **more)


def twin(name: str = "wren") -> Any:
    return network(name, dropout=0.0, norm_momentum=0.0, fused=True)


def shaken(seed: int = 5) -> Any:
    """A network whose normalizations are no identities, as after some training."""
    made, generator = network(), np.random.default_rng(seed)
    made.set_weights(
        [value + generator.normal(0, 0.2, value.shape) ** 2 for value in made.get_weights()]
    )
    return made


def sorted_images(count: int) -> Any:
    """Images that grow brighter and more uneven, so that batches differ."""
    generator = np.random.default_rng(2)
    spread = np.linspace(10, 120, count).reshape(-1, 1, 1, 1)
    return np.clip(generator.normal(spread, spread / 2, (count, 12, 12, 3)), 0, 255).astype("u1")


def in_inference(made: Any, pixels: Any) -> list[tuple[Any, Any]]:
    """Return mean and variance of each normalization's input, as inference has them."""
    norms = [one for one in made.layers if isinstance(one, keras.layers.BatchNormalization)]
    inputs = keras.Model(made.inputs[0], [norm.input for norm in norms])(pixels, training=False)
    values = [np.asarray(value, np.float64) for value in inputs]
    return [(value.mean(axis=(0, 1, 2)), value.var(axis=(0, 1, 2))) for value in values]


def averages_of(made: Any) -> list[tuple[Any, Any]]:
    norms = [one for one in made.layers if isinstance(one, keras.layers.BatchNormalization)]
    return [(np.asarray(norm.moving_mean), np.asarray(norm.moving_variance)) for norm in norms]


def test_recomputed_averages_are_those_of_what_inference_normalizes() -> None:
    made, pixels = shaken(), sorted_images(60)
    weights = [np.array(v.numpy()) for v in made.trainable_variables]
    PopulationAverages(twin(), pixels).put_into(made)
    for got, wanted in zip(averages_of(made), in_inference(made, pixels), strict=True):
        np.testing.assert_allclose(got[0], wanted[0], rtol=1e-3, atol=1e-3)
        np.testing.assert_allclose(got[1], wanted[1], rtol=2e-3, atol=1e-4)
    for variable, before in zip(made.trainable_variables, weights, strict=True):
        np.testing.assert_array_equal(variable.numpy(), before)


def test_over_several_batches_the_variance_between_them_counts() -> None:
    made, pixels = shaken(), sorted_images(600)  # three batches of 200
    mixed = pixels[np.random.default_rng(3).permutation(600)]
    PopulationAverages(twin(), mixed).put_into(made)
    first, *_ = averages_of(made)
    # No normalization lies before the first one, so it is exact whatever the batches are.
    wanted, *_ = in_inference(made, pixels)
    np.testing.assert_allclose(first[0], wanted[0], rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(first[1], wanted[1], rtol=1e-3)
    for got, wanted in zip(averages_of(made), in_inference(made, pixels), strict=True):
        np.testing.assert_allclose(got[1], wanted[1], rtol=0.1)


def test_a_network_without_normalization_is_left_alone() -> None:
    made, pixels = network("tiny_cnn"), sorted_images(10)
    averages = PopulationAverages(twin("tiny_cnn"), pixels)
    before = made.get_weights()
    averages.put_into(made)
    assert averages.images == 0
    for one, other in zip(made.get_weights(), before, strict=True):
        np.testing.assert_array_equal(one, other)

"""The fused normalization against Keras's own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from edgecnn.train.backend import keras, tf
from edgecnn.train.batch_norm import FusedBatchNormalization

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

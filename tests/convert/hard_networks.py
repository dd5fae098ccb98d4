"""Trained classifiers that compute what they did before, and that int8 spoils."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgecnn.data import Dataset
from edgecnn.quiet import captured_log

with captured_log():
    import keras
    from keras import layers


def digit_classifier(data: Dataset, *, epochs: int = 12, seed: int = 3) -> Any:
    """Two convolutions, which have most of the work, and three dense layers; trained."""
    keras.utils.set_random_seed(seed)
    model = keras.Sequential(
        [
            layers.Input((8, 8, 1)),
            layers.Rescaling(1 / 255),
            layers.Conv2D(16, 3, padding="same", activation="relu"),
            layers.Conv2D(32, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(32, activation="relu", name="wide"),
            layers.Dense(24, activation="relu", name="narrow"),
            layers.Dense(10, activation="softmax", name="scores"),
        ]
    )
    with captured_log():
        model.compile(keras.optimizers.Adam(0.003), "sparse_categorical_crossentropy")
        model.fit(
            data.train.pixels.astype(np.float32),
            data.train.labels,
            epochs=epochs,
            batch_size=64,
            verbose=0,
        )
    return model


def with_uneven_channels(model: Any, *, factor: float = 2000.0) -> Any:
    """Make a fourth of the channels between two dense layers larger, and read them as they were.

    A ReLU passes a positive factor on, so the scores are the same. The one scale that int8 has
    for these numbers is the large channels' own, and rounds the small ones away.
    """
    scale = np.where(np.arange(32) % 4 == 0, factor, 1.0).astype(np.float32)
    kernel, bias = model.get_layer("wide").get_weights()
    model.get_layer("wide").set_weights([kernel * scale, bias * scale])
    kernel, bias = model.get_layer("narrow").get_weights()
    model.get_layer("narrow").set_weights([kernel / scale[:, np.newaxis], bias])
    return model


def with_rare_outlier(
    model: Any, data: Dataset, *, share: float = 0.01, factor: float = 300.0
) -> Any:
    """Let one channel fire hugely on few images, and let nothing depend on it.

    The channel answers to a direction of its input, above what all but ``share`` of the training
    images reach. What read it before loses its weights to it, in the float model as in any other.
    """
    wide = model.get_layer("wide")
    before = keras.Model(model.inputs, wide.input)
    with captured_log():
        inputs = before.predict(data.train.pixels.astype(np.float32), verbose=0)
        largest = keras.Model(model.inputs, wide.output).predict(
            data.train.pixels.astype(np.float32), verbose=0
        )
    direction = np.random.default_rng(5).normal(0, 1, inputs.shape[1]).astype(np.float32)
    answers = inputs @ direction
    threshold = np.quantile(answers, 1 - share)
    scale = factor * largest.max() / (answers.max() - threshold)
    kernel, bias = wide.get_weights()
    kernel[:, 0], bias[0] = direction * scale, -threshold * scale
    wide.set_weights([kernel, bias])
    kernel, bias = model.get_layer("narrow").get_weights()
    kernel[0] = 0.0
    model.get_layer("narrow").set_weights([kernel, bias])
    return model

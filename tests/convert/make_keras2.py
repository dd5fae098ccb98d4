"""Makes files of Keras 2 (tf_keras), which Keras 3 and edgecnn then get.

    TF_USE_LEGACY_KERAS=1 PYTHONPATH=tests:.venv-keras2 python tests/convert/make_keras2.py FOLDER

Each model is saved under its name as ``NAME.h5``, ``NAME.keras`` and the SavedModel ``NAME``, with
``NAME.npz``: its scores in Keras 2 of the pictures that ``write_pictures`` wrote for testing.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras

from convert.brightness import SIDE, body, fitted, pictures, set_by_hand

layers = tf_keras.layers
RANGES: dict[str, Callable[[Any], Any]] = {
    "0..255": lambda pixels: pixels,
    "0..1": lambda pixels: pixels / 255,
    "-1..1": lambda pixels: pixels / 127.5 - 1,
}


def rescaled() -> Any:
    image = layers.Input((SIDE, SIDE, 3))
    values = layers.Rescaling(1 / 127.5, offset=-1)(image)
    return set_by_hand(tf_keras.Model(image, body(layers, values)))


def adapted(scale: float, **given: Any) -> Any:
    """The classifier behind an adapted Normalization, and a convolution that undoes it."""
    layer = layers.Normalization(**given)
    layer.adapt(pictures(20, seed=4)[0].astype(np.float32) * scale / 255)
    mean, variance = map(np.ravel, layer.get_weights()[:2])
    image = layers.Input((SIDE, SIDE, 3))
    undo = layers.Conv2D(3, 1, name="undo")
    model = set_by_hand(tf_keras.Model(image, body(layers, undo(layer(image)))))
    kernel = np.diag(np.broadcast_to(np.sqrt(variance), 3) * 2 / scale)[None, None]
    undo.set_weights([kernel, np.broadcast_to(mean, 3) * 2 / scale - 1])
    return model


def preprocessed() -> Any:
    """As the tutorial of transfer learning has it; the arithmetic becomes TFOpLambda layers."""
    image = layers.Input((SIDE, SIDE, 3))
    values = tf_keras.applications.mobilenet_v2.preprocess_input(image)
    return set_by_hand(tf_keras.Model(image, body(layers, values)))


def teachable() -> Any:
    """In the form of Teachable Machine: Sequentials in a Sequential, depthwise convolutions."""
    image = layers.Input((SIDE, SIDE, 3))
    values = layers.DepthwiseConv2D(1, depthwise_initializer="ones", use_bias=False)(image)
    values = layers.Conv2D(8, 3, activation="relu")(values)
    features = tf_keras.Model(image, layers.GlobalAveragePooling2D()(values))
    last = layers.Dense(3, activation="softmax")
    flat = tf_keras.Model(image, last(features(image)))
    fitted(flat, of=RANGES["-1..1"], library=tf_keras)
    head = tf_keras.Sequential([layers.Input((8,)), last])
    return tf_keras.Sequential([tf_keras.Sequential([features]), head])


def sequential() -> Any:
    """Layers whose configuration Keras 3 reads otherwise."""
    model = tf_keras.Sequential(
        [
            layers.Input((SIDE, SIDE, 3)),
            layers.RandomFlip(seed=1),
            layers.Rescaling(1 / 127.5, offset=-1),
            layers.Conv2D(8, 3, strides=2),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.GlobalAveragePooling2D(),
            layers.Dense(3, activation="softmax"),
        ]
    )
    return fitted(model, library=tf_keras)


def normalized_in_a_row() -> Any:
    """A Sequential that Keras 3 loads; the statistics have to come along."""
    layer = layers.Normalization()
    layer.adapt(pictures(20, seed=4)[0].astype(np.float32))
    stack = [layer, layers.Conv2D(8, 3, activation="relu"), layers.GlobalAveragePooling2D()]
    last = layers.Dense(3, activation="softmax")
    model = tf_keras.Sequential([layers.Input((SIDE, SIDE, 3)), *stack, last])
    return fitted(model, library=tf_keras)


def by_rows(*stack: Any) -> Any:
    start = [layers.Rescaling(1 / 255), layers.Reshape((SIDE, SIDE * 3))]
    last = layers.Dense(3, activation="softmax")
    model = tf_keras.Sequential([layers.Input((SIDE, SIDE, 3)), *start, *stack, last])
    return fitted(model, library=tf_keras)


# Name: the policy it is made under, the range it wants, and what makes it.
MODELS: dict[str, tuple[str, str, Callable[[], Any]]] = {
    "rescaled": ("float32", "0..255", rescaled),
    "adapted": ("float32", "0..255", lambda: adapted(255)),
    "adapted_scalar": ("float32", "0..255", lambda: adapted(255, axis=None)),
    "adapted_unit": ("float32", "0..1", lambda: adapted(1)),
    "adapted_mixed": ("mixed_float16", "0..255", lambda: adapted(255)),
    "normalized_in_a_row": ("float32", "0..255", normalized_in_a_row),
    "mixed_float16": ("mixed_float16", "0..255", rescaled),
    "mixed_bfloat16": ("mixed_bfloat16", "0..255", rescaled),
    "float16": ("float16", "0..255", rescaled),
    "preprocessed": ("float32", "0..255", preprocessed),
    "teachable": ("float32", "-1..1", teachable),
    "sequential": ("float32", "0..255", sequential),
    "lstm": ("float32", "0..255", lambda: by_rows(layers.LSTM(8))),
    "bidirectional_gru": (
        "float32", "0..255", lambda: by_rows(layers.Bidirectional(layers.GRU(4)))
    ),
}  # fmt: skip


def main(folder: Path, names: list[str]) -> None:
    pixels = pictures(14, seed=2)[0].astype(np.float32)
    for name in names or MODELS:
        policy, wanted, make = MODELS[name]
        tf_keras.utils.set_random_seed(3)
        tf_keras.mixed_precision.set_global_policy(policy)
        model = make()
        tf_keras.mixed_precision.set_global_policy("float32")
        for path in (folder / f"{name}.h5", folder / f"{name}.keras"):
            model.save(path)
        model.save(folder / name, save_format="tf")
        scores = tf.cast(model(RANGES[wanted](pixels), training=False), tf.float32).numpy()
        np.savez(folder / f"{name}.npz", scores=scores)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])

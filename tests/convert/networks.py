"""Small Keras classifiers that together hold what image classifiers are made of."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.data import Dataset, Images
from edgecnn.quiet import captured_log

with captured_log():
    import keras
    from keras import layers

CLASSES = ("bus", "car", "dog", "eel", "fox")


def randomized(model: Any, seed: int = 1) -> Any:
    """Give every weight a value, biases and moving averages too, so that folding has work."""
    random = np.random.default_rng(seed)
    for weight in model.weights:
        value = random.normal(0, 0.3, weight.shape)
        if "variance" in weight.path or "gamma" in weight.path:
            value = 0.5 + np.abs(value)
        weight.assign(value)
    return model


def plain(
    shape: tuple[int, int, int] = (12, 10, 3),
    *,
    before: list[Any] | None = None,
    padding: str = "same",
    softmax: bool = True,
) -> Any:
    """Two convolutions, a pool and a dense layer; ``before`` is put in front."""
    if before is None:
        before = [layers.Rescaling(1 / 255)]
    stack = [
        layers.Conv2D(4, 3, padding=padding, activation="relu"),
        layers.MaxPooling2D(),
        layers.Conv2D(8, 3, padding="same", activation="relu"),
        layers.Flatten(),
        layers.Dropout(0.5),
        layers.Dense(len(CLASSES), activation="softmax" if softmax else None),
    ]
    return randomized(keras.Sequential([layers.Input(shape), *before, *stack]))


def grouped(shape: tuple[int, int, int] = (12, 10, 3)) -> Any:
    """A grouped convolution behind a normalization and in front of another."""
    stack = [
        layers.Rescaling(1 / 255),
        layers.Conv2D(16, 3, padding="same", use_bias=False),
        layers.BatchNormalization(),
        layers.Conv2D(24, 3, groups=4, padding="same", use_bias=False),
        layers.BatchNormalization(),
        layers.ReLU(),
        layers.GlobalAveragePooling2D(),
        layers.Dense(len(CLASSES)),
    ]
    return randomized(keras.Sequential([layers.Input(shape), *stack]))


def residual(shape: tuple[int, int, int] = (12, 10, 3), *, softmax: bool = False) -> Any:
    """Convolutions with batch normalization, depthwise ones, and an addition across them."""
    image = layers.Input(shape)
    start = layers.Rescaling(1 / 127.5, offset=-1)(image)
    start = layers.Conv2D(8, 3, padding="same", use_bias=False)(start)
    start = layers.ReLU()(layers.BatchNormalization()(start))
    branch = layers.DepthwiseConv2D(3, padding="same", use_bias=False)(start)
    branch = layers.ReLU(6.0)(layers.BatchNormalization()(branch))
    branch = layers.Conv2D(8, 1)(branch)
    branch = layers.BatchNormalization()(branch)
    joined = layers.ReLU()(layers.Add()([branch, start]))
    joined = layers.Conv2D(16, 3, strides=2, padding="same")(joined)
    joined = layers.ReLU()(layers.BatchNormalization()(joined))
    scores = layers.Dense(len(CLASSES))(layers.GlobalAveragePooling2D()(joined))
    if softmax:
        scores = layers.Softmax()(scores)
    return randomized(keras.Model(image, scores))


def dense(shape: tuple[int, int, int] = (6, 5, 1), *, before: list[Any] | None = None) -> Any:
    """No convolution at all."""
    if before is None:
        before = [layers.Rescaling(1 / 127.5, offset=-1)]
    stack = [layers.Flatten(), layers.Dense(9, activation="relu"), layers.Dense(len(CLASSES))]
    return randomized(keras.Sequential([layers.Input(shape), *before, *stack]))


def averaging(shape: tuple[int, int, int] = (12, 10, 3)) -> Any:
    """Average pooling, a concatenation, and a padding layer in front of the first convolution."""
    image = layers.Input(shape)
    padded = layers.ZeroPadding2D(1)(layers.Rescaling(1 / 255)(image))
    left = layers.Conv2D(4, 3, activation="relu")(padded)
    pooled = layers.AveragePooling2D(2)(left)
    right = layers.SeparableConv2D(4, 3, padding="same", activation="relu")(pooled)
    joined = layers.Concatenate()([pooled, right])
    scores = layers.Dense(len(CLASSES), activation="softmax")(layers.Flatten()(joined))
    return randomized(keras.Model(image, scores))


def normalized(shape: tuple[int, int, int] = (12, 10, 3)) -> Any:
    """Batch normalization between flattening and a dense layer, before flattening, and between."""
    image = layers.Input(shape)
    hidden = layers.Conv2D(4, 3, activation="relu")(layers.Rescaling(1 / 255)(image))
    hidden = layers.Flatten()(layers.BatchNormalization()(hidden))
    hidden = layers.Dense(9, activation="relu")(layers.BatchNormalization()(hidden))
    scores = layers.Dense(len(CLASSES), activation="softmax")(layers.BatchNormalization()(hidden))
    return randomized(keras.Model(image, scores))


def activated(activation: Any, shape: tuple[int, int, int] = (12, 10, 3)) -> Any:
    """A layer between two convolutions."""
    image = layers.Input(shape)
    hidden = layers.Conv2D(8, 3, padding="same")(layers.Rescaling(1 / 255)(image))
    hidden = layers.Conv2D(8, 3, padding="same")(activation(hidden))
    pooled = layers.GlobalAveragePooling2D()(hidden)
    return randomized(keras.Model(image, layers.Dense(len(CLASSES), activation="softmax")(pooled)))


def pixels(count: int, shape: tuple[int, int, int], seed: int = 0) -> npt.NDArray[np.uint8]:
    """Random images that hold 0 and 255."""
    images = np.random.default_rng(seed).integers(0, 256, (count, *shape), np.uint8)
    images.flat[0], images.flat[1] = 0, 255
    return images


def dataset(shape: tuple[int, int, int] = (12, 10, 3), train: int = 40) -> Dataset:
    """Random images in three splits."""

    def split(name: str, count: int, seed: int) -> Images:
        return Images(
            pixels=pixels(count, shape, seed),
            labels=np.arange(count, dtype=np.int64) % len(CLASSES),
            ids=tuple(f"{name}/{index}" for index in range(count)),
        )

    return Dataset(
        name="folder",
        class_names=CLASSES,
        train=split("train", train, 1),
        validation=split("validation", 5, 2),
        test=split("test", 30, 3),
    )

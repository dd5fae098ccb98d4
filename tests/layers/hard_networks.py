"""Networks that quantize well, and the same network made hard to quantize at its second layer."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from convert.networks import CLASSES, dataset, randomized
from edgecnn.build.workspace import Workspace
from edgecnn.convert import find_source, run
from edgecnn.data import Dataset
from edgecnn.quiet import captured_log
from edgecnn.recipe.load import Recipe, parse_recipe

with captured_log():
    import keras
    from keras import layers

SHAPE: Final = (12, 10, 3)
SECOND: Final = {"tflite": "Relu_2;BiasAdd_2;Conv2D_2", "onnx": "Relu_2"}
"""How the output of the second convolution begins to be called in each format."""


def sound() -> Any:
    """Three convolutions and a dense layer with weights of one size."""
    stack = [
        layers.Rescaling(1 / 255),
        layers.Conv2D(8, 3, padding="same", activation="relu", name="first"),
        layers.Conv2D(8, 3, padding="same", activation="relu", name="second"),
        layers.Conv2D(8, 3, padding="same", activation="relu", name="third"),
        layers.GlobalAveragePooling2D(),
        layers.Dense(len(CLASSES), activation="softmax"),
    ]
    return randomized(keras.Sequential([layers.Input(SHAPE), *stack]))


def one_wide_channel() -> Any:
    """The same function; one channel of the second layer's output is a thousand times as large.

    The third layer divides by what the second multiplies with. A tensor has one step for all of
    its channels, which is then larger than what the seven others hold.
    """
    model = sound()
    kernel, bias = model.get_layer("second").get_weights()
    kernel[..., 0] *= 1000
    bias[0] *= 1000
    model.get_layer("second").set_weights([kernel, bias])
    kernel, bias = model.get_layer("third").get_weights()
    kernel[:, :, 0, :] /= 1000
    model.get_layer("third").set_weights([kernel, bias])
    return model


def coarse_weights() -> Any:
    """One input channel of the second layer has huge weights, and is always 0.

    Each output channel has one step for its weights, which is then larger than all that matter.
    """
    model = sound()
    kernel, bias = model.get_layer("first").get_weights()
    kernel[..., 0], bias[0] = 0, -1
    model.get_layer("first").set_weights([kernel, bias])
    kernel, bias = model.get_layer("second").get_weights()
    kernel[1, 1, 0, :] = 1000
    model.get_layer("second").set_weights([kernel, bias])
    return model


def checkers() -> Any:
    """The first layer answers to checkerboards, and to little else."""
    model = sound()
    kernel, bias = model.get_layer("first").get_weights()
    board = np.indices(kernel.shape[:2]).sum(axis=0) % 2 * -2 + 1
    kernel[...] = board[:, :, np.newaxis, np.newaxis] * (1 + 0.1 * np.abs(kernel))
    model.get_layer("first").set_weights([kernel, np.zeros_like(bias)])
    return model


def plain_then_checkered() -> Dataset:
    """Training images, which calibrate, of one grey each; test images are checkerboards."""
    data = dataset(SHAPE)
    height, width, _ = SHAPE
    board = (np.indices((height, width)).sum(axis=0) % 2).astype(np.uint8)[..., np.newaxis]
    greys = np.arange(10, 10 + len(data.train), dtype=np.uint8)[:, None, None, None]
    tall = np.arange(205, 205 + len(data.test), dtype=np.uint8)[:, None, None, None]
    return dataclasses.replace(
        data,
        train=dataclasses.replace(
            data.train, pixels=np.broadcast_to(greys, data.train.pixels.shape).copy()
        ),
        test=dataclasses.replace(
            data.test, pixels=np.broadcast_to(board * tall, data.test.pixels.shape).copy()
        ),
    )


def recipe(variants: Sequence[str]) -> Recipe:
    raw = {"model": {"name": "net"}, "convert": {"variants": list(variants)}}
    return parse_recipe({**raw, "calibration": {"images": 20}}, source="test")


def converted(
    model: Any, folder: Path, variants: Sequence[str], data: Dataset | None = None
) -> Workspace:
    """Convert a model as a user would; return the build."""
    path = folder / "net.keras"
    with captured_log():
        model.save(path)
    workspace = Workspace(folder / "build")
    run(find_source(path), recipe(variants), workspace, data or dataset(model.input_shape[1:]))
    return workspace

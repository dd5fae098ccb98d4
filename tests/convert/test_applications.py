"""Published networks of keras.applications, with random weights: files that nobody here made up."""

from __future__ import annotations

import gc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

from convert.brightness import (
    FLOAT32,
    SIDE,
    convert,
    fitted,
    own_scores,
    pictures,
    saved,
    write_pictures,
)

pytestmark = [pytest.mark.slow, pytest.mark.long]

VARIANTS = ("tflite-fp32", "onnx-fp32")
# What makes the network without its head, and how often it gets each pixel, both ways.
NETWORKS: dict[str, tuple[Callable[..., Any], int]] = {
    "MobileNet": (keras.applications.MobileNet, 2),
    "MobileNetV2": (keras.applications.MobileNetV2, 2),
    "MobileNetV3Small": (keras.applications.MobileNetV3Small, 2),
    "EfficientNetB0": (keras.applications.EfficientNetB0, 2),
    "EfficientNetV2B0": (keras.applications.EfficientNetV2B0, 2),
    "NASNetMobile": (keras.applications.NASNetMobile, 2),
    "DenseNet121": (keras.applications.DenseNet121, 2),
    "ResNet50V2": (keras.applications.ResNet50V2, 2),
    "ConvNeXtTiny": (keras.applications.ConvNeXtTiny, 2),
    "Xception": (keras.applications.Xception, 5),
}
INSIDE = {"MobileNetV3Small", "EfficientNetB0", "EfficientNetV2B0", "ConvNeXtTiny"}
"""Those that bring pixels to their range themselves."""


def settle(network: Any, values: Any) -> None:
    """Give a network the averages of these images, as a training would.

    With those of a new network, 0 and 1, no picture shows in the answers behind so many layers.
    """
    normalizing = [one for one in network._flatten_layers() if hasattr(one, "moving_mean")]
    momenta = [layer.momentum for layer in normalizing]
    for layer in normalizing:
        layer.momentum = 0.0
    network(values, training=True)
    for layer, momentum in zip(normalizing, momenta, strict=True):
        layer.momentum = momentum


def model_of(name: str) -> Any:
    """Return a classifier on top of a network, as transfer learning has it."""
    make, factor = NETWORKS[name]
    side = factor * SIDE
    image = layers.Input((SIDE, SIDE, 3))
    values = image if name in INSIDE else layers.Rescaling(1 / 127.5, offset=-1)(image)
    # No Resizing: behind one, Keras lets a network inside a model train while it classifies.
    values = layers.UpSampling2D(factor, interpolation="nearest")(values)
    network = make(weights=None, include_top=False, input_shape=(side, side, 3))
    pooled = layers.GlobalAveragePooling2D()(network(values))
    model = keras.Model(image, layers.Dense(3, activation="softmax")(pooled))
    random = np.random.default_rng(1)
    for weight in network.weights:
        if weight.path.endswith("gamma"):
            weight.assign(weight + random.uniform(-0.3, 0.3, weight.shape))
        elif weight.path.endswith("beta"):
            weight.assign(random.normal(0, 0.1, weight.shape))
    settle(network, keras.Model(image, values)(pictures(64, seed=7)[0].astype(np.float32)))
    return fitted(model)


@pytest.mark.parametrize("path", ["model.keras", "exported"])
@pytest.mark.parametrize("name", NETWORKS)
def test_a_published_network_keeps_its_scores(tmp_path: Path, name: str, path: str) -> None:
    keras.utils.set_random_seed(1)
    data = write_pictures(tmp_path)
    file = saved(model_of(name), data / path)
    keras.backend.clear_session()
    gc.collect()  # some networks in one process
    # The range is said, since random features are no good ones and nothing shall be concluded.
    options = ("--input-range", "0..255", "--min-accuracy", "0")
    built = convert(file, data, *options, variants=VARIANTS)
    assert built.done.code == 0, built.done.out + built.done.err
    values = built.pixels().astype(np.float32)
    own = own_scores(file, values)
    # What rounding alone makes of this network: EfficientNets with random weights multiply it.
    moved = own_scores(file, values * np.float32(1 + 2**-22))
    bound = max(FLOAT32, 4 * float(np.abs(moved - own).max()))
    assert bound < 0.01
    assert own.max(axis=0).min() > 0.4  # every class is some picture's
    np.testing.assert_allclose(built.reference(), own, rtol=0, atol=bound)
    for variant in VARIANTS:
        np.testing.assert_allclose(built.scores(variant), own, rtol=0, atol=bound, err_msg=variant)

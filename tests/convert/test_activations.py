"""Activations, and layers with odd constants, in every format."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

from convert.brightness import SIDE, convert, fitted, saved, write_pictures
from convert.networks import randomized

pytestmark = pytest.mark.slow  # converts whole networks

ACTIVATIONS: dict[str, Any] = {
    name: (lambda name=name: layers.Activation(name))
    for name in (
        "celu", "elu", "exponential", "gelu", "hard_shrink", "hard_sigmoid", "hard_silu",
        "hard_tanh", "leaky_relu", "linear", "log_sigmoid", "mish", "relu", "relu6", "selu",
        "sigmoid", "silu", "soft_shrink", "softmax", "softplus", "softsign", "sparse_plus",
        "sparse_sigmoid", "squareplus", "tanh", "tanh_shrink",
    )
}  # fmt: skip
LAYERS: dict[str, Any] = {
    "approximate gelu": lambda: lambda values: keras.ops.gelu(values, approximate=True),
    "PReLU": lambda: layers.PReLU(shared_axes=[1, 2]),
    "PReLU for each place": layers.PReLU,
    "LeakyReLU": lambda: layers.LeakyReLU(0.2),
    "ELU": lambda: layers.ELU(0.7),
    "ReLU of odd numbers": lambda: layers.ReLU(max_value=3.5, negative_slope=0.1, threshold=0.2),
    "UnitNormalization": lambda: layers.UnitNormalization(axis=-1),
    "LayerNormalization": lambda: layers.LayerNormalization(axis=-1),
    "GroupNormalization": lambda: layers.GroupNormalization(groups=2),
}
CHEAP = {"gelu", "celu", "UnitNormalization"}
EVERY = [
    pytest.param(name, marks=[] if name in CHEAP else pytest.mark.long)
    for name in (*ACTIVATIONS, *LAYERS)
]
# A value next to a step falls to either side of it, by the rounding of weights to half precision.
WITH_STEPS = {"hard_shrink", "ReLU of odd numbers"}
VARIANTS = ("tflite-fp32", "tflite-fp16", "onnx-fp32")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_pictures(tmp_path)


def model_of(name: str) -> Any:
    image = layers.Input((SIDE, SIDE, 3))
    hidden = layers.Conv2D(8, 3, strides=2)(layers.Rescaling(1 / 127.5, offset=-1)(image))
    hidden = layers.GlobalAveragePooling2D()({**ACTIVATIONS, **LAYERS}[name]()(hidden))
    return fitted(randomized(keras.Model(image, layers.Dense(3, activation="softmax")(hidden))))


@pytest.mark.parametrize("name", EVERY)
def test_an_activation_is_the_same_in_every_format(data: Path, name: str) -> None:
    model = model_of(name)
    built = convert(saved(model, data / "model.keras"), data, variants=VARIANTS)
    assert built.done.code == 0, built.done.out + built.done.err
    right = np.asarray(model(built.pixels().astype(np.float32), training=False))
    np.testing.assert_allclose(built.reference(), right, rtol=0, atol=1e-5)
    half = 0.2 if name in WITH_STEPS else 2e-2
    for variant, bound in zip(VARIANTS, (1e-4, half, 1e-4), strict=True):
        np.testing.assert_allclose(
            built.scores(variant), right, rtol=0, atol=bound, err_msg=variant
        )


def test_half_precision_of_onnx_has_the_constants_it_can_have(data: Path) -> None:
    model = model_of("UnitNormalization")
    built = convert(saved(model, data / "model.keras"), data, variants=("onnx-fp16",))
    assert built.done.code == 0, built.done.out + built.done.err
    right = np.asarray(model(built.pixels().astype(np.float32), training=False))
    np.testing.assert_allclose(built.scores("onnx-fp16"), right, rtol=0, atol=1e-2)


def test_a_weight_too_large_for_half_precision_is_still_refused(data: Path) -> None:
    """What is no constant of an operator, but learnt, may not be clipped."""
    image = layers.Input((SIDE, SIDE, 3))
    hidden = layers.Conv2D(4, 3)(layers.Rescaling(1 / 127.5, offset=-1)(image))
    hidden = layers.Conv2D(4, 1, name="large")(layers.GlobalAveragePooling2D(keepdims=True)(hidden))
    hidden = layers.Rescaling(1e-6)(layers.Flatten()(hidden))
    model = randomized(keras.Model(image, layers.Dense(3, activation="softmax")(hidden)))
    kernel, bias = model.get_layer("large").get_weights()
    model.get_layer("large").set_weights([kernel * 1e6, bias])
    built = convert(saved(fitted(model), data / "model.keras"), data, variants=("tflite-fp16",))
    assert built.done.code == 27, built.done.out + built.done.err
    assert "65504" in "".join((built.done.out + built.done.err).split())

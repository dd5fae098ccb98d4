"""Layers that are called twice, sizes that are open, and files of Keras 2 that Keras 3 misreads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest
from keras import layers

from convert.brightness import (
    SIDE,
    body,
    check_right,
    convert,
    fitted,
    saved,
    set_by_hand,
    write_pictures,
)  # fmt: skip
from convert.networks import randomized
from edgecnn.convert.source.keras_model import other_in_keras_2

pytestmark = pytest.mark.slow  # converts whole networks


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_pictures(tmp_path)


def shared_dense() -> Any:
    """The same dense layer on a picture and on its mirror image, flattened."""
    image = layers.Input((SIDE, SIDE, 3))
    values = layers.Rescaling(1 / 127.5, offset=-1)(image)
    convolution, dense = layers.Conv2D(4, 3, strides=4), layers.Dense(6)
    mirrored = keras.ops.flip(values, axis=2)
    both = [dense(layers.Flatten()(convolution(one))) for one in (values, mirrored)]
    return keras.Model(image, layers.Dense(3, activation="softmax")(layers.Concatenate()(both)))


def shared_convolution() -> Any:
    image = layers.Input((SIDE, SIDE, 3))
    values = layers.Rescaling(1 / 127.5, offset=-1)(image)
    convolution = layers.Conv2D(4, 3, activation="relu")
    both = [convolution(one) for one in (values, keras.ops.flip(values, axis=2))]
    pooled = layers.GlobalAveragePooling2D()(layers.Concatenate()(both))
    return keras.Model(image, layers.Dense(3, activation="softmax")(pooled))


def sums_of_one_pixel() -> Any:
    """Two convolutions that leave one pixel, added: Keras adds these as a bias.

    Their sum is read twice, so that no bias goes into another.
    """
    image = layers.Input((SIDE, SIDE, 3))
    values = layers.Rescaling(1 / 127.5, offset=-1)(image)
    first, second = (layers.Conv2D(4, SIDE)(values) for _ in range(2))
    total = layers.Add()([first, second])
    total = layers.Add()([layers.Conv2D(4, 1)(total), total])
    return keras.Model(image, layers.Dense(3, activation="softmax")(layers.Flatten()(total)))


@pytest.mark.parametrize("make", [shared_dense, shared_convolution, sums_of_one_pixel])
def test_layers_called_twice_and_sums_of_one_pixel_are_the_same_in_every_format(
    data: Path, make: Any
) -> None:
    keras.utils.set_random_seed(5)
    model = fitted(randomized(make()))
    variants = ("tflite-fp32", "onnx-fp32", "onnx-int8")
    built = convert(saved(model, data / "twice.keras"), data, variants=variants)
    assert built.done.code == 0, built.done.out + built.done.err
    right = np.asarray(model(built.pixels().astype(np.float32), training=False))
    for variant, bound in zip(variants, (1e-4, 1e-4, 0.2), strict=True):
        np.testing.assert_allclose(
            built.scores(variant), right, rtol=0, atol=bound, err_msg=variant
        )


def test_half_precision_by_operators_is_compared_as_half_precision(data: Path) -> None:
    image = layers.Input((SIDE, SIDE, 3))
    values = layers.Rescaling(1 / 127.5, offset=-1)(image)
    values = keras.ops.cast(keras.ops.cast(values, "bfloat16"), "float32")
    model = set_by_hand(keras.Model(image, body(layers, values, softmax=False)))
    built = convert(saved(model, data / "cast.keras"), data)
    assert built.done.code == 0, built.done.out + built.done.err
    right = np.asarray(keras.ops.softmax(model(built.pixels().astype(np.float32))))
    np.testing.assert_allclose(built.reference(), right, rtol=0, atol=1e-5)


def open_size() -> Any:
    image = layers.Input((None, None, 3))
    values = layers.Rescaling(1 / 127.5, offset=-1)(image)
    return set_by_hand(keras.Model(image, body(layers, values)))


def test_a_model_of_any_size_is_converted_at_the_size_that_is_said(data: Path) -> None:
    path = saved(open_size(), data / "open.keras")
    asked = convert(path, data)
    assert asked.done.code == 2
    assert "takes images of any size" in asked.done.err
    assert "--image-size" in asked.done.err
    check_right(convert(path, data, "--image-size", str(SIDE)))
    both = convert(path, data, "--image-size", "8x12")
    assert both.done.code == 0, both.done.err
    for wrong in ("0", "ten", "8x", "99999"):
        refused = convert(path, data, "--image-size", wrong)
        assert refused.done.code == 2, wrong
        assert "is no size of images" in refused.done.err
    fixed = saved(set_by_hand(keras.Model(*_fixed())), data / "fixed.keras")
    check_right(convert(fixed, data, "--image-size", f"{SIDE}x{SIDE}"))
    other = convert(fixed, data, "--image-size", "32")
    assert other.done.code == 2
    assert f"height {SIDE}, width {SIDE}" in other.done.err


def _fixed() -> tuple[Any, Any]:
    image = layers.Input((SIDE, SIDE, 3))
    return image, body(layers, layers.Rescaling(1 / 127.5, offset=-1)(image))


def test_what_keras_2_computes_otherwise_is_sent_to_keras_2(data: Path) -> None:
    image = layers.Input((SIDE, SIDE, 3))
    values = layers.Activation("hard_sigmoid")(layers.Rescaling(1 / 127.5, offset=-1)(image))
    path = saved(keras.Model(image, body(layers, values)), data / "hard.h5")
    assert convert(path, data).done.code != 26  # as Keras 3 wrote it, it means what Keras 3 reads
    for version in ("2.4.0", None):
        with h5py.File(path, "r+") as file:
            del file.attrs["keras_version"]
            if version is not None:
                file.attrs["keras_version"] = version
        refused = convert(path, data)
        assert refused.done.code == 26
        assert "hard_sigmoid computes something else in Keras 3" in refused.done.err
        assert "tf-keras" in refused.done.err
        with h5py.File(path, "r+") as file:
            file.attrs["keras_version"] = "0"


@pytest.mark.parametrize(
    "config",
    [
        {"config": {"layers": [{"class_name": "Dense", "config": {"activation": "hard_sigmoid"}}]}},
        {"layers": [{"config": {"recurrent_activation": "hard_sigmoid"}}]},
        {"activation": {"class_name": "hard_sigmoid"}},
        [{"class_name": "Softmax", "config": {"name": "softmax", "axis": [1, 2]}}],
    ],
)
def test_it_is_found_wherever_a_configuration_names_it(config: Any) -> None:
    assert other_in_keras_2(config) is not None


@pytest.mark.parametrize(
    "config",
    [
        {"config": {"name": "hard_sigmoid", "activation": "relu"}},
        {"class_name": "Softmax", "config": {"axis": -1}},
        {"class_name": "Softmax", "config": {"axis": [3]}},
        {"class_name": "LayerNormalization", "config": {"axis": [1, 2]}},
    ],
)
def test_a_layer_of_that_name_is_none(config: Any) -> None:
    assert other_in_keras_2(config) is None

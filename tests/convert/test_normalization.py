"""What the arithmetic at the start of a model says of the range it wants."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

from edgecnn.convert.graph.deployable import frozen_call
from edgecnn.convert.source.normalization import Normalization, normalization_of

pytestmark = pytest.mark.slow  # imports TensorFlow

RAW = {"mean": (119.6, 116.4, 106.1), "std": (58.1, 57.4, 59.6)}


def by(scale: float | tuple[float, ...], offset: float | tuple[float, ...]) -> Normalization:
    both = np.broadcast_arrays(np.atleast_1d(scale).astype(float), offset)
    return Normalization(scale=both[0].copy(), offset=np.asarray(both[1], float).copy())


def standard(mean: tuple[float, ...], std: tuple[float, ...]) -> Normalization:
    return by(tuple(1 / d for d in std), tuple(-m / d for m, d in zip(mean, std, strict=True)))


@pytest.mark.parametrize(
    ("normalization", "meaning"),
    [
        (by(1 / 255, 0), "0..255"),
        (by(1 / 127.5, -1), "0..255"),
        (by(1 / 128, -1), "0..255"),
        (by(1 / 256, 0), "0..255"),
        (by(-1 / 255, 1), "0..255"),  # inverted
        (standard(RAW["mean"], RAW["std"]), "0..255"),
        (standard((33.3,), (78.6,)), "0..255"),  # of dark images
        (standard((50.0,), (12.0,)), "0..255"),  # of images with little contrast
        (by(1.0, (-103.9, -116.8, -123.7)), "0..255"),  # a mean alone
        (standard((255 * 0.485, 255 * 0.456, 255 * 0.406), (58.4, 57.1, 57.4)), "0..255"),
        (by(2, -1), "0..1"),
        (standard((0.5,), (0.25,)), "0..1"),
        (standard((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)), "0..1"),
        (standard((0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)), "0..1"),
        (by(1.0, -0.5), "0..1"),
        (by(0.5, 0.5), "-1..1"),  # back to 0..1
        (by(127.5, 127.5), "-1..1"),  # back to raw pixels
        (by(1.0, 0.0), None),
        (by(2.0, 0.0), None),
        (by(255.0, 0.0), None),  # of 0..1 or of -1..1
        (standard((0.1307,), (0.3081,)), None),  # of 0..1 or of -1..1
        (by(58.0, 117.0), None),  # the inverse of a normalization
    ],
)
def test_the_range_is_told_by_the_values(normalization: Normalization, meaning: str | None) -> None:
    assert normalization.meaning == meaning
    if meaning is not None:
        assert normalization.fits(meaning)


@pytest.mark.parametrize(
    ("normalization", "refused", "taken"),
    [
        (by(1 / 255, 0), ("0..1", "-1..1", "imagenet"), ("0..255",)),
        (standard(RAW["mean"], RAW["std"]), ("0..1", "-1..1", "imagenet"), ("0..255",)),
        (standard((50.0,), (12.0,)), ("0..1", "-1..1"), ("0..255",)),
        (by(2, -1), ("0..255",), ("0..1", "-1..1", "imagenet")),
        (standard((0.1307,), (0.3081,)), ("0..255",), ("0..1", "-1..1")),
        (by(1.0, -0.5), ("0..255",), ("0..1",)),
        (by(0.5, 0.5), ("0..1",), ("-1..1",)),
        (by(1.0, 0.0), (), ("0..255", "0..1", "-1..1", "imagenet")),
    ],
)
def test_a_range_is_refused_where_the_values_contradict_it(
    normalization: Normalization, refused: tuple[str, ...], taken: tuple[str, ...]
) -> None:
    assert [name for name in refused if normalization.fits(name)] == []
    assert [name for name in taken if not normalization.fits(name)] == []


@pytest.mark.parametrize(
    ("normalization", "contradicted", "possible"),
    [
        # A channel that is nearly black; a shift behind a batch normalization.
        (standard((0.5, 0.3, 0.002), (0.2, 0.2, 0.05)), ("0..255",), ("0..1",)),
        (by(1 / 0.3, 0.5 - 0.13 / 0.3), ("0..255",), ("0..1",)),
        (by(1 / 0.3, -0.5 - 0.9 / 0.3), ("0..255",), ("0..1",)),
        (by(2, -1), ("0..255",), ("0..1", "-1..1", "imagenet")),
        (by(1 / 255, 0), ("0..1", "-1..1", "imagenet"), ("0..255",)),
        (standard(RAW["mean"], RAW["std"]), ("0..1", "-1..1", "imagenet"), ("0..255",)),
        (standard((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)), ("0..255",), ("0..1",)),
    ],
)
def test_what_is_said_is_taken_unless_it_cannot_be(
    normalization: Normalization, contradicted: tuple[str, ...], possible: tuple[str, ...]
) -> None:
    assert [name for name in contradicted if not normalization.contradicts(name)] == []
    assert [name for name in possible if normalization.contradicts(name)] == []


def test_pixels_that_never_change_do_not_hide_the_others() -> None:
    """A deviation for each pixel is tiny where a border is."""
    border = np.zeros((8, 8, 3), bool)
    border[:, :3] = True
    mean = np.where(border, 0.0, 120.0).astype(np.float32)
    deviation = np.where(border, 0.03, 50.0).astype(np.float32)
    found = read(lambda image: (image - mean) / deviation)
    assert found is not None
    assert not found.contradicts("0..255")
    assert found.contradicts("0..1")


def test_it_is_written_as_a_formula() -> None:
    assert str(by(2, -1)) == "x * 2 - 1"
    assert str(by(1 / 255, 0)) == "x * 0.003922"
    assert str(by(1, (-1.0, -2.0, 3.0))) == "x + (-1, -2, 3)"
    assert by(2, -1).result("0..255") == "-1 to 509"


def read(make: Callable[[Any], Any], channels: int = 3) -> Normalization | None:
    image = layers.Input((8, 8, channels))
    hidden = layers.Conv2D(2, 3)(make(image))
    model = keras.Model(image, layers.Dense(2)(layers.Flatten()(hidden)))
    frozen = frozen_call(
        lambda images: model(images, training=False),
        shape=(8, 8, channels),
        input_range="0..255",
    )
    return normalization_of(frozen.graph_def, frozen.output)


def batch_norm(image: Any) -> Any:
    layer = layers.BatchNormalization()
    result = layer(image)
    layer.set_weights([np.full(3, value, "f4") for value in (1.0, 0.0, 0.5, 0.0615)])
    return result


@pytest.mark.parametrize(
    ("make", "meaning"),
    [
        (lambda x: layers.Rescaling(2.0, offset=-1.0)(x), "0..1"),
        (lambda x: layers.Rescaling(2.0, offset=-1.0)(layers.Rescaling(1 / 255)(x)), "0..255"),
        (lambda x: layers.Rescaling(1 / 127.5, offset=-1.0)(layers.Rescaling(255.0)(x)), "0..1"),
        (lambda x: layers.Normalization(mean=[0.5] * 3, variance=[0.06] * 3)(x), "0..1"),
        (lambda x: layers.Normalization(mean=120.0, variance=4000.0)(x), "0..255"),
        (batch_norm, "0..1"),
        (lambda x: keras.applications.mobilenet_v2.preprocess_input(x), "0..255"),
        (lambda x: keras.applications.resnet50.preprocess_input(x), "0..255"),
        (lambda x: keras.applications.densenet.preprocess_input(x), "0..255"),
        (lambda x: (x + 1.0) * 127.5, "-1..1"),
        (lambda x: keras.ops.clip(x / 255.0, 0.0, 1.0), "0..255"),
        (lambda x: layers.Resizing(16, 16)(layers.ZeroPadding2D()(x)) / 255.0, "0..255"),
        (lambda x: keras.ops.transpose(x, (0, 2, 1, 3)) * 2.0 - 1.0, "0..1"),
        (lambda x: x - np.full((8, 8, 3), 117.0, "f4"), "0..255"),  # a mean image
        (lambda x: layers.Concatenate()([x, x]) / 255.0, "0..255"),
        (lambda x: layers.Concatenate()([x / 255.0, x / 255.0]), "0..255"),  # two branches
        (lambda x: layers.Concatenate()([x / 255.0, x * 2.0 - 1.0]), None),  # that contradict
        (lambda x: layers.Conv2D(3, 1)(x) * 2.0 - 1.0, None),  # behind a layer
    ],
)
def test_layers_and_operators_that_say_the_same_are_read_alike(
    make: Callable[[Any], Any], meaning: str | None
) -> None:
    found = read(make)
    assert (found and found.meaning) == meaning


def test_a_grey_image_made_colour_is_read_too() -> None:
    found = read(lambda x: layers.Concatenate()([x, x, x]) * 2.0 - 1.0, channels=1)
    assert found is not None
    assert found.meaning == "0..1"

"""Models that compute in half precision, or in more than single, come out as they are in Keras."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

from convert.brightness import (
    SIDE,
    Built,
    body,
    check_refused,
    check_right,
    convert,
    own_scores,
    pictures,
    saved,
    set_by_hand,
    write_pictures,
)

pytestmark = pytest.mark.slow  # converts whole networks

# How far a model's own scores may be from those of the same network in float32.
HALF = {"float16": 2e-2, "bfloat16": 1e-1, "float64": 1e-4}


@pytest.fixture(autouse=True)
def policy() -> Iterator[None]:
    yield
    keras.config.set_dtype_policy("float32")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_pictures(tmp_path)


def rescaled(softmax: bool = True) -> Any:
    image = layers.Input((SIDE, SIDE, 3))
    values = layers.Rescaling(1 / 127.5, offset=-1)(image)
    return set_by_hand(keras.Model(image, body(layers, values, softmax=softmax)))


def normalized(**given: Any) -> Any:
    """The classifier behind a Normalization that was adapted to pictures, and what undoes it."""
    layer = layers.Normalization(**given)
    layer.adapt(pictures(20, seed=4)[0].astype(np.float32))
    mean, variance = map(np.ravel, layer.get_weights()[:2])
    image = layers.Input((SIDE, SIDE, 3))
    undo = layers.Conv2D(3, 1, name="undo")
    model = set_by_hand(keras.Model(image, body(layers, undo(layer(image)))))
    kernel = np.diag(np.broadcast_to(np.sqrt(variance), 3) / 127.5)[None, None]
    undo.set_weights([kernel, np.broadcast_to(mean, 3) / 127.5 - 1])
    return model


def batch_normalized() -> Any:
    image = layers.Input((SIDE, SIDE, 3))
    layer = layers.BatchNormalization(epsilon=1e-7, center=False, scale=False)
    model = set_by_hand(keras.Model(image, body(layers, layer(image))))
    layer.set_weights([np.full(3, 127.5), np.full(3, 127.5**2)])
    return model


def per_layer() -> Any:
    """A policy of its own for each layer, under a global one of float32."""
    image = layers.Input((SIDE, SIDE, 3))
    values = layers.Rescaling(1 / 127.5, offset=-1, dtype="float32")(image)
    values = layers.Identity(dtype="float16")(values)
    return set_by_hand(keras.Model(image, body(layers, values, dtype="mixed_bfloat16")))


def nested() -> Any:
    inner = keras.Sequential(
        [layers.Input((SIDE, SIDE, 3)), layers.Rescaling(1 / 127.5, offset=-1)], name="scaled"
    )
    image = layers.Input((SIDE, SIDE, 3))
    return set_by_hand(keras.Model(image, body(layers, inner(image), dtype="float32")))


MODELS: dict[str, Callable[[], Any]] = {
    "rescaled": rescaled,
    "rescaled logits": lambda: rescaled(softmax=False),
    "normalized by channel": normalized,
    "normalized as a whole": lambda: normalized(axis=None),
    "batch normalized": batch_normalized,
    "nested": nested,
}
POLICIES = ("mixed_float16", "mixed_bfloat16", "float16", "bfloat16", "float64")
FORMATS = ("model.keras", "model.h5", "exported")
CHEAP = {
    ("normalized by channel", "mixed_float16", "model.keras"),
    ("normalized by channel", "mixed_float16", "model.h5"),
    ("normalized as a whole", "mixed_bfloat16", "model.keras"),
    ("rescaled", "mixed_float16", "exported"),
    ("rescaled", "mixed_bfloat16", "exported"),
    ("rescaled", "float16", "exported"),
    ("batch normalized", "float16", "model.keras"),
    ("rescaled logits", "float64", "model.h5"),
}


def check_own(built: Built, path: Path, bound: float) -> None:
    """Assert that the saved scores are the model's own, and all are near the network's."""
    check_right(built, reference=bound, artifacts=bound)
    own = own_scores(path, built.pixels().astype(np.float32))
    # Batches of other sizes are summed up in another order, in half precision, too.
    np.testing.assert_allclose(built.reference(), own, rtol=0, atol=bound / 10)


@pytest.mark.parametrize(
    ("name", "dtype", "path"),
    [
        pytest.param(
            name, dtype, path,
            marks=[] if (name, dtype, path) in CHEAP else pytest.mark.long,
        )
        for name in MODELS
        for dtype in POLICIES
        for path in FORMATS
    ],
)  # fmt: skip
def test_a_model_in_another_precision_keeps_its_scores(
    data: Path, name: str, dtype: str, path: str
) -> None:
    keras.config.set_dtype_policy(dtype)
    model = saved(MODELS[name](), data / path)
    keras.config.set_dtype_policy("float32")
    built = convert(model, data)
    if path == "model.h5" and (dtype == "bfloat16" or name == "normalized as a whole"):
        # Keras writes these HDF5 files and does not read them: h5py has no bfloat16, and a mean
        # of all channels is read as one for each.
        with pytest.raises((TypeError, ValueError)):
            keras.saving.load_model(model, compile=False)
        check_refused(built, "model.export(")
        return
    check_own(built, model, HALF[dtype.removeprefix("mixed_")])


@pytest.mark.parametrize("path", FORMATS)
def test_layers_may_have_policies_of_their_own(data: Path, path: str) -> None:
    model = saved(per_layer(), data / path)
    check_own(convert(model, data), model, HALF["bfloat16"])


def test_the_artifacts_of_a_mixed_model_are_those_of_the_float32_network(data: Path) -> None:
    keras.config.set_dtype_policy("mixed_bfloat16")
    model = saved(normalized(), data / "model.keras")
    keras.config.set_dtype_policy("float32")
    built = convert(model, data, variants=("tflite-fp32", "onnx-fp32"))
    # Nearer to the right scores than bfloat16 itself can be.
    check_right(built, variants=("tflite-fp32", "onnx-fp32"), reference=HALF["bfloat16"])

"""Networks that read a picture row by row: recurrent layers, and loops of TensorFlow's own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from convert.brightness import (
    SIDE,
    Built,
    check_refused,
    convert,
    fitted,
    saved,
    write_pictures,
)
from convert.networks import randomized
from edgecnn.quiet import captured_log

pytestmark = pytest.mark.slow  # converts whole networks


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_pictures(tmp_path)


@keras.saving.register_keras_serializable("tests")
class Cell(keras.layers.Layer):  # type: ignore[misc]
    """A cell of one's own: the state is half the old one and half the row."""

    def __init__(self, units: int, **given: Any) -> None:
        super().__init__(**given)
        self.units = self.state_size = self.output_size = units

    def build(self, shape: Any) -> None:
        self.kernel = self.add_weight(shape=(shape[-1], self.units), name="kernel")

    def call(self, row: Any, states: Any) -> Any:
        state = keras.ops.tanh(keras.ops.matmul(row, self.kernel) + 0.5 * states[0])
        return state, [state]

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "units": self.units}


def by_rows(*stack: Any, keep: bool = True) -> Any:
    """A classifier whose ``stack`` reads a picture's rows, one after another."""
    shape = (SIDE, SIDE * 3) if keep else (SIDE, SIDE, 3)
    start = [layers.Input((SIDE, SIDE, 3)), layers.Rescaling(1 / 255), layers.Reshape(shape)]
    model = keras.Sequential([*start, *stack, layers.Dense(3, activation="softmax")])
    return fitted(randomized(model))


MODELS: dict[str, Callable[[], Any]] = {
    "lstm": lambda: by_rows(layers.LSTM(8)),
    "gru": lambda: by_rows(layers.GRU(8)),
    "simple": lambda: by_rows(layers.SimpleRNN(8)),
    "bidirectional lstm": lambda: by_rows(layers.Bidirectional(layers.LSTM(8))),
    "stacked lstm": lambda: by_rows(layers.LSTM(8, return_sequences=True), layers.LSTM(6)),
    "gru, all rows": lambda: by_rows(layers.GRU(4, return_sequences=True), layers.Flatten()),
    "gru, backwards": lambda: by_rows(layers.GRU(8, go_backwards=True, reset_after=False)),
    "bidirectional gru": lambda: by_rows(layers.Bidirectional(layers.GRU(6), merge_mode="sum")),
    "unrolled": lambda: by_rows(layers.LSTM(8, unroll=True)),
    "rows each alone": lambda: by_rows(
        layers.TimeDistributed(layers.Dense(4, activation="relu")), layers.LSTM(5)
    ),
    "cells in a stack": lambda: by_rows(layers.RNN([layers.LSTMCell(5), layers.GRUCell(4)])),
    "convolutional lstm": lambda: by_rows(
        layers.Reshape((4, 4, SIDE, 3)), layers.ConvLSTM2D(3, 3), layers.Flatten(), keep=False
    ),
    "own cell": lambda: by_rows(layers.RNN(Cell(6))),
}
IN_KERAS = sorted(set(MODELS) - {"own cell"})  # whose class edgecnn cannot know
CHEAP = {
    ("lstm", "model.keras"), ("bidirectional gru", "model.h5"), ("gru, all rows", "exported"),
    ("own cell", "exported"),
}  # fmt: skip


def check(built: Built, model: Any, variant: str) -> None:
    """Assert that a file is right, or that its row says why there is none."""
    assert built.done.code in (0, 27), built.done.err
    right = np.asarray(model(built.pixels().astype(np.float32), training=False))
    np.testing.assert_allclose(built.reference(), right, rtol=0, atol=1e-5)
    if built.done.code == 0:
        np.testing.assert_allclose(built.scores(variant), right, rtol=0, atol=1e-4)
    else:
        assert f"{variant}" in built.done.out + built.done.err
        assert "Traceback" not in built.done.out + built.done.err


@pytest.mark.parametrize(
    ("name", "path"),
    [
        pytest.param(name, path, marks=[] if (name, path) in CHEAP else pytest.mark.long)
        for name in MODELS
        for path in ("model.keras", "model.h5", "exported")
        if path == "exported" or name in IN_KERAS
    ],
)
def test_rows_read_one_after_another(data: Path, name: str, path: str) -> None:
    model = MODELS[name]()
    options = ("--input-range", "0..255") if path == "exported" else ()
    built = convert(saved(model, data / path), data, *options)
    if path != "exported" or "lstm" in name:
        assert built.done.code == 0, built.done.err
    elif built.done.code:
        # What a loop collects in a list has an open batch in a SavedModel; TFLite wants to know it.
        assert "TensorListReserve" in built.done.err
    check(built, model, "tflite-fp32")


@pytest.mark.long
@pytest.mark.parametrize("name", MODELS)
def test_rows_read_one_after_another_in_every_variant(data: Path, name: str) -> None:
    model = MODELS[name]()
    path = saved(model, data / "exported")
    for variant in ("tflite-fp16", "tflite-int8-dynamic", "tflite-int8", "onnx-fp32", "onnx-int8"):
        built = convert(path, data, "--input-range", "0..255", variants=(variant,))
        assert built.done.code in (0, 27), built.done.err
        if built.done.code == 0:
            right = np.asarray(model(built.pixels().astype(np.float32), training=False))
            far = np.abs(built.scores(variant) - right).max()
            assert far < (1e-4 if variant == "onnx-fp32" else 0.25), (variant, far)


def looped(step: Callable[[Any], Any], shape: tuple[int | None, ...]) -> Any:
    """A SavedModel's module: the mean of the pixels, by way of ``step`` over the picture."""
    module = tf.Module()
    # The mean brightness of night, dusk and noon is about 0.15, 0.5 and 0.85.
    module.weights = tf.Variable(np.outer([1, 1, 1], [-4, 0, 4]).astype(np.float32), name="weights")
    module.bias = tf.Variable(np.array([4, 0, -8], np.float32), name="bias")

    def classify(image: Any) -> Any:
        return {
            "scores": tf.nn.softmax(tf.matmul(step(image / 255.0), module.weights) + module.bias)
        }

    module.classify = tf.function(
        classify, input_signature=[tf.TensorSpec(shape, tf.float32, name="image")]
    )
    return module


def summed_by_a_loop(image: Any) -> Any:
    rows = tf.shape(image)[1]

    def add(row: Any, total: Any) -> tuple[Any, Any]:
        return row + 1, total + tf.reduce_mean(image[:, row], axis=1)

    _, total = tf.while_loop(lambda row, _: row < rows, add, (0, tf.zeros((tf.shape(image)[0], 3))))
    return total / SIDE


def counted(image: Any) -> Any:
    """How often it runs depends on the picture: how often its brightness can be halved."""
    value = tf.reduce_mean(image, axis=(1, 2, 3), keepdims=False)

    def halve(value: Any, count: Any) -> tuple[Any, Any]:
        return value * 0.5, count + tf.cast(value > 0.1, tf.float32)

    start = (value, tf.zeros_like(value))
    _, count = tf.while_loop(lambda value, _: tf.reduce_max(value) > 0.1, halve, start)
    return tf.tile(count[:, None] / 5.0, (1, 3))


def by_condition(image: Any) -> Any:
    value = tf.reduce_mean(image, axis=(1, 2))
    return tf.cond(tf.reduce_mean(value) > 0.5, lambda: value * 2.0, lambda: value)


def by_case(image: Any) -> Any:
    value = tf.reduce_mean(image, axis=(1, 2))
    index = tf.cast(tf.reduce_mean(value) * 3.0, tf.int32)
    return tf.switch_case(
        index, [lambda: value, lambda: tf.nn.relu(value - 0.4), lambda: value * 3.0]
    )


def by_map(image: Any) -> Any:
    return tf.map_fn(lambda one: tf.reduce_mean(one, axis=(0, 1)), image)


@pytest.mark.parametrize("batch", [None, pytest.param(1, marks=pytest.mark.long)])
@pytest.mark.parametrize(
    "step",
    [
        summed_by_a_loop,
        *(pytest.param(one, marks=pytest.mark.long)
          for one in (counted, by_condition, by_case, by_map)),
    ],
)  # fmt: skip
def test_a_loop_ends_in_right_files_or_a_typed_error(
    data: Path, step: Callable[[Any], Any], batch: int | None
) -> None:
    module = looped(step, (batch, SIDE, SIDE, 3))
    path = data / "exported"
    with captured_log():
        tf.saved_model.save(module, str(path), signatures={"serving_default": module.classify})
    for variant in ("tflite-fp32", "onnx-fp32"):
        built = convert(path, data, "--input-range", "0..255", variants=(variant,))
        if built.done.code == 0:
            one_by_one = [
                module.classify(tf.constant(image[None], tf.float32))["scores"]
                for image in built.pixels()
            ]
            np.testing.assert_allclose(
                built.scores(variant), np.concatenate(one_by_one), rtol=0, atol=1e-4
            )
        elif built.done.code != 27:  # a row with its reason
            check_refused(built)

"""Loops are converted where they end, and refused where they may not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import onnx
import pytest
import tensorflow as tf
from keras import layers

from convert.networks import CLASSES, pixels, randomized
from convert.test_payload import run_onnx, run_tflite
from edgecnn.convert import find_source
from edgecnn.convert.graph.deployable import Deployable, deployable_of
from edgecnn.convert.payload import PayloadMaker
from edgecnn.convert.source.loops import MOST_ROUNDS, check_rounds
from edgecnn.convert.source.model import load_source
from edgecnn.errors import ConversionError, SourceModelError
from edgecnn.quiet import captured_log

SHAPE = (8, 8, 3)


def recurrent(*stack: Any) -> Any:
    """A classifier that reads a picture row by row."""
    image = layers.Input(SHAPE)
    rows = layers.Conv2D(4, 3, padding="same", activation="relu")(layers.Rescaling(1 / 255)(image))
    hidden = layers.Reshape((8, 32))(rows)
    for layer in stack:
        hidden = layer(hidden)
    scores = layers.Dense(len(CLASSES), activation="softmax")(layers.Flatten()(hidden))
    return randomized(keras.Model(image, scores))


def deployed(model: Any) -> Deployable:
    return deployable_of(
        lambda images: model(images, training=False), shape=SHAPE, input_range="0..255"
    )


STACKS = {
    "lstm": lambda: [layers.LSTM(8)],
    "gru both ways, simple": lambda: [
        layers.Bidirectional(layers.GRU(6, return_sequences=True)), layers.SimpleRNN(5),
    ],
    "cells": lambda: [layers.RNN([layers.LSTMCell(6), layers.GRUCell(5, activation="gelu")])],
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", STACKS)
def test_recurrent_layers_answer_alike_in_both_formats(name: str) -> None:
    model = recurrent(*STACKS[name]())
    images = pixels(6, SHAPE, seed=2)
    expected = model(images.astype(np.float32), training=False).numpy()
    deployable = deployed(model)
    assert len(deployable.loops) == {"lstm": 1, "cells": 1}.get(name, 3)
    np.testing.assert_allclose(deployable.scores(images), expected, atol=1e-5)
    maker = PayloadMaker(deployable, pixels(8, SHAPE), opset=17, ir_version=8)
    for variant, run in (("tflite-fp32", run_tflite), ("onnx-fp32", run_onnx)):
        np.testing.assert_allclose(run(maker.make(variant).data, images), expected, atol=1e-5)
    half = run_onnx(maker.make("onnx-fp16").data, images)
    np.testing.assert_allclose(half, expected, atol=5e-3)


@pytest.mark.slow
def test_an_exported_recurrent_model_is_converted_for_a_batch_of_one(tmp_path: Path) -> None:
    # Its loop was traced for any batch, and says so inside.
    model = recurrent(layers.Bidirectional(layers.LSTM(6)))
    with captured_log():
        model.export(tmp_path / "m", verbose=False)
    source = load_source(find_source(tmp_path / "m"))
    images = pixels(6, SHAPE, seed=2)
    expected = model(images.astype(np.float32), training=False).numpy()
    deployable = deployable_of(source.call, shape=SHAPE, input_range=source.input_range)
    maker = PayloadMaker(deployable, None, opset=17, ir_version=8)
    for variant, run in (("tflite-fp32", run_tflite), ("onnx-fp32", run_onnx)):
        np.testing.assert_allclose(run(maker.make(variant).data, images), expected, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("variant", ["tflite-int8", "tflite-int16x8", "onnx-int8"])
def test_integers_in_a_loop_are_refused_with_a_way_out(variant: str) -> None:
    def make(*, unroll: bool) -> PayloadMaker:
        deployable = deployed(recurrent(layers.SimpleRNN(5, unroll=unroll)))
        return PayloadMaker(deployable, pixels(8, SHAPE), opset=17, ir_version=8)

    with pytest.raises(ConversionError, match="with a loop") as caught:
        make(unroll=False).make(variant)
    assert "simple_rnn" in str(caught.value.observed)
    assert "unroll=True" in str(caught.value.remedy)
    if variant != "tflite-int16x8":
        make(unroll=True).make(variant)  # the remedy works


@pytest.mark.slow
@pytest.mark.parametrize("name", STACKS)
def test_equal_loops_are_equal_files_in_onnx(name: str) -> None:
    # tf2onnx walks sets, in an order that varies with the strings' hashes and the addresses.
    made = {
        PayloadMaker(deployed(recurrent(*STACKS[name]())), None, opset=17, ir_version=8)
        .make("onnx-fp32")
        .data
        for _ in range(3)
    }
    assert len(made) == 1
    onnx.checker.check_model(onnx.load_from_string(made.pop()), full_check=True)


def looping(limit: Any, *, most: int | None = None) -> Any:
    """A function with a loop while ``limit(index, state)`` holds."""

    def call(images: Any) -> Any:
        state = tf.reshape(images, (1, -1))[:, :4] / 255.0
        _, state = tf.while_loop(
            limit, lambda index, state: (index + 1, state * 0.5), (0, state),
            maximum_iterations=most,
        )  # fmt: skip
        return state

    return call


@pytest.mark.parametrize(
    ("limit", "most", "rounds"),
    [
        (lambda index, _: index < 3, None, 3),
        (lambda index, _: index < 10**6, 4, 4),
        # The image decides, but not for ever.
        (lambda index, state: (index < 5) & (tf.reduce_max(state) > 0.1), None, None),
        (lambda _, state: tf.reduce_max(state) > 0.1, 50, None),
    ],
    ids=["count", "at most", "count or image", "image, at most"],
)
def test_a_loop_that_ends_is_kept(limit: Any, most: int | None, rounds: int | None) -> None:
    deployable = deployable_of(looping(limit, most=most), shape=(2, 2, 3), input_range="0..255")
    assert len(deployable.loops) == 1
    image = np.full((1, 2, 2, 3), 255, np.uint8)
    if rounds is not None:
        np.testing.assert_allclose(deployable.scores(image), 0.5**rounds)


@pytest.mark.parametrize(
    "limit",
    [
        lambda index, _: index < 10**12 // 1000,
        lambda index, _: index >= 0,
        lambda _, state: tf.reduce_max(state) > 0.1,
        lambda index, state: (index < 3) | (tf.reduce_max(state) > 0.1),
    ],
    ids=["too many", "overflow", "image", "count and image"],
)
def test_a_loop_that_may_not_end_is_refused_before_it_runs(limit: Any) -> None:
    with pytest.raises(SourceModelError, match="does not come to an end"):
        deployable_of(looping(limit), shape=(2, 2, 3), input_range="0..255")


def test_rounds_of_a_loop_in_a_loop_are_multiplied() -> None:
    def nested(outer: int, inner: int) -> Any:
        def body(index: Any, state: Any) -> Any:
            _, state = tf.while_loop(
                lambda index, _: index < inner, lambda i, s: (i + 1, s * 0.999), (0, state)
            )
            return index + 1, state

        def call(images: Any) -> Any:
            state = tf.reshape(images, (1, -1))[:, :4] / 255.0
            return tf.while_loop(lambda index, _: index < outer, body, (0, state))[1]

        return call

    deployable_of(nested(20, 30), shape=(2, 2, 3), input_range="0..255")
    too_many = nested(100, MOST_ROUNDS // 99)
    with pytest.raises(SourceModelError, match="does not come to an end"):
        deployable_of(too_many, shape=(2, 2, 3), input_range="0..255")


def test_a_loop_among_the_constants_does_not_run_either() -> None:
    def call(images: Any) -> Any:
        endless = tf.while_loop(lambda value: value > 0.5, lambda value: value, (tf.constant(1.0),))
        return tf.reshape(images, (1, -1))[:, :4] * endless[0]

    with pytest.raises(SourceModelError, match="does not come to an end"):
        deployable_of(call, shape=(2, 2, 3), input_range="0..255")


def test_functions_that_call_themselves_are_refused() -> None:
    graph = tf.compat.v1.GraphDef()
    function = graph.library.function.add()
    function.signature.name = "again"
    for nodes in (function.node_def, graph.node):
        nodes.add(name="call", op="PartitionedCall").attr["f"].func.name = "again"
    with pytest.raises(SourceModelError, match="without end"):
        check_rounds(graph)

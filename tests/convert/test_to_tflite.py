from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from convert.networks import grouped, pixels, residual
from edgecnn.convert import to_tflite as module
from edgecnn.convert.graph.deployable import Deployable, deployable_of
from edgecnn.convert.to_tflite import to_tflite
from edgecnn.quiet import captured_log

SHAPE = (12, 10, 3)


def deployable(model: Any) -> Deployable:
    return deployable_of(
        lambda images: model(images, training=False), shape=SHAPE, input_range="0..255"
    )


@pytest.mark.parametrize("make", [residual, grouped])
def test_what_is_not_frozen_again_gives_the_same_file(
    make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    import tensorflow as tf

    network = deployable(make())
    with captured_log():
        converter = tf.lite.TFLiteConverter.from_concrete_functions([network.function], None)
    assert hasattr(converter, "_freeze_concrete_function"), "TensorFlow has no such method any more"
    calibration = pixels(8, SHAPE)
    found = {kind: to_tflite(network, kind, calibration) for kind in ("fp32", "int8")}
    monkeypatch.setattr(module, "_already_frozen", lambda converter, function: None)
    for kind, data in found.items():
        assert data == to_tflite(network, kind, calibration), kind


def test_a_function_that_is_made_anew_is_the_same() -> None:
    network = deployable(residual())
    images = pixels(3, SHAPE)
    scores = network.scores(images)
    again = network.without_source()
    assert again.function is not network.function
    assert again.frozen is None
    np.testing.assert_array_equal(again.scores(images), scores)
    one, other = (str(found.function.graph.as_graph_def()) for found in (network, again))
    assert one == other
    assert str(again.without_source().function.graph.as_graph_def()) == one

"""MLPerf Tiny's image classifier, built anew with random weights.

    python -m peers.mlperf FILE.tflite

The reference's own file is not part of this project. Time does not depend on what weights are, so
the same network, converted as the reference's converter does, is as fast: a yardstick that runs
beside ours (mlcommons/tiny, benchmark/training/image_classification: ``keras_model.py`` with 16
filters, ``model_converter.py``: int8 all through, at the ends as well).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

MACS = 12_501_632
"""Multiply-accumulates of the reference's file."""


def write_reference(path: Path) -> None:
    """Write the file."""
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
    import tensorflow as tf

    model = _network()
    draw = np.random.default_rng(0)

    def pictures() -> Iterator[list[Any]]:
        for _ in range(50):
            yield [draw.integers(0, 256, (1, 32, 32, 3)).astype(np.float32)]

    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = pictures
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(converter.convert())


def _network() -> Any:  # Keras ships no types
    import keras
    from keras import layers

    keras.utils.set_random_seed(0)

    def conv(filters: int, size: int = 3, strides: int = 1) -> Any:
        return layers.Conv2D(
            filters, size, strides=strides, padding="same", kernel_initializer="he_normal"
        )

    given = keras.Input(batch_shape=(1, 32, 32, 3))
    x = layers.ReLU()(layers.BatchNormalization()(conv(16)(given)))
    for filters, strides in ((16, 1), (32, 2), (64, 2)):
        y = layers.ReLU()(layers.BatchNormalization()(conv(filters, strides=strides)(x)))
        y = layers.BatchNormalization()(conv(filters)(y))
        x = conv(filters, 1, strides)(x) if strides > 1 else x
        x = layers.ReLU()(layers.Add()([x, y]))
    x = layers.Flatten()(layers.AveragePooling2D(8)(x))
    return keras.Model(given, layers.Dense(10, activation="softmax")(x))


def main() -> int:
    """Write the file that the command line names, unless it is there."""
    path = Path(sys.argv[1])
    if not path.is_file():
        write_reference(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())

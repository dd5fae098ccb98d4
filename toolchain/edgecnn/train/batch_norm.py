"""Batch normalization that trains faster on processors; the saved model has Keras's own.

Keras computes a training step's normalization from single operations; TensorFlow's fused one
gives the same values in one pass over memory. With another Keras
backend, and for convolutions without a batch in training, Keras's own runs.

This module imports Keras; ``architectures`` imports it when a network is built.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from edgecnn.train.backend import keras, tf

_BATCH: Final = 256


class FusedBatchNormalization(keras.layers.BatchNormalization):  # type: ignore[misc]  # untyped
    """``keras.layers.BatchNormalization`` over the last of four axes, fused in training.

    Both update the moving variance; this one, like Keras 2, with Bessel's correction, which at
    a batch of 128 images of 8x8 pixels is one part in 8,192.
    """

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """Normalize; see Keras."""
        if not training or keras.backend.backend() != "tensorflow":
            return super().call(inputs, training=training, mask=mask)
        nothing = tf.constant([], tf.float32)
        output, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=inputs,
            # The variables themselves: converted by the layer they would be in bfloat16.
            scale=tf.convert_to_tensor(self.gamma.value),
            offset=tf.convert_to_tensor(self.beta.value),
            mean=nothing,
            variance=nothing,
            epsilon=self.epsilon,
            is_training=True,
            data_format="NHWC",
        )
        for moving, now in ((self.moving_mean, mean), (self.moving_variance, variance)):
            moving.assign(moving.value * self.momentum + now * (1.0 - self.momentum))
        return output


class PopulationAverages:
    """Computes what batch normalization's averages are over a whole set of images.

    Moving averages lag behind the weights, and over few steps never arrive. Here each layer's
    mean and variance are taken over the images as they come, in batches as large as evaluation
    has, each normalized by its own statistics (Wu and Johnson 2021, arXiv:2105.07576, section
    3.1), and put together with what the batches' means differ by. So up to ``_BATCH`` images
    the averages are exactly those of the layers' inputs in inference, and beyond that nearly;
    layer by layer it would take a pass for each of them. Nothing is dropped or augmented, and
    no weight changes.

    Args:
        twin: A network of the same layers as those that are to be measured, made with
            ``fused=True``, ``dropout=0`` and ``norm_momentum=0`` (untyped Keras model): its moving
            averages are those of its last batch.
        pixels: Images of all classes in mixed order, shape (n, height, width, channels), uint8.
    """

    def __init__(self, twin: Any, pixels: npt.NDArray[np.uint8]) -> None:
        kind = keras.layers.BatchNormalization
        self._norms = [layer for layer in twin.layers if isinstance(layer, kind)]
        self._twin = twin
        self.images = len(pixels) if self._norms else 0
        """How many images count; 0 for a network without batch normalization."""
        # Batches of nearly one size: a small last one would have worse statistics than the rest.
        self._parts = np.array_split(pixels, -(-len(pixels) // _BATCH))
        shape = tf.TensorSpec((None, *pixels.shape[1:]), tf.uint8)

        @tf.function(input_signature=[shape], autograph=False)  # type: ignore[untyped-decorator]
        def forward(batch: Any) -> Any:
            return twin(batch, training=True)

        self._forward = forward

    def put_into(self, network: Any) -> None:
        """Replace a network's moving averages by those of the images under its weights.

        Args:
            network: Of the twin's layers (untyped Keras model).
        """
        if not self.images:
            return
        self._twin.set_weights(network.get_weights())
        sums = [[np.zeros(norm.moving_mean.shape)] * 2 for norm in self._norms]
        for part in self._parts:
            self._forward(part)
            share = len(part) / self.images
            for index, norm in enumerate(self._norms):
                mean = np.asarray(norm.moving_mean, np.float64)
                variance = np.asarray(norm.moving_variance, np.float64)
                # The fused operation divides by one less than the number of values.
                values = len(part) * math.prod(norm.input.shape[1:-1])
                square = variance * (values - 1) / values + mean**2
                first, second = sums[index]
                sums[index] = [first + share * mean, second + share * square]
        for norm, (mean, square) in zip(self._norms, sums, strict=True):
            target = network.get_layer(norm.name)
            target.moving_mean.assign(mean)
            target.moving_variance.assign(np.maximum(square - mean**2, 0.0))

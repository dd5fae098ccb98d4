"""Batch normalization that trains faster on processors; the saved model has Keras's own.

Keras computes a training step's normalization from single operations; TensorFlow's fused one
gives the same values in one pass over memory. With another Keras
backend, and for convolutions without a batch in training, Keras's own runs.

This module imports Keras; ``architectures`` imports it when a network is built.
"""

from __future__ import annotations

from typing import Any

from edgecnn.train.backend import keras, tf

__all__ = ["FusedBatchNormalization"]


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

"""Changes the images of a batch as a camera would: how it is held, and in what light.

Every function takes float32 pixels and one set of numbers for each image, and draws nothing at
random itself; see ``batches`` for where the numbers come from.

This module imports TensorFlow; ``batches`` imports it when a training begins.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from edgecnn.train.backend import tf

# Rec. 601: brightness of red, green and blue as the eye has it.
_LUMA: Final = np.asarray([0.299, 0.587, 0.114], dtype=np.float32)


def _turn_of_hue() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return matrices G, C and S, so that ``G + cos(a) C + sin(a) S`` turns hues by an angle a.

    The turn is about the grey axis in the plane of I and Q of YIQ (NTSC 1953), so that luma
    stays. G takes a colour to its grey; C leaves what is not grey, and S turns that by 90 degrees.
    """
    yiq = np.asarray([_LUMA, [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]], dtype=np.float64)
    back = np.linalg.inv(yiq)
    grey = back @ np.diag([1.0, 0.0, 0.0]) @ yiq
    colour = back @ np.diag([0.0, 1.0, 1.0]) @ yiq
    quarter = back @ np.asarray([[0.0, 0, 0], [0, 0, -1], [0, 1, 0]]) @ yiq
    return grey.astype(np.float32), colour.astype(np.float32), quarter.astype(np.float32)


_GREY, _COLOUR, _QUARTER = _turn_of_hue()


def warped(
    pixels: tf.Tensor, *, turns: tf.Tensor, shifts: tf.Tensor, scales: tf.Tensor
) -> tf.Tensor:
    """Turn, scale and move each image, in this order, about its centre.

    Values between pixels are bilinear; what lies beyond the edge is the image's reflection, edge
    pixels repeated.

    Args:
        pixels: Shape (n, height, width, channels), float32.
        turns: Angles, counter-clockwise, radians, shape (n,), float32.
        shifts: Downwards and to the right, pixels, shape (n, 2), float32.
        scales: How many times as large, above 0, shape (n,), float32.

    Returns:
        Same shape and dtype as ``pixels``.
    """
    _, height, width, _ = pixels.shape
    middle_y, middle_x = (height - 1) / 2, (width - 1) / 2
    # The operation asks where each pixel of the result comes from: the inverse of the change.
    cosine, sine = tf.cos(turns) / scales, tf.sin(turns) / scales
    down, right = middle_y + shifts[:, 0], middle_x + shifts[:, 1]
    zero = tf.zeros_like(turns)
    rows = [
        *(cosine, -sine, middle_x - cosine * right + sine * down),
        *(sine, cosine, middle_y - sine * right - cosine * down),
        *(zero, zero),
    ]
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=pixels,
        transforms=tf.stack(rows, axis=1),
        output_shape=tf.constant([height, width], tf.int32),
        fill_value=tf.constant(0.0),
        interpolation="BILINEAR",
        fill_mode="REFLECT",
    )


def relit(pixels: tf.Tensor, *, gains: tf.Tensor, contrasts: tf.Tensor) -> tf.Tensor:
    """Make each image brighter or darker, and then its contrast stronger or weaker.

    Args:
        pixels: Shape (n, height, width, channels), float32.
        gains: What pixels are multiplied by, shape (n,), float32.
        contrasts: What their distance from the image's mean is multiplied by, shape (n,).

    Returns:
        Same shape and dtype; values may lie beyond 0..255, see ``rounded``.
    """
    mean = tf.reduce_mean(pixels, axis=(1, 2, 3))
    factor, offset = gains * contrasts, gains * mean * (1.0 - contrasts)
    return pixels * _over_pixels(factor) + _over_pixels(offset)


def recoloured(pixels: tf.Tensor, *, saturations: tf.Tensor, hues: tf.Tensor) -> tf.Tensor:
    """Make each image's colours stronger or weaker, and turn their hues.

    Args:
        pixels: Red, green and blue, shape (n, height, width, 3), float32.
        saturations: What the distance from grey is multiplied by, shape (n,), float32.
        hues: Turns of the hues, radians, shape (n,), float32.

    Returns:
        Same shape and dtype; values may lie beyond 0..255, see ``rounded``.
    """
    along, across = saturations * tf.cos(hues), saturations * tf.sin(hues)
    change = _GREY + _over_matrix(along) * _COLOUR + _over_matrix(across) * _QUARTER
    flat = tf.reshape(pixels, (-1, math.prod(pixels.shape[1:3]), 3))
    return tf.reshape(tf.matmul(flat, change, transpose_b=True), tf.shape(pixels))


def rounded(pixels: tf.Tensor) -> tf.Tensor:
    """Return float32 pixels as uint8, what is beyond 0..255 cut off."""
    return tf.cast(tf.clip_by_value(tf.round(pixels), 0.0, 255.0), tf.uint8)


def _over_pixels(values: tf.Tensor) -> tf.Tensor:
    return values[:, tf.newaxis, tf.newaxis, tf.newaxis]


def _over_matrix(values: tf.Tensor) -> tf.Tensor:
    return values[:, tf.newaxis, tf.newaxis]

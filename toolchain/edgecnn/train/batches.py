"""Batches for the network: shuffled and augmented, or as they are.

What an image becomes in an epoch depends on the seed, the epoch and the image's index alone, so
that a training can be taken up again at any epoch and goes on as if nothing had happened.
Whole batches are augmented at once, on bytes; at batch 128 that costs a few percent of a step.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from edgecnn.data import Images
from edgecnn.pixels import is_mapped
from edgecnn.recipe.sections import Augment
from edgecnn.train.backend import tf
from edgecnn.train.pace import steps_per_epoch

if TYPE_CHECKING:
    import tensorflow as tf


def training_batches(
    images: Images,
    *,
    classes: int,
    batch_size: int,
    augment: Augment,
    label_smoothing: float,
    seed: int,
    epoch: tf.Variable,
    weights: npt.NDArray[np.float32] | None = None,
) -> tf.data.Dataset:
    """Return one epoch's batches; each time it is iterated, those of the epoch that then is.

    Args:
        images: What to train on; held as bytes, in memory or in a file as they come.
        classes: Of the data set.
        batch_size: Images a step.
        augment: Random changes.
        label_smoothing: Share of each label that is spread over all classes (Szegedy et al. 2016,
            arXiv:1512.00567, section 7).
        seed: Decides order and changes.
        epoch: A scalar int64 variable that the training counts up.
        weights: What the loss of each class's images is multiplied by, shape (classes,); None
            for all alike.

    Returns:
        Pixels (batch, height, width, channels), uint8 or, with mixup, float32; labels: see
        ``soft_labels``; and, where there are weights, each image's, shape (batch,), float32.
    """
    from edgecnn.train.backend import tf

    pick, labels = _picker(images.pixels), tf.constant(images.labels)
    count, (height, width) = len(images), images.pixels.shape[1:3]
    fill = tf.constant(np.rint(images.pixels.mean(axis=(0, 1, 2))).astype(np.uint8))
    soft = soft_labels(augment, label_smoothing)

    def seed_for(purpose: int) -> Any:
        # A pair of numbers that no other epoch and purpose has.
        return tf.stack([tf.constant(seed, tf.int64), epoch.read_value() * 8 + purpose])

    def begin(_: Any) -> Any:
        order = tf.random.experimental.stateless_shuffle(tf.range(count), seed_for(0))
        shifts = tf.random.stateless_uniform(
            (count, 2), seed_for(1), 0, 2 * augment.crop + 1, tf.int32
        )
        mirror = tf.random.stateless_uniform((count,), seed_for(2), 0, 2, tf.int32)
        centre = tf.random.stateless_uniform((count, 2), seed_for(3), 0, 1, tf.float32)
        centre = tf.cast(centre * (height, width), tf.int32)
        # From -1 to 1: how far to either side of what the recipe allows.
        pose = tf.random.stateless_uniform((count, 4), seed_for(5), -1.0, 1.0)
        light = tf.random.stateless_uniform((count, 4), seed_for(6), -1.0, 1.0)
        drawn = (shifts, mirror, centre, pose, light)
        rows = (order, tf.range(count), *(tf.gather(values, order) for values in drawn))
        return tf.data.Dataset.from_tensor_slices(rows).batch(batch_size)

    def finish(
        order: Any, position: Any, shifts: Any, mirror: Any, centre: Any, pose: Any, light: Any
    ) -> Any:
        batch, label = pick(order), tf.gather(labels, order)
        batch = distorted(batch, augment, pose=pose, light=light)
        if augment.crop or augment.flip:
            mirrored = mirror == 1 if augment.flip else tf.zeros_like(mirror, tf.bool)
            batch = augmented(batch, shifts - augment.crop, mirrored)
        if augment.cutout:
            batch = cut_out(batch, centre, side=augment.cutout, fill=fill)
        weight = [] if weights is None else [tf.gather(tf.constant(weights), label)]
        if not soft:
            return batch, label, *weight
        label = tf.one_hot(label, classes) * (1 - label_smoothing) + label_smoothing / classes
        if augment.mixup:
            # A stream of its own for each batch of each epoch.
            stream = seed_for(4) + tf.stack([tf.cast(position[0], tf.int64) * 2**32, 0])
            parts = tf.random.stateless_gamma((2,), stream, [augment.mixup] * 2)
            share = parts[0] / tf.reduce_sum(parts)
            batch, label, *weight = mixed(batch, label, *weight, share=share)
        return batch, label, *weight

    batches = tf.data.Dataset.range(1).flat_map(begin).map(finish)
    steps = steps_per_epoch(count, batch_size)
    batches = batches.apply(tf.data.experimental.assert_cardinality(steps))
    return batches.prefetch(4).with_options(_options())


def soft_labels(augment: Augment, label_smoothing: float) -> bool:
    """Tell whether labels are float32 shares of classes (batch, classes), not int64 (batch,)."""
    return augment.mixup > 0 or label_smoothing > 0


def plain_batches(
    images: Images, *, batch_size: int, classes: int | None = None
) -> tf.data.Dataset:
    """Return the images in order, as bytes.

    Args:
        images: Which.
        batch_size: Images a step.
        classes: Of the data set, for labels as shares; None for labels as numbers.
    """
    from edgecnn.train.backend import tf

    labels = images.labels if classes is None else np.eye(classes, dtype="f4")[images.labels]
    if not is_mapped(images.pixels):
        batches = tf.data.Dataset.from_tensor_slices((images.pixels, labels)).batch(batch_size)
        return batches.prefetch(2).with_options(_options())
    pick = _picker(images.pixels)
    rows = tf.data.Dataset.from_tensor_slices((tf.range(len(images)), labels)).batch(batch_size)
    return rows.map(lambda some, label: (pick(some), label)).prefetch(2).with_options(_options())


def _picker(pixels: npt.NDArray[np.uint8]) -> Callable[[tf.Tensor], tf.Tensor]:
    """Return what gives the images at some places, as ``tf.gather`` does.

    TensorFlow holds a copy of those in memory, and reads those in a file from there.
    """
    from edgecnn.train.backend import tf

    if not is_mapped(pixels):
        held = tf.constant(pixels)
        return lambda places: tf.gather(held, places)

    def pick(places: tf.Tensor) -> tf.Tensor:
        found = tf.numpy_function(lambda some: pixels[some], [places], tf.uint8, stateful=False)
        return tf.ensure_shape(found, (None, *pixels.shape[1:]))

    return pick


def _options() -> Any:
    from edgecnn.train.backend import tf

    options = tf.data.Options()
    options.deterministic = True
    # The training step wants the cores. One thread of their own prepares many times more images
    # a second than a processor trains on, and does not queue behind the step's work.
    options.autotune.enabled = False
    options.threading.private_threadpool_size = 1
    return options


def augmented(pixels: tf.Tensor, shifts: tf.Tensor, mirrored: tf.Tensor) -> tf.Tensor:
    """Shift and mirror each image of a batch, filling from its own reflection.

    Equal to taking a crop from the image with a reflected border (the edge not repeated, as
    ``numpy.pad`` does in mode ``reflect``), then mirroring it left to right.

    Args:
        pixels: Shape (n, height, width, channels).
        shifts: Where the crop begins relative to the image, rows and columns, shape (n, 2),
            int32; magnitudes less than height and width.
        mirrored: Which crops to mirror, shape (n,), bool.

    Returns:
        Same shape and dtype as ``pixels``.
    """
    from edgecnn.train.backend import tf

    _, height, width, _ = pixels.shape
    rows = _reflected(tf.range(height)[tf.newaxis] + shifts[:, :1], height)
    columns = _reflected(tf.range(width)[tf.newaxis] + shifts[:, 1:], width)
    columns = tf.where(mirrored[:, tf.newaxis], columns[:, ::-1], columns)
    taken = tf.gather(pixels, rows, axis=1, batch_dims=1)
    return tf.gather(taken, columns, axis=2, batch_dims=1)


def distorted(
    pixels: tf.Tensor, augment: Augment, *, pose: tf.Tensor, light: tf.Tensor
) -> tf.Tensor:
    """Change pose and light of each image of a batch, as far as a recipe allows.

    Args:
        pixels: Shape (n, height, width, channels), uint8.
        augment: How far.
        pose: Of that, -1..1: the turn, the moves down and right, and the logarithm of the scale;
            shape (n, 4), float32.
        light: Of that, -1..1: brightness, contrast, saturation and hue; shape (n, 4), float32.

    Returns:
        Same shape and dtype as ``pixels``.
    """
    from edgecnn.train.backend import tf

    recolours = augment.colour > 0 and pixels.shape[-1] == 3
    if not (augment.warps or augment.relights or recolours):
        return pixels

    _, height, width, _ = pixels.shape
    # Bytes to numbers once, and back once, however many changes there are.
    pixels = tf.cast(pixels, tf.float32)
    if augment.warps:
        pixels = warped(
            pixels,
            turns=pose[:, 0] * math.radians(augment.rotation),
            shifts=pose[:, 1:3] * augment.shift * (height, width),
            scales=tf.exp(pose[:, 3] * math.log1p(augment.zoom)),
        )
    if augment.relights:
        pixels = relit(
            pixels,
            gains=1.0 + light[:, 0] * augment.brightness,
            contrasts=1.0 + light[:, 1] * augment.contrast,
        )
    if recolours:
        pixels = recoloured(
            pixels,
            saturations=1.0 + light[:, 2] * augment.colour,
            hues=light[:, 3] * augment.colour * (math.pi / 2),
        )
    return rounded(pixels)


def cut_out(pixels: tf.Tensor, centres: tf.Tensor, *, side: int, fill: tf.Tensor) -> tf.Tensor:
    """Fill a square of each image (DeVries and Taylor 2017, arXiv:1708.04552).

    Args:
        pixels: Shape (n, height, width, channels).
        centres: Of the squares, rows and columns, shape (n, 2), int32; where a square reaches
            beyond the image, only the part inside is filled.
        side: Of the squares, pixels.
        fill: One colour, shape (channels,), dtype of ``pixels``.

    Returns:
        Same shape and dtype as ``pixels``.
    """
    from edgecnn.train.backend import tf

    def inside(axis: int) -> Any:
        first = centres[:, axis : axis + 1] - side // 2
        positions = tf.range(pixels.shape[1 + axis])[tf.newaxis]
        return (positions >= first) & (positions < first + side)

    square = inside(0)[:, :, tf.newaxis] & inside(1)[:, tf.newaxis, :]
    return tf.where(square[..., tf.newaxis], fill, pixels)


def mixed(*values: tf.Tensor, share: tf.Tensor) -> tuple[tf.Tensor, ...]:
    """Blend each image of a batch and its label with those of the next (arXiv:1710.09412).

    Args:
        values: Pixels (n, height, width, channels) of any dtype, labels as shares of the classes
            (n, classes), and what else each image has.
        share: What stays of each image, 0..1, scalar.

    Returns:
        All as float32.
    """
    from edgecnn.train.backend import tf

    def blend(value: Any) -> Any:
        value = tf.cast(value, tf.float32)
        return share * value + (1.0 - share) * tf.roll(value, shift=-1, axis=0)

    return tuple(map(blend, values))


def _reflected(positions: Any, size: int) -> Any:
    from edgecnn.train.backend import tf

    positions = tf.abs(positions)
    return tf.minimum(positions, 2 * (size - 1) - positions)


# Every function takes float32 pixels and one set of numbers for each image, and draws nothing at
# random itself; see ``batches`` for where the numbers come from.
#
# This module imports TensorFlow; ``batches`` imports it when a training begins.

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

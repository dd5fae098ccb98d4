"""Batches for the network: shuffled and augmented, or as they are.

What an image becomes in an epoch depends on the seed, the epoch and the image's index alone, so
that a training can be taken up again at any epoch and goes on as if nothing had happened.
Whole batches are augmented at once, on bytes; at batch 128 that costs a few percent of a step.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from edgecnn.data import Images
from edgecnn.recipe import Augment

if TYPE_CHECKING:
    import tensorflow as tf

__all__ = [
    "augmented",
    "cut_out",
    "mixed",
    "plain_batches",
    "soft_labels",
    "steps_per_epoch",
    "training_batches",
]


def steps_per_epoch(images: int, batch_size: int) -> int:
    """Return how many batches an epoch has; the last one may be smaller."""
    return -(-images // batch_size)


def training_batches(
    images: Images,
    *,
    classes: int,
    batch_size: int,
    augment: Augment,
    label_smoothing: float,
    seed: int,
    epoch: tf.Variable,
) -> tf.data.Dataset:
    """Return one epoch's batches; each time it is iterated, those of the epoch that then is.

    Args:
        images: What to train on; held in memory as bytes.
        classes: Of the data set.
        batch_size: Images a step.
        augment: Random changes.
        label_smoothing: Share of each label that is spread over all classes (Szegedy et al. 2016,
            arXiv:1512.00567, section 7).
        seed: Decides order and changes.
        epoch: A scalar int64 variable that the training counts up.

    Returns:
        Pairs of pixels (batch, height, width, channels), uint8 or, with mixup, float32; and
        labels: see ``soft_labels``.
    """
    from edgecnn.train.backend import tf

    pixels, labels = tf.constant(images.pixels), tf.constant(images.labels)
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
        rows = (order, tf.range(count), *(tf.gather(v, order) for v in (shifts, mirror, centre)))
        return tf.data.Dataset.from_tensor_slices(rows).batch(batch_size)

    def finish(order: Any, position: Any, shifts: Any, mirror: Any, centre: Any) -> Any:
        batch, label = tf.gather(pixels, order), tf.gather(labels, order)
        if augment.crop or augment.flip:
            mirrored = mirror == 1 if augment.flip else tf.zeros_like(mirror, tf.bool)
            batch = augmented(batch, shifts - augment.crop, mirrored)
        if augment.cutout:
            batch = cut_out(batch, centre, side=augment.cutout, fill=fill)
        if not soft:
            return batch, label
        label = tf.one_hot(label, classes) * (1 - label_smoothing) + label_smoothing / classes
        if augment.mixup:
            # A stream of its own for each batch of each epoch.
            stream = seed_for(4) + tf.stack([tf.cast(position[0], tf.int64) * 2**32, 0])
            parts = tf.random.stateless_gamma((2,), stream, [augment.mixup] * 2)
            batch, label = mixed(batch, label, share=parts[0] / tf.reduce_sum(parts))
        return batch, label

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
    batches = tf.data.Dataset.from_tensor_slices((images.pixels, labels))
    return batches.batch(batch_size).prefetch(2).with_options(_options())


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


def mixed(pixels: tf.Tensor, labels: tf.Tensor, *, share: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Blend each image of a batch and its label with those of the next (arXiv:1710.09412).

    Args:
        pixels: Shape (n, height, width, channels), any dtype.
        labels: Shares of the classes, shape (n, classes), float32.
        share: What stays of each image, 0..1, scalar.

    Returns:
        Both as float32.
    """
    from edgecnn.train.backend import tf

    def blend(values: Any) -> Any:
        values = tf.cast(values, tf.float32)
        return share * values + (1.0 - share) * tf.roll(values, shift=-1, axis=0)

    return blend(pixels), blend(labels)


def _reflected(positions: Any, size: int) -> Any:
    from edgecnn.train.backend import tf

    positions = tf.abs(positions)
    return tf.minimum(positions, 2 * (size - 1) - positions)

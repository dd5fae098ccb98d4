"""Batches for the network: shuffled and augmented, or as they are.

What an image becomes in an epoch depends on the seed, the epoch and the image's index alone, so
that a training can be taken up again at any epoch and goes on as if nothing had happened.
Whole batches are augmented at once, on bytes; at batch 128 that costs a few percent of a step.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edgecnn.data import Images
from edgecnn.recipe import Augment

if TYPE_CHECKING:
    import tensorflow as tf

__all__ = ["augmented", "plain_batches", "steps_per_epoch", "training_batches"]


def steps_per_epoch(images: int, batch_size: int) -> int:
    """Return how many batches an epoch has; the last one may be smaller."""
    return -(-images // batch_size)


def training_batches(
    images: Images, *, batch_size: int, augment: Augment, seed: int, epoch: tf.Variable
) -> tf.data.Dataset:
    """Return one epoch's batches; each time it is iterated, those of the epoch that then is.

    Args:
        images: What to train on; held in memory as bytes.
        batch_size: Images a step.
        augment: Random changes.
        seed: Decides order and changes.
        epoch: A scalar int64 variable that the training counts up.

    Returns:
        Pairs of uint8 pixels (batch, height, width, channels) and int64 labels (batch,).
    """
    from edgecnn.train.backend import tf

    pixels, labels = tf.constant(images.pixels), tf.constant(images.labels)
    count = len(images)

    def seed_for(purpose: int) -> Any:
        # A pair of numbers that no other epoch and purpose has.
        return tf.stack([tf.constant(seed, tf.int64), epoch.read_value() * 8 + purpose])

    def begin(_: Any) -> Any:
        order = tf.random.experimental.stateless_shuffle(tf.range(count), seed_for(0))
        shifts = tf.random.stateless_uniform(
            (count, 2), seed_for(1), 0, 2 * augment.crop + 1, tf.int32
        )
        mirror = tf.random.stateless_uniform((count,), seed_for(2), 0, 2, tf.int32)
        rows = (order, tf.gather(shifts, order), tf.gather(mirror, order))
        return tf.data.Dataset.from_tensor_slices(rows).batch(batch_size)

    def finish(order: Any, shifts: Any, mirror: Any) -> Any:
        batch = tf.gather(pixels, order)
        if augment.crop or augment.flip:
            mirrored = mirror == 1 if augment.flip else tf.zeros_like(mirror, tf.bool)
            batch = augmented(batch, shifts - augment.crop, mirrored)
        return batch, tf.gather(labels, order)

    batches = tf.data.Dataset.range(1).flat_map(begin).map(finish)
    steps = steps_per_epoch(count, batch_size)
    batches = batches.apply(tf.data.experimental.assert_cardinality(steps))
    return batches.prefetch(4).with_options(_options())


def plain_batches(images: Images, *, batch_size: int) -> tf.data.Dataset:
    """Return the images in order; elements as those of ``training_batches``."""
    from edgecnn.train.backend import tf

    batches = tf.data.Dataset.from_tensor_slices((images.pixels, images.labels))
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


def _reflected(positions: Any, size: int) -> Any:
    from edgecnn.train.backend import tf

    positions = tf.abs(positions)
    return tf.minimum(positions, 2 * (size - 1) - positions)

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgecnn.data import Images
from edgecnn.recipe import Augment
from edgecnn.train.backend import tf
from edgecnn.train.batches import augmented, plain_batches, steps_per_epoch, training_batches

COUNT = 23


def numbered() -> Images:
    """Random images, each labelled with its index."""
    pixels = np.random.default_rng(0).integers(0, 256, (COUNT, 6, 7, 3), dtype=np.uint8)
    return Images(
        pixels=pixels,
        labels=np.arange(COUNT, dtype=np.int64),
        ids=tuple(f"train/{index}" for index in range(COUNT)),
    )


def epochs_of(
    epochs: list[int], *, batch_size: int = 5, seed: int = 0, **augment: Any
) -> list[tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]]:
    epoch = tf.Variable(0, dtype=tf.int64, trainable=False)
    batches = training_batches(
        numbered(), batch_size=batch_size, augment=Augment(**augment), seed=seed, epoch=epoch
    )
    result = []
    for number in epochs:
        epoch.assign(number)
        parts = [(pixels.numpy(), labels.numpy()) for pixels, labels in batches]
        result.append(tuple(map(np.concatenate, zip(*parts, strict=True))))
    return result  # type: ignore[return-value]


def by_label(epoch: tuple[npt.NDArray[Any], npt.NDArray[Any]]) -> npt.NDArray[Any]:
    pixels, labels = epoch
    return pixels[np.argsort(labels)]


@given(
    height=st.integers(2, 9),
    width=st.integers(2, 9),
    channels=st.sampled_from([1, 3]),
    data=st.data(),
)
@settings(max_examples=60, deadline=None)
def test_augmenting_is_cropping_from_a_reflected_border_and_mirroring(
    height: int, width: int, channels: int, data: st.DataObject
) -> None:
    border = data.draw(st.integers(0, min(height, width) - 1))
    shift = st.integers(-border, border)
    shifts = data.draw(st.lists(st.tuples(shift, shift), min_size=1, max_size=4))
    mirrored = data.draw(st.lists(st.booleans(), min_size=len(shifts), max_size=len(shifts)))
    generator = np.random.default_rng(height * 100 + width)
    pixels = generator.integers(0, 256, (len(shifts), height, width, channels), dtype=np.uint8)
    got = augmented(
        tf.constant(pixels), tf.constant(shifts, tf.int32), tf.constant(mirrored)
    ).numpy()
    assert got.dtype == np.uint8
    edges = ((border, border), (border, border), (0, 0))
    for image, (down, right), mirror, result in zip(pixels, shifts, mirrored, got, strict=True):
        padded = np.pad(image, edges, mode="reflect")
        top, left = border + down, border + right
        crop = padded[top : top + height, left : left + width]
        np.testing.assert_array_equal(result, crop[:, ::-1] if mirror else crop)


def test_every_image_comes_once_an_epoch_in_a_new_order() -> None:
    first, second = epochs_of([0, 1])
    for _, labels in (first, second):
        assert sorted(labels) == list(range(COUNT))
    assert first[1].tolist() != second[1].tolist()
    np.testing.assert_array_equal(by_label(first), numbered().pixels)


def test_an_epoch_is_the_same_whatever_went_before() -> None:
    long = epochs_of([0, 1, 2, 3], crop=2, flip=True)
    resumed = epochs_of([3], crop=2, flip=True)
    for got, expected in zip(resumed[0], long[3], strict=True):
        np.testing.assert_array_equal(got, expected)


def test_an_image_is_changed_alike_in_batches_of_any_size() -> None:
    small = epochs_of([4], batch_size=2, crop=2, flip=True)[0]
    large = epochs_of([4], batch_size=COUNT, crop=2, flip=True)[0]
    np.testing.assert_array_equal(by_label(small), by_label(large))
    assert not np.array_equal(by_label(small), numbered().pixels)


def test_epochs_and_seeds_change_images_differently() -> None:
    one, two = (by_label(epoch) for epoch in epochs_of([0, 1], crop=2, flip=True))
    other = by_label(epochs_of([0], seed=1, crop=2, flip=True)[0])
    assert not np.array_equal(one, two)
    assert not np.array_equal(one, other)


def test_shifts_and_mirroring_are_even() -> None:
    source = numbered().pixels
    shifts = {(down, right): 0 for down in (-1, 0, 1) for right in (-1, 0, 1)}
    mirrored = 0
    rounds = 30
    for epoch in epochs_of(list(range(rounds)), crop=1, flip=True):
        for image, result in zip(source, by_label(epoch), strict=True):
            padded = np.pad(image, ((1, 1), (1, 1), (0, 0)), mode="reflect")
            for (down, right), mirror in ((s, m) for s in shifts for m in (False, True)):
                crop = padded[1 + down : 7 + down, 1 + right : 8 + right]
                if np.array_equal(result, crop[:, ::-1] if mirror else crop):
                    shifts[down, right] += 1
                    mirrored += mirror
                    break
            else:
                pytest.fail("an image that no shift and mirroring explains")
    total = rounds * COUNT
    # Six standard deviations of a binomial count.
    assert abs(mirrored - total / 2) < 6 * (total / 4) ** 0.5
    for count in shifts.values():
        assert abs(count - total / 9) < 6 * (total * 8 / 81) ** 0.5


def test_flip_alone_and_crop_alone_do_only_that() -> None:
    source = numbered().pixels
    for result, image in zip(by_label(epochs_of([0], flip=True)[0]), source, strict=True):
        assert np.array_equal(result, image) or np.array_equal(result, image[:, ::-1])
    assert epochs_of([0], crop=0)[0][0].dtype == np.uint8


def test_an_epoch_has_as_many_batches_as_it_says() -> None:
    epoch = tf.Variable(0, dtype=tf.int64, trainable=False)
    for size in (1, 5, 23, 100):
        batches = training_batches(
            numbered(), batch_size=size, augment=Augment(), seed=0, epoch=epoch
        )
        assert len(list(batches)) == int(batches.cardinality()) == steps_per_epoch(COUNT, size)


def test_plain_batches_are_the_images_in_order() -> None:
    parts = list(plain_batches(numbered(), batch_size=10))
    np.testing.assert_array_equal(np.concatenate([p.numpy() for p, _ in parts]), numbered().pixels)
    assert [len(labels) for _, labels in parts] == [10, 10, 3]

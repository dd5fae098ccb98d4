from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgecnn.data import Images
from edgecnn.pixels import is_mapped
from edgecnn.recipe.sections import Augment
from edgecnn.train.backend import tf
from edgecnn.train.batches import (
    augmented,
    cut_out,
    distorted,
    mixed,
    plain_batches,
    training_batches,
)
from edgecnn.train.pace import steps_per_epoch

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
    epochs: list[int],
    *,
    batch_size: int = 5,
    seed: int = 0,
    label_smoothing: float = 0.0,
    **augment: Any,
) -> list[tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]]:
    epoch = tf.Variable(0, dtype=tf.int64, trainable=False)
    batches = training_batches(
        numbered(),
        classes=COUNT,
        batch_size=batch_size,
        augment=Augment(**augment),
        label_smoothing=label_smoothing,
        seed=seed,
        epoch=epoch,
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


EVERYTHING: dict[str, Any] = {"preset": "strong", "crop": 2, "cutout": 2}


def test_pose_and_light_of_an_epoch_are_the_same_whatever_went_before() -> None:
    after, alone = epochs_of([2, 5], **EVERYTHING)[1], epochs_of([5], **EVERYTHING)[0]
    for one, other in zip(after, alone, strict=True):
        np.testing.assert_array_equal(one, other)


def test_pose_and_light_of_an_image_are_the_same_in_batches_of_any_size() -> None:
    small, large = (epochs_of([4], batch_size=size, preset="strong")[0] for size in (2, COUNT))
    np.testing.assert_array_equal(by_label(small), by_label(large))


def test_pose_and_light_differ_between_epochs_seeds_and_images() -> None:
    one, other = map(by_label, epochs_of([1, 2], preset="strong"))
    assert (one != other).any(axis=(1, 2, 3)).all()
    (seeded,) = map(by_label, epochs_of([1], preset="strong", seed=1))
    assert (one != seeded).any(axis=(1, 2, 3)).all()


@pytest.mark.parametrize("key", ["rotation", "shift", "zoom", "brightness", "contrast", "colour"])
def test_each_change_alone_changes_every_image_and_none_of_strength_zero(key: str) -> None:
    strong: dict[str, Any] = {"rotation": 30, "shift": 0.4, "zoom": 0.8}
    none: dict[str, Any] = {key: 0}
    plain = numbered().pixels
    some: dict[str, Any] = {key: strong.get(key, 0.5)}
    changed = by_label(epochs_of([0], **some)[0])
    assert (changed != plain).any(axis=(1, 2, 3)).mean() > 0.9
    np.testing.assert_array_equal(by_label(epochs_of([0], **none)[0]), plain)


def test_no_change_goes_further_than_asked_for_and_all_of_it_occurs() -> None:
    grey = np.full((COUNT, 6, 7, 3), 100, np.uint8)
    ends = tf.constant([[-1.0] * 4, [1.0] * 4, [0.0] * 4])
    bright = distorted(tf.constant(grey[:3]), Augment(brightness=0.3), pose=ends, light=ends)
    assert [np.unique(image).tolist() for image in bright] == [[70], [130], [100]]
    pixels = numbered().pixels[:3]
    moved = distorted(tf.constant(pixels), Augment(shift=0.5), pose=ends, light=ends).numpy()
    np.testing.assert_array_equal(moved[1][3:, 4:], np.rint(_half(pixels[1]))[:3, :3])


def _half(image: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
    """Return an image moved left by half a pixel: 7 columns moved by half of them are 3.5."""
    values = image.astype(np.float64)
    return (values[:, :-1] + values[:, 1:]) / 2


def test_grey_images_have_no_colour_to_change() -> None:
    grey = numbered().pixels[..., :1]
    ends = tf.ones((COUNT, 4))
    same = distorted(tf.constant(grey), Augment(colour=0.9), pose=ends, light=ends)
    np.testing.assert_array_equal(same, grey)


@pytest.mark.parametrize("mixup", [0.0, 1.0])
def test_each_image_comes_with_the_weight_of_its_class(mixup: float) -> None:
    epoch = tf.Variable(0, dtype=tf.int64, trainable=False)
    weights = np.arange(COUNT, dtype=np.float32)
    batches = training_batches(
        numbered(),
        classes=COUNT,
        batch_size=5,
        augment=Augment(mixup=mixup),
        label_smoothing=0.0,
        seed=0,
        epoch=epoch,
        weights=weights,
    )
    for _, labels, weight in batches:
        expected = labels.numpy() @ weights if mixup else labels.numpy()
        np.testing.assert_allclose(weight, expected, rtol=1e-5, atol=1e-5)


def test_an_epoch_has_as_many_batches_as_it_says() -> None:
    epoch = tf.Variable(0, dtype=tf.int64, trainable=False)
    for size in (1, 5, 23, 100):
        batches = training_batches(
            numbered(),
            classes=COUNT,
            batch_size=size,
            augment=Augment(),
            label_smoothing=0.0,
            seed=0,
            epoch=epoch,
        )
        assert len(list(batches)) == int(batches.cardinality()) == steps_per_epoch(COUNT, size)


def test_plain_batches_are_the_images_in_order() -> None:
    parts = list(plain_batches(numbered(), batch_size=10))
    np.testing.assert_array_equal(np.concatenate([p.numpy() for p, _ in parts]), numbered().pixels)
    assert [len(labels) for _, labels in parts] == [10, 10, 3]


def test_images_in_a_file_give_the_same_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = numbered()
    every: dict[str, Any] = {
        "batch_size": 7,
        "crop": 1,
        "flip": True,
        "cutout": 2,
        "mixup": 0.4,
        "seed": 3,
    }
    expected = epochs_of([0, 5], **every)
    in_order = list(plain_batches(plain, batch_size=10, classes=COUNT))
    monkeypatch.setattr("edgecnn.pixels.IN_MEMORY", 0)
    mapped = plain.take(range(COUNT))
    assert is_mapped(mapped.pixels)
    monkeypatch.setattr("train.test_batches.numbered", lambda: mapped)
    found = epochs_of([0, 5], **every)
    for one, other in zip(expected, found, strict=True):
        np.testing.assert_array_equal(one[0], other[0])
        np.testing.assert_array_equal(one[1], other[1])
    again = list(plain_batches(mapped, batch_size=10, classes=COUNT))
    assert len(again) == len(in_order) == 3
    for (pixels, labels), (own, shares) in zip(in_order, again, strict=True):
        assert own.dtype == tf.uint8
        np.testing.assert_array_equal(pixels, own)
        np.testing.assert_array_equal(labels, shares)


def test_cut_out_fills_the_square_around_the_centre_and_nothing_else() -> None:
    pixels = numbered().pixels[:4]
    centres = [(0, 0), (3, 3), (5, 6), (2, 0)]
    fill = np.asarray([1, 2, 3], np.uint8)
    got = cut_out(
        tf.constant(pixels), tf.constant(centres, tf.int32), side=3, fill=tf.constant(fill)
    ).numpy()
    expected = pixels.copy()
    for image, (row, column) in zip(expected, centres, strict=True):
        image[max(row - 1, 0) : row + 2, max(column - 1, 0) : column + 2] = fill
    np.testing.assert_array_equal(got, expected)


def test_cutout_places_differ_between_images_and_epochs_and_have_the_mean_colour() -> None:
    source = numbered().pixels
    mean = np.rint(source.mean(axis=(0, 1, 2))).astype(np.uint8)
    holes = []
    for epoch in epochs_of([0, 1], cutout=2):
        changed = (by_label(epoch) != source).any(axis=3)
        assert all(1 <= count <= 4 for count in changed.sum(axis=(1, 2)))
        assert (by_label(epoch)[changed] == mean).all()
        holes.append(changed)
    assert len({hole.tobytes() for hole in holes[0]}) > COUNT / 3
    assert not np.array_equal(*holes)


def test_mixing_blends_each_image_and_label_with_the_next_and_the_last_with_the_first() -> None:
    pixels = numbered().pixels[:3]
    labels = np.eye(3, dtype=np.float32)
    images, shares = mixed(tf.constant(pixels), tf.constant(labels), share=tf.constant(0.75))
    floats = pixels.astype(np.float32)
    np.testing.assert_allclose(images.numpy(), 0.75 * floats + 0.25 * floats[[1, 2, 0]], rtol=1e-6)
    np.testing.assert_allclose(shares.numpy(), 0.75 * labels + 0.25 * labels[[1, 2, 0]])


def test_mixup_shares_follow_its_beta_distribution_and_differ_between_batches() -> None:
    shares = []
    for _, labels in epochs_of(list(range(40)), mixup=2.0, batch_size=2):
        np.testing.assert_allclose(labels.sum(axis=1), 1, atol=1e-6)
        shares += [float(row.max()) for row in labels[::2][:11]]
    assert len(set(shares)) == len(shares) == 440
    # Beta(2, 2) folded at a half: the mean of max(x, 1 - x) is 11/16, its deviation 0.12.
    assert abs(np.mean(shares) - 11 / 16) < 6 * 0.12 / 440**0.5


def test_mixup_of_an_epoch_is_the_same_whatever_went_before() -> None:
    long = epochs_of([0, 1], mixup=0.2, cutout=2, crop=1)
    resumed = epochs_of([1], mixup=0.2, cutout=2, crop=1)
    for got, expected in zip(resumed[0], long[1], strict=True):
        np.testing.assert_array_equal(got, expected)


def test_smoothed_labels_give_each_class_its_part() -> None:
    pixels, labels = epochs_of([0], label_smoothing=0.23)[0]
    assert pixels.dtype == np.uint8
    np.testing.assert_allclose(np.sort(labels, axis=1)[:, :-1], 0.23 / COUNT, rtol=1e-5)
    np.testing.assert_allclose(labels.max(axis=1), 1 - 0.23 + 0.23 / COUNT, rtol=1e-5)
    assert sorted(labels.argmax(axis=1)) == list(range(COUNT))


def test_plain_batches_can_have_labels_as_shares() -> None:
    parts = list(plain_batches(numbered(), batch_size=10, classes=COUNT))
    shares = np.concatenate([labels.numpy() for _, labels in parts])
    np.testing.assert_array_equal(shares, np.eye(COUNT))

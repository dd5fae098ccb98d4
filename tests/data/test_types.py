from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from edgecnn.data import Dataset, Images
from edgecnn.errors import DataError


def images(count: int, *, prefix: str = "a", size: int = 4, first: int = 0) -> Images:
    pixels = np.arange(first, first + count * size * size * 3) % 251
    return Images(
        pixels=pixels.astype(np.uint8).reshape(count, size, size, 3),
        labels=np.arange(count, dtype=np.int64) % 2,
        ids=tuple(f"{prefix}/{index}" for index in range(count)),
    )


def dataset() -> Dataset:
    return Dataset(
        name="folder",
        class_names=("cat", "dog"),
        train=images(6, prefix="train"),
        validation=images(2, prefix="validation", first=7),
        test=images(4, prefix="test", first=11),
        seed=5,
        rule="by hand",
    )


def test_take_keeps_pixels_labels_and_ids_together() -> None:
    source = images(5)
    taken = source.take([3, 0])
    assert taken.ids == ("a/3", "a/0")
    assert taken.labels.tolist() == [1, 0]
    np.testing.assert_array_equal(taken.pixels, source.pixels[[3, 0]])
    taken.pixels[:] = 0
    assert source.pixels.any()


@pytest.mark.parametrize(
    "change",
    [
        {"pixels": np.zeros((2, 4, 4, 3), np.float32)},
        {"pixels": np.zeros((2, 4, 4), np.uint8)},
        {"labels": np.zeros(2, np.int32)},
        {"labels": np.zeros(3, np.int64)},
        {"ids": ("a/0",)},
    ],
)
def test_images_refuse_parts_that_do_not_fit(change: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"not|differ"):
        dataclasses.replace(images(2), **change)  # type: ignore[arg-type]


def test_digest_depends_on_pixels_labels_order_shape_and_split() -> None:
    base = dataset()
    changed_pixels = base.train.take(range(6))
    changed_pixels.pixels[0, 0, 0, 0] ^= 1
    changed_labels = base.train.take(range(6))
    changed_labels.labels[0] = 1
    flat = Images(
        pixels=base.train.pixels.reshape(6, 8, 2, 3), labels=base.train.labels, ids=base.train.ids
    )
    variants = [
        base.digest(),
        dataclasses.replace(base, train=changed_pixels).digest(),
        dataclasses.replace(base, train=changed_labels).digest(),
        dataclasses.replace(base, train=base.train.take([1, 0, 2, 3, 4, 5])).digest(),
        dataclasses.replace(base, class_names=("dog", "cat")).digest(),
        dataclasses.replace(base, test=base.validation, validation=base.test).digest(),
        flat.digest(),
    ]
    assert len(set(variants)) == len(variants)
    assert dataset().digest() == base.digest()


def test_splits_record_every_image_once() -> None:
    base = dataset()
    record = base.splits()
    ids = [name for part in record["splits"].values() for name in part["ids"]]
    assert len(ids) == len(set(ids)) == 12
    assert record["splits"]["train"]["class_counts"] == [3, 3]
    assert record["seed"] == 5
    assert record["shape"] == [4, 4, 3]
    assert record["sha256"] == base.digest()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"validation": images(0)}, "validation split .* has no images"),
        ({"test": images(4, size=5)}, "differ in size"),
        ({"class_names": ("cat",)}, "without a class name"),
    ],
)
def test_dataset_refuses_splits_that_do_not_fit(change: dict[str, object], words: str) -> None:
    with pytest.raises(DataError, match=words):
        dataclasses.replace(dataset(), **change)  # type: ignore[arg-type]

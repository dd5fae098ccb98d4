"""Holds a data set once it is loaded: labelled uint8 images in three splits.

Pixels stay uint8 from the file to the network, which scales them itself, so a data set takes
one byte a value and every stage sees the same integers as a device does. Many of them are in a
temporary file, see ``edgecnn.pixels``.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from edgecnn.build.class_names import named_as
from edgecnn.errors import DataError, LabelsError, some_of
from edgecnn.files import canonical_digest
from edgecnn.pixels import gathered, joined, parts_of

SPLITS_SCHEMA: Final = 1


@dataclass(frozen=True, kw_only=True, eq=False)
class Images:
    """One split.

    Attributes:
        pixels: Raw RGB or luma, shape (n, height, width, channels), uint8, 0..255.
        labels: Class of each image, shape (n,), int64.
        ids: One text per image, unique over the data set: ``train/123`` (position in the
            published training set), or the path relative to the data folder.
    """

    pixels: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.int64]
    ids: tuple[str, ...]

    def __post_init__(self) -> None:
        """Check that the parts belong together.

        Raises:
            ValueError: If dtype, rank or lengths differ from what the class promises.
        """
        if self.pixels.dtype != np.uint8 or self.pixels.ndim != 4:
            raise ValueError(f"pixels are {self.pixels.dtype} {self.pixels.shape}, not uint8 NHWC")
        if self.labels.dtype != np.int64 or self.labels.ndim != 1:
            raise ValueError(f"labels are {self.labels.dtype} {self.labels.shape}, not int64 (n,)")
        if not len(self.pixels) == len(self.labels) == len(self.ids):
            counts = (len(self.pixels), len(self.labels), len(self.ids))
            raise ValueError(f"pixels, labels and ids differ in number: {counts}")

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.labels)

    def take(self, indices: Sequence[int] | npt.NDArray[np.int64]) -> Images:
        """Return some of the images, in the order asked for.

        Args:
            indices: Positions in this split, 0..n-1.

        Returns:
            A copy; this object stays as it is.

        Raises:
            DataError: If there is no room for it.
        """
        chosen = np.asarray(indices, dtype=np.int64)
        return Images(
            pixels=gathered(self.pixels, chosen),
            labels=self.labels[chosen],
            ids=tuple(self.ids[index] for index in chosen),
        )

    def joined(self, others: Images) -> Images:
        """Return these images and then the others, as a copy.

        Raises:
            DataError: If there is no room for it.
        """
        return Images(
            pixels=joined(self.pixels, others.pixels),
            labels=np.concatenate([self.labels, others.labels]),
            ids=(*self.ids, *others.ids),
        )

    def class_counts(self, classes: int) -> list[int]:
        """Return how many images each of ``classes`` classes has."""
        counts: list[int] = np.bincount(self.labels, minlength=classes).tolist()
        return counts

    def digest(self) -> str:
        """Return the SHA-256 over shape, pixels and labels; the order counts."""
        return self._digest

    @functools.cached_property
    def _digest(self) -> str:
        digest = hashlib.sha256(repr(self.pixels.shape).encode())
        for part in parts_of(self.pixels):
            digest.update(np.ascontiguousarray(self.pixels[part]).data)
        # Fixed byte order, so that every machine computes the same digest.
        digest.update(np.ascontiguousarray(self.labels, dtype="<i8").data)
        return digest.hexdigest()


@dataclass(frozen=True, kw_only=True, eq=False)
class Dataset:
    """Labelled images in three disjoint splits.

    Those for training and validation may both be empty: then files are only judged on the images.

    Attributes:
        name: ``cifar10``, ``digits`` or ``folder``.
        class_names: Class names in label order.
        train: Training images without the validation share.
        validation: Images held out of training, for choosing between models.
        test: The evaluation images; neither training nor calibration sees them.
        seed: Seed of the splits; None where the data came split.
        rule: How the splits were made, in words.
        dropped: Ids of images left out, because their pixels also occur in another split.
        skipped: Id and reason of each file left out, because it is no image or cannot be read.
        conflicting: Ids of images left out, because one picture stands in several classes: those
            with equal pixels together.
        notes: What else was decided about the images, a sentence each.
        came_split: Whether the test images were published as such, so that none can be had from
            them for training.
        split_by: What stayed together when they were split; see ``edgecnn.data.grouping``.
        groups: Ids of the images that did, those of each group with two or more together.
    """

    name: str
    class_names: tuple[str, ...]
    train: Images
    validation: Images
    test: Images
    seed: int | None = None
    rule: str = ""
    dropped: tuple[str, ...] = ()
    skipped: tuple[tuple[str, str], ...] = ()
    conflicting: tuple[tuple[str, ...], ...] = ()
    notes: tuple[str, ...] = ()
    came_split: bool = False
    split_by: str = "image"
    groups: tuple[tuple[str, ...], ...] = ()

    def __post_init__(self) -> None:
        """Check that the splits fit together.

        Raises:
            DataError: If a split is empty (but for both to train with), shapes differ, or a label
                has no class name.
        """
        only_judged = len(self.train) == len(self.validation) == 0
        for name, images in self._parts().items():
            if only_judged and name != "test":
                continue
            if not len(images):
                raise DataError(
                    f"the {name} split of the data set {self.name} has no images",
                    observed=", ".join(f"{k}: {len(v)} images" for k, v in self._parts().items()),
                    expected="at least one image in each split",
                    remedy="add images, or change data.validation and data.test in the recipe",
                )
            if images.pixels.shape[1:] != self.shape:
                raise DataError(
                    f"the {name} images of {self.name} differ in size from the training images",
                    observed=images.pixels.shape[1:],
                    expected=self.shape,
                    remedy="bring all images to one size",
                )
            low, high = int(images.labels.min()), int(images.labels.max())
            if low < 0 or high >= len(self.class_names):
                raise DataError(
                    f"the {name} split of {self.name} has labels without a class name",
                    observed=f"labels {low}..{high}",
                    expected=f"0..{len(self.class_names) - 1}",
                    remedy="check the labels of the data set",
                )

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width and channels of every image."""
        _, height, width, channels = self.test.pixels.shape
        return height, width, channels

    def class_counts(self) -> dict[str, int]:
        """Return how many images each class has: without the test's where it was published."""
        parts = (self.train, self.validation, *(() if self.came_split else (self.test,)))
        counts = [images.class_counts(len(self.class_names)) for images in parts]
        return dict(zip(self.class_names, map(sum, zip(*counts, strict=True)), strict=True))

    def digest(self) -> str:
        """Return the SHA-256 over class names and all splits' pixels and labels."""
        parts = {name: images.digest() for name, images in self._parts().items()}
        return canonical_digest({"class_names": list(self.class_names), **parts})

    def splits(self) -> dict[str, Any]:
        """Return a JSON-ready record of which image is in which split.

        Returns:
            ``schema``, ``dataset``, ``class_names``, ``shape``, ``seed``, ``rule``, ``dropped``,
            ``skipped``, ``conflicting``, ``notes``, ``split_by``, ``groups``, ``sha256``
            (``digest``), and under ``splits`` for each split its ``count``, ``class_counts``,
            ``ids`` and ``sha256``.
        """
        classes = len(self.class_names)
        return {
            "schema": SPLITS_SCHEMA,
            "dataset": self.name,
            "class_names": list(self.class_names),
            "shape": list(self.shape),
            "seed": self.seed,
            "rule": self.rule,
            "dropped": list(self.dropped),
            "skipped": [{"id": name, "reason": reason} for name, reason in self.skipped],
            "conflicting": [list(group) for group in self.conflicting],
            "notes": list(self.notes),
            "split_by": self.split_by,
            "groups": [list(group) for group in self.groups],
            "sha256": self.digest(),
            "splits": {
                name: {
                    "count": len(images),
                    "class_counts": images.class_counts(classes),
                    "ids": list(images.ids),
                    "sha256": images.digest(),
                }
                for name, images in self._parts().items()
            },
        }

    def _parts(self) -> dict[str, Images]:
        return {"train": self.train, "validation": self.validation, "test": self.test}


def all_for_the_test(name: str, class_names: tuple[str, ...], images: Images) -> Dataset:
    """Return a data set of which nothing is kept to train on or to calibrate with.

    Args:
        name: Of the data set.
        class_names: In label order.
        images: All of them.
    """
    return Dataset(
        name=name,
        class_names=class_names,
        train=images.take([]),
        validation=images.take([]),
        test=images,
        rule="all for test",
    )


def in_class_order(
    dataset: Dataset, class_names: tuple[str, ...], *, unseen: bool = False
) -> Dataset:
    """Renumber a data set's labels so that they follow a model's output order.

    A model made elsewhere may have learnt its classes in another order than the data set's;
    its labels file says which.

    Args:
        dataset: The data.
        class_names: Class names in output order.
        unseen: Whether there may be classes that the data have no images of.

    Returns:
        The data set itself if the orders are the same, else one with renumbered labels.

    Raises:
        LabelsError: If the names are not the same names.
    """
    named = named_as(class_names, dataset.class_names)
    if named != dataset.class_names:
        dataset = replace(dataset, class_names=named)
    if dataset.class_names == class_names:
        return dataset
    missing = [name for name in dataset.class_names if name not in class_names]
    unknown = [name for name in class_names if name not in dataset.class_names]
    differing = bool(unknown) or len(class_names) != len(dataset.class_names)
    if missing or (differing and not unseen):
        raise LabelsError(
            "the labels are not the classes of the data",
            observed=f"labels without data: {some_of(unknown) or 'none'}; "
            f"classes without a label: {some_of(missing) or 'none'}",
            expected=f"the names {some_of(dataset.class_names)}",
            remedy="name the classes in the labels file as the data does, in output order",
        )
    new_label = np.array([class_names.index(name) for name in dataset.class_names], np.int64)

    def renumbered(images: Images) -> Images:
        return replace(images, labels=new_label[images.labels])

    return replace(
        dataset,
        class_names=class_names,
        train=renumbered(dataset.train),
        validation=renumbered(dataset.validation),
        test=renumbered(dataset.test),
    )


def places_in(labels: Sequence[str], class_names: Sequence[str]) -> npt.NDArray[np.int64]:
    """Return where a data set's classes stand among a model's labels.

    Args:
        labels: Class names in output order; those without images may be among them.
        class_names: The data set's, in label order.

    Returns:
        The output of each class, shape (classes of the data,), int64.

    Raises:
        LabelsError: If the labels lack a class of the data.
    """
    class_names = named_as(labels, class_names)
    missing = [name for name in class_names if name not in labels]
    if missing:
        raise LabelsError(
            f"{len(missing)} of {len(class_names)} classes of the data are not among the labels",
            observed=f"no label {some_of(missing)}; the labels are {some_of(labels)}",
            expected="a label for each class that there are images of",
            remedy="name the class folders as the labels are (capitals count), and take those away "
            "that have no label; or, for a model made elsewhere, name the labels as the folders, "
            "in output order",
        )
    place = {name: index for index, name in enumerate(labels)}
    return np.array([place[name] for name in class_names], np.int64)

"""Loads a data set by what a recipe says, and the images that models made elsewhere are judged on.

No split of ours divides the latter. A data set's own test set is taken where it comes with one,
since the models may have been trained on the rest; else all images are, and which of them a model
has seen is not known here.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from edgecnn.data.cifar10 import load_cifar10
from edgecnn.data.folder import load_folder
from edgecnn.data.split import split_off
from edgecnn.data.types import Dataset, Images, all_for_the_test, places_in
from edgecnn.errors import DataError
from edgecnn.progress import NO_PROGRESS, Progress
from edgecnn.recipe.load import Data
from edgecnn.recipe.rules import DEFAULT_IMAGE_SIZE


@dataclass(frozen=True, kw_only=True, eq=False)
class JudgedImages:
    """Labelled images, all of which may be used.

    Attributes:
        name: ``cifar10``, ``digits`` or ``folder``.
        class_names: Class names in label order.
        images: The images.
        rule: Which of the data set's images they are, in words.
    """

    name: str
    class_names: tuple[str, ...]
    images: Images
    rule: str

    def in_order_of(self, labels: tuple[str, ...]) -> JudgedImages:
        """Return these images with labels numbered as a model's outputs are.

        Args:
            labels: Class names in output order; more than there are images of, perhaps.

        Raises:
            LabelsError: If there are images of a class that the labels do not name.
        """
        new_label = places_in(labels, self.class_names)
        images = replace(self.images, labels=new_label[self.images.labels])
        return replace(self, class_names=labels, images=images)


def load_judged_images(
    section: Data, shape: tuple[int, int, int], *, progress: Progress = NO_PROGRESS
) -> JudgedImages:
    """Load the published test set of CIFAR-10, all digits, or the images of a folder.

    Args:
        section: Names the data; its splits and its image size are not used.
        shape: Height, width and channels that the models take.
        progress: Who to tell about a download or about reading image files.

    Returns:
        The images, of that shape.

    Raises:
        DataError: If they are missing, unreadable, or of another shape and of one only.
        ChecksumError: If a published file differs from what its authors published.
        DownloadError: If a download was needed and failed.
    """
    if section.name == "folder":
        names, images, rule = _of_folder(section, shape, progress)
    else:
        names, images, rule = _of_published(section, progress)
    if images.pixels.shape[1:] != shape:
        raise DataError(
            f"the images of {section.name} are not of the size that the model takes",
            observed=f"height, width, channels {images.pixels.shape[1:]}",
            expected=f"{shape}",
            remedy="give images that the model was made for: --data FOLDER, one folder per class; "
            "they are brought to its size",
        )
    return JudgedImages(name=section.name, class_names=names, images=images, rule=rule)


def _of_folder(
    section: Data, shape: tuple[int, int, int], progress: Progress
) -> tuple[tuple[str, ...], Images, str]:
    from edgecnn.data.folder import load_unsplit

    # A folder is named on the command line by its path.
    assert section.path is not None  # noqa: S101
    height, width, channels = shape
    return load_unsplit(
        section.path,
        image_size=(height, width),
        channels=channels,
        resize=section.resize,
        conflicting=section.conflicting,
        progress=progress,
    )


def _of_published(section: Data, progress: Progress) -> tuple[tuple[str, ...], Images, str]:

    dataset = load_dataset(section, root=section.path, progress=progress)
    if section.name == "cifar10":
        return dataset.class_names, dataset.test, "its published test set"
    everything = dataset.train.joined(dataset.validation).joined(dataset.test)
    order = np.argsort([int(name.rpartition("/")[2]) for name in everything.ids])
    return dataset.class_names, everything.take(order), "all of it"


def load_dataset(
    spec: Data, *, root: Path | None = None, progress: Progress = NO_PROGRESS
) -> Dataset:
    """Load the images a recipe asks for, split as it says.

    The splits depend on nothing but the images and the recipe's ``data`` section.

    Args:
        spec: The recipe's ``data`` section.
        root: A folder named on the command line, which goes before all other places; see
            ``find_cifar10`` and ``load_folder``.
        progress: Who to tell about a download or about reading image files.

    Returns:
        The data set, in memory as uint8.

    Raises:
        DataError: If it is missing, incomplete, unreadable, or too small to split.
        ChecksumError: If a published file differs from what its authors published.
        DownloadError: If a download was needed and failed.
    """
    if spec.name == "cifar10":
        return load_cifar10(
            root=root,
            path=spec.path,
            validation=spec.validation,
            seed=spec.seed,
            progress=progress,
        )
    if spec.name == "digits":
        if root is not None:
            raise DataError(
                "the data set digits is part of scikit-learn and takes no folder",
                observed=f"data folder {root}",
                expected="no folder",
                remedy="leave --data out, or set data.name in the recipe to 'folder'",
            )
        return load_digits(test=spec.test, validation=spec.validation, seed=spec.seed)
    folder = root if root is not None else spec.path
    if folder is None:
        raise DataError(
            "the data set 'folder' has no folder",
            observed="neither data.path nor --data",
            expected="a folder with one sub-folder of images per class",
            remedy="set data.path in the recipe, or give --data FOLDER",
        )
    return load_folder(
        folder,
        image_size=spec.image_size or DEFAULT_IMAGE_SIZE,
        channels=spec.channels,
        test=spec.test,
        validation=spec.validation,
        seed=spec.seed,
        resize=spec.resize,
        conflicting=spec.conflicting,
        split_by=spec.split_by,
        progress=progress,
    )


# 1,797 images of 8x8 pixels from the UCI set "Optical Recognition of Handwritten Digits"
# (Alpaydin and Kaynak, 1998), as ``sklearn.datasets.load_digits`` carries them.


def load_digits(*, test: float, validation: float, seed: int) -> Dataset:
    """Load the digits, split by seed.

    Args:
        test: Share of all images kept for the test set.
        validation: Share of the other images held out of training.
        seed: Seed of both splits.

    Returns:
        Images of shape (8, 8, 1); ids are ``digits/<position in scikit-learn's array>``.
    """
    from sklearn import datasets

    bunch = datasets.load_digits()
    # Values are whole numbers 0..16 held as float64; +8 rounds to the nearest.
    values = bunch.images.astype(np.int64)
    images = Images(
        pixels=((values * 255 + 8) // 16).astype(np.uint8)[..., np.newaxis],
        labels=bunch.target.astype(np.int64),
        ids=tuple(f"digits/{index}" for index in range(len(values))),
    )
    names = tuple(str(name) for name in bunch.target_names)
    if test == 1:
        return all_for_the_test("digits", names, images)
    rest, held = split_off(images, share=test, seed=seed, purpose="test", class_names=names)
    train, valid = split_off(
        rest, share=validation, seed=seed, purpose="validation", class_names=names
    )
    return Dataset(
        name="digits",
        class_names=names,
        train=train,
        validation=valid,
        test=held,
        seed=seed,
        rule=f"stratified: {test} of all for test, {validation} of the rest for validation",
    )

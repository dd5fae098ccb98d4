"""The images that models which were not trained here are judged on: no split of ours divides them.

A data set's own test set is taken where it comes with one, since the models may have been trained
on the rest; else all images are, and which of them a model has seen is not known here.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from edgecnn.data.class_order import places_in
from edgecnn.data.types import Images
from edgecnn.errors import DataError
from edgecnn.progress import NO_PROGRESS, Progress
from edgecnn.recipe.load import Data


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
    from edgecnn.data.load import load_dataset

    dataset = load_dataset(section, root=section.path, progress=progress)
    if section.name == "cifar10":
        return dataset.class_names, dataset.test, "its published test set"
    everything = dataset.train.joined(dataset.validation).joined(dataset.test)
    order = np.argsort([int(name.rpartition("/")[2]) for name in everything.ids])
    return dataset.class_names, everything.take(order), "all of it"

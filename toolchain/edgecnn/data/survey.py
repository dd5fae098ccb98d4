"""Looks over a folder of images without reading them all: how many, how large, in colour or grey.

Files are counted by name, sizes are taken from the headers of some, and a few are decoded. So tens
of thousands take seconds, and what is found is an estimate: a training reads every file.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from edgecnn.data.class_folders import (
    ImageFile,
    Split,
    check_same_classes,
    check_trainable,
    find_layout,
    is_image,
    list_classes,
)
from edgecnn.data.split import seeded_order
from edgecnn.errors import DataError, ImageError, some_of

FEW_IMAGES: Final = 10
"""With fewer of a class, there are one or two to judge it by, and too few to learn it from."""
UNEVEN: Final = 3
"""Beyond so many times the images of the smallest class, the largest outweighs it in training."""

_HEADERS: Final = 500
# Grey pictures throughout have to be seen in so many: of a set of which a tenth is in colour, all
# of 60 are grey in less than 0.2 % of draws.
_DECODED: Final = 60
# JPEG files of grey pictures in colour differ by a level or two between the channels.
_GREY_WITHIN: Final = 4


@dataclass(frozen=True, kw_only=True)
class Survey:
    """What a folder of images holds, by the look of it.

    Attributes:
        counts: Images of each class: of the training images where the folder comes split.
        splits: Images of each split that the folder comes with; empty where it does not.
        short_side: Median of the images' shorter sides, pixels.
        grey: Whether no image that was looked at has any colour.
        notes: How the folders were understood, a sentence each.
    """

    counts: Mapping[str, int]
    splits: Mapping[Split, int]
    short_side: int
    grey: bool
    notes: tuple[str, ...]

    @property
    def total(self) -> int:
        """How many images there are, of all splits."""
        return sum(self.splits.values()) if self.splits else sum(self.counts.values())


def survey_folder(root: Path) -> Survey:
    """Look over a folder of images.

    Args:
        root: A folder of class folders, or one that comes split; see ``load_folder``.

    Raises:
        DataError: If it is none, if none of its splits is for training, if a class has no images,
            or if no image can be read.
    """
    layout = find_layout(root)
    check_trainable(root, layout)
    listed = {split: list_classes(place) for split, place in layout.splits.items()}
    if layout.splits:
        check_same_classes(layout, {split: found for split, (found, _) in listed.items()})
    names, files = listed.get("train") or list_classes(layout.judged[0])
    images = [file for file in files if is_image(file[0])]
    counts = dict.fromkeys(names, 0)
    for _, label in images:
        counts[names[label]] += 1
    bare = [name for name, count in counts.items() if not count]
    if bare:
        raise DataError(
            f"{len(bare)} of {len(names)} class folders of {root} hold no images: {some_of(bare)}",
            observed=f"{len(images)} files that are images, all of them in other folders",
            expected="images in every class folder",
            remedy="add images to these folders, or delete them",
        )
    sizes, grey, failure = _looked_at(images)
    if failure is not None and not sizes:
        raise DataError(
            f"of {len(images)} images of {root}, none that was looked at can be read; "
            f"{failure.problem}",
            observed=failure.observed,
            expected=failure.expected,
            remedy=failure.remedy,
        )
    return Survey(
        counts=counts,
        splits={
            split: sum(is_image(path) for path, _ in found) for split, (_, found) in listed.items()
        },
        short_side=round(statistics.median(map(min, sizes))),
        grey=grey,
        notes=layout.notes,
    )


def _looked_at(
    images: Sequence[ImageFile],
) -> tuple[list[tuple[int, int]], bool, ImageError | None]:
    """Return height and width of some images, whether all of some are grey, and what is wrong.

    The error is that of the first image that cannot be read; None if there is none.
    """
    from edgecnn_runner.images.decode import image_size, read_image

    order = seeded_order([repr(path) for path, _ in images], seed=0, purpose="survey")
    sizes: list[tuple[int, int]] = []
    grey, decoded = True, 0
    failure: ImageError | None = None
    for index in order[:_HEADERS]:
        path, _ = images[index]
        try:
            sizes.append(image_size(path))
            if grey and decoded < _DECODED:
                pixels = read_image(path)
                decoded += 1
                grey = int((pixels.max(axis=2) - pixels.min(axis=2)).max()) <= _GREY_WITHIN
        except ImageError as error:
            failure = failure or error
    return sizes, grey and decoded > 0, failure


def few_images(counts: Mapping[str, int]) -> list[str]:
    """Return a warning of the classes that have too few images, where there are such.

    Args:
        counts: Images of each class, of all splits.
    """
    poor = {name: count for name, count in counts.items() if count < FEW_IMAGES}
    if not poor:
        return []
    shown = some_of(f"{name} ({count})" for name, count in poor.items())
    return [
        f"fewer than {FEW_IMAGES} images of {len(poor)} of {len(counts)} classes: {shown}; "
        "too few to learn a class from, and to tell how well it is learnt: better 50 or more"
    ]


def uneven_classes(counts: Mapping[str, int]) -> list[str]:
    """Return a note of the classes that others outweigh in a training, where there are such.

    Args:
        counts: Images of each class, of the training images.
    """
    most = max(counts, key=lambda name: counts[name])
    small = {name: count for name, count in counts.items() if count * UNEVEN < counts[most]}
    if not small:
        return []
    shown = some_of(f"{name} ({count})" for name, count in small.items())
    return [
        f"fewer than a third of the images of {most} ({counts[most]}): {shown}; the training "
        f"gives their images weights, of at most ten times those of {most}"
    ]

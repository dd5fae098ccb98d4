"""Loads pictures without labels, and tells which of them are copies of each other.

Agreement with the float model needs no labels, so any picture of what a device will see can be
used for it. What it may not be is a picture that the model was trained on or the file was
calibrated with, nor the same picture twice: those are left out and counted. Copies that differ a
little (augmented, saved again, the next frame of a still scene) stay, in one group with their
original, and a group counts once. Three things put pictures into a group:

- ``groups.csv`` in the folder: ``image,group``, a line for each picture;
- names that differ by what tools for augmentation add: ``a.jpg``, ``a_aug3.jpg``, ``a-flip.jpg``,
  ``a (2).jpg``, ``a_jpg.rf.0f3c...jpg``;
- the pixels: thumbnails of 16x16 grey values that differ by less than ``NEAR`` on average, as they
  are or mirrored.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from edgecnn.data.class_folders import images_below
from edgecnn.data.folder import id_of, read_pictures
from edgecnn.data.split import digest_per_image
from edgecnn.data.types import Dataset
from edgecnn.errors import DataError, some_of
from edgecnn.pixels import gathered
from edgecnn.progress import NO_PROGRESS, Progress
from edgecnn_runner.contract import RESIZE_RULE

Pixels = npt.NDArray[np.uint8]

NEAR: Final = 4.0
"""Grey levels, root of the mean square over a thumbnail; two photographs of one object from a hand
that moves are some ten apart, a picture saved again as JPEG less than one."""
GROUPS_FILE: Final = "groups.csv"
MOST_PICTURES: Final = 50_000
"""More tell nothing more, and comparing all pairs takes minutes."""

_SIDE: Final = 16
_BLOCK: Final = 1024
_LARGEST_CSV: Final = 20_000_000
_WORDS: Final = (
    "aug|augmented|augmentation|copy|flip|flipped|hflip|vflip|mirror|mirrored|rot|rotate|rotated|"
    "crop|cropped|bright|brighter|brightness|dark|darker|noise|noisy|blur|blurred|contrast|shift|"
    "shifted|zoom|zoomed|hue|saturation|colour|color|jpeg|scale|scaled|shear|sheared"
)
# Of a name without its suffix: " (2)", "_aug3", "-flip", "_rot-90_2", ".rf.0f3c" of Roboflow.
_ADDED: Final = re.compile(
    rf"(?:\s*\(\d+\)|[ _.-]+(?:{_WORDS})(?:[ _-]?-?\d+(?:\.\d+)?)*|\.rf\.[0-9a-f]{{8,}})$",
    re.IGNORECASE,
)


@dataclass(frozen=True, kw_only=True, eq=False)
class UnlabelledPictures:
    """Pictures without labels.

    Attributes:
        folder: Where they were.
        pixels: Shape (m, height, width, channels), uint8.
        ids: Paths relative to the folder, m of them.
        groups: The group of each, m names: the id of the evaluation image that it is a copy of,
            or a name that no evaluation image has.
        left_out: Why pictures were left out, and how many for each reason.
    """

    folder: Path
    pixels: Pixels
    ids: tuple[str, ...]
    groups: tuple[str, ...]
    left_out: Mapping[str, int]

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.ids)


def load_unlabelled(
    folder: Path,
    dataset: Dataset,
    *,
    resize: str = RESIZE_RULE,
    spent: Collection[str] = (),
    progress: Progress = NO_PROGRESS,
) -> UnlabelledPictures:
    """Load the pictures in a folder and all folders below it.

    Args:
        folder: The folder.
        dataset: What the model was trained and is judged on: gives the size of the pictures, and
            which are known already.
        resize: Name of the rule that brings them to size.
        spent: Digests of pictures by which a repair chose a file: that file looks better on them
            than it is.
        progress: Who to tell how far the reading is.

    Raises:
        DataError: If there is no such folder, no picture in it that counts, too many of them, or
            its ``groups.csv`` cannot be read.
    """
    if not folder.is_dir():
        raise DataError(
            f"the folder of unlabelled pictures {folder} does not exist",
            observed="a file" if folder.is_file() else "nothing there",
            expected="a folder of pictures, in folders of any depth",
            remedy="check data.unlabelled in the recipe, or --unlabelled FOLDER",
        )
    files = images_below(folder)
    if len(files) > MOST_PICTURES:
        raise DataError(
            f"{folder} holds more pictures than are compared",
            observed=f"{len(files):,} pictures",
            expected=f"at most {MOST_PICTURES:,}",
            remedy="name a folder with a part of them, chosen by chance",
        )
    pixels, read, unread = read_pictures(
        files, shape=dataset.shape, resize=resize, progress=progress
    )
    ids = [id_of(path.relative_to(folder)) for path in read]
    known = {**dict.fromkeys(spent, "a repair chose a file by them"), **_known(dataset)}
    left_out: dict[str, int] = {"cannot be read": unread} if unread else {}
    kept: list[int] = []
    for index, digest in enumerate(digest_per_image(pixels)):
        reason = known.get(digest)
        if reason is None:
            known[digest] = "the same picture as another one there"
            kept.append(index)
        else:
            left_out[reason] = left_out.get(reason, 0) + 1
    if not kept:
        counted = ", ".join(f"{reason}: {count}" for reason, count in left_out.items())
        raise DataError(
            f"{folder} holds no picture that tells anything new",
            observed=counted or "no pictures",
            expected="pictures that the model has not seen, in folders of any depth",
            remedy="name a folder of other pictures: data.unlabelled in the recipe, or "
            "--unlabelled FOLDER",
        )
    pixels, ids = gathered(pixels, np.asarray(kept, np.int64)), [ids[index] for index in kept]
    return UnlabelledPictures(
        folder=folder,
        pixels=pixels,
        ids=tuple(ids),
        groups=_groups(pixels, ids, dataset, _declared(folder)),
        left_out=left_out,
    )


def _known(dataset: Dataset) -> dict[str, str]:
    """Return the digests of all pictures that count already, or must not, each with its reason."""
    parts = {
        "training images": dataset.train,
        "validation images": dataset.validation,
        "evaluation images": dataset.test,
    }
    return {
        digest: f"also {name}"
        for name, images in parts.items()
        for digest in digest_per_image(images.pixels)
    }


def original_name(name: str) -> str:
    """Return a picture's name without suffix and without what tools for augmentation add to it.

    >>> original_name("day1/cat_aug3.jpg"), original_name("cat-flip_rot90.png")
    ('day1/cat', 'cat')
    """
    folder, slash, file = name.rpartition("/")
    stem = file.rpartition(".")[0] or file
    while (shorter := _ADDED.sub("", stem)) != stem and shorter:
        stem = shorter
    return f"{folder}{slash}{stem}"


def _declared(folder: Path) -> dict[str, str]:
    """Return the group of each picture that the folder's ``groups.csv`` names; none without one.

    Raises:
        DataError: If it cannot be read, or is no such table.
    """
    path = folder / GROUPS_FILE
    if not path.is_file():
        return {}

    def bad(observed: str) -> DataError:
        return DataError(
            f"{path} does not say which pictures belong together",
            observed=observed,
            expected="a CSV file in UTF-8: a header image,group, then a line for each picture",
            remedy="mend it, or move it out of the folder",
        )

    try:
        if path.stat().st_size > _LARGEST_CSV:
            raise bad(f"{path.stat().st_size:,} bytes")
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = [row for row in csv.reader(file, strict=True) if any(map(str.strip, row))]
    except (OSError, csv.Error, UnicodeDecodeError) as error:
        raise bad(f"{type(error).__name__}: {error}") from error
    if not rows or len(rows[0]) != 2 or any(len(row) != 2 for row in rows):
        raise bad(f"{len(rows)} lines, not all of two cells")
    names = [row[0].strip() for row in rows[1:]]
    twice = sorted({name for name in names if names.count(name) > 1}) if len(names) < 5000 else []
    if twice:
        raise bad(f"twice: {some_of(twice)}")
    return {row[0].strip(): row[1].strip() for row in rows[1:] if row[1].strip()}


def _groups(
    pixels: Pixels, ids: Sequence[str], dataset: Dataset, declared: Mapping[str, str]
) -> tuple[str, ...]:
    """Return the group of each picture; see the module."""
    test = dataset.test
    joined = _Joined(len(test) + len(ids))
    base = len(test)
    by_name: dict[tuple[str, str], int] = {}
    # A file of an evaluation image may lie elsewhere, so its own name alone counts.
    for index, name in enumerate(test.ids):
        by_name.setdefault(("original", original_name(name).rpartition("/")[2]), index)
    for index, name in enumerate(ids):
        group = declared.get(name)
        if group is not None:
            joined.join(by_name.setdefault(("declared", group), base + index), base + index)
            continue
        plain = original_name(name)
        file = plain.rpartition("/")[2]
        if file != name.rpartition("/")[2].rpartition(".")[0] and ("original", file) in by_name:
            joined.join(by_name["original", file], base + index)
        joined.join(by_name.setdefault(("name", plain), base + index), base + index)
    thumbnails = np.concatenate([_thumbnails(test.pixels), _thumbnails(pixels)])
    for first, second in _near(thumbnails, base):
        joined.join(first, second)
    roots = [joined.root(base + index) for index in range(len(ids))]
    # The smallest number of a group is its root: an evaluation image, where one belongs to it.
    return tuple(
        test.ids[root] if root < base else f"unlabelled/{ids[root - base]}" for root in roots
    )


class _Joined:
    """Numbers that are joined into groups; the root of a group is its smallest number."""

    def __init__(self, count: int) -> None:
        self._parent = list(range(count))

    def root(self, index: int) -> int:
        """Return the smallest number of a number's group."""
        while self._parent[index] != index:
            self._parent[index] = self._parent[self._parent[index]]
            index = self._parent[index]
        return index

    def join(self, first: int, second: int) -> None:
        """Put two numbers into one group."""
        low, high = sorted((self.root(first), self.root(second)))
        self._parent[high] = low


def _thumbnails(pixels: Pixels) -> npt.NDArray[np.float32]:
    """Return grey values of 16x16, shape (n, 256); of smaller pictures each pixel's own."""
    count, height, width, _ = pixels.shape
    rows = np.linspace(0, height, min(_SIDE, height) + 1).astype(int)
    columns = np.linspace(0, width, min(_SIDE, width) + 1).astype(int)
    small = np.empty((count, len(rows) - 1, len(columns) - 1), np.float32)
    for start in range(0, count, _BLOCK):
        grey = pixels[start : start + _BLOCK].mean(axis=3, dtype=np.float32)
        by_rows = np.add.reduceat(grey, rows[:-1], axis=1)
        sums = np.add.reduceat(by_rows, columns[:-1], axis=2)
        small[start : start + _BLOCK] = sums / np.outer(np.diff(rows), np.diff(columns))
    return small


def _near(thumbnails: npt.NDArray[np.float32], base: int) -> Iterable[tuple[int, int]]:
    """Yield pairs of pictures that are nearly equal, the second one unlabelled.

    Args:
        thumbnails: Those of the evaluation images, ``base`` of them, then of the others.
        base: How many are of evaluation images.
    """
    count = len(thumbnails)
    flat = thumbnails.reshape(count, -1)
    mirrored = np.ascontiguousarray(thumbnails[:, :, ::-1]).reshape(count, -1)
    norms = np.einsum("ij,ij->i", flat, flat, dtype=np.float64)
    limit = NEAR**2 * flat.shape[1]
    for start in range(base, count, _BLOCK):
        block = slice(start, min(count, start + _BLOCK))
        for others in (flat, mirrored):
            products = flat[block].astype(np.float64) @ others[: block.stop].T.astype(np.float64)
            apart = norms[block, np.newaxis] + norms[np.newaxis, : block.stop] - 2 * products
            for row, column in np.argwhere(apart < limit).tolist():
                if column < start + row:
                    yield column, start + row

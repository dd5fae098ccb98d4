"""Says in a few lines what is wrong with the images of a training, before it begins.

Of what ``edgecnn data`` finds, that which needs no second look at the files: the images are in
memory, split, at the size that the network sees. It takes some milliseconds an image, and what
was found is kept in the build for as long as the images are the same.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from edgecnn.data.quality.duplicates import near_pairs
from edgecnn.data.quality.fingerprint import Fingerprint, fingerprint_of_reduced, reduced
from edgecnn.data.quality.measures import light
from edgecnn.data.split import digest_per_image
from edgecnn.data.types import Dataset
from edgecnn.errors import some_of
from edgecnn.files import write_json
from edgecnn.progress import NO_PROGRESS, Progress
from edgecnn.report.text import plural_text

ESSENCE_SCHEMA: Final = 1

MOST_IMAGES: Final = 5_000
"""Beyond, it would take longer than some ten seconds."""
LEAST_SIDE: Final = 48
"""Pixels; smaller pictures are alike in too much that tells them apart."""

_VERSION: Final = 1  # of what is looked for; counts changes of this module
_WORKERS: Final = 4
_PARTS: Final = ("training", "validation", "test")
_FAULTS: Final = {"blank": "show nothing", "dark": "are dark", "burnt_out": "are burnt out"}


def essence_of(dataset: Dataset, *, progress: Progress = NO_PROGRESS) -> tuple[str, ...]:
    """Return what should be known of a folder's images before a training, a line each.

    Args:
        dataset: The images, split.
        progress: Shows how far it is.

    Returns:
        Lines that begin with ``note:`` or ``warning:``; the first counts the images.
    """
    counts = dataset.class_counts()
    few, many = min(counts, key=lambda name: counts[name]), max(counts, key=lambda n: counts[n])
    parts = (dataset.train, dataset.validation, dataset.test)
    sizes = ", ".join(f"{len(part):,} for {name}" for name, part in zip(_PARTS, parts, strict=True))
    lines = [
        f"note: {sizes}; {counts[few]:,} ({few}) to {counts[many]:,} ({many}) photos a class"
        if counts[few] != counts[many]
        else f"note: {sizes}; {counts[few]:,} photos of each class"
    ]
    total = sum(map(len, parts))
    if total > MOST_IMAGES or min(dataset.shape[:2]) < LEAST_SIDE:
        return tuple(lines)
    looked = _Looked.at(dataset, progress)
    return (*lines, *looked.across_splits(), *looked.across_classes(), *looked.faulty())


def kept_essence(
    dataset: Dataset, place: Path, *, progress: Progress = NO_PROGRESS
) -> tuple[str, ...]:
    """Return ``essence_of`` a data set, from a file where it says so of the same images.

    Args:
        dataset: The images, split.
        place: The file; written where it is missing, damaged, or of other images.
        progress: Shows how far it is.

    Raises:
        WorkspaceError: If the file cannot be written.
    """
    digest = dataset.digest()
    known = _read(place)
    if known is not None and known["sha256"] == digest and known["version"] == _VERSION:
        return tuple(known["lines"])
    lines = essence_of(dataset, progress=progress)
    write_json(
        place,
        {
            "schema": ESSENCE_SCHEMA,
            "version": _VERSION,
            "sha256": digest,
            "lines": list(lines),
        },
    )
    return lines


def _read(place: Path) -> dict[str, Any] | None:
    try:
        found = json.loads(place.read_text(encoding="utf-8"))
        lines = found["lines"]
        whole = isinstance(lines, list) and all(isinstance(line, str) for line in lines)
        known = {"sha256": found["sha256"], "version": found["version"], "lines": lines}
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None  # it is made again
    return known if whole else None


class _Looked:
    """The images of a data set, and what they are recognized by."""

    def __init__(self, dataset: Dataset, prints: Sequence[Fingerprint], faults: Sequence[str]):
        parts = (dataset.train, dataset.validation, dataset.test)
        self.ids = [name for part in parts for name in part.ids]
        self.labels = [label for part in parts for label in part.labels.tolist()]
        self.part = [name for name, part in zip(_PARTS, parts, strict=True) for _ in part.ids]
        self.faults = faults
        self.split_by = dataset.split_by
        self.came_split = dataset.came_split
        # Equal ones have been told of by whoever read them, and cannot be on both sides.
        digests = [digest for part in parts for digest in digest_per_image(part.pixels)]
        first = {digest: index for index, digest in reversed(list(enumerate(digests)))}
        chosen = sorted(first.values())
        self.pairs = [
            (chosen[pair.first], chosen[pair.second])
            for pair in near_pairs([prints[index] for index in chosen])
        ]

    @classmethod
    def at(cls, dataset: Dataset, progress: Progress) -> _Looked:
        """Look at all images."""
        parts = (dataset.train, dataset.validation, dataset.test)
        pictures = [picture for part in parts for picture in part.pixels]
        with (
            warnings.catch_warnings(),
            progress.task("looking at the photos", len(pictures)) as task,
            ThreadPoolExecutor(max_workers=_WORKERS) as pool,
        ):
            found = []
            for one in pool.map(_look, pictures):
                found.append(one)
                task.advance()
        return cls(dataset, [print_ for print_, _ in found], [fault for _, fault in found])

    def across_splits(self) -> list[str]:
        """Tell of photos that look alike on both sides of the split."""
        pairs = [(a, b) for a, b in self.pairs if self.part[a] != self.part[b]]
        if not pairs:
            return []
        remedy = (
            "put all photos into one folder of classes, and let data.split_by = 'auto' divide them"
            if self.came_split
            else "data.split_by = 'auto' in the recipe keeps them together"
        )
        if self.split_by == "auto" and not self.came_split:
            remedy = "kept together, they would be more than a fifth of a class"
        return [
            f"warning: {plural_text(len(pairs), 'pair')} of photos look alike and are on both "
            f"sides of a split, {self._named(pairs)}: accuracy flatters; {remedy}"
        ]

    def across_classes(self) -> list[str]:
        """Tell of photos that look alike and have different labels."""
        pairs = [(a, b) for a, b in self.pairs if self.labels[a] != self.labels[b]]
        if not pairs:
            return []
        return [
            f"warning: {plural_text(len(pairs), 'pair')} of photos look alike and are of "
            f"different classes, {self._named(pairs)}: one of each may be in the wrong folder"
        ]

    def faulty(self) -> list[str]:
        """Tell of photos that are blank, dark or burnt out."""
        found = {
            words: [name for name, fault in zip(self.ids, self.faults, strict=True) if fault == one]
            for one, words in _FAULTS.items()
        }
        told = [
            f"{len(names)} {words} ({some_of(names)})" for words, names in found.items() if names
        ]
        return [f"note: of {len(self.ids):,} photos, {', '.join(told)}"] if told else []

    def _named(self, pairs: Sequence[tuple[int, int]]) -> str:
        return some_of([f"{self.ids[a]} and {self.ids[b]}" for a, b in pairs], joint="; ")


def _look(picture: npt.NDArray[np.uint8]) -> tuple[Fingerprint, str]:
    """Return what an image is recognized by, and its fault in words; empty for none."""
    rgb = np.repeat(picture, 3, axis=2) if picture.shape[2] == 1 else picture
    small = reduced(np.ascontiguousarray(rgb))
    return fingerprint_of_reduced(small, None), light(small).fault or ""

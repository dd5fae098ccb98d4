"""Says which images belong together, so that a split does not put them on both sides.

A network that was trained on one photo of a bottle knows the next one of that bottle, and a test by
it flatters. The rules:

- ``image``: each image is a group of its own; only equal ones stay together.
- ``auto``: near duplicates, bursts (taken within seconds of each other), and runs of files whose
  names follow on each other where no camera wrote down the time.
- ``name``: files whose names are equal up to their last number.
- ``folder``: files of one sub-folder of the class folders.
- ``TABLE.csv:COLUMN``: files that have the same text in a column.

To keep images together that have nothing to do with each other costs a test nothing but a little
of its certainty. To tear those apart that belong together makes it wrong. So where ``auto`` cannot
know, it keeps together, but never so many that a class could not be split.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path, PurePosixPath
from typing import Final

import numpy as np
import numpy.typing as npt

from edgecnn.data.group_table import group_of as group_in_table
from edgecnn.data.group_table import read_column
from edgecnn.data.quality.duplicates import near_pairs
from edgecnn.data.quality.fingerprint import Fingerprint
from edgecnn.errors import DataError, some_of
from edgecnn.progress import NO_PROGRESS, Progress
from edgecnn.report.text import plural_text

BURST_S: Final = 30.0
"""Seconds between two photos of a burst: the time it takes to step round a thing."""
LONGEST_RUN: Final = 20
"""Files that names alone keep together. Of TrashNet, whose files have no times, runs of 10 to 20
bring a linear classifier on EfficientNet-Lite0 to the accuracy of runs of 20 (89.4 and 89.0 %, by a
random split 91.0 %; ``tests/benchmarks/photo_splits.py``)."""

_RUN_SHARE: Final = 10  # a run is at most a tenth of its class
_GROUP_SHARE: Final = 5  # a group that was found, not stated, is at most a fifth
_LEAST_TO_GROUP: Final = 6  # images of a class, of which groups of two still leave three groups
_NUMBERED: Final = re.compile(r"^(.*?)(\d+)\D*$", re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class Grouping:
    """Which images belong together.

    Attributes:
        split_by: The rule's name, as the recipe has it, without the folders of a table.
        rule: The rule in words.
        group_of: Number of each image's group, by the image's id.
        notes: What the user should know, a sentence each.
    """

    split_by: str
    rule: str
    group_of: Mapping[str, int]
    notes: tuple[str, ...] = ()

    def groups(self) -> list[list[str]]:
        """Return the ids of each group with two or more images."""
        found: dict[int, list[str]] = {}
        for name, group in self.group_of.items():
            found.setdefault(group, []).append(name)
        return [members for members in found.values() if len(members) > 1]


def group_images(
    ids: Sequence[str],
    classes: Sequence[str],
    split_by: str,
    *,
    prints: Sequence[Fingerprint] | None = None,
    progress: Progress = NO_PROGRESS,
) -> Grouping:
    """Return which images belong together by a rule.

    Args:
        ids: Paths relative to the data folder, with ``/`` between folders; unique.
        classes: Name of each image's class folder.
        split_by: The rule; a table's path is absolute, or relative to the current folder.
        prints: What the images are recognized by; needed for ``auto`` alone.
        progress: Shows how many were compared.

    Raises:
        DataError: If a table cannot be read or knows none of the images, or if no image is in a
            sub-folder, for ``folder``.
    """
    # Sorted, so that no order in which files were found decides anything.
    order = sorted(range(len(ids)), key=lambda index: ids[index])
    ids = [ids[index] for index in order]
    classes = [classes[index] for index in order]
    if split_by == "auto":
        assert prints is not None  # noqa: S101 - whoever loads images for it takes them
        return _by_itself(ids, classes, [prints[index] for index in order], progress)
    if split_by == "name":
        keys = [_name_key(name) for name in ids]
        rule = "files whose names are equal up to their last number stay together"
        return _by_keys(ids, keys, split_by="name", rule=rule)
    if split_by == "folder":
        return _by_folder(ids, classes)
    path, _, column = split_by.rpartition(":")
    return _by_table(ids, Path(path), column)


def too_few_groups_remedy(split_by: str) -> str:
    """Return what to do about classes of which a rule makes too few groups to split them."""
    others = {
        "auto": "add photos of other things, taken at other times, to these classes",
        "name": "give the files of each object, or of each take, a name of its own up to the last "
        "number, such as bottle_07_001.jpg",
        "folder": "sort the photos of these classes into more sub-folders, one for each object or "
        "place",
    }
    way = others.get(split_by, "divide the photos of these classes among more groups in the table")
    if split_by == "auto":
        return f"{way}, or keep a smaller share for test (data.test) and validation"
    return f"{way}; or set data.split_by = 'auto' in the recipe"


def _by_keys(
    ids: Sequence[str], keys: Sequence[str | None], *, split_by: str, rule: str
) -> Grouping:
    """Return the grouping by keys; an image whose key is None is a group of its own."""
    number: dict[tuple[str, str], int] = {}
    group_of = {
        name: number.setdefault(("alone", name) if key is None else ("key", key), len(number))
        for name, key in zip(ids, keys, strict=True)
    }
    alone = sum(key is None for key in keys)
    notes = (
        (
            f"split_by = {split_by!r} says nothing of {alone} of {plural_text(len(ids), 'image')}, "
            "each of which is a group of its own",
        )
        if alone
        else ()
    )
    return Grouping(split_by=split_by, rule=rule, group_of=group_of, notes=notes)


def _name_key(name: str) -> str | None:
    """Return a file's name up to its last number; None for one without a number.

    >>> [_name_key(name) for name in ("cat/bowl7_03.jpg", "cat/bowl7_3 (edited).jpg", "cat/a.jpg")]
    ['bowl7_', 'bowl7_', None]
    """
    found = _NUMBERED.match(PurePosixPath(name).stem)
    return None if found is None else found[1]


def _by_folder(ids: Sequence[str], classes: Sequence[str]) -> Grouping:
    keys: list[str | None] = []
    for name, label in zip(ids, classes, strict=True):
        parts = PurePosixPath(name).parts[:-1]
        # The class is the folder of that name nearest to the data folder.
        below = parts[parts.index(label) + 1 :] if label in parts else parts
        keys.append("/".join(below) or None)
    if not any(keys):
        raise DataError(
            "data.split_by is 'folder', and no image is in a sub-folder of its class",
            observed=f"files such as {some_of(ids[:3])}",
            expected="a folder for each object, place or person inside the class folders, such as "
            "bottle/object1/photo.jpg",
            remedy="sort the images of each class into such folders, or set data.split_by = "
            "'auto' in the recipe",
        )
    rule = "files of one sub-folder of the class folders stay together"
    return _by_keys(ids, keys, split_by="folder", rule=rule)


def _by_table(ids: Sequence[str], path: Path, column: str) -> Grouping:
    known = read_column(path, column)
    keys = [group_in_table(known, name) or None for name in ids]
    if not any(keys):
        raise DataError(
            f"the column {column} of {path} has an entry for none of {len(ids):,} images",
            observed=f"the table has {some_of(sorted(known)) or 'no image'}, "
            f"the data {some_of(ids[:3])}",
            expected="paths relative to the data folder, with / between folders",
            remedy=f"write the names of the images into the first column of {path} as edgecnn "
            "data names them",
        )
    rule = f"images with the same {column} in {path.name} stay together"
    return _by_keys(ids, keys, split_by=f"{path.name}:{column}", rule=rule)


class _Bounded:
    """Groups that grow by links, but never beyond a limit in any class.

    Args:
        classes: Class of each of n images.
        limits: Class to the most images that a group may have of it.
    """

    def __init__(self, classes: Sequence[str], limits: Mapping[str, int]) -> None:
        self._above = list(range(len(classes)))
        self._counts = [Counter([name]) for name in classes]
        self._limits = limits

    def group(self, index: int) -> int:
        """Return the number of an image's group."""
        while self._above[index] != index:
            self._above[index] = self._above[self._above[index]]
            index = self._above[index]
        return index

    def link(self, one: int, other: int) -> bool:
        """Join the groups of two images; return whether they are one now."""
        first, second = sorted((self.group(one), self.group(other)))
        if first == second:
            return True
        together = self._counts[first] + self._counts[second]
        if any(count > self._limits[name] for name, count in together.items()):
            return False
        self._above[second] = first
        self._counts[first] = together
        return True


def _by_itself(
    ids: Sequence[str],
    classes: Sequence[str],
    prints: Sequence[Fingerprint],
    progress: Progress,
) -> Grouping:
    totals = Counter(classes)
    bounded = _Bounded(
        classes,
        {
            name: count // _GROUP_SHARE + 1 if count >= _LEAST_TO_GROUP else 1
            for name, count in totals.items()
        },
    )
    pairs = near_pairs(prints, progress=progress)
    refused = sum(not bounded.link(pair.first, pair.second) for pair in pairs)
    bursts = _links_in_time(ids, prints)
    for one, other in bursts:
        bounded.link(one, other)
    runs = _runs_of_names(ids, classes, prints, totals)
    for run in runs:
        for one, other in pairwise(run):
            bounded.link(one, other)
    group_of = {name: bounded.group(index) for index, name in enumerate(ids)}
    longest = max(map(len, runs), default=0)
    found = {
        "photos that look alike": pairs,
        f"photos taken within {BURST_S:g} s of each other": bursts,
        f"runs of up to {longest} files whose names follow on each other": runs,
    }
    kept = " and ".join(what for what, links in found.items() if links)
    notes = (
        (
            f"{plural_text(refused, 'pair')} of photos that look alike may be torn apart by the "
            "split: kept together, they would be more than a fifth of a class",
        )
        if refused
        else ()
    )
    return Grouping(
        split_by="auto",
        rule=f"{kept} stay together" if kept else "no photos look alike, and none follow another",
        group_of=group_of,
        notes=notes,
    )


def _links_in_time(ids: Sequence[str], prints: Sequence[Fingerprint]) -> list[tuple[int, int]]:
    """Return the pairs of photos of a burst, those nearest in time first."""
    series: dict[tuple[str, str], list[tuple[float, int]]] = {}
    for index, (name, one) in enumerate(zip(ids, prints, strict=True)):
        if one.taken_s is not None:
            place = str(PurePosixPath(name).parent)
            series.setdefault((place, one.camera), []).append((one.taken_s, index))
    links = []
    for photos in series.values():
        photos.sort()
        links += [
            (after - before, one, other)
            for (before, one), (after, other) in pairwise(photos)
            if after - before <= BURST_S
        ]
    return [(one, other) for _, one, other in sorted(links)]


def _runs_of_names(
    ids: Sequence[str],
    classes: Sequence[str],
    prints: Sequence[Fingerprint],
    totals: Mapping[str, int],
) -> list[Sequence[int]]:
    """Return runs of files that follow on each other, which end where pictures differ most.

    Only of files that no camera wrote a time into.
    """
    series: dict[tuple[str, str], list[tuple[int, str, int]]] = {}
    for index, name in enumerate(ids):
        path = PurePosixPath(name)
        found = _NUMBERED.match(path.stem)
        if prints[index].taken_s is None and found is not None:
            # Numbers of thousands of digits are names, too; none is made a number of.
            number = found[2].lstrip("0")
            series.setdefault((str(path.parent), found[1]), []).append((len(number), number, index))
    runs: list[Sequence[int]] = []
    for files in series.values():
        order = [index for _, _, index in sorted(files)]
        most = min(LONGEST_RUN, totals[classes[order[0]]] // _RUN_SHARE)
        runs += [run for run in _cut(order, prints, most) if len(run) > 1]
    return runs


def _cut(order: Sequence[int], prints: Sequence[Fingerprint], most: int) -> list[Sequence[int]]:
    """Cut a series into runs of ``most`` files, or down to half of that where a cut is clearer."""
    if most < 2:
        return []
    steps = [_difference(prints[one], prints[two]) for one, two in pairwise(order)]
    runs, at = [], 0
    while at < len(order):
        length = len(order) - at
        if length > most:
            # Where the next picture differs most; the first of equal ones.
            lengths = range(max(1, most // 2), most + 1)
            length = max(lengths, key=lambda many: (steps[at + many - 1], -many))
        runs.append(order[at : at + length])
        at += length
    return runs


def _difference(one: Fingerprint, other: Fingerprint) -> float:
    """Return by how many grey levels two pictures differ, root mean square."""
    first: npt.NDArray[np.int32] = one.small.astype(np.int32)
    return float(np.sqrt(np.mean((first - other.small) ** 2)))

"""Inspects a folder of photos: what there is, and what a training or a verdict would suffer by."""

from __future__ import annotations

import statistics
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from edgecnn.data.class_folders import Layout, check_same_classes, find_layout, list_classes
from edgecnn.data.folder import MOST_UNREADABLE
from edgecnn.data.grouping import Grouping, group_images
from edgecnn.data.quality.duplicates import NearPair, clusters, equal_groups, near_pairs
from edgecnn.data.quality.findings import KINDS, TAKEN_SO, FindingKind, PhotoFinding, kinds_found
from edgecnn.data.quality.fingerprint import HASH_BITS
from edgecnn.data.quality.labels import LEAST_PHOTOS, label_doubts
from edgecnn.data.quality.photos import (
    FeatureExtractor,
    Features,
    Photo,
    ReadPhotos,
    UnreadPhoto,
    read_photos,
)
from edgecnn.data.quality.split_effect import SplitEffect, split_effect
from edgecnn.data.survey import few_images, uneven_classes
from edgecnn.errors import DataError, some_of
from edgecnn.log import has_read
from edgecnn.progress import NO_PROGRESS, Progress
from edgecnn.report.text import percent_text

# Of the 1,500 photos of TrashNet six are above, and blurred to the eye; of the same, blurred by a
# Gaussian of 2 pixels, nine in ten are.
_BLURRED: Final = 0.5
# What the smallest of the usual backbones are fed.
_SMALL_SIDE: Final = 96
_SMALL_AGAINST_MEDIAN: Final = 0.5
_LIGHT_WORDS: Final = {
    "blank": "one colour, or nearly",
    "dark": "95 % of the pixels are at most {bright:.0f} of 255",
    "burnt_out": "{clipped} of the pixels are white",
}


@dataclass(frozen=True, kw_only=True)
class ClassFacts:
    """What there is of a class.

    Attributes:
        name: The class.
        photos: Files that can be read.
        splits: Split to how many of them it has; empty where the folder does not come split.
        conflicting: Of the photos, those that stand in another class, too; a training leaves them
            out.
        unread: Files that cannot be read, or are no images.
        short_side: Median of the photos' shorter sides, pixels; None without photos.
        smallest: The least of them.
        largest: The greatest of them.
        grey: Photos without colour.
    """

    name: str
    photos: int
    splits: Mapping[str, int]
    conflicting: int
    unread: int
    short_side: int | None
    smallest: int | None
    largest: int | None
    grey: int


@dataclass(frozen=True, kw_only=True)
class AutoGroups:
    """What ``data.split_by = "auto"`` would keep together.

    Attributes:
        rule: By what, in words.
        groups: How many groups there are, those of one photo among them.
        together: Photos that have others in their group.
        largest: Photos of the largest group.
    """

    rule: str
    groups: int
    together: int
    largest: int


@dataclass(frozen=True, kw_only=True)
class NotChecked:
    """A check that was left out.

    Attributes:
        check: Which.
        why: Why, and what it takes.
    """

    check: str
    why: str


@dataclass(frozen=True, kw_only=True)
class DataQuality:
    """What there is of a folder of photos, and what is wrong with it.

    Attributes:
        folder: Where it is.
        photos: Files that can be read.
        size_bytes: Of these.
        classes: What there is of each class, in label order.
        findings: What was found, the gravest kind first.
        auto: What splits by ``auto`` would keep together; None where the folder comes with splits
            for training, validation and test.
        split_effect: By how much a random split flatters; None without features.
        backbone: What made the features; None without.
        not_checked: What was left out.
        notes: What should be known of the folder as a whole, a sentence each.
    """

    folder: str
    photos: int
    size_bytes: int
    classes: tuple[ClassFacts, ...]
    findings: tuple[PhotoFinding, ...]
    auto: AutoGroups | None
    split_effect: SplitEffect | None
    backbone: str | None
    not_checked: tuple[NotChecked, ...]
    notes: tuple[str, ...]

    @property
    def error(self) -> DataError | None:
        """Why the folder cannot be used for a training; None where it can."""
        empty = [one.name for one in self.classes if not one.photos]
        if empty:
            return DataError(
                f"{len(empty)} of {len(self.classes)} classes of {self.folder} have no photo "
                f"that can be read: {some_of(empty)}",
                observed="nothing in them but files that are no images or cannot be read",
                expected="a photo that can be read, in every class folder",
                remedy="add photos to these folders, or take the folders away",
            )
        copies = [one.name for one in self.classes if one.conflicting == one.photos]
        if copies:
            return DataError(
                f"{len(copies)} of {len(self.classes)} classes of {self.folder} have only photos "
                f"that stand in another class, too: {some_of(copies)}",
                observed="nothing in them but photos that a training leaves out",
                expected="a photo that stands in no other class, in every class folder",
                remedy="delete the copies that are in the wrong class, or add photos to these "
                "folders",
            )
        lost = sum(finding.kind == "unreadable" for finding in self.findings)
        total = self.photos + lost
        if lost <= max(1, int(MOST_UNREADABLE * total)):
            return None
        names = [finding.photos[0] for finding in self.findings if finding.kind == "unreadable"]
        return DataError(
            f"{lost} of {total} files of {self.folder} cannot be read as images: {some_of(names)}",
            observed=f"{self.photos} files that can be read",
            expected=f"at most {percent_text(MOST_UNREADABLE, 0)} of the images that cannot be "
            "read; so few are left out of a training",
            remedy="delete these files, move them elsewhere, or replace them",
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class InspectedFolder:
    """An inspection with the pictures that a page shows of it.

    Attributes:
        quality: What was found.
        thumbnails: Small JPEG of each photo that a finding names, by the photo's id.
    """

    quality: DataQuality
    thumbnails: Mapping[str, bytes]


def inspect_folder(
    root: Path,
    *,
    extractor: FeatureExtractor | None = None,
    thumbnails: bool = False,
    progress: Progress = NO_PROGRESS,
) -> InspectedFolder:
    """Read the photos of a folder and say what is wrong with them.

    Args:
        root: A folder of class folders, or one that comes split.
        extractor: A pretrained network; without one, near duplicates are found by hash alone, and
            labels are not checked.
        thumbnails: Whether pictures are wanted.
        progress: Shows how far it is.

    Raises:
        DataError: If it is no folder of at least two classes, or its splits have other classes.
    """
    layout = find_layout(root)
    has_read(root)
    names, parts = _listed(layout)
    read = read_photos(root, parts, extractor=extractor, thumbnails=thumbnails, progress=progress)
    photos = read.photos
    ids = [photo.id for photo in photos]
    labels = np.array([photo.label for photo in photos], np.int64)
    grouping = group_images(
        ids,
        [names[photo.label] for photo in photos],
        "auto",
        prints=[photo.print for photo in photos],
        progress=progress,
    )
    equal = _equal(photos)
    findings = [
        *_unread(read.unread),
        *_single_photos(photos),
        *equal,
        *_near(photos, read.features, equal, progress),
    ]
    left_out = {
        name
        for finding in equal
        if finding.kind == "equal_across_classes"
        for name in finding.photos
    }
    not_checked: list[NotChecked] = []
    effect = None
    if extractor is None or read.features is None:
        not_checked += _without_features()
    else:
        joined = _joined(grouping, ids, equal)
        kept = np.array([name not in left_out for name in ids], np.bool_)
        doubts, missing = _labels(
            photos, read.features, labels, joined, kept, names, extractor.name
        )
        findings += doubts
        not_checked += missing
        if not missing:
            effect = split_effect(
                read.features[kept],
                labels[kept],
                joined[kept],
                backbone=extractor.name,
                classes=len(names),
                progress=progress,
            )
    findings = [one for found in kinds_found(findings).values() for one in found]
    auto = None if "validation" in layout.splits else grouping
    quality = DataQuality(
        folder=str(root),
        photos=len(photos),
        size_bytes=sum(photo.size_bytes for photo in photos),
        classes=tuple(_facts(label, name, read, left_out) for label, name in enumerate(names)),
        findings=tuple(findings),
        auto=None if auto is None else _auto(auto, len(photos)),
        split_effect=effect,
        backbone=None if read.features is None or extractor is None else extractor.name,
        not_checked=tuple(not_checked),
        notes=(
            *layout.notes,
            *_notes(photos, names, findings),
            *(() if auto is None else auto.notes),
        ),
    )
    shown = {name for finding in findings for name in finding.photos}
    return InspectedFolder(
        quality=quality,
        thumbnails={
            photo.id: photo.thumbnail for photo in photos if photo.thumbnail and photo.id in shown
        },
    )


def _listed(layout: Layout) -> tuple[tuple[str, ...], dict[str, Sequence[Any]]]:
    if not layout.splits:
        names, files = list_classes(layout.place)
        return names, {"": files}
    listed = {split: list_classes(place) for split, place in layout.splits.items()}
    first = "train" if "train" in listed else next(iter(listed))
    if first == "train":
        check_same_classes(layout, {split: found for split, (found, _) in listed.items()})
    names = listed[first][0]
    return names, {split: files for split, (_, files) in listed.items()}


def _facts(label: int, name: str, read: ReadPhotos, left_out: Collection[str]) -> ClassFacts:
    own = [photo for photo in read.photos if photo.label == label]
    sides = [min(photo.height, photo.width) for photo in own]
    splits = dict.fromkeys(dict.fromkeys(photo.split for photo in read.photos if photo.split), 0)
    for photo in own:
        if photo.split:
            splits[photo.split] += 1
    return ClassFacts(
        name=name,
        photos=len(own),
        splits=splits,
        conflicting=sum(photo.id in left_out for photo in own),
        unread=sum(one.label == label for one in read.unread),
        short_side=round(statistics.median(sides)) if sides else None,
        smallest=min(sides, default=None),
        largest=max(sides, default=None),
        grey=sum(photo.grey for photo in own),
    )


def _auto(grouping: Grouping, photos: int) -> AutoGroups:
    groups = grouping.groups()
    together = sum(map(len, groups))
    return AutoGroups(
        rule=grouping.rule,
        groups=photos - together + len(groups),
        together=together,
        largest=max(map(len, groups), default=min(1, photos)),
    )


def _notes(
    photos: Sequence[Photo], names: Sequence[str], findings: Sequence[PhotoFinding]
) -> list[str]:
    counts, train = dict.fromkeys(names, 0), dict.fromkeys(names, 0)
    for photo in photos:
        counts[names[photo.label]] += 1
        train[names[photo.label]] += photo.split in ("", "train")
    lines = [*few_images(counts), *(uneven_classes(train) if any(train.values()) else [])]
    for kind in ("dark", "burnt_out", "blurred"):
        found = sum(finding.kind == kind for finding in findings)
        if found > TAKEN_SO * len(photos):
            title = KINDS[kind].title.lower()
            lines.append(
                f"{title} are {found} of {len(photos)}: that is how these photos were taken, and "
                "not what single ones of them lack"
            )
    grey = sum(photo.grey for photo in photos)
    few_grey = [
        name
        for label, name in enumerate(names)
        if 0 < grey < len(photos)
        and all(photo.grey for photo in photos if photo.label == label)
        and counts[name]
    ]
    if few_grey:
        lines.append(
            f"all photos of {some_of(few_grey)} are grey, and those of other classes are not: "
            "colour alone would tell them apart, whatever they show"
        )
    return lines


def _unread(unread: Sequence[UnreadPhoto]) -> list[PhotoFinding]:
    return [
        PhotoFinding(
            kind="unreadable" if one.is_image else "not_an_image",
            photos=(one.id,),
            detail=one.reason,
        )
        for one in unread
    ]


def _single_photos(photos: Sequence[Photo]) -> list[PhotoFinding]:
    """Return the faults of single photos."""
    if not photos:
        return []
    median = statistics.median(min(photo.height, photo.width) for photo in photos)
    found: list[PhotoFinding] = []
    for photo in photos:
        fault = photo.light.fault
        side = min(photo.height, photo.width)
        if side < _SMALL_SIDE and side < _SMALL_AGAINST_MEDIAN * median:
            detail = f"{photo.width} x {photo.height} pixels; half of all have {median:.0f} or more"
            found.append(PhotoFinding(kind="small", photos=(photo.id,), detail=detail))
        if fault is not None:
            detail = _LIGHT_WORDS[fault].format(
                bright=photo.light.bright, clipped=percent_text(photo.light.clipped, 0)
            )
            found.append(PhotoFinding(kind=fault, photos=(photo.id,), detail=detail))
        # What is dark or white has nothing that could be sharp.
        elif photo.blur is not None and photo.blur > _BLURRED:
            found.append(
                PhotoFinding(
                    kind="blurred",
                    photos=(photo.id,),
                    detail=f"blur {photo.blur:.2f}, of 0 (sharp) to 1",
                    score=photo.blur,
                )
            )
    return sorted(found, key=lambda finding: -(finding.score or 0.0))


def _equal(photos: Sequence[Photo]) -> list[PhotoFinding]:
    """Return the groups of photos with equal pixels."""
    found = []
    for group in equal_groups([photo.pixels_sha256 for photo in photos]):
        members = [photos[index] for index in group]
        same_bytes = len({photo.file_sha256 for photo in members}) == 1
        found.append(
            PhotoFinding(
                kind=_across("equal", members),
                photos=tuple(photo.id for photo in members),
                detail="equal files" if same_bytes else "equal pixels, in files that differ",
            )
        )
    return found


def _across(kind: str, members: Sequence[Photo]) -> FindingKind:
    if len({photo.label for photo in members}) > 1:
        return "equal_across_classes" if kind == "equal" else "near_across_classes"
    if len({photo.split for photo in members}) > 1:
        return "equal_across_splits" if kind == "equal" else "near_across_splits"
    return "equal" if kind == "equal" else "near"


def _near(
    photos: Sequence[Photo],
    features: Features | None,
    equal: Sequence[PhotoFinding],
    progress: Progress,
) -> list[PhotoFinding]:
    """Return the groups of photos that look alike; of equal ones, the first stands for all."""
    copies = {name for finding in equal for name in finding.photos[1:]}
    chosen = [index for index, photo in enumerate(photos) if photo.id not in copies]
    pairs = near_pairs(
        [photos[index].print for index in chosen],
        features=None if features is None else features[chosen],
        progress=progress,
    )
    nearest: dict[int, NearPair] = {}
    for pair in pairs:
        for end in (pair.first, pair.second):
            nearest.setdefault(end, pair)
    found = []
    for group in clusters(len(chosen), [(pair.first, pair.second) for pair in pairs]):
        pair = min((nearest[index] for index in group), key=lambda one: one.bits)
        detail = f"the hashes of the closest two differ in {pair.bits} of {HASH_BITS} bits"
        if pair.cosine is not None:
            detail += f"; cosine of their features {pair.cosine:.2f}"
        members = [photos[chosen[index]] for index in group]
        found.append(
            PhotoFinding(
                kind=_across("near", members),
                photos=tuple(photo.id for photo in members),
                detail=detail,
                score=1 - pair.bits / HASH_BITS,
            )
        )
    return sorted(found, key=lambda finding: -(finding.score or 0.0))


def _joined(
    grouping: Grouping, ids: Sequence[str], equal: Sequence[PhotoFinding]
) -> npt.NDArray[np.int64]:
    """Return each photo's group, those of equal photos joined."""
    place = {name: index for index, name in enumerate(ids)}
    links = [
        (place[one], place[other])
        for group in [*grouping.groups(), *(list(finding.photos) for finding in equal)]
        for one, other in pairwise(group)
    ]
    joined = np.arange(len(ids))
    for group in clusters(len(ids), links):
        joined[list(group)] = group[0]
    return joined


def _without_features() -> list[NotChecked]:
    why = "there is no pretrained network, whose features it takes"
    return [
        NotChecked(check="labels that are likely wrong", why=why),
        NotChecked(check="near duplicates by features", why=f"{why}; they were found by hash"),
        NotChecked(check="by how much a random split flatters", why=why),
    ]


def _labels(
    photos: Sequence[Photo],
    features: Features,
    labels: npt.NDArray[np.int64],
    groups: npt.NDArray[np.int64],
    kept: npt.NDArray[np.bool_],
    names: Sequence[str],
    backbone: str,
) -> tuple[list[PhotoFinding], list[NotChecked]]:
    """Return the doubts about labels, or why there can be none."""
    poor = [
        name
        for label, name in enumerate(names)
        if len(np.unique(groups[kept & (labels == label)])) < LEAST_PHOTOS
    ]
    if poor:
        why = (
            f"fewer than {LEAST_PHOTOS} photos, or groups of them, that do not belong together: "
            f"{some_of(poor)}"
        )
        return [], [
            NotChecked(check="labels that are likely wrong", why=why),
            NotChecked(check="by how much a random split flatters", why=why),
        ]
    positions = np.flatnonzero(kept)
    doubts = label_doubts(features[kept], labels[kept], groups[kept], classes=len(names))
    return [
        PhotoFinding(
            kind="label",
            photos=(photos[positions[doubt.index]].id,),
            detail=f"by {backbone} it is {names[doubt.suggested]} "
            f"({percent_text(doubt.suggested_score, 0)}) rather than {names[doubt.given]} "
            f"({percent_text(doubt.given_score, 0)})",
            suggested=names[doubt.suggested],
            score=doubt.suggested_score - doubt.given_score,
        )
        for doubt in doubts
    ], []

"""Seeded, stratified splits that never tear identical images apart, nor those of one group.

The order that decides is that of SHA-256 values of the seed and the image's id, not of a random
generator: it is the same with every numpy version, and an image added to a folder does not
reshuffle the others.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from edgecnn.data.types import Images
from edgecnn.errors import DataError, some_of
from edgecnn.report.text import plural_text

_FAR_FROM_ASKED: Final = 0.25


def digest_per_image(pixels: npt.NDArray[np.uint8]) -> list[str]:
    """Return the SHA-256 of each image's bytes.

    Args:
        pixels: Shape (n, height, width, channels), uint8.

    Returns:
        n lower-case hex texts; equal pixels give equal texts.
    """
    rows = np.ascontiguousarray(pixels).reshape(len(pixels), int(np.prod(pixels.shape[1:])))
    return [hashlib.sha256(row.data).hexdigest() for row in rows]


def seeded_order(ids: Sequence[str], *, seed: int, purpose: str) -> list[int]:
    """Return the positions of ``ids`` in an order that only seed, purpose and ids decide.

    Args:
        ids: Unique texts.
        seed: Any integer.
        purpose: Keeps orders for different purposes independent of each other.

    Returns:
        A permutation of 0..n-1.
    """
    prefix = hashlib.sha256(f"edgecnn/{purpose}/{seed}/".encode())

    def rank(index: int) -> bytes:
        digest = prefix.copy()
        digest.update(ids[index].encode())
        return digest.digest()

    return sorted(range(len(ids)), key=rank)


def split_off(
    images: Images, *, share: float, seed: int, purpose: str, class_names: Sequence[str]
) -> tuple[Images, Images]:
    """Split each class's images in two, in the same proportion.

    Images with equal pixels stay together, also where their labels differ, so that none is
    on both sides.

    Args:
        images: What to split.
        share: Part that goes to the second result, 0 < share < 1; per class rounded to the
            nearest whole number, but at least one image on each side.
        seed: Seed of the choice.
        purpose: Keeps splits for different purposes independent of each other.
        class_names: Names in label order, for errors.

    Returns:
        The rest and the part split off, each in the original order.

    Raises:
        DataError: If a class has fewer than two different images; all such classes are named.
    """
    groups = _groups_by_class(images, seeded_order(images.ids, seed=seed, purpose=purpose))
    poor = [name for label, name in enumerate(class_names) if len(groups.get(label, [])) < 2]
    if poor:
        raise DataError(
            f"too few different images to split off a {purpose} set, in "
            f"{len(poor)} of {len(class_names)} classes: {some_of(poor)}",
            observed="fewer than two different images left in each of them",
            expected="at least 3 different images per class, better 50",
            remedy="add images to these classes, remove the classes, or keep a smaller share for "
            "the test (data.test) and validation (data.validation)",
        )
    held: set[int] = set()
    for members in groups.values():
        held.update(_choose(members, share))
    second = [index for index in range(len(images)) if index in held]
    first = [index for index in range(len(images)) if index not in held]
    return images.take(first), images.take(second)


def _groups_by_class(images: Images, order: Sequence[int]) -> dict[int, list[list[int]]]:
    """Return, for each label, groups of equal images in the given order of first members."""
    digests = digest_per_image(images.pixels)
    groups: dict[str, list[int]] = {}
    for index in order:
        groups.setdefault(digests[index], []).append(index)
    by_class: dict[int, list[list[int]]] = {}
    for members in groups.values():
        by_class.setdefault(int(images.labels[members[0]]), []).append(members)
    return by_class


def _choose(groups: Sequence[list[int]], share: float) -> list[int]:
    """Take groups in order while they fit into the share, leaving at least one behind."""
    total = sum(len(group) for group in groups)
    wanted = max(1, int(total * share + 0.5))
    chosen: list[int] = []
    taken = 0
    for group in groups:
        if taken == len(groups) - 1:
            break
        if len(chosen) + len(group) <= wanted:
            chosen.extend(group)
            taken += 1
    # Only large groups: the smallest one, rather than none.
    return chosen or min(groups, key=len)


@dataclass(frozen=True, kw_only=True, eq=False)
class GroupSplit:
    """A split that kept groups together.

    Attributes:
        rest: What was not split off.
        held: What was.
        notes: The classes of which it is far from the share that was asked for, and why, a
            sentence each.
    """

    rest: Images
    held: Images
    notes: tuple[str, ...]


def split_off_groups(
    images: Images,
    group_of: Mapping[str, int],
    *,
    share: float,
    seed: int,
    purpose: str,
    class_names: Sequence[str],
    remedy: str,
) -> GroupSplit:
    """Split each class's images in two, in the same proportion, without tearing a group apart.

    As ``split_off``, with groups in place of images. A group may have images of several classes; it
    is dealt out with the class that it has most of, and its other images count for theirs.

    Args:
        images: What to split.
        group_of: Group of each image, by its id. Groups that share equal pixels are one.
        share: Part that goes to the second result, 0 < share < 1; per class as near as groups
            allow, but at least one group on each side.
        seed: Seed of the choice.
        purpose: Keeps splits for different purposes independent of each other.
        class_names: Names in label order, for errors.
        remedy: What to do about a class that has too few groups, for the error.

    Raises:
        DataError: If a class has fewer than two groups; all such classes are named.
    """
    groups = _stated_groups(images, group_of)
    counts = np.zeros((len(groups), len(class_names)), np.int64)
    for number, members in enumerate(groups):
        np.add.at(counts[number], images.labels[members], 1)
    present = (counts > 0).sum(axis=0)
    poor = [name for name, many in zip(class_names, present, strict=True) if many < 2]
    if poor:
        largest = max(range(len(groups)), key=lambda number: len(groups[number]))
        raise DataError(
            f"too few groups to split off a {purpose} set, in "
            f"{len(poor)} of {len(class_names)} classes: {some_of(poor)}",
            observed=f"fewer than two groups left in each of them; the largest of all groups has "
            f"{plural_text(len(groups[largest]), 'image')}, such as "
            f"{images.ids[groups[largest][0]]}",
            expected="at least 3 groups per class, better 20",
            remedy=remedy,
        )
    names = [min(images.ids[index] for index in members) for members in groups]
    order = seeded_order(names, seed=seed, purpose=purpose)
    chosen = _choose_groups(counts, order, share)
    held = np.zeros(len(images), np.bool_)
    for number in chosen:
        held[groups[number]] = True
    return GroupSplit(
        rest=images.take(np.flatnonzero(~held)),
        held=images.take(np.flatnonzero(held)),
        notes=_far_from_asked(counts, chosen, share, purpose, class_names),
    )


def _stated_groups(images: Images, group_of: Mapping[str, int]) -> list[list[int]]:
    """Return the positions of each group, those joined that share an image."""
    first: dict[tuple[str, str | int], int] = {}
    above = list(range(len(images)))

    def top(index: int) -> int:
        while above[index] != index:
            above[index] = above[above[index]]
            index = above[index]
        return index

    for index, (name, digest) in enumerate(
        zip(images.ids, digest_per_image(images.pixels), strict=True)
    ):
        for key in (("group", group_of[name]), ("pixels", digest)):
            one, other = sorted((top(first.setdefault(key, index)), top(index)))
            above[other] = one
    groups: dict[int, list[int]] = {}
    for index in range(len(images)):
        groups.setdefault(top(index), []).append(index)
    return list(groups.values())


def _choose_groups(counts: npt.NDArray[np.int64], order: Sequence[int], share: float) -> set[int]:
    """Return which groups are split off.

    Args:
        counts: Images of each class in each group, shape (groups, classes).
        order: The groups, in the order in which they are tried.
        share: Of each class.
    """
    wanted = np.maximum(1, (counts.sum(axis=0) * share + 0.5).astype(np.int64))
    home = counts.argmax(axis=1)
    chosen: set[int] = set()
    # Classes with the fewest groups first: the others can still choose.
    for label in np.argsort((counts > 0).sum(axis=0), kind="stable"):
        own = [number for number in order if home[number] == label]
        have = int(counts[sorted(chosen), label].sum()) if chosen else 0
        others = int((counts[:, label] > 0).sum()) - len(own)
        chosen |= _nearest(
            own,
            counts[:, label],
            int(wanted[label]) - have,
            # Of its class, at least one group is to be on each side.
            at_least_one=not have,
            leave_one=others == 0,
        )
    return _with_rest(counts, chosen)


def _with_rest(counts: npt.NDArray[np.int64], chosen: set[int]) -> set[int]:
    """Return the groups without one of each class of which none would be left.

    A class may be in groups that are home to other classes only, each of which was free to take
    its own.
    """
    chosen = set(chosen)
    for label in range(counts.shape[1]):
        own = set(np.flatnonzero(counts[:, label]).tolist())
        if not own or own - chosen:
            continue

        def harm(number: int) -> tuple[int, int, int]:
            present = np.flatnonzero(counts[number])
            others = sorted(chosen - {number})
            emptied = int((counts[others][:, present].sum(axis=0) == 0).sum())
            return emptied, int(counts[number].sum()), number

        chosen.remove(min(own, key=harm))
    return chosen


def _nearest(
    order: Sequence[int],
    sizes: npt.NDArray[np.int64],
    wanted: int,
    *,
    at_least_one: bool,
    leave_one: bool,
) -> set[int]:
    """Return groups whose sizes sum up to what is wanted, or as near as a few exchanges come."""
    most = len(order) - leave_one
    chosen: list[int] = []
    missing = wanted
    for number in order:
        if len(chosen) < most and sizes[number] <= missing:
            chosen.append(number)
            missing -= int(sizes[number])
    # One more group, or one for another: whatever brings the sum nearest, until nothing does.
    while missing:
        left = [number for number in order if number not in set(chosen)]
        moves: list[tuple[int, int | None, int]] = [
            (int(sizes[number]), None, number) for number in left if len(chosen) < most
        ]
        # A size once: there are many groups of one image.
        gives = {int(sizes[number]): number for number in reversed(chosen)}
        takes = {int(sizes[number]): number for number in reversed(left)}
        moves += [
            (more - less, gone, come)
            for less, gone in gives.items()
            for more, come in takes.items()
        ]
        change, gone, come = min(
            moves, key=lambda move: abs(missing - move[0]), default=(0, None, -1)
        )
        if abs(missing - change) >= abs(missing):
            break
        if gone is not None:
            chosen.remove(gone)
        chosen.append(come)
        missing -= change
    if not chosen and at_least_one and order:
        chosen = [min(order, key=lambda number: int(sizes[number]))]
    return set(chosen)


def _far_from_asked(
    counts: npt.NDArray[np.int64],
    chosen: set[int],
    share: float,
    purpose: str,
    class_names: Sequence[str],
) -> tuple[str, ...]:
    held = counts[sorted(chosen)].sum(axis=0)
    lines = []
    for label, name in enumerate(class_names):
        total = int(counts[:, label].sum())
        wanted = max(1, int(total * share + 0.5))
        if abs(int(held[label]) - wanted) > max(1, _FAR_FROM_ASKED * wanted):
            lines.append(
                f"{name} ({held[label]} of {total}, where {wanted} were asked for; its largest "
                f"group has {counts[:, label].max()})"
            )
    if not lines:
        return ()
    return (
        f"the {purpose} set is far from the share that was asked for, since groups stay together: "
        f"{some_of(lines)}",
    )

"""Seeded, stratified splits that never tear identical images apart.

The order that decides is that of SHA-256 values of the seed and the image's id, not of a random
generator: it is the same with every numpy version, and an image added to a folder does not
reshuffle the others.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from edgecnn.data.types import Images
from edgecnn.errors import DataError, some_of


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

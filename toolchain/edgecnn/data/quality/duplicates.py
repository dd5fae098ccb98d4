"""Finds photos that are the same, or nearly: equal files or pixels, and pictures that look alike.

Candidates are pairs whose perceptual hashes differ in few bits. They are confirmed by what the
hash does not see: colour, and the picture in small; where there are features of a backbone, by
these, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from edgecnn.data.quality.fingerprint import HASH_BITS, Fingerprint
from edgecnn.progress import NO_PROGRESS, Progress

# Bits of 256. Of 60 photos each: stored again as JPEG of quality 30, or a quarter as large, 95 %
# differ in at most 10 bits; brightened by 30 %, in at most 30; a border of 1.5 % cut off all round,
# in at most 36. Of TrashNet's 1.1 million pairs eight differ in 40 or less, and
# each of these shows one thing.
NEAR_BITS: Final = 40
# With features that say so, too: a border of 3 % cut off, or turned by 2 degrees.
NEAR_BITS_WITH_FEATURES: Final = 64

_MOST_LINKS: Final = 10  # of one photo; of a film that stands still there are n squared
_ROWS: Final = 1024  # compared at a time: 4 bytes times the photos for each
_LEAST_CORRELATION: Final = 0.8
_MOST_COLOUR: Final = 20.0  # grey levels, root mean square
_GREY: Final = 2.0
_SAMPLED_PAIRS: Final = 20_000
# Of pairs drawn at random: the cosine that one in a hundred and one in ten thousand reach.
_LIKE: Final = 0.99
_ALIKE: Final = 0.9999


@dataclass(frozen=True, kw_only=True)
class NearPair:
    """Two different pictures that look alike.

    Attributes:
        first: Position of one photo.
        second: Position of the other one, above ``first``.
        bits: In how many bits their hashes differ, 0 to HASH_BITS.
        cosine: Of their features, from which the mean was taken, -1..1; None without features.
    """

    first: int
    second: int
    bits: int
    cosine: float | None = None


def equal_groups(keys: Sequence[str]) -> list[tuple[int, ...]]:
    """Return the positions of keys that occur twice or more, those of one key together."""
    found: dict[str, list[int]] = {}
    for index, key in enumerate(keys):
        found.setdefault(key, []).append(index)
    return [tuple(group) for group in found.values() if len(group) > 1]


def near_pairs(
    prints: Sequence[Fingerprint],
    *,
    features: npt.NDArray[np.float32] | None = None,
    progress: Progress = NO_PROGRESS,
) -> list[NearPair]:
    """Return the pairs of photos that look alike.

    Args:
        prints: Of n photos, no two of which have equal pixels.
        features: Of the same photos, shape (n, f); None if there are none.
        progress: Shows how many were compared.

    Returns:
        The closest first, of each photo ten at most with others behind it.
    """
    if len(prints) < 2:
        return []
    limit = NEAR_BITS if features is None else NEAR_BITS_WITH_FEATURES
    found = _candidates(prints, limit, progress)
    found = found[_confirmed_by_pictures(prints, found)]
    cosines = None
    if features is not None:
        centred = _centred(features)
        cosines = np.einsum("ij,ij->i", centred[found[:, 0]], centred[found[:, 1]])
        like, alike = _usual(centred)
        kept = np.where(found[:, 2] <= NEAR_BITS, cosines >= like, cosines >= alike)
        found, cosines = found[kept], cosines[kept]
    pairs = [
        NearPair(
            first=int(first),
            second=int(second),
            bits=int(bits),
            cosine=None if cosines is None else float(cosines[at]),
        )
        for at, (first, second, bits) in enumerate(found)
    ]
    return sorted(pairs, key=lambda pair: (pair.bits, pair.first, pair.second))


def clusters(count: int, pairs: Sequence[tuple[int, int]]) -> list[tuple[int, ...]]:
    """Return groups of positions 0..count-1 that pairs connect; those of one are left out."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    if not pairs:
        return []
    first, second = np.asarray(pairs, np.int64).T
    graph = coo_matrix((np.ones(len(first), np.int8), (first, second)), shape=(count, count))
    _, group_of = connected_components(graph, directed=False)
    groups: dict[int, list[int]] = {}
    for index in sorted({*first.tolist(), *second.tolist()}):
        groups.setdefault(int(group_of[index]), []).append(index)
    return [tuple(group) for group in groups.values()]


def _candidates(
    prints: Sequence[Fingerprint], limit: int, progress: Progress
) -> npt.NDArray[np.int64]:
    """Return first, second and bits of each pair within a limit, shape (pairs, 3)."""
    from threadpoolctl import threadpool_limits

    bits = np.unpackbits(np.stack([one.bits for one in prints]), axis=1)
    # Of vectors of -1 and 1, the product is HASH_BITS - 2 * (bits that differ), exactly.
    signs = bits.astype(np.float32) * 2 - 1
    found = []
    # One thread: on a busy machine several wait for each other longer than they compute.
    with threadpool_limits(1), progress.task("comparing photos", len(prints)) as task:
        for top in range(0, len(prints), _ROWS):
            rows = signs[top : top + _ROWS]
            distance = (HASH_BITS - rows @ signs[top:].T) / 2
            # Each pair once: the columns begin with the rows themselves.
            distance[np.tril_indices(len(rows), 0, distance.shape[1])] = HASH_BITS
            close = np.argpartition(distance, min(_MOST_LINKS, distance.shape[1]) - 1, axis=1)[
                :, :_MOST_LINKS
            ]
            row = np.repeat(np.arange(len(rows)), close.shape[1])
            column = close.ravel()
            value = distance[row, column]
            near = value <= limit
            found.append(np.stack([row[near] + top, column[near] + top, value[near]], axis=1))
            task.advance(len(rows))
    return np.concatenate(found).astype(np.int64)


def _confirmed_by_pictures(
    prints: Sequence[Fingerprint], pairs: npt.NDArray[np.int64]
) -> npt.NDArray[np.bool_]:
    """Return which pairs are alike in the small, in light as in colour."""
    kept = np.zeros(len(pairs), np.bool_)
    for top in range(0, len(pairs), _ROWS):
        part = pairs[top : top + _ROWS]
        one, other = (
            np.stack([prints[index].small for index in part[:, side]]).astype(np.float32)
            for side in (0, 1)
        )
        kept[top : top + _ROWS] = _correlated(one, other) & _same_colour(one, other)
    return kept


def _correlated(
    one: npt.NDArray[np.float32], other: npt.NDArray[np.float32]
) -> npt.NDArray[np.bool_]:
    """Return which of m pairs of pictures, shapes (m, side, side, 3), show the same forms."""
    greys = [picture.mean(axis=3).reshape(len(picture), -1) for picture in (one, other)]
    first, second = (grey - grey.mean(axis=1, keepdims=True) for grey in greys)
    norm = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
    product = np.einsum("ij,ij->i", first, second)
    # Blank ones have no forms: two such are alike if they are of one lightness.
    lightness = np.abs(greys[0] - greys[1]).mean(axis=1)
    blank = norm < 1.0
    return np.asarray(
        (blank & (lightness < _MOST_COLOUR)) | (~blank & (product >= _LEAST_CORRELATION * norm))
    )


def _same_colour(
    one: npt.NDArray[np.float32], other: npt.NDArray[np.float32]
) -> npt.NDArray[np.bool_]:
    """Return which of m pairs of pictures are of the same colours, or of which one has none."""
    first, second = (_colour(picture).reshape(len(picture), -1) for picture in (one, other))
    grey = np.minimum(np.abs(first).mean(axis=1), np.abs(second).mean(axis=1)) < _GREY
    same = np.sqrt(np.mean((first - second) ** 2, axis=1)) <= _MOST_COLOUR
    return np.asarray(grey | same)


def _colour(pictures: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return two differences between the channels, which light that grows or fades leaves alike."""
    red, green, blue = (pictures[..., channel] for channel in range(3))
    return np.stack([red - green, (red + green) / 2 - blue], axis=3)


def _centred(features: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return features without what is common to all, each of length 1."""
    rest: npt.NDArray[Any] = features - features.mean(axis=0, dtype=np.float64)
    length = np.linalg.norm(rest, axis=1, keepdims=True)
    return np.asarray(rest / np.maximum(length, 1e-12), np.float32)


def _usual(centred: npt.NDArray[np.float32]) -> tuple[float, float]:
    """Return the cosines that few, and that hardly any, pairs of these photos reach."""
    generator = np.random.Generator(np.random.PCG64(0))
    first, second = generator.integers(0, len(centred), (2, _SAMPLED_PAIRS))
    different = first != second
    cosines = np.einsum("ij,ij->i", centred[first[different]], centred[second[different]])
    like, alike = np.quantile(cosines, [_LIKE, _ALIKE])
    return float(like), float(alike)

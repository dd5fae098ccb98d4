"""Generated pictures: images that need no data set, and may be shipped with every bundle.

Photographs of a data set often may not be redistributed, so the self-test of a device uses
pictures made from nothing but a seed: smooth noise, gradients, stripes and blobs. ``probes`` are
those on which a file is compared with its float model, however few photographs there are.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from itertools import cycle, islice
from typing import Final

import numpy as np
import numpy.typing as npt

MOST_PROBES: Final = 256
"""A part of the network that works on fewer than 1.4 % of such pictures may stay idle on all."""
_LEAST_PROBES: Final = 32
_PROBE_BYTES: Final = 64 * 2**20
_PROBE_SEED: Final = 7

Field = npt.NDArray[np.float64]


def patterns(count: int, *, shape: tuple[int, int, int], seed: int) -> npt.NDArray[np.uint8]:
    """Make pictures; equal arguments give equal pictures.

    Args:
        count: How many.
        shape: Height, width and channels of each.
        seed: Seed of all of them.

    Returns:
        Shape (count, height, width, channels), uint8.
    """
    pictures = np.empty((count, *shape), np.uint8)
    for index, picture in enumerate(islice(pattern_stream(shape=shape, seed=seed), count)):
        pictures[index] = picture
    return pictures


def probes(shape: tuple[int, int, int]) -> npt.NDArray[np.uint8]:
    """Make the pictures that every float model is asked about beside its evaluation images.

    Args:
        shape: Height, width and channels of the model's images.

    Returns:
        Shape (m, height, width, channels), uint8, m ``MOST_PROBES``, or fewer of large ones: half
        of them smooth, half of them noise of rising contrast. They are the same wherever numpy's
        generator and rounding are; their digest beside the scores tells.
    """
    count = min(MOST_PROBES, max(_LEAST_PROBES, _PROBE_BYTES // math.prod(shape)))
    half = count // 2
    random = np.random.default_rng([_PROBE_SEED, *shape])
    # Smooth pictures leave idle what answers to single pixels.
    rough = random.integers(0, 256, (half, *shape), dtype=np.uint8)
    # One by one: as float64 all of them would take 0.3 GB.
    for picture, contrast in zip(rough, np.linspace(0.1, 1, half), strict=True):
        picture[:] = np.rint(128 + contrast * (picture.astype(np.float64) - 128)).astype(np.uint8)
    return np.concatenate([patterns(count - half, shape=shape, seed=_PROBE_SEED), rough])


def pattern_stream(*, shape: tuple[int, int, int], seed: int) -> Iterator[npt.NDArray[np.uint8]]:
    """Yield the pictures of ``patterns`` one by one, without end."""
    random = np.random.default_rng([seed, *shape])
    for make in cycle(_KINDS):
        picture = make(random, shape)
        # Random brightness and contrast a channel: colour is half of what a classifier sees.
        low = random.uniform(0, 160, shape[2])
        high = random.uniform(low + 40, 256)
        values = low + (high - low) * picture + random.normal(0, random.uniform(0, 6), shape)
        yield np.clip(np.rint(values), 0, 255).astype(np.uint8)


def _smooth_noise(random: np.random.Generator, shape: tuple[int, int, int]) -> Field:
    cells = int(random.integers(2, 9))
    return _unit(_enlarge(random.random((cells, cells, shape[2])), shape))


def _gradient(random: np.random.Generator, shape: tuple[int, int, int]) -> Field:
    rows, columns = _axes(shape)
    angle = random.uniform(0, 2 * np.pi, shape[2])
    return _unit(np.cos(angle) * columns + np.sin(angle) * rows)


def _stripes(random: np.random.Generator, shape: tuple[int, int, int]) -> Field:
    rows, columns = _axes(shape)
    angle, waves = random.uniform(0, np.pi), random.uniform(1, 6)
    phase = random.uniform(0, 2 * np.pi, shape[2])
    position = np.cos(angle) * columns + np.sin(angle) * rows
    return np.asarray(0.5 + 0.5 * np.sin(2 * np.pi * waves * position + phase))


def _blobs(random: np.random.Generator, shape: tuple[int, int, int]) -> Field:
    rows, columns = _axes(shape)
    total = np.zeros(shape)
    for _ in range(int(random.integers(1, 5))):
        y, x = random.uniform(0.1, 0.9, 2)
        size = random.uniform(0.05, 0.35)
        distance = ((rows - y) ** 2 + ((columns - x) * random.uniform(0.5, 2)) ** 2) / size**2
        total += np.exp(-(distance ** random.integers(1, 4))) * random.uniform(-1, 1, shape[2])
    return _unit(total)


def _strokes(random: np.random.Generator, shape: tuple[int, int, int]) -> Field:
    """Draw a bright curve on a dark ground, as writing is."""
    rows, columns = _axes(shape)
    corners = random.uniform(0.15, 0.85, (4, 2))
    along = np.linspace(0, 1, 48)[:, np.newaxis]
    # A cubic Bezier curve through two of the corners, drawn towards the other two.
    weights = np.hstack(
        [(1 - along) ** 3, 3 * along * (1 - along) ** 2, 3 * along**2 * (1 - along), along**3]
    )
    points = weights @ corners
    nearest = np.full(shape[:2], np.inf)
    for y, x in points:
        nearest = np.minimum(nearest, ((rows - y) ** 2 + (columns - x) ** 2)[:, :, 0])
    stroke = np.exp(-nearest / random.uniform(0.03, 0.1) ** 2)
    return np.repeat(stroke[:, :, np.newaxis], shape[2], axis=2)


_KINDS: Final[tuple[Callable[[np.random.Generator, tuple[int, int, int]], Field], ...]] = (
    _smooth_noise,
    _gradient,
    _stripes,
    _blobs,
    _strokes,
)


def _axes(shape: tuple[int, int, int]) -> tuple[Field, Field]:
    """Return row and column positions, 0..1, shapes (height, width, 1)."""
    height, width, _ = shape
    rows, columns = np.mgrid[0:height, 0:width]
    return rows[:, :, None] / max(height - 1, 1), columns[:, :, None] / max(width - 1, 1)


def _enlarge(cells: Field, shape: tuple[int, int, int]) -> Field:
    """Interpolate a coarse grid linearly to a picture."""
    for axis in (0, 1):
        count = cells.shape[axis]
        positions = np.linspace(0, count - 1, shape[axis])
        below = np.minimum(positions.astype(int), count - 2)
        share = (positions - below).reshape((-1, 1, 1) if axis == 0 else (1, -1, 1))
        cells = np.take(cells, below, axis) * (1 - share) + np.take(cells, below + 1, axis) * share
    return cells


def _unit(values: Field) -> Field:
    """Stretch to 0..1 over the picture."""
    low, high = values.min(), values.max()
    return np.asarray((values - low) / max(high - low, 1e-9))

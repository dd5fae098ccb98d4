"""Brings images to the size a model takes, by resize rules of the project's own.

Libraries resize each in their own way, and a canvas in another way on every phone. These rules
are exact, so that every implementation gives the same bytes: they compute in integers, and where
the rounding of a library decides which pixel is meant, in the same IEEE arithmetic as it.

Each is a **fit** (what becomes of an image of another aspect ratio) and a **filter** (how pixels
are resampled), and its name says both (``contract.parse_resize``). A model should be fed as it was
trained: each filter and fit is what a common library does, within one grey level.

H x W (height, width) is the image, h x w the model's input; ``//`` rounds down.

**Filters**, of R x C pixels to r x c:

``box-average``
    Cut the source into r x c equal boxes. An output value is the average of the source pixels in
    its box, each weighted by the area it has in the box. In units of 1/r of a source row, output
    row i covers [i * R, (i + 1) * R) and source row j covers [j * r, (j + 1) * r); the weight is
    the length of the overlap; columns likewise. All weights of a box sum to R * C, so the value
    is ``(sum + R * C // 2) // (R * C)``.
``nearest``
    Output row i is the source row in which its middle lies, ``(i + 1 / 2) * R / r``; columns
    likewise. Pillow's ``NEAREST``, which Keras's ``flow_from_directory`` and ``load_img`` use. At
    common sizes many middles lie on the edge between two pixels, and rounding decides there:
    Pillow begins with ``R / r / 2`` and adds ``R / r`` for each row, in IEEE doubles, and so does
    this rule.
``bilinear``
    Output row i lies at ``p / (2 * r)`` with ``p = (2 * i + 1) * R - r``, between the rows
    ``low = p // (2 * r)`` and ``low + 1`` (within 0..R - 1), which have the weights
    ``2 * r - p % (2 * r)`` and ``p % (2 * r)``; columns likewise. The value is
    ``(sum + 2 * r * c) // (4 * r * c)``. ``tf.image.resize`` without antialias, which Keras's
    ``image_dataset_from_directory`` uses.
``bilinear-antialias``
    First the columns, then the rows, each rounded to bytes. With ``M = 2 * max(C, c)``, source
    column x has the share ``e = max(0, M - abs((2 * x + 1) * c - (2 * j + 1) * C))`` in output
    column j. With S the sum of these shares, its weight is ``(e * 2**23 + S) // (2 * S)``, in units
    of 2**-22, and the value is ``min(255, (sum + 2**21) // 2**22)``. A direction whose size does
    not change is left as it is. Pillow's ``BILINEAR``, which torchvision's transforms use.

**Fits**:

``stretch``
    The whole image becomes h x w.
``centre-crop``
    The middle part with the model's aspect ratio is kept. With ``box-average``: if
    ``W * h > H * w``, the kept width is ``max(1, (2 * H * w + h) // (2 * h))`` (H * w / h, halves
    rounded up), its left edge at ``(W - kept) // 2``; else the kept height is
    ``max(1, (2 * W * h + w) // (2 * w))``, its upper edge at ``(H - kept) // 2``. With ``nearest``
    and ``bilinear``, as Keras's ``smart_resize``: the kept height is ``min(H, W * h // w)``, the
    kept width ``min(W, H * w // h)``, each at least 1; edges likewise. With
    ``bilinear-antialias`` see below, for k = 1000.
``centre-crop-0.875``
    Less is kept: k = 875 thousandths. With the first three filters, the kept height and width are
    those of ``smart_resize``, each then ``max(1, kept * k // 1000)``. With
    ``bilinear-antialias``, as torchvision's ``Resize`` and ``CenterCrop``: the image is resized
    first, and a part of h x w is kept. With ``sh = h * 1000 // k`` and ``sw = w * 1000 // k``: if
    ``W * sh >= H * sw`` to sh x (W * sh // H), else to (H * sw // W) x sw. The part begins at half
    the difference, halves rounded to even.
``pad``
    The image keeps its aspect ratio, and black (0) fills the rest. With ``bilinear-antialias``, as
    Pillow's ``ImageOps.pad``: if ``W * h > H * w``, it becomes (H * w / W) x w, else
    h x (W * h / H); that length, and then half of the rest before it, are rounded, halves to even.
    With the other filters, as ``tf.image.resize_with_pad``, which computes in float32 and rounds
    each result to it: with ``q = max(W / w, H / h)``, it becomes (H / q) x (W / q), rounded down,
    at ``(h - H / q) / 2`` and ``(w - W / q) / 2``, rounded down. A length is at least 1.

**Luma.** For a model with one channel, the resized R, G and B become
``(299 * R + 587 * G + 114 * B + 500) // 1000`` (the weights of ITU-R BT.601).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate, repeat
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np

from edgecnn_runner.contract import RESIZE_RULE, Contract, parse_resize
from edgecnn_runner.errors import ImageError

if TYPE_CHECKING:
    import numpy.typing as npt

_Pixels: TypeAlias = "npt.NDArray[np.uint8]"

_BLOCK_BYTES: Final = 1 << 19
"""How much is widened from bytes at once: what the second cache of a small processor holds."""
_FEW: Final = 8
_GROUP_SOURCES: Final = 64
"""Matrices that resample columns: at least that many outputs, or that many sources."""
_WEIGHT_BITS: Final = 22
"""Weights of ``bilinear-antialias`` are whole numbers of 1 / 2 ** 22: ``PRECISION_BITS`` in
Pillow's Resample.c."""


def prepare_for(contract: Contract, rgb: _Pixels) -> _Pixels:
    """Bring an image to what a contract says its model takes; see ``prepare``."""
    spec = contract.input
    return prepare(
        rgb, height=spec.height, width=spec.width, channels=spec.channels, rule=contract.resize
    )


def prepare(
    rgb: _Pixels, *, height: int, width: int, channels: int, rule: str = RESIZE_RULE
) -> _Pixels:
    """Bring an image to the size a model wants, by a rule above.

    Memory beyond the image and the result is a few rows of the image.

    Args:
        rgb: Shape (any height, any width, 3), uint8; as ``decode.read_image`` gives it.
        height: Rows of the model's input, at least 1.
        width: Columns of the model's input, at least 1.
        channels: 3 for RGB, 1 for luma.
        rule: Name of the rule; see ``contract.resize_name``.

    Returns:
        Shape (height, width, channels), uint8; never a view of ``rgb``.

    Raises:
        ImageError: If the image is empty or not (height, width, 3) bytes.
        ValueError: If there is no such rule.
    """
    wanted = parse_resize(rule)
    if rgb.ndim != 3 or rgb.shape[2] != 3 or 0 in rgb.shape or rgb.dtype != np.uint8:
        raise ImageError(
            "not an RGB image",
            observed=f"shape {rgb.shape}, {rgb.dtype}",
            expected="shape (height, width, 3), uint8, at least one pixel",
            remedy="read image files with edgecnn_runner.images.decode.read_image",
        )
    if rule == RESIZE_RULE:
        resized = _resized(_rounded_crop(rgb, height, width), height, width, "box")
    elif wanted.fit == "stretch":
        resized = _resized(rgb, height, width, wanted.filter)
    elif wanted.fit == "pad":
        resized = _padded(rgb, height, width, wanted.filter)
    elif wanted.filter == "bilinear-antialias":
        resized = _resized_and_cropped(rgb, height, width, wanted.fraction)
    else:
        part = _crop(rgb, height, width, wanted.fraction)
        resized = _resized(part, height, width, wanted.filter)
    return resized if channels == 3 else _luma(resized)


def _rounded_crop(rgb: _Pixels, height: int, width: int) -> _Pixels:
    rows, columns = rgb.shape[:2]
    if columns * height > rows * width:
        kept = max(1, (2 * rows * width + height) // (2 * height))
        left = (columns - kept) // 2
        return rgb[:, left : left + kept]
    kept = max(1, (2 * columns * height + width) // (2 * width))
    upper = (rows - kept) // 2
    return rgb[upper : upper + kept]


def _crop(rgb: _Pixels, height: int, width: int, fraction: int) -> _Pixels:
    rows, columns = rgb.shape[:2]
    kept_rows = max(1, min(rows, columns * height // width) * fraction // 1000)
    kept_columns = max(1, min(columns, rows * width // height) * fraction // 1000)
    upper, left = (rows - kept_rows) // 2, (columns - kept_columns) // 2
    return rgb[upper : upper + kept_rows, left : left + kept_columns]


def _resized_and_cropped(rgb: _Pixels, height: int, width: int, fraction: int) -> _Pixels:
    """Resize the image so that its larger part covers the input, and keep the middle."""
    rows, columns = rgb.shape[:2]
    high, wide = height * 1000 // fraction, width * 1000 // fraction
    if columns * high >= rows * wide:
        wide = columns * high // rows
    else:
        high = rows * wide // columns
    return _antialiased(
        rgb,
        _Axis(high, _half_to_even(high - height), height),
        _Axis(wide, _half_to_even(wide - width), width),
    )


def _padded(rgb: _Pixels, height: int, width: int, name: str) -> _Pixels:
    """Resize the whole image to what fits into the input, and put it on black."""
    geometry = _pillows_pad if name == "bilinear-antialias" else _tensorflows_pad
    rows, columns = rgb.shape[:2]
    high, wide, upper, left = geometry(rows, columns, height, width)
    result = np.zeros((height, width, 3), np.uint8)
    result[upper : upper + high, left : left + wide] = _resized(rgb, high, wide, name)
    return result


def _pillows_pad(rows: int, columns: int, height: int, width: int) -> tuple[int, int, int, int]:
    """Return height, width, upper and left edge of what ``ImageOps.pad`` makes of an image."""
    high, wide = height, width
    if columns * height > rows * width:
        # Python rounds halves to even, which Pillow leaves it to.
        high = max(1, round(Fraction(rows * width, columns)))
    else:
        wide = max(1, round(Fraction(columns * height, rows)))
    return high, wide, _half_to_even(height - high), _half_to_even(width - wide)


def _tensorflows_pad(rows: int, columns: int, height: int, width: int) -> tuple[int, int, int, int]:
    """Return height, width, upper and left edge of what ``resize_with_pad`` makes of an image."""
    given = [np.float32(side) for side in (rows, columns)]
    wanted = [np.float32(side) for side in (height, width)]
    ratio = max(side / target for side, target in zip(given, wanted, strict=True))
    lengths, edges = [], []
    for side, target in zip(given, wanted, strict=True):
        length = side / ratio
        lengths.append(min(max(1, int(length)), int(target)))
        edges.append(min(max(0, int((target - length) / np.float32(2))), int(target) - lengths[-1]))
    return *lengths, *edges  # type: ignore[return-value]


def _half_to_even(rest: int) -> int:
    """Return half of a whole number, a half rounded to the even neighbour."""
    return round(Fraction(rest, 2))


def _resized(rgb: _Pixels, height: int, width: int, name: str) -> _Pixels:
    """Resize the whole image; each filter leaves one of that size as it is."""
    if rgb.shape[:2] == (height, width):
        return rgb.copy()
    return _FILTERS[name](rgb, height, width)


def _nearest(rgb: _Pixels, height: int, width: int) -> _Pixels:
    rows, columns = (
        _picked(given, wanted) for given, wanted in zip(rgb.shape, (height, width), strict=False)
    )
    return rgb[rows[:, np.newaxis], columns]


def _picked(given: int, wanted: int) -> npt.NDArray[np.int64]:
    step = given / wanted
    # Added up one by one, as Pillow does: where an output lies on the edge between two pixels,
    # which is every few pixels at common sizes, the rounding of these sums decides.
    places = np.array([*accumulate(repeat(step, wanted - 1), initial=step / 2)])
    return np.minimum(places.astype(np.int64), given - 1)


def _bilinear(rgb: _Pixels, height: int, width: int) -> _Pixels:
    """Interpolate between two rows and two columns; all sums are exact in int64."""
    (upper, lower, down), (left, right, across) = (
        _neighbours(given, wanted)
        for given, wanted in zip(rgb.shape, (height, width), strict=False)
    )
    divisor = 4 * height * width
    across = across[:, np.newaxis]
    result = np.empty((height, width, 3), np.uint8)
    for index in range(height):
        # Few columns are wanted of a large photo: they are picked while they are bytes.
        above, below = rgb[upper[index]], rgb[lower[index]]
        share = int(down[index])
        lefts, rights = (
            np.multiply(above[side], 2 * height - share, dtype=np.int64)
            + np.multiply(below[side], share, dtype=np.int64)
            for side in (left, right)
        )
        sums = lefts * (2 * width - across) + rights * across
        result[index] = (sums + divisor // 2) // divisor
    return result


def _neighbours(
    given: int, wanted: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return for each output the source before it, the one behind it, and the latter's weight."""
    places = (2 * np.arange(wanted, dtype=np.int64) + 1) * given - wanted
    low = places // (2 * wanted)
    return np.maximum(low, 0), np.minimum(low + 1, given - 1), places % (2 * wanted)


@dataclass(frozen=True)
class _Axis:
    """Which outputs of one direction are wanted: ``count`` of ``size``, from ``first`` on."""

    size: int
    first: int
    count: int


def _antialias(rgb: _Pixels, height: int, width: int) -> _Pixels:
    return _antialiased(rgb, _Axis(height, 0, height), _Axis(width, 0, width))


def _antialiased(rgb: _Pixels, high: _Axis, wide: _Axis) -> _Pixels:
    """Resize with triangles, in one pass over the rows."""
    rows, columns = rgb.shape[:2]
    across = None if wide.size == columns else _grouped(_triangles(columns, wide))
    if high.size == rows:
        part = rgb[high.first : high.first + high.count]
        return _across(part, across, wide).copy()
    result = np.empty((high.count, wide.count, 3), np.uint8)
    down = _triangles(rows, high)
    # Rows at the edges of a block belong to outputs of two blocks; what is summed of them waits.
    waiting: dict[int, npt.NDArray[np.float64]] = {}
    widest = max((group.stop - group.start for group in across), default=0) if across else columns
    step = max(1, _BLOCK_BYTES // (24 * max(widest, wide.count)))
    following = 0
    for start in range(down[0].start, down[-1].stop, step):
        stop = min(start + step, down[-1].stop)
        block = _across(rgb[start:stop], across, wide).reshape(stop - start, -1)
        while following < high.count and down[following].start < stop:
            waiting[following] = np.zeros(3 * wide.count, np.float64)
            following += 1
        for index, sums in [*waiting.items()]:
            triangle = down[index]
            first, last = max(start, triangle.start), min(stop, triangle.stop)
            weights = triangle.weights[first - triangle.start : last - triangle.start]
            sums += weights @ block[first - start : last - start].astype(np.float64)
            if triangle.stop <= stop:
                result[index] = _rounded(sums).reshape(-1, 3)
                del waiting[index]
    return result


@dataclass(frozen=True)
class _Triangle:
    """The weights that one output has on its neighbourhood: whole numbers of ``_WEIGHT_BITS``."""

    start: int
    weights: npt.NDArray[np.float64]

    @property
    def stop(self) -> int:
        return self.start + len(self.weights)


@dataclass(frozen=True)
class _Group:
    """The weights of outputs beside each other: a matrix (sources, outputs), mostly of zeros."""

    start: int
    first: int
    weights: npt.NDArray[np.float64]

    @property
    def stop(self) -> int:
        return self.start + len(self.weights)


def _triangles(given: int, axis: _Axis) -> list[_Triangle]:
    """Return the weights of each output of a direction that has ``given`` source pixels."""
    top = 2 * max(given, axis.size)
    found = []
    for index in range(axis.first, axis.first + axis.count):
        middle = (2 * index + 1) * given
        # The source pixels x with abs((2 * x + 1) * size - middle) < top.
        start = max(0, (middle - top - axis.size) // (2 * axis.size) + 1)
        stop = min(given, -((axis.size - middle - top) // (2 * axis.size)))
        if axis.size > given:
            # Two or three, but perhaps of numbers that int64 does not hold: what a crop is taken
            # of, and what is never made as a whole, may be 2 ** 50 pixels long.
            shares = [top - abs((2 * x + 1) * axis.size - middle) for x in range(start, stop)]
            total = sum(shares)
            weights = np.array([((e << (_WEIGHT_BITS + 1)) + total) // (2 * total) for e in shares])
        else:
            places = 2 * np.arange(start, stop, dtype=np.int64) + 1
            exact = top - np.abs(places * axis.size - middle)
            total = int(exact.sum())
            weights = ((exact << (_WEIGHT_BITS + 1)) + total) // (2 * total)
        # float64 holds these sums of products exactly, and multiplies matrices of them many times
        # faster than integers.
        found.append(_Triangle(start, weights.astype(np.float64)))
    return found


def _grouped(triangles: list[_Triangle]) -> list[_Group]:
    """Put as many outputs together as make a matrix of some size, at least a few."""
    groups = []
    first = 0
    while first < len(triangles):
        last = first + 1
        start, stop = triangles[first].start, triangles[first].stop
        while last < len(triangles) and (
            last - first < _FEW or triangles[last].stop - start <= _GROUP_SOURCES
        ):
            stop = max(stop, triangles[last].stop)
            last += 1
        weights = np.zeros((stop - start, last - first), np.float64)
        for column, triangle in enumerate(triangles[first:last]):
            weights[triangle.start - start : triangle.stop - start, column] = triangle.weights
        groups.append(_Group(start, first, weights))
        first = last
    return groups


def _across(rows: _Pixels, groups: list[_Group] | None, wide: _Axis) -> _Pixels:
    """Resample the columns of some rows; without weights, only keep those that are wanted."""
    if groups is None:
        return rows[:, wide.first : wide.first + wide.count]
    result = np.empty((len(rows), wide.count, 3), np.uint8)
    for group in groups:
        sources, outputs = group.weights.shape
        part = rows[:, group.start : group.stop].transpose(0, 2, 1)
        sums = part.astype(np.float64, order="C").reshape(-1, sources) @ group.weights
        mean = _rounded(sums).reshape(len(rows), 3, outputs)
        result[:, group.first : group.first + outputs] = mean.transpose(0, 2, 1)
    return result


def _rounded(sums: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """Return sums of bytes by weights of a triangle as bytes."""
    whole = (sums.astype(np.int64) + (1 << (_WEIGHT_BITS - 1))) >> _WEIGHT_BITS
    within: npt.NDArray[np.int64] = np.minimum(whole, 255)
    return within


def _box_average(rgb: _Pixels, height: int, width: int) -> _Pixels:
    """Average over boxes; all sums are below 255 * R * C and exact in int64."""
    rows, columns = rgb.shape[:2]
    area = rows * columns
    # Column i of the output is the integral of the row from i * C / c to (i + 1) * C / c: a
    # difference of prefix sums, with a share of the pixel in which the edge lies.
    edges = np.arange(width + 1, dtype=np.int64) * columns
    whole, share = edges // width, (edges % width)[:, np.newaxis]
    prefix = np.zeros((columns + 1, 3), np.int64)
    padded = np.zeros((columns + 1, 3), np.int64)  # the last edge lies behind the last pixel
    result = np.empty((height, width, 3), np.uint8)
    for index in range(height):
        padded[:-1] = _weighted_rows(rgb, index * rows, (index + 1) * rows, height)
        np.cumsum(padded[:-1], axis=0, out=prefix[1:])
        integral = prefix[whole] * width + padded[whole] * share
        result[index] = ((integral[1:] - integral[:-1]) + area // 2) // area
    return result


def _weighted_rows(
    rgb: npt.NDArray[np.uint8], start: int, stop: int, unit: int
) -> npt.NDArray[np.int64]:
    """Sum the rows from ``start`` to ``stop``, in which each row is ``unit`` long."""
    first, last = start // unit, (stop - 1) // unit
    if first == last:
        only: npt.NDArray[np.int64] = np.multiply(rgb[first], stop - start, dtype=np.int64)
        return only
    # uint32 holds the sum of 16 million rows of bytes.
    inner: npt.NDArray[np.int64] = np.add.reduce(
        rgb[first + 1 : last], axis=0, dtype=np.uint32
    ).astype(np.int64)
    inner *= unit
    inner += np.multiply(rgb[first], (first + 1) * unit - start, dtype=np.int64)
    inner += np.multiply(rgb[last], stop - last * unit, dtype=np.int64)
    return inner


def _luma(rgb: _Pixels) -> _Pixels:
    weights = np.array([299, 587, 114], np.int64)
    return ((rgb.astype(np.int64) @ weights + 500) // 1000).astype(np.uint8)[:, :, np.newaxis]


_FILTERS: Final[dict[str, Callable[[_Pixels, int, int], _Pixels]]] = {
    "box": _box_average,
    "nearest": _nearest,
    "bilinear": _bilinear,
    "bilinear-antialias": _antialias,
}

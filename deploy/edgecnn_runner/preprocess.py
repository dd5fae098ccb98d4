"""The project's own resize rule, ``centre-crop-box-average-1``, in integers.

Libraries resize each in their own way, and a canvas in another way on every phone. This rule is
exact, so that every implementation gives the same bytes:

1. **Crop.** Of an image H x W (height, width), the middle part that has the aspect ratio of the
   model's input h x w is kept. If ``W * h > H * w``, the image is too wide: the kept width is
   ``max(1, (2 * H * w + h) // (2 * h))`` (H * w / h, halves rounded up), its left edge at
   ``(W - kept) // 2``. Else the kept height is ``max(1, (2 * W * h + w) // (2 * w))``, its upper
   edge at ``(H - kept) // 2``. From here on H x W is what was kept.
2. **Box average.** Cut the kept part into h x w equal boxes. An output value is the average of
   the source pixels in its box, each weighted by the area it has in the box. In units of 1/h of
   a source row, output row i covers [i * H, (i + 1) * H) and source row j covers
   [j * h, (j + 1) * h); the weight is the length of the overlap; columns likewise. All weights
   of a box sum to H * W, so the value is ``(sum + H * W // 2) // (H * W)``.
3. **Luma.** For a model with one channel, the averaged R, G and B become
   ``(299 * R + 587 * G + 114 * B + 500) // 1000`` (the weights of ITU-R BT.601).

An image that has the model's size comes out as it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edgecnn_runner.errors import ImageError

if TYPE_CHECKING:
    import numpy.typing as npt

__all__ = ["prepare"]


def prepare(
    rgb: npt.NDArray[np.uint8], *, height: int, width: int, channels: int
) -> npt.NDArray[np.uint8]:
    """Bring an image to the size a model wants, by the rule above.

    Memory beyond the image itself is a few of its rows.

    Args:
        rgb: Shape (any height, any width, 3), uint8; as ``decode.read_image`` gives it.
        height: Rows of the model's input, at least 1.
        width: Columns of the model's input, at least 1.
        channels: 3 for RGB, 1 for luma.

    Returns:
        Shape (height, width, channels), uint8; never a view of ``rgb``.

    Raises:
        ImageError: If the image is empty or not (height, width, 3) bytes.
    """
    if rgb.ndim != 3 or rgb.shape[2] != 3 or 0 in rgb.shape or rgb.dtype != np.uint8:
        raise ImageError(
            "not an RGB image",
            observed=f"shape {rgb.shape}, {rgb.dtype}",
            expected="shape (height, width, 3), uint8, at least one pixel",
            remedy="read image files with edgecnn_runner.decode.read_image",
        )
    cropped = _crop(rgb, height, width)
    if cropped.shape[:2] == (height, width):
        averaged = cropped.copy()
    else:
        averaged = _box_average(cropped, height, width)
    return averaged if channels == 3 else _luma(averaged)


def _crop(rgb: npt.NDArray[np.uint8], height: int, width: int) -> npt.NDArray[np.uint8]:
    rows, columns = rgb.shape[:2]
    if columns * height > rows * width:
        kept = max(1, (2 * rows * width + height) // (2 * height))
        left = (columns - kept) // 2
        return rgb[:, left : left + kept]
    kept = max(1, (2 * columns * height + width) // (2 * width))
    upper = (rows - kept) // 2
    return rgb[upper : upper + kept]


def _box_average(rgb: npt.NDArray[np.uint8], height: int, width: int) -> npt.NDArray[np.uint8]:
    """Average over boxes; all sums are below 255 * H * W and exact in int64."""
    rows, columns = rgb.shape[:2]
    area = rows * columns
    # Column i of the output is the integral of the row from i * W / w to (i + 1) * W / w: a
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


def _luma(rgb: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    weights = np.array([299, 587, 114], np.int64)
    return ((rgb.astype(np.int64) @ weights + 500) // 1000).astype(np.uint8)[:, :, np.newaxis]

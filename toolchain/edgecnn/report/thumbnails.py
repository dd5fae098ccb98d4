"""Images as small PNG files in a page."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Iterable
from typing import Any, Final, TypeVar

import numpy as np
import numpy.typing as npt

LARGEST_SIDE: Final = 96
"""Pixels; larger images are averaged down."""
BUDGET_BYTES: Final = 1_600_000
"""For all pictures of a page, so that it stays under 3 MB."""


Entry = TypeVar("Entry")


class PictureBudget:
    """Pictures in a page, as long as there is room for them.

    Args:
        size_bytes: For all of them together, as they are embedded.
    """

    def __init__(self, size_bytes: int) -> None:
        self._left = size_bytes

    def shown(
        self, entries: Iterable[Entry], picture_of: Callable[[Entry], npt.NDArray[np.uint8]]
    ) -> list[tuple[Entry, str]]:
        """Return entries with their pictures as data URIs, up to the first that has no room.

        Args:
            entries: The most telling first.
            picture_of: Gives the picture of one, as ``data_uri`` takes it.
        """
        found = []
        for entry in entries:
            uri = data_uri(picture_of(entry))
            self._left -= len(uri)
            if self._left < 0:
                break
            found.append((entry, uri))
        return found


def data_uri(image: npt.NDArray[np.uint8]) -> str:
    """Return an image as a PNG data URI.

    Args:
        image: Shape (height, width, 1 or 3), uint8.

    Returns:
        ``data:image/png;base64,...``, at most ``LARGEST_SIDE`` pixels a side.
    """
    from PIL import Image

    small = shrink(image, LARGEST_SIDE)
    buffer = io.BytesIO()
    Image.fromarray(small[:, :, 0] if small.shape[2] == 1 else small).save(
        buffer, format="PNG", optimize=True
    )
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def shrink(image: npt.NDArray[np.uint8], side: int) -> npt.NDArray[np.uint8]:
    """Average an image down by a whole factor until no side is longer than ``side``.

    Args:
        image: Shape (height, width, channels), uint8.
        side: Pixels, at least 1.

    Returns:
        The image itself where it is small enough. Rows and columns that do not fill a last
        block are left out, but never the only one.
    """
    height, width, channels = image.shape
    factor = -(-max(height, width) // side)
    if factor <= 1:
        return image
    rows, columns = min(factor, height), min(factor, width)
    blocks: npt.NDArray[Any] = image[: height // rows * rows, : width // columns * columns]
    blocks = blocks.reshape(height // rows, rows, width // columns, columns, channels)
    small: npt.NDArray[np.uint8] = np.rint(blocks.mean(axis=(1, 3))).astype(np.uint8)
    return small

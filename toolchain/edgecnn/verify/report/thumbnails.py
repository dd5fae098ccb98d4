"""Evaluation images as small PNG data URIs, within a budget of bytes."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from edgecnn.verify.metrics import Flip, FlipKind

LARGEST_SIDE: Final = 96
"""Pixels; larger images are averaged down."""

_KINDS: Final[tuple[FlipKind, ...]] = ("right_to_wrong", "wrong_to_right", "wrong_to_other")


def most_telling(flips: Sequence[Flip], count: int) -> list[Flip]:
    """Choose flips to show: newly wrong ones first, the most confident answers first.

    A quarter of the places is kept for images that became right, an eighth for those that
    changed from wrong to wrong, as far as there are any; free places go to the others.

    Args:
        flips: All of an artifact's flips.
        count: How many to choose at most.

    Returns:
        The chosen ones, grouped by kind.
    """
    groups = {
        kind: sorted(
            (flip for flip in flips if flip.kind == kind),
            key=lambda flip: (-flip.artifact_score, flip.index),
        )
        for kind in _KINDS
    }
    kept = {"wrong_to_right": count // 4, "wrong_to_other": count // 8}
    kept = {kind: min(many, len(groups[kind])) for kind, many in kept.items()}  # type: ignore[index]  # the keys are kinds
    chosen: list[Flip] = []
    free = count - sum(kept.values())
    for kind in _KINDS:
        many = min(len(groups[kind]), free + kept.get(kind, 0))
        free -= many - kept.get(kind, 0)
        chosen += groups[kind][:many]
    return chosen


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

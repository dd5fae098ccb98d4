"""The app's icons: one mark, drawn here and written as PNG by the standard library.

A tile with a viewfinder's four corners around a small grid of cells, which stand for pixels. The
same size gives the same pixels everywhere, and with the same zlib the same bytes.
"""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

GROUND: Final = (20, 23, 26)
"""Colour of the tile, RGB; also the app's theme and background colour."""
ACCENT: Final = (45, 212, 191)
_LIGHT: Final = (226, 232, 240)
_FACTOR: Final = 4  # pixels of the drawing along each side of a pixel of the icon

# Shares of the side. A maskable icon keeps its content within a circle of radius 0.4 (W3C Web
# Application Manifest, "safe zone"), so its mark is drawn smaller.
_MARK: Final = {False: 0.60, True: 0.46}
_CORNER: Final = 0.22  # radius of the tile's corners
_STROKE: Final = 0.085  # of the mark
_ARM: Final = 0.30  # of the mark
_CELLS: Final = ((0, 1, 0), (1, 2, 1), (0, 1, 2))  # 0 faint, 1 light, 2 accent


def icon(size: int, *, maskable: bool = False) -> bytes:
    """Return the icon as a PNG file.

    Args:
        size: Side in pixels.
        maskable: Whether it fills its square to the edge, for systems that cut out a shape.

    Returns:
        A PNG of 8 bits, RGBA.
    """
    import numpy as np

    side = size * _FACTOR
    rows, columns = np.mgrid[0:side, 0:side] + 0.5
    drawn = np.zeros((side, side, 4), np.uint8)
    inside = np.ones((side, side), bool) if maskable else _rounded(rows, columns, side)
    drawn[inside] = (*GROUND, 255)
    mark = _MARK[maskable] * side
    # From the mark's centre, in its half side: -1..1 within it.
    y, x = (rows - side / 2) / (mark / 2), (columns - side / 2) / (mark / 2)
    frame = (np.maximum(abs(x), abs(y)) <= 1) & (np.maximum(abs(x), abs(y)) >= 1 - 2 * _STROKE)
    arms = (abs(x) >= 1 - 2 * _ARM) & (abs(y) >= 1 - 2 * _ARM)
    drawn[frame & arms] = (*_LIGHT, 255)
    pitch, half = 0.40, 0.16
    for row, line in enumerate(_CELLS):
        for column, kind in enumerate(line):
            near = (abs(y - pitch * (row - 1)) <= half) & (abs(x - pitch * (column - 1)) <= half)
            drawn[near] = ((*_faint(), 255), (*_LIGHT, 255), (*ACCENT, 255))[kind]
    blocks = drawn.reshape(size, _FACTOR, size, _FACTOR, 4).astype(np.uint32)
    alpha = blocks[..., 3:]
    total = alpha.sum(axis=(1, 3))
    # Colours weighted by their opacity, so that an edge does not darken.
    colour = (blocks[..., :3] * alpha).sum(axis=(1, 3)) // np.maximum(total, 1)
    smooth = np.concatenate([colour, total // _FACTOR**2], axis=2).astype(np.uint8)
    return png(smooth)


def _faint() -> tuple[int, int, int]:
    red, green, blue = (ground + 30 for ground in GROUND)
    return red, green, blue


def _rounded(rows: npt.NDArray[Any], columns: npt.NDArray[Any], side: int) -> npt.NDArray[np.bool_]:
    """Tell which points lie in a square with rounded corners."""
    import numpy as np

    radius = _CORNER * side
    away_y = np.maximum(np.maximum(radius - rows, rows - (side - radius)), 0)
    away_x = np.maximum(np.maximum(radius - columns, columns - (side - radius)), 0)
    found: npt.NDArray[np.bool_] = away_y**2 + away_x**2 <= radius**2
    return found


def png(pixels: npt.NDArray[np.uint8]) -> bytes:
    """Return an image as a PNG file (ISO/IEC 15948), unfiltered.

    Args:
        pixels: Shape (height, width, 4), uint8, RGBA.
    """
    height, width = pixels.shape[:2]
    lines = b"".join(b"\0" + line.tobytes() for line in pixels)

    def chunk(kind: bytes, data: bytes) -> bytes:
        check = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", check)

    header = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    parts = (chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(lines, 9)), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)

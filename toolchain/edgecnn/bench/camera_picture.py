"""An encoded image of a camera's size, to time its decoding; generated, so it shows nobody."""

from __future__ import annotations

import functools
import io
from typing import Final

import numpy as np

__all__ = ["PICTURE_SIZE", "camera_jpeg"]

PICTURE_SIZE: Final = (480, 640)
"""Height and width, as small cameras have them."""

_QUALITY: Final = 90


@functools.cache
def camera_jpeg() -> bytes:
    """Return a JPEG of soft shapes with some noise, about as large as a photo of that size."""
    from PIL import Image

    height, width = PICTURE_SIZE
    rows, columns = np.mgrid[0:height, 0:width]
    phases = ((31.0, 0.0), (47.0, 2.0), (73.0, 4.0))
    waves = [
        np.sin(rows / period + phase) * np.cos(columns / (period + 9) - phase)
        for period, phase in phases
    ]
    noise = np.random.default_rng(0).normal(0, 6, (height, width, 3))
    pixels = np.clip(128 + 100 * np.stack(waves, axis=-1) + noise, 0, 255).astype(np.uint8)
    data = io.BytesIO()
    Image.fromarray(pixels).save(data, "JPEG", quality=_QUALITY)
    return data.getvalue()

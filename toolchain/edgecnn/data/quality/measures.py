"""Measures of a single photo that say whether it shows anything: light, and sharpness."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt

from edgecnn.data.quality.fingerprint import Rgb

LEAST_SIDE_FOR_BLUR: Final = 128
"""Pixels of the shorter side; a smaller picture has too few to tell blur from a plain motif."""

_REBLUR: Final = 11  # pixels; Crete et al. 2007
# Luma below which a photo's brightest parts are still dark, and the share that may be brighter:
# a lamp in the picture does not light the rest.
_DARK_LUMA: Final = 60
_DARK_QUANTILE: Final = 0.95
# A value that a sensor reached its end at; JPEG moves it by a few.
_CLIPPED: Final = 250
_CLIPPED_SHARE: Final = 0.5
_BLANK_DEVIATION: Final = 4.0

LightFault = Literal["blank", "dark", "burnt_out"]


@dataclass(frozen=True, kw_only=True)
class Light:
    """How light is spread over a photo.

    Attributes:
        bright: Luma, 0..255, that 95 % of the pixels do not exceed.
        clipped: Share of the pixels, 0..1, that are white to the end of the range.
        deviation: Standard deviation of the luma, 0..127.5.
    """

    bright: float
    clipped: float
    deviation: float

    @property
    def fault(self) -> LightFault | None:
        """Which of the faults it has, the gravest: no picture at all, too dark, burnt out."""
        if self.deviation < _BLANK_DEVIATION:
            return "blank"
        if self.bright < _DARK_LUMA:
            return "dark"
        return "burnt_out" if self.clipped > _CLIPPED_SHARE else None


def luma(rgb: Rgb) -> npt.NDArray[np.uint8]:
    """Return the luma of Rec. 601, rounded, shape (height, width), uint8."""
    from PIL import Image

    return np.asarray(Image.fromarray(rgb).convert("L"))


def light(rgb: Rgb) -> Light:
    """Measure how light is spread over a picture of shape (height, width, 3), uint8."""
    grey = luma(rgb)
    counts = np.bincount(grey.ravel(), minlength=256)
    reached = np.cumsum(counts) >= _DARK_QUANTILE * grey.size
    return Light(
        bright=float(np.argmax(reached)),
        clipped=float((rgb.min(axis=2) >= _CLIPPED).mean()),
        deviation=float(grey.std()),
    )


def blur_effect(rgb: Rgb) -> float | None:
    """Measure how blurred a picture is, by how little it changes when it is blurred again.

    The measure of Crete, Dolmiere, Ladret and Nicolas, "The blur effect: perception and estimation
    with a new no-reference perceptual blur metric" (SPIE 6492, 2007): the differences between
    neighbouring pixels that a mean over 11 pixels leaves, as a share of all; the larger one of
    both directions.

    Args:
        rgb: Shape (height, width, 3), uint8; averaged down to the size that photos are compared at.

    Returns:
        0 (sharp) to 1 (blurred); None where the picture is too small or too plain to tell.
    """
    from scipy import ndimage

    if min(rgb.shape[:2]) < LEAST_SIDE_FOR_BLUR:
        return None
    grey = luma(rgb).astype(np.float32)
    shares = []
    for axis in (0, 1):
        again: npt.NDArray[Any] = ndimage.uniform_filter1d(grey, _REBLUR, axis=axis)
        sharp = np.abs(np.diff(grey, axis=axis))
        lost = np.maximum(0, sharp - np.abs(np.diff(again, axis=axis)))
        total = float(sharp.sum())
        if total == 0:
            return None
        shares.append((total - float(lost.sum())) / total)
    return max(shares)

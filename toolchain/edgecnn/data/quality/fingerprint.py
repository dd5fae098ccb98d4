"""Fingerprints of photos: what tells whether two of them show the same thing at the same moment.

A perceptual hash says whether two pictures look alike, however they were scaled, compressed or
lit; it knows no colour, so a small picture in colour confirms it. Where a camera wrote down the
moment, that is part of it, too.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

SHORT_SIDE: Final = 256
"""Pixels of the shorter side that photos are measured at; smaller ones as they are."""
HASH_BITS: Final = 256
SMALL_SIDE: Final = 32

_HASH_SIDE: Final = 16  # HASH_BITS is its square
_LONGEST: Final = 8192  # pixels; of a strip, whose shorter side stays what it is
_EXIF_IFD: Final = 0x8769  # Exif 2.32, 4.6.3
_TAKEN: Final = 0x9003  # DateTimeOriginal
_FRACTION: Final = 0x9291  # SubSecTimeOriginal
_MAKE: Final = 0x010F
_MODEL: Final = 0x0110
_CAMERA_CHARACTERS: Final = 100

Rgb = npt.NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True, eq=False)
class Fingerprint:
    """What a photo is recognized by.

    Attributes:
        bits: Perceptual hash, shape (HASH_BITS // 8,), uint8: the low frequencies of the
            luminance, each above or below their median (pHash; ``imagehash.phash``).
        small: The picture in small, shape (SMALL_SIDE, SMALL_SIDE, 3), uint8.
        taken_s: When it was taken by the camera's clock, seconds since 1970; None where the
            file does not say.
        camera: Make and model as the file names them; empty where it does not.
    """

    bits: npt.NDArray[np.uint8]
    small: Rgb
    taken_s: float | None = None
    camera: str = ""


def fingerprint(rgb: Rgb, file: Path | bytes | None = None) -> Fingerprint:
    """Return a photo's fingerprint.

    Args:
        rgb: Its pixels, upright, shape (height, width, 3), uint8.
        file: Its file, or the bytes of it, for what the camera wrote down; None for pixels alone.
    """
    return fingerprint_of_reduced(reduced(rgb), file)


def reduced(rgb: Rgb) -> Rgb:
    """Average a photo down to the size at which it is measured.

    Args:
        rgb: Shape (height, width, 3), uint8.

    Returns:
        The same picture with a shorter side of at most ``SHORT_SIDE`` pixels.
    """
    from PIL import Image

    height, width = rgb.shape[:2]
    factor = min(1.0, SHORT_SIDE / min(height, width), _LONGEST / max(height, width))
    if factor == 1.0:
        return rgb
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    return np.asarray(Image.fromarray(rgb).resize(size, Image.Resampling.BOX))


def fingerprint_of_reduced(rgb: Rgb, file: Path | bytes | None) -> Fingerprint:
    """Return the fingerprint of a photo that was ``reduced`` already."""
    import imagehash
    from PIL import Image

    picture = Image.fromarray(rgb)
    bits = np.packbits(imagehash.phash(picture, hash_size=_HASH_SIDE).hash.ravel())
    small = np.asarray(picture.resize((SMALL_SIDE, SMALL_SIDE), Image.Resampling.BOX))
    taken_s, camera = (None, "") if file is None else _written_by_camera(file)
    return Fingerprint(bits=bits, small=small, taken_s=taken_s, camera=camera)


def _written_by_camera(file: Path | bytes) -> tuple[float | None, str]:
    """Return when and by what a photo was taken, as far as its file says so in a form that counts.

    The time of the last change is not asked for: programs write it into hundreds of files at once.
    """
    from PIL import Image

    # Damaged metadata raise anything. The photo itself was read, and a time is only a hint.
    with contextlib.suppress(Exception):
        with Image.open(io.BytesIO(file) if isinstance(file, bytes) else file) as image:
            exif: Any = image.getexif()
            camera = " ".join(str(exif.get(tag, "")).strip("\0 ") for tag in (_MAKE, _MODEL))
            inner = exif.get_ifd(_EXIF_IFD)
        return (
            _seconds(inner.get(_TAKEN), inner.get(_FRACTION)),
            camera.strip()[:_CAMERA_CHARACTERS],
        )
    return None, ""


def _seconds(moment: object, fraction: object) -> float | None:
    """Return an EXIF time in seconds; None for none, or one that no clock shows.

    >>> _seconds("2024:05:01 10:00:00", "25") - _seconds("2024:05:01 09:59:59", None)
    1.25
    >>> _seconds("0000:00:00 00:00:00", None) is None
    True
    """
    try:
        # By the camera's own clock, whose zone EXIF does not know: only differences count.
        when = dt.datetime.strptime(str(moment).strip("\0 "), "%Y:%m:%d %H:%M:%S")  # noqa: DTZ007
    except ValueError:
        return None
    digits = str(fraction).strip("\0 ")
    part = float(f"0.{digits}") if digits.isascii() and digits.isdecimal() else 0.0
    return when.replace(tzinfo=dt.UTC).timestamp() + part

"""Pictures that a perceptual hash takes for photos: smooth shapes of random colours."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

Rgb = npt.NDArray[np.uint8]


def scene(seed: int, size: tuple[int, int] = (192, 144)) -> Rgb:
    """Return a picture of width and height ``size``; another one for each seed."""
    rng = np.random.default_rng(seed)
    picture = np.zeros((size[1], size[0], 3))
    # Forms, and what is on them.
    for rows, columns, strength in ((6, 8, 0.55), (24, 32, 0.35), (72, 96, 0.1)):
        coarse = rng.integers(30, 226, (rows, columns, 3), dtype=np.uint8)
        layer = Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)
        picture += strength * np.asarray(layer, np.float64)
    grain = rng.normal(0, 2, (size[1], size[0], 1))
    return np.clip(picture + grain, 0, 255).astype(np.uint8)


def stored_again(rgb: Rgb, quality: int = 40) -> Rgb:
    """Return a picture as a JPEG file of it shows it."""
    made = io.BytesIO()
    Image.fromarray(rgb).save(made, format="JPEG", quality=quality)
    return np.asarray(Image.open(made))


def blurred(rgb: Rgb, radius: float) -> Rgb:
    return np.asarray(Image.fromarray(rgb).filter(ImageFilter.GaussianBlur(radius)))


def save(path: Path, rgb: Rgb, *, taken: str | None = None, **options: Any) -> Path:
    """Save a picture, with the time that a camera would write into it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if taken is not None:
        exif = Image.Exif()
        exif[0x0110] = "Camera 7"
        exif.get_ifd(0x8769)[0x9003] = taken
        options["exif"] = exif
    Image.fromarray(rgb).save(path, **options)
    return path

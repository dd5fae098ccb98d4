"""Which variants are calibrated, and the images and the record they are calibrated with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.build.artifact import CALIBRATED, precision_of
from edgecnn.data import Dataset
from edgecnn.data.calibration import CalibrationSet, choose_calibration
from edgecnn.files import canonical_digest
from edgecnn.recipe.load import Recipe

Pixels = npt.NDArray[np.uint8]


def calibration_for(
    variants: Sequence[str], recipe: Recipe, dataset: Dataset
) -> CalibrationSet | None:
    """Choose the calibration images, if a variant needs any.

    Args:
        variants: What will be made.
        recipe: Gives count and seed.
        dataset: Its train split is chosen from.

    Returns:
        The images and their record; None where no variant needs any.

    Raises:
        CalibrationError: If there are too few images.
    """
    if not any(precision_of(variant) in CALIBRATED for variant in variants):
        return None
    wanted = recipe.calibration
    return calibration_of(dataset, count=wanted.images, seed=wanted.seed)


def calibration_of(dataset: Dataset, *, count: int | None, seed: int) -> CalibrationSet:
    """Choose calibration images.

    Args:
        dataset: Its train split is chosen from.
        count: How many; None for the default number.
        seed: Of the choice.

    Returns:
        The images and their record. Where the images lack black or white the record has one entry
        more, ``full_range``: the id of the image of which ``full_range`` adds a stretched copy.

    Raises:
        CalibrationError: If there are too few images.
    """
    chosen = choose_calibration(
        dataset.train, dataset.test, count=count, seed=seed, class_names=dataset.class_names
    )
    if _is_full(chosen.pixels):
        return chosen
    copied = chosen.record["ids"][_widest(chosen.pixels)]
    return with_entries(chosen, {"full_range": {"stretched_copy_of": copied}})


def with_entries(calibration: CalibrationSet, entries: Mapping[str, Any]) -> CalibrationSet:
    """Return the same images with more in their record, and its digest made anew.

    Args:
        calibration: The images and their record.
        entries: JSON-ready values.
    """
    record = {name: value for name, value in calibration.record.items() if name != "sha256"}
    record |= entries
    return CalibrationSet(
        pixels=calibration.pixels, record={**record, "sha256": canonical_digest(record)}
    )


def full_range(images: Pixels) -> Pixels:
    """Make sure that calibration images span 0..255, so that a raw pixel is its own integer.

    With a narrower span a converter would choose an input scale below 1, clip the brightest
    pixels, and make every runner rescale its input. Where the images lack black or white, a copy
    of the one with the most contrast, stretched to 0..255, is added.

    Args:
        images: Shape (n, height, width, channels), uint8, n at least 1.

    Returns:
        The images, and one more where it is needed.
    """
    if _is_full(images):
        return images
    best = images[_widest(images)].reshape(-1).astype(np.float64)
    span = best.max() - best.min()
    if span == 0:  # nothing but plain images: half black, half white
        stretched = np.where(np.arange(best.size) < best.size // 2, 0, 255)
    else:
        stretched = np.rint((best - best.min()) * 255 / span)
    return np.concatenate([images, stretched.astype(np.uint8).reshape(1, *images.shape[1:])])


def _is_full(images: Pixels) -> bool:
    return bool(images.min() == 0 and images.max() == 255)


def _widest(images: Pixels) -> int:
    """Return the first of the images with the most contrast."""
    flat = images.reshape(len(images), -1)
    return int((flat.max(axis=1).astype(int) - flat.min(axis=1)).argmax())

"""Scikit-learn's embedded handwritten digits: real scans that need no download.

1,797 images of 8x8 pixels from the UCI set "Optical Recognition of Handwritten Digits"
(Alpaydin and Kaynak, 1998), as ``sklearn.datasets.load_digits`` carries them.
"""

from __future__ import annotations

import numpy as np

from edgecnn.data.split import split_off
from edgecnn.data.types import Dataset, Images

__all__ = ["load_digits"]


def load_digits(*, test: float, validation: float, seed: int) -> Dataset:
    """Load the digits, split by seed.

    Args:
        test: Share of all images kept for the test set.
        validation: Share of the other images held out of training.
        seed: Seed of both splits.

    Returns:
        Images of shape (8, 8, 1); ids are ``digits/<position in scikit-learn's array>``.
    """
    from sklearn import datasets

    bunch = datasets.load_digits()
    # Values are whole numbers 0..16 held as float64; +8 rounds to the nearest.
    values = bunch.images.astype(np.int64)
    images = Images(
        pixels=((values * 255 + 8) // 16).astype(np.uint8)[..., np.newaxis],
        labels=bunch.target.astype(np.int64),
        ids=tuple(f"digits/{index}" for index in range(len(values))),
    )
    names = tuple(str(name) for name in bunch.target_names)
    rest, held = split_off(images, share=test, seed=seed, purpose="test", class_names=names)
    train, valid = split_off(
        rest, share=validation, seed=seed, purpose="validation", class_names=names
    )
    return Dataset(
        name="digits",
        class_names=names,
        train=train,
        validation=valid,
        test=held,
        seed=seed,
        rule=f"stratified: {test} of all for test, {validation} of the rest for validation",
    )

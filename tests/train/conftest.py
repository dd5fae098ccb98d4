from __future__ import annotations

import numpy as np
import pytest

from edgecnn.data import Dataset, Images


@pytest.fixture(scope="session")
def stripes() -> Dataset:
    """Two classes a tiny network tells apart at once: 8x8 images striped across or down."""

    def part(name: str, count: int, seed: int) -> Images:
        generator = np.random.default_rng(seed)
        labels = np.arange(count, dtype=np.int64) % 2
        across = np.zeros((8, 8), np.int64)
        across[::2] = 200
        clean = np.where(labels[:, None, None] == 0, across, across.T)
        noisy = clean + generator.integers(0, 40, (count, 8, 8))
        return Images(
            pixels=noisy.astype(np.uint8)[..., np.newaxis],
            labels=labels,
            ids=tuple(f"{name}/{index}" for index in range(count)),
        )

    return Dataset(
        name="folder",
        class_names=("across", "down"),
        train=part("train", 70, 1),
        validation=part("validation", 20, 2),
        test=part("test", 30, 3),
    )

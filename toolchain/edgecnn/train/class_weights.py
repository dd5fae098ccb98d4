"""The weights of classes whose numbers of training images differ much."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from edgecnn.data import Dataset
from edgecnn.recipe.load import Recipe

_LARGEST_RATIO: Final = 3
"""Of the images of two classes, up to which no class is weighted."""
_LARGEST_WEIGHT: Final = 10.0
"""Times the weight of the largest class: a few images that count for more would make the steps
erratic."""


def class_weights(counts: Sequence[int]) -> npt.NDArray[np.float32] | None:
    """Return what the loss of each class's images is multiplied by.

    Weights are inverse to the classes' numbers of images, and 1 in the mean over all images, so
    that the learning rate keeps its meaning.

    Args:
        counts: Training images of each class; a class without any counts for nothing.

    Returns:
        Shape (classes,); None where the largest class has at most three times the images of the
        smallest.
    """
    numbers = np.asarray(counts, dtype=np.float64)
    present = numbers > 0
    if numbers.max() <= _LARGEST_RATIO * numbers[present].min():
        return None
    weights = np.minimum(numbers.max() / np.maximum(numbers, 1), _LARGEST_WEIGHT)
    weights[~present] = 1.0
    scaled: npt.NDArray[np.float32] = (weights * numbers.sum() / (weights @ numbers)).astype("f4")
    return scaled


def weights_for(recipe: Recipe, dataset: Dataset) -> npt.NDArray[np.float32] | None:
    """Return the weights that a recipe trains a data set with; None for none."""
    if recipe.train.class_weights == "none":
        return None
    return class_weights(trained_counts(recipe, dataset))


def trained_counts(recipe: Recipe, dataset: Dataset) -> list[int]:
    """Return how many images of each class a recipe trains on."""
    classes = len(dataset.class_names)
    counts = dataset.train.class_counts(classes)
    if recipe.train.include_validation:
        more = dataset.validation.class_counts(classes)
        counts = [one + other for one, other in zip(counts, more, strict=True)]
    return counts

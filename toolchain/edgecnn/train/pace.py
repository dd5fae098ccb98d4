"""Chooses what a recipe leaves to the number of training images and steps.

Small data needs small batches to take enough steps at all, and averages that do not lag behind
the few steps there are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from edgecnn.recipe.sections import Train

_LARGEST_BATCH: Final = 128
_SMALLEST_BATCH: Final = 8
_STEPS_AN_EPOCH: Final = 15
"""Steps that an epoch has at least, where the smallest batch allows it."""
_KERAS_MOMENTUM: Final = 0.99
_LEAST_MOMENTUM: Final = 0.5


@dataclass(frozen=True, kw_only=True)
class Pace:
    """The sizes of a training.

    Attributes:
        batch_size: Images a step.
        steps: Of an epoch.
        norm_momentum: What batch normalization's moving averages keep at each step, 0..1.
        patience: Epochs without a better validation figure before training stops; 0 for never.
    """

    batch_size: int
    steps: int
    norm_momentum: float
    patience: int

    @classmethod
    def of(cls, settings: Train, images: int) -> Pace:
        """Return what a recipe states, and for the rest what suits the training images.

        Args:
            settings: The recipe's.
            images: Training images, at least 1.
        """
        batch = settings.batch_size or _batch_size(images)
        steps = steps_per_epoch(images, batch)
        momentum, patience = settings.batch_norm_momentum, settings.patience
        if momentum is None:
            # The averages look back over a tenth of the training, but no further than Keras's.
            total = steps * settings.epochs
            momentum = min(max(1 - 10 / total, _LEAST_MOMENTUM), _KERAS_MOMENTUM)
        if settings.include_validation:
            patience = 0
        elif patience is None:
            patience = -(-settings.epochs // 2)
        return cls(batch_size=batch, steps=steps, norm_momentum=momentum, patience=patience)

    def to_dict(self) -> dict[str, Any]:
        """Return the sizes for ``metrics.json``."""
        return {
            "batch_size": self.batch_size,
            "steps_per_epoch": self.steps,
            "batch_norm_momentum": self.norm_momentum,
            "patience": self.patience,
        }


def steps_per_epoch(images: int, batch_size: int) -> int:
    """Return how many batches an epoch has; the last one may be smaller."""
    return -(-images // batch_size)


def _batch_size(images: int) -> int:
    """Return the largest power of two, within bounds, that leaves an epoch enough steps."""
    size = _LARGEST_BATCH
    while size > _SMALLEST_BATCH and images < size * _STEPS_AN_EPOCH:
        size //= 2
    return size

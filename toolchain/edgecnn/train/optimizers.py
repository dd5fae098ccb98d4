"""Optimizers and learning-rate schedules of the recipe."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edgecnn.recipe.sections import Optimizer

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True, kw_only=True)
class Rate:
    """The learning rate as a function of the optimizer step.

    Linear warm-up (Goyal et al. 2017, arXiv:1706.02677, section 2.2), then constant, or half a
    cosine down to zero (Loshchilov and Hutter 2017, arXiv:1608.03983, equation 5, one period).

    Attributes:
        peak: The recipe's learning rate.
        warmup_steps: Steps to reach it; the first one already moves.
        total_steps: Steps of the whole training.
        cosine: Whether the rate falls after the warm-up.
    """

    peak: float
    warmup_steps: float
    total_steps: int
    cosine: bool

    @classmethod
    def of(cls, settings: Optimizer, *, steps_per_epoch: int, epochs: int) -> Rate:
        """Return the rate a recipe asks for."""
        return cls(
            peak=settings.learning_rate,
            warmup_steps=settings.warmup_epochs * steps_per_epoch,
            total_steps=steps_per_epoch * epochs,
            cosine=settings.schedule == "cosine",
        )

    @property
    def is_constant(self) -> bool:
        """Whether the rate never changes."""
        return not self.cosine and self.warmup_steps <= 0

    def at(self, step: int) -> float:
        """Return the rate at a step, 0..total_steps-1."""
        return float(self.peak * self._shape(float(step), math.cos, min, max))

    def _shape(self, step: Any, cos: Any, least: Any, most: Any) -> Any:
        """Return the rate over the peak, for numbers or Keras tensors alike."""
        value: Any = 1.0
        if self.warmup_steps > 0:
            value = least((step + 1.0) / self.warmup_steps, 1.0)
        if self.cosine:
            span = max(self.total_steps - self.warmup_steps, 1.0)
            done = least(most((step - self.warmup_steps) / span, 0.0), 1.0)
            value = value * 0.5 * (1.0 + cos(math.pi * done))
        return value


def make_optimizer(
    settings: Optimizer, rate: Rate, *, ema: float, variables: Sequence[Any]
) -> keras.optimizers.Optimizer:
    """Return a Keras optimizer, built for a network's variables.

    Args:
        settings: The recipe's optimizer; what it does not name has Keras's default.
        rate: The learning rate over the training.
        ema: Momentum of the moving average of the weights; 0 for none.
        variables: The network's trainable variables (untyped). Only kernels decay: on biases
            and normalizations it costs accuracy (He et al. 2019, arXiv:1812.01187, section 3.1).
    """
    optimizer = _make(settings, rate, {"use_ema": True, "ema_momentum": ema} if ema else {})
    optimizer.exclude_from_weight_decay(
        var_list=[variable for variable in variables if variable.name != "kernel"]
    )
    optimizer.build(variables)
    return optimizer


def _make(settings: Optimizer, rate: Rate, average: dict[str, Any]) -> keras.optimizers.Optimizer:
    from edgecnn.train.backend import keras

    class Schedule(keras.optimizers.schedules.LearningRateSchedule):  # type: ignore[misc]
        """``rate`` in Keras operations."""

        def __call__(self, step: Any) -> Any:
            ops = keras.ops
            now = ops.cast(step, "float32")
            return rate.peak * rate._shape(now, ops.cos, ops.minimum, ops.maximum)

        def get_config(self) -> dict[str, Any]:
            return {}

    learning_rate = rate.peak if rate.is_constant else Schedule()
    match settings.name:
        case "rmsprop":
            return keras.optimizers.RMSprop(learning_rate, momentum=settings.momentum, **average)
        case "sgd":
            return keras.optimizers.SGD(
                learning_rate,
                momentum=settings.momentum,
                nesterov=settings.momentum > 0,
                weight_decay=settings.weight_decay or None,
                **average,
            )
        case "adam":
            return keras.optimizers.Adam(learning_rate, **average)
        case "adamw":
            return keras.optimizers.AdamW(
                learning_rate, weight_decay=settings.weight_decay, **average
            )

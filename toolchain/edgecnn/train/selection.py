"""Decides by the validation figures which epoch of a training ships, and when it may stop.

Everything follows from the history alone, so that a training that was killed and resumed decides
as one that was not.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from edgecnn.train.history import Epoch

Reason = Literal["last epoch", "no better validation"]


@dataclass(frozen=True, kw_only=True)
class EpochSelection:
    """Which epoch shipped, and why the training ended.

    Attributes:
        rule: ``best``, see ``shipped_of``, or ``last``, which is also what counts where there is
            no validation.
        shipped: The epoch whose weights the model has.
        best: The one with the best validation figures; None where there are none.
        trained: Epochs trained.
        asked: Epochs that the recipe asks for at most.
        ended: ``last epoch``: all of them; ``no better validation``: out of patience.
    """

    rule: Literal["best", "last"]
    shipped: Epoch
    best: Epoch | None
    trained: int
    asked: int
    ended: Reason

    def to_dict(self) -> dict[str, Any]:
        """Return the decision for ``metrics.json``; figures are None without validation."""
        return {
            "rule": self.rule,
            "epoch": self.shipped.epoch,
            "val_accuracy": self.shipped.val_accuracy,
            "val_loss": self.shipped.val_loss,
            "best_epoch": None if self.best is None else self.best.epoch,
            "best_val_accuracy": None if self.best is None else self.best.val_accuracy,
            "epochs_trained": self.trained,
            "epochs_asked": self.asked,
            "ended": self.ended,
        }


def best_of(history: Sequence[Epoch]) -> Epoch | None:
    """Return the epoch with the best validation figures; None if there are none.

    That is the highest accuracy. Few validation images make that coarse, so of equal ones the
    one with the lowest loss counts, and of those the earliest.
    """
    rows = [row for row in history if row.val_accuracy is not None and row.val_loss is not None]
    return min(rows, key=_rank, default=None)


def shipped_of(history: Sequence[Epoch], images: int) -> Epoch | None:
    """Return the epoch that ships; None if there are no validation figures.

    That is the latest one whose accuracy is at most one standard error below the best: the rule of
    one standard error (Breiman et al. 1984, Classification and Regression Trees, section 3.4.3).
    Of 30 validation images one more that is right, by luck, in the midst of a training would
    otherwise decide against all that the falling rate still brings. The more images there are, the
    closer that is to the best itself.

    Args:
        history: All epochs so far.
        images: How many validation images there are.
    """
    best = best_of(history)
    if best is None:
        return None
    top = best.val_accuracy or 0.0
    # A rounding error is no difference.
    least = top - math.sqrt(top * (1 - top) / images) - 1e-6
    return next(row for row in reversed(history) if (row.val_accuracy or 0.0) >= least)


def is_out_of_patience(history: Sequence[Epoch], patience: int) -> bool:
    """Tell whether the last ``patience`` epochs brought nothing better; never if that is 0."""
    best = best_of(history)
    return best is not None and 0 < patience <= len(history) - best.epoch


def _rank(row: Epoch) -> tuple[float, float]:
    return -float(row.val_accuracy or 0), float(row.val_loss or 0)

"""The history of a training: one row an epoch, the same across interruptions."""

from __future__ import annotations

import csv
import dataclasses
import io
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Epoch:
    """One epoch.

    Attributes:
        epoch: Number, from 1.
        lr: Learning rate of its last step.
        loss: Mean cross-entropy over the training images, as they passed, with dropout and
            augmentation.
        accuracy: Share of them classified right, 0..1.
        val_loss: Mean cross-entropy over the validation images after the epoch; None where
            the training uses them.
        val_accuracy: Share of them classified right, 0..1.
        images_per_second: Training images over the time of the training steps.
        seconds: The whole epoch, validation included.
    """

    epoch: int
    lr: float
    loss: float
    accuracy: float
    val_loss: float | None
    val_accuracy: float | None
    images_per_second: float
    seconds: float


def history_csv(epochs: Sequence[Epoch]) -> str:
    """Return the history as CSV with a header; columns are the attributes of ``Epoch``."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([field.name for field in dataclasses.fields(Epoch)])
    for row in epochs:
        values = dataclasses.astuple(row)
        writer.writerow([f"{v:.6g}" if isinstance(v, float) else v for v in values])
    return text.getvalue()

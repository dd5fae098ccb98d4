"""How good the float model is on the test images, and with what it was made."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.build import tools
from edgecnn.train.history import Epoch

__all__ = ["median_speed", "test_metrics", "tool_versions"]


def test_metrics(
    scores: npt.NDArray[np.float32], labels: npt.NDArray[np.int64], class_names: Sequence[str]
) -> dict[str, Any]:
    """Measure a model's scores.

    Args:
        scores: Probabilities, shape (n, classes), n > 0.
        labels: True classes, shape (n,).
        class_names: Names in score order.

    Returns:
        JSON-ready: ``images``, ``correct``, ``accuracy`` (0..1), ``accuracy_interval`` (Wilson,
        95 %), ``loss`` (mean cross-entropy, natural logarithm), and ``classes``, for each its
        ``name``, ``images``, ``correct`` and ``recall`` (None for a class without images).
    """
    from scipy import stats

    # Ties go to the lowest index, as everywhere in the project.
    right = scores.argmax(axis=1) == labels
    correct, count = int(right.sum()), len(labels)
    interval = stats.binomtest(correct, count).proportion_ci(method="wilson")
    # Keras's own lower bound, so that both give the same loss.
    own = np.clip(scores[np.arange(count), labels].astype(np.float64), 1e-7, 1.0)
    classes = []
    for label, name in enumerate(class_names):
        of_class = right[labels == label]
        classes.append(
            {
                "name": name,
                "images": len(of_class),
                "correct": int(of_class.sum()),
                "recall": float(of_class.mean()) if len(of_class) else None,
            }
        )
    return {
        "images": count,
        "correct": correct,
        "accuracy": correct / count,
        "accuracy_interval": [float(interval.low), float(interval.high)],
        "loss": float(-np.log(own).mean()),
        "classes": classes,
    }


def median_speed(history: Sequence[Epoch]) -> float:
    """Return the median images per second, without the first epoch where there are others.

    The first one of a run also traces the graph; those of resumed runs are few and do not move
    a median.
    """
    rows = history[1:] or history
    return statistics.median(row.images_per_second for row in rows)


def tool_versions() -> dict[str, str]:
    """Return the versions of what decides the weights."""
    return tools.tool_versions("tensorflow", "keras", "numpy")

"""A model's raw answer to probabilities, a ranking and a decision."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from edgecnn_runner.contract import OutputSpec
from edgecnn_runner.errors import ScoreError
from edgecnn_runner.quantize import dequantize

if TYPE_CHECKING:
    import numpy.typing as npt

MANY_CLASSES: Final = 20
"""Classes up to which each of them is told and a confusion matrix is drawn. Of more, the five best
scores are told, too, and tables show the classes that matter most, with a count of the others."""


def shown_classes(classes: int) -> int:
    """Return how many of the best classes are shown of an answer: of many classes, five.

    Args:
        classes: How many the model knows.
    """
    return 5 if classes > MANY_CLASSES else 3


def softmax(logits: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """Return probabilities for logits, along the last axis.

    Computed in float64 after subtracting each row's maximum, so that no logit overflows.

    Args:
        logits: Shape (..., classes), finite.

    Returns:
        float32, the same shape; each row sums to 1 within rounding.
    """
    wide = logits.astype(np.float64)
    powers = np.exp(wide - wide.max(axis=-1, keepdims=True))
    shares: npt.NDArray[np.float32] = (powers / powers.sum(axis=-1, keepdims=True)).astype(
        np.float32
    )
    return shares


def probabilities(raw: npt.NDArray[Any], spec: OutputSpec) -> npt.NDArray[np.float32]:
    """Read a model's raw output: dequantized, and through a softmax where it gives logits.

    Args:
        raw: Shape (..., classes), or (..., 1) for a binary kind, of the type the contract names.
        spec: The output part of the contract.

    Returns:
        float32, shape (..., classes); never a view of ``raw``.

    Raises:
        ScoreError: If a score is NaN or infinite.
    """
    if raw.dtype.kind == "f":
        real = raw.astype(np.float32)
        check_finite(real)
    else:
        real = dequantize(raw, spec.scale, spec.zero_point)
    match spec.kind:
        case "logits":
            return softmax(real)
        case "binary-logit":
            return softmax(np.concatenate([np.zeros_like(real), real], axis=-1))
        case "binary-probability":
            return np.concatenate([1 - real, real], axis=-1)
    return real


def check_finite(scores: npt.NDArray[Any]) -> None:
    """Refuse scores that are not numbers.

    Args:
        scores: Shape (..., classes).

    Raises:
        ScoreError: If any is NaN or infinite.
    """
    finite = np.isfinite(scores)
    if not finite.all():
        bad = int(np.count_nonzero(~finite))
        raise ScoreError(
            "the model answers with scores that are not numbers",
            observed=f"{bad} of {finite.size} scores are NaN or infinite",
            expected="finite scores",
            remedy="on the workstation, look for NaN in the model's weights; "
            "train and convert it again",
        )


def rank(scores: npt.NDArray[Any], top: int) -> npt.NDArray[np.intp]:
    """Return the indices of the best classes, best first; ties go to the lowest index.

    Args:
        scores: Shape (classes,).
        top: How many; more than there are classes means all.

    Returns:
        Indices, shape (min(top, classes),).
    """
    return np.argsort(-np.asarray(scores, np.float64), kind="stable")[:top]


def decide(scores: npt.NDArray[Any], reject_below: float = 0.0) -> int | None:
    """Return the index of the best class, or None if its score is below ``reject_below``.

    Args:
        scores: Shape (classes,).
        reject_below: 0 rejects nothing.

    Returns:
        The lowest index with the highest score, or None.
    """
    best = int(np.argmax(scores))
    return None if scores[best] < reject_below else best

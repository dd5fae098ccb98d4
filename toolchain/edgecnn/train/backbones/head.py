"""The linear classifier on a backbone's features: multinomial logistic regression."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

Features = npt.NDArray[np.float32]

STRENGTHS: Final = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3)
"""Inverse strengths of the L2 penalty that are tried, on features of deviation 1."""
_DEFAULT: Final = 0.01  # where there are too few photos to try
_FOLDS: Final = 5
_ITERATIONS: Final = 500
_TOLERANCE: Final = 1e-3
_WIDTH: Final = 1000.0
# The logit of a class without photos: never the answer.
_NEVER: Final = -30.0


@dataclass(frozen=True, kw_only=True, eq=False)
class LinearHead:
    """A linear classifier: ``softmax(features @ kernel + bias)``.

    Attributes:
        kernel: Shape (features, classes), float32.
        bias: Shape (classes,), float32.
        strength: Of the L2 penalty, inverse.
        tried: Strength to mean cross-entropy and accuracy (0..1) in cross-validation; empty
            where there were too few photos.
        held_out: Probabilities of each photo by a classifier that did not learn from it, shape
            (photos, classes), float32; None where there were too few photos.
    """

    kernel: npt.NDArray[np.float32]
    bias: npt.NDArray[np.float32]
    strength: float
    tried: dict[float, tuple[float, float]]
    held_out: npt.NDArray[np.float32] | None

    def probabilities(self, features: Features) -> npt.NDArray[np.float32]:
        """Return class probabilities, shape (n, classes)."""
        return _softmax(features @ self.kernel + self.bias)


def fit_head(
    features: Sequence[Features],
    labels: npt.NDArray[np.int64],
    *,
    classes: int,
    widths: Sequence[int],
    groups: npt.NDArray[np.int64] | None = None,
    class_weights: npt.NDArray[np.float32] | None = None,
    seed: int = 0,
) -> LinearHead:
    """Fit a linear classifier, its penalty chosen by cross-validation.

    Args:
        features: Of the photos, shape (n, features); then, as further copies of the same photos,
            of their mirror images perhaps. A photo's copies are never on both sides of a fold.
        labels: Class of each photo, shape (n,).
        classes: How many there are; some may have no photo.
        widths: Lengths of the parts of the features, each scaled by itself.
        groups: Which photos belong together and stay in one fold, shape (n,); None for none.
        class_weights: What each class counts, shape (classes,); None for all alike.
        seed: Of the folds.
    """
    from threadpoolctl import threadpool_limits

    copies, centre, scale = standardized(features, widths)
    weights = None if class_weights is None else class_weights[labels]
    # With two threads BLAS took 21 s where one took 0.6 (OpenBLAS, 300 photos of 1,280 features).
    with threadpool_limits(1, user_api="blas"):
        folds = folds_of(labels, groups, seed)
        tried, scores = {}, {}
        for strength in STRENGTHS if folds else ():
            held_out = _left_out(copies, labels, weights, folds, classes, strength)
            own = np.maximum(held_out[np.arange(len(labels)), labels], 1e-7)
            right = float((held_out.argmax(axis=1) == labels).mean())
            tried[strength], scores[strength] = (float(-np.log(own).mean()), right), held_out
        strength = min(tried, key=lambda one: tried[one][0]) if tried else _DEFAULT
        everything = np.arange(len(labels))
        kernel, bias = fit_logistic(copies, labels, weights, everything, classes, strength)
    kernel = kernel * scale[:, None]
    return LinearHead(
        kernel=kernel.astype(np.float32),
        bias=(bias - centre @ kernel).astype(np.float32),
        strength=strength,
        tried=tried,
        held_out=scores.get(strength),
    )


def held_out_scores(
    features: Sequence[Features],
    labels: npt.NDArray[np.int64],
    head: LinearHead,
    *,
    widths: Sequence[int],
    class_weights: npt.NDArray[np.float32] | None = None,
    seed: int = 0,
) -> npt.NDArray[np.float32]:
    """Return the probabilities of photos left out at random, with the penalty of a head.

    Args:
        features: As ``fit_head`` had them; and so the other arguments.
        labels: Class of each photo, shape (n,).
        head: What was fitted.
        widths: Lengths of the parts of the features.
        class_weights: What each class counts.
        seed: Of the folds.
    """
    from threadpoolctl import threadpool_limits

    copies, _, _ = standardized(features, widths)
    weights = None if class_weights is None else class_weights[labels]
    folds, classes = folds_of(labels, None, seed), head.kernel.shape[1]
    with threadpool_limits(1, user_api="blas"):
        return _left_out(copies, labels, weights, folds, classes, head.strength)


def _left_out(
    copies: Sequence[Features],
    labels: npt.NDArray[np.int64],
    weights: npt.NDArray[np.float32] | None,
    folds: Sequence[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]],
    classes: int,
    strength: float,
) -> npt.NDArray[np.float32]:
    """Return the probabilities of each photo by a classifier that did not learn from its fold."""
    scores = np.zeros((len(labels), classes), np.float32)
    for learnt, left in folds:
        kernel, bias = fit_logistic(copies, labels, weights, learnt, classes, strength)
        scores[left] = _softmax(copies[0][left] @ kernel + bias)
    return scores


def standardized(
    features: Sequence[Features], widths: Sequence[int]
) -> tuple[list[Features], npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return copies of photos' features as a classifier learns from them.

    Args:
        features: Of the photos, shape (n, features); then of further copies of them.
        widths: Lengths of their parts.

    Returns:
        The copies; and what was subtracted from each feature, and what it was then multiplied by.
    """
    centre, scale = _standard(features[0], widths)
    return [((one - centre) * scale).astype(np.float32) for one in features], centre, scale


def _standard(
    features: Features, widths: Sequence[int]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return what is subtracted from features, and what they are then multiplied by.

    Each part has one factor, so that its features keep their proportions; the parts count alike,
    however many features each has.
    """
    centre = features.mean(axis=0, dtype=np.float64)
    deviation = features.std(axis=0, dtype=np.float64)
    scale = np.empty_like(centre)
    first = 0
    for width in widths:
        part = slice(first, first + width)
        scale[part] = np.sqrt(_WIDTH / width) / max(float(deviation[part].mean()), 1e-6)
        first += width
    return centre, scale


def folds_of(
    labels: npt.NDArray[np.int64], groups: npt.NDArray[np.int64] | None, seed: int
) -> list[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]]:
    """Return the photos learnt from and left out in each fold; empty where there are too few."""
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    present = np.bincount(labels)
    present = present[present > 0]
    units = present
    if groups is not None:
        units = np.array([len(np.unique(groups[labels == one])) for one in np.unique(labels)])
    count = int(min(_FOLDS, units.min()))
    if count < 2 or len(present) < 2:
        return []
    nothing = np.zeros(len(labels))
    with warnings.catch_warnings():
        # Groups of several classes make unequal folds, which is all the warning says.
        warnings.simplefilter("ignore", UserWarning)
        if groups is None:
            splitter: Any = StratifiedKFold(count, shuffle=True, random_state=seed)
            found = list(splitter.split(nothing, labels))
        else:
            splitter = StratifiedGroupKFold(count, shuffle=True, random_state=seed)
            found = list(splitter.split(nothing, labels, groups))
    return [(learnt, left) for learnt, left in found if len(np.unique(labels[learnt])) > 1]


def fit_logistic(
    copies: Sequence[Features],
    labels: npt.NDArray[np.int64],
    weights: npt.NDArray[np.float32] | None,
    chosen: npt.NDArray[np.int64],
    classes: int,
    strength: float,
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return kernel (features, classes) and bias (classes,) for standardized features."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=strength, max_iter=_ITERATIONS, tol=_TOLERANCE)
    many = len(copies)
    with warnings.catch_warnings():
        # Stopped early, it is a classifier all the same; cross-validation says how good.
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(
            np.concatenate([one[chosen] for one in copies]),
            np.tile(labels[chosen], many),
            sample_weight=None if weights is None else np.tile(weights[chosen], many),
        )
    kernel = np.zeros((copies[0].shape[1], classes))
    bias = np.full(classes, _NEVER)
    coefficients, intercepts = model.coef_.T, model.intercept_
    if len(model.classes_) == 2:
        # Of two classes scikit-learn keeps the difference of the logits.
        coefficients = np.concatenate([-coefficients / 2, coefficients / 2], axis=1)
        intercepts = np.concatenate([-intercepts / 2, intercepts / 2])
    kernel[:, model.classes_] = coefficients
    bias[model.classes_] = intercepts
    return kernel, bias


def _softmax(logits: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities: npt.NDArray[np.float32] = (shifted / shifted.sum(axis=1, keepdims=True)).astype(
        np.float32
    )
    return probabilities

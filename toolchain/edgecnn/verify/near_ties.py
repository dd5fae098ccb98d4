"""Near-ties: the answers that the float model itself hardly holds, told from its clear ones.

A model that is right on 80 % of images is undecided between two classes on many of them. A
conversion that rounds changes some of those answers, to right and to wrong alike, and nothing is
lost. How firmly an answer is held is measured on the float model alone: every value of every image
is moved by one grey level, up or down by chance, which is less than any camera's noise. The margin
of an answer is the logarithm of the odds of its class against the second one, and what the noise
moves it by has the same unit. An answer is clear if its margin is more than twice what the noise
moves margins by, by the median. Probabilities would not do in place of their logarithms: near 1,
they hardly show what moved.

The margin is fixed before any converted file is run, so that no file has a say in what it is
judged on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt

from edgecnn.report.text import percent_text

TIMES_THE_MOVE: Final = 2.0
"""How many times what the noise moves a margin by, by the median, a clear answer's margin is more
than. Measured, int8 against the float model, all answers and clear ones, per cent changed:

| model | right | noise alone | clear | int8, all | int8, clear |
| --- | ---: | ---: | ---: | ---: | ---: |
| wren, CIFAR-10 | 91.8 | 1.0 | 96.3 | 1.2 | 0.03 |
| resnet8, CIFAR-10 | 90.1 | 1.1 | 96.0 | 1.2 | 0.26 |
| seed_cnn, CIFAR-10 | 88.5 | 0.6 | 97.4 | 0.8 | 0.03 |
| EfficientNet-Lite0 with a linear head, photographs of 5 classes | 76.8 | 3.8 | 88.6 | 2.6 | 0.19 |
| tiny_cnn, digits | 98.0 | 0.2 | 99.8 | 0.2 | 0.17 |

Once the move leaves two to ten times as many changed; three times leaves 83 % of the answers of
the fourth model. The 95th percentile of the moves leaves 79 % of them, which is too few."""
LEAST_CLEAR: Final = 0.8
"""The least share of the answers that has to be clear: a verdict on fewer is on another model."""
STATED: Final = "the limits ask for all answers"
NOT_ASKED: Final = (
    "the reference does not say what the float model answers under noise; an earlier version of "
    "edgecnn made it"
)
SMALLEST_SCORE: Final = 1e-30
"""Probabilities below it count as this much: runtimes round them to zero at different places."""

AgreementRule = Literal["clear", "all"]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class NearTies:
    """How firmly the float model holds its answers, and what agreement is judged on.

    Attributes:
        images: Evaluation images.
        rule: What agreement is judged on: ``clear`` answers, or ``all`` of them.
        reason: Why it is that.
        noise_changed: Answers of the float model itself that one grey level of noise changes; None
            where it was not asked.
        margin: What the margin of a clear answer is above, a natural logarithm of odds; None where
            the float model was not asked.
        clear: Answers that are clear; None where the float model was not asked.
    """

    images: int
    rule: AgreementRule
    reason: str
    noise_changed: int | None = None
    margin: float | None = None
    clear: int | None = None


def log_scores(scores: npt.NDArray[Any]) -> Floats:
    """Return the natural logarithms of probabilities, of at least ``SMALLEST_SCORE`` each.

    Args:
        scores: Probabilities, shape (n, classes).

    Returns:
        Same shape.
    """
    return np.asarray(np.log(np.maximum(scores.astype(np.float64), SMALLEST_SCORE)))


def margins(scores: npt.NDArray[Any]) -> Floats:
    """Return by how much each answer leads, as the logarithm of the odds against the second class.

    Args:
        scores: Probabilities, shape (n, classes), at least two classes.

    Returns:
        Shape (n,), 0 and more; 0 for a tie.
    """
    ordered = np.sort(log_scores(scores), axis=1)
    return np.asarray(ordered[:, -1] - ordered[:, -2])


def find_near_ties(
    scores: npt.NDArray[Any],
    noise_scores: npt.NDArray[Any] | None,
    rule: AgreementRule,
    *,
    others: npt.NDArray[Any] | None = None,
) -> NearTies:
    """Measure how firmly the float model holds its answers.

    Args:
        scores: Its probabilities, shape (n, classes), n at least 1.
        noise_scores: Its probabilities for the same images with one grey level of noise, same
            shape; None where it was not asked.
        rule: What the limits ask for.
        others: Its probabilities for pictures without labels, shape (m, classes); None for none.

    Returns:
        What agreement is judged on: all answers where the limits say so, where the float model
        was not asked, or where fewer than ``LEAST_CLEAR`` of those to either kind of image are
        clear.
    """
    images = len(scores)
    if noise_scores is None:
        reason = STATED if rule == "all" else NOT_ASKED
        return NearTies(images=images, rule="all", reason=reason)
    changed = int(np.count_nonzero(scores.argmax(axis=1) != noise_scores.argmax(axis=1)))
    margin = float(TIMES_THE_MOVE * np.median(margin_moves(scores, noise_scores)))
    clear = int(np.count_nonzero(margins(scores) > margin))
    parts = {"the evaluation images": clear / images}
    if others is not None and len(others):
        parts["the unlabelled pictures"] = float(np.mean(margins(others) > margin))
    reason = STATED if rule == "all" else "the limits do not ask for all answers"
    for what, share in parts.items():
        if rule == "clear" and share < LEAST_CLEAR:
            rule = "all"
            reason = (
                f"only {percent_text(share, 1)} of the float model's answers to {what} are clear, "
                f"and {percent_text(LEAST_CLEAR, 0)} are wanted"
            )
    return NearTies(
        images=images,
        rule=rule,
        reason=reason,
        noise_changed=changed,
        margin=margin,
        clear=clear,
    )


def clear_answers(scores: npt.NDArray[Any], found: NearTies) -> npt.NDArray[np.bool_]:
    """Return which answers agreement is judged on, shape (n,).

    Args:
        scores: The float model's probabilities, shape (n, classes).
        found: What was found of it.
    """
    if found.rule == "all" or found.margin is None:
        return np.ones(len(scores), dtype=bool)
    return np.asarray(margins(scores) > found.margin)


def margin_moves(scores: npt.NDArray[Any], others: npt.NDArray[Any]) -> Floats:
    """Return by how much each margin differs in other scores, between the two classes that led.

    Args:
        scores: Probabilities, shape (n, classes), at least two classes.
        others: Same shape.

    Returns:
        Shape (n,), 0 and more.
    """
    before, after = log_scores(scores), log_scores(others)
    order = np.argsort(before, axis=1)
    rows = np.arange(len(scores))
    first, second = order[:, -1], order[:, -2]
    return np.asarray(
        np.abs(
            (after[rows, first] - after[rows, second])
            - (before[rows, first] - before[rows, second])
        )
    )

"""Equality: a file that computes what its float model computes, but for the rounding of floats.

A count of answers needs hundreds of images to show that few change. That no answer can change
needs few, where the scores themselves are the same. A file is equal to its float model if

1. it computes in floating point throughout, as its own graph says. Integer files are left out by
   that rule, whatever their scores are: they round to a grid whose ends a picture that nobody has
   seen yet may leave, and small scores are all zero on it.
2. The logarithms of no two probabilities differ by more than ``TOLERANCE``, on any evaluation
   image and class. Logarithms, since the probabilities of a model that is sure of itself are 1 and
   0 to all digits whatever a file does; so more than half of the images have to show a second
   class at all.
3. The same holds on generated pictures, which make other parts of the network work than a few
   photographs of one kind do: what is wrong in a part that those leave idle shows there.
4. The smallest margin of the evaluated answers, the logarithm of the odds of the best class against
   the second, is ``SAFETY`` times the largest amount that the file moves any of them by. A tie has
   no margin.

If margins near zero are as frequent as those just above them, the share of pictures whose answer
turns is at most the share with a margin below the smallest seen (3.7/n, exact, at 97.5 %) divided
by ``SAFETY``. Float32 files, whose differences are some hundred-thousandths, are a thousand times
below that. Of float16 files, drawn from the test images of CIFAR-10 and photographs of five
classes, 46 to 91 % are equal on 24 images and 0 to 54 % on 120: the smallest margin shrinks with
the number of images, and counts take over.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from edgecnn.report.text import number_text, percent_text
from edgecnn.verify.evaluation import Evaluation
from edgecnn.verify.gate.judgement import Equality
from edgecnn.verify.near_ties import SMALLEST_SCORE, log_scores, margin_moves, margins

TOLERANCE: Final = 0.1
"""Largest difference of two probabilities' logarithms: one is a tenth larger than the other. Files
with weights of 16 bits stay below 0.09, those with weights of 8 bits are mostly far above 0.2."""
SAFETY: Final = 4.0
"""How many times the largest move of a margin the smallest margin has to be."""
LEAST_TELLING: Final = 0.5
"""More than this share of the images has to have a second class with a score that is not zero."""
FLOATS: Final = ("fp32", "fp16")
"""Precisions that can be equal, as ``edgecnn.modelfile.precision`` names them."""

Score = Callable[[npt.NDArray[np.uint8]], npt.NDArray[np.float32]]


def find_equality(
    scores: npt.NDArray[Any], evaluation: Evaluation, score: Score, precision: str
) -> Equality:
    """Compare a file's scores with its float model's.

    Args:
        scores: The file's probabilities of the evaluation images, shape (n, classes).
        evaluation: The images, the float model's scores on them, and the generated pictures.
        score: Runs the file; it is asked about generated pictures only where all else is equal.
        precision: What the file computes in, by its own graph.

    Returns:
        Whether they are equal, and why.

    Raises:
        EdgeError: What ``score`` raises.
    """
    images = len(scores)
    if precision not in FLOATS:
        return Equality(
            holds=False, reason=f"it computes in {precision}, and only floats can be equal"
        )
    if evaluation.probes is None:
        return Equality(
            holds=False,
            reason="the reference has no scores of generated pictures; an earlier edgecnn made it, "
            "or another version of numpy makes other pictures",
        )
    difference = largest_difference(evaluation.scores, scores)
    margin = float(margins(evaluation.scores).min())
    move = float(margin_moves(evaluation.scores, scores).max())

    def found(reason: str, *, holds: bool = False, probes: int = 0) -> Equality:
        return Equality(
            holds=holds,
            reason=reason,
            images=images,
            probes=probes,
            difference=difference,
            margin=margin,
            move=move,
        )

    telling = float(np.mean(np.sort(evaluation.scores, axis=1)[:, -2] > SMALLEST_SCORE))
    if telling <= LEAST_TELLING:
        return found(
            f"the float model gives a second class a score on {percent_text(telling, 0)} of the "
            "images only, so that its scores tell too little"
        )
    if difference > TOLERANCE:
        return found(_too_far("evaluation images", difference))
    if margin <= 0 or margin < SAFETY * move:
        return found(
            f"the smallest margin of the float model's answers, {number_text(margin, 4)}, is less "
            f"than {number_text(SAFETY, 0)} times the most that it moves one by, "
            f"{number_text(move, 4)}"
        )
    probes = evaluation.probes
    elsewhere = largest_difference(probes.scores, score(probes.pixels))
    count = len(probes.pixels)
    if elsewhere > TOLERANCE:
        return found(_too_far("generated pictures", elsewhere), probes=count)
    difference = max(difference, elsewhere)
    return found(
        f"no score differs by more than {_factor(difference)} on {images:,} evaluation images and "
        f"{count} generated pictures, and no answer's margin comes near the most that one moves",
        holds=True,
        probes=count,
    )


def largest_difference(reference: npt.NDArray[Any], scores: npt.NDArray[Any]) -> float:
    """Return the largest difference of the logarithms of two models' probabilities.

    Args:
        reference: Shape (n, classes), n at least 1.
        scores: Same shape.
    """
    return float(np.abs(log_scores(scores) - log_scores(reference)).max())


def _too_far(what: str, difference: float) -> str:
    return f"a score differs by {_factor(difference)} on the {what}, more than {_factor(TOLERANCE)}"


def _factor(difference: float) -> str:
    """Return a difference of logarithms as a part of the score itself, at least 0.01 %."""
    share = float(np.expm1(min(difference, 1.0)))
    return "more than itself" if share > 1 else percent_text(max(share, 1e-4))

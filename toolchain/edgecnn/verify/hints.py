"""Does another way to read a model's answers explain them far better? Pure numbers.

A file made elsewhere may be fed another range or another order of colours than it was trained
with, or its outputs may be numbered otherwise than the labels say. Each leaves a mark: answers that
are mostly wrong as they are read, and mostly right as they are read otherwise. Nothing here changes
a verdict.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from edgecnn.usefulness import against_guessing
from edgecnn.verify.statistics import mcnemar_p

__all__ = ["Reordered", "fits_far_better", "is_guessing", "main_answer", "reordered"]

Decisions = npt.NDArray[np.int64]
Hits = npt.NDArray[np.bool_]

_ALPHA: Final = 0.001
"""McNemar's exact p below which a better fit is no chance: some ten alternatives are tried."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Reordered:
    """The order of outputs that fits best.

    Attributes:
        hits: Which answers are as expected if the outputs are reordered so; each is judged with an
            order that was found without it, so that chance does not look like a fit.
        class_of: The class that each output stands for, shape (classes,), from all answers.
    """

    hits: Hits
    class_of: Decisions

    def moved(self) -> list[tuple[int, int]]:
        """Return output and class where they differ."""
        return [(out, int(one)) for out, one in enumerate(self.class_of) if out != one]


def fits_far_better(before: Hits, after: Hits) -> bool:
    """Tell whether an alternative leaves at most half of the misses, and not by chance.

    Args:
        before: Which answers are as expected as they are, shape (n,).
        after: The same under the alternative, for the same images.
    """
    lost = int(np.count_nonzero(before & ~after))
    gained = int(np.count_nonzero(~before & after))
    misses = int(np.count_nonzero(~before))
    halved = 2 * int(np.count_nonzero(~after)) <= misses
    return halved and gained > lost and mcnemar_p(lost, gained) < _ALPHA


def reordered(decisions: Decisions, expected: Decisions, classes: int) -> Reordered:
    """Find the order of outputs that makes answers fit best.

    The assignment with the most matches, by the Hungarian method (H. W. Kuhn 1955, The Hungarian
    method for the assignment problem, Naval Research Logistics Quarterly 2, 83-97, as scipy has
    it); outputs that the answers say nothing of keep their class where they can.

    Args:
        decisions: Output with the highest score of each image, shape (n,).
        expected: Class that it should stand for, shape (n,).
        classes: Number of outputs, and of classes.
    """
    # Images often come sorted by class, so every second one is a fair half.
    halves = np.arange(len(decisions)) % 2
    hits = np.zeros(len(decisions), np.bool_)
    for half in (0, 1):
        fitted = _best_order(decisions[halves != half], expected[halves != half], classes)
        judged = halves == half
        hits[judged] = fitted[decisions[judged]] == expected[judged]
    return Reordered(hits=hits, class_of=_best_order(decisions, expected, classes))


def _best_order(decisions: Decisions, expected: Decisions, classes: int) -> Decisions:
    from scipy.optimize import linear_sum_assignment

    matches = np.zeros((classes, classes))
    np.add.at(matches, (decisions, expected), 1)
    # Less than any match: it only decides between orders that fit alike.
    _, class_of = linear_sum_assignment(matches + np.eye(classes) / (2 * classes), maximize=True)
    return np.asarray(class_of, np.int64)


def is_guessing(decisions: Decisions, labels: Decisions) -> bool:
    """Tell whether answers are no better than guessing, by the rule that ends a build.

    See ``edgecnn.usefulness``. Too few images to tell are no sign of it.

    Args:
        decisions: The class answered, shape (n,).
        labels: The true class, shape (n,).
    """
    names = [str(index) for index in range(int(labels.max()) + 1)]
    return against_guessing(decisions, labels, names).outcome == "guessing"


def main_answer(decisions: Decisions) -> tuple[int, float]:
    """Return the most frequent answer and its share of all, 0..1."""
    counts = np.bincount(decisions)
    return int(counts.argmax()), float(counts.max() / len(decisions))

"""Tells whether another way to feed or to read a model fits better than by chance. Pure numbers.

A model made elsewhere may be fed another range, other colours or other pixels than it was trained
with, or its outputs may be numbered otherwise than the labels say. Each leaves a mark: answers that
are wrong as they are read, and right as they are read otherwise. Nothing here changes a verdict.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from edgecnn.build.usefulness import against_guessing
from edgecnn.verify.statistics.intervals import holm, mcnemar_p

Decisions = npt.NDArray[np.int64]
Hits = npt.NDArray[np.bool_]

LEVEL: Final = 0.01
"""How likely any of all tries together may seem better by chance alone."""
_ALPHA: Final = 0.001
"""McNemar's exact p below which a better fit is no chance, where one alternative is looked at."""


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


def changed(before: Hits, after: Hits) -> tuple[int, int]:
    """Return how many answers are as expected only before, and only after, shape (n,) both."""
    return int(np.count_nonzero(before & ~after)), int(np.count_nonzero(~before & after))


def surely_better(pairs: Sequence[tuple[int, int]]) -> list[bool]:
    """Tell which of several tries are right on more images, and not by chance.

    McNemar's exact test, two-sided as everywhere here, so that a try has to be the more certain;
    Holm's correction over all of the tries, at ``LEVEL``. Tries that are right on fewer count as
    such without evidence: that many are worse makes none of the others better.

    Args:
        pairs: For each try, on how many images it alone is wrong, and on how many it alone is
            right.
    """
    values = [mcnemar_p(lost, gained) if gained > lost else 1.0 for lost, gained in pairs]
    return list(holm(values, LEVEL).rejected)


def can_be_sure(misses: int, tries: int) -> bool:
    """Tell whether a try that mends every miss would be sure to be better among so many tries."""
    return mcnemar_p(0, misses) <= LEVEL / max(tries, 1)


def fits_far_better(before: Hits, after: Hits) -> bool:
    """Tell whether an alternative leaves at most half of the misses, and not by chance.

    Args:
        before: Which answers are as expected as they are, shape (n,).
        after: The same under the alternative, for the same images.
    """
    lost, gained = changed(before, after)
    return halves(before, after) and gained > lost and mcnemar_p(lost, gained) < _ALPHA


def halves(before: Hits, after: Hits) -> bool:
    """Tell whether an alternative leaves at most half of the misses."""
    return 2 * int(np.count_nonzero(~after)) <= int(np.count_nonzero(~before))


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

    Too few images to tell are no sign of it.

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

"""A confusion matrix as a page draws it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One cell of a confusion matrix.

    Attributes:
        count: Images.
        shade: How dark it is, 0..1.
        right: Whether it is on the diagonal.
    """

    count: int
    shade: float
    right: bool


def confusion_grid(confusion: Sequence[tuple[int, int, int]], classes: int) -> list[list[Cell]]:
    """Return a confusion matrix as rows of cells, shaded by the share of their row.

    Args:
        confusion: Non-zero cells: true class, answer, images.
        classes: Number of classes.

    Returns:
        One row per true class, one cell per decision. Mistakes are shaded by the root of their
        share: the differences that matter are among small ones.
    """
    counts = {(true, decided): count for true, decided, count in confusion}
    totals = [0] * classes
    for true, _, count in confusion:
        totals[true] += count
    return [
        [
            _cell(counts.get((true, decided), 0), totals[true], right=true == decided)
            for decided in range(classes)
        ]
        for true in range(classes)
    ]


def most_confused(confusion: Sequence[tuple[int, int, int]]) -> list[tuple[int, int, int]]:
    """Return the kinds of mistake, the most frequent first, for what has too many classes to draw.

    Args:
        confusion: Non-zero cells: true class, answer, images.

    Returns:
        Those of them off the diagonal.
    """
    wrong = (cell for cell in confusion if cell[0] != cell[1])
    return sorted(wrong, key=lambda cell: (-cell[2], cell[0], cell[1]))


def _cell(count: int, total: int, *, right: bool) -> Cell:
    share = count / total if total else 0.0
    return Cell(count=count, shade=round(share if right else share**0.5, 3), right=right)

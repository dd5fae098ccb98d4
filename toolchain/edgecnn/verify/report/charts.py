"""Geometry of the report's drawings: where things stand, in percent of a drawing's width.

The template draws them as inline SVG with percent coordinates, so they fit any screen without
scripts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from edgecnn.report import Scale
from edgecnn.verify.gate.judgement import Criterion, CriterionName
from edgecnn.verify.metrics import Confusion
from edgecnn.verify.results import ArtifactRow

# Room beyond the limit always, but no further than this many limits: one artifact that fails
# badly must not squeeze all others into a corner.
_ROOM: Final = 1.6
_FURTHEST: Final = 4.0


@dataclass(frozen=True, kw_only=True)
class IntervalChart:
    """An interval against its limit; positions in percent of the width.

    Attributes:
        low: Left end of the interval.
        high: Right end.
        estimate: The observed value.
        limit: The limit.
        zone_low: Left end of what is allowed.
        zone_high: Right end.
        zero: The value 0.
        off_low: Whether the interval goes on beyond the left end of the axis.
        off_high: Whether it goes on beyond the right end.
        on_axis: Whether the observed value is on the axis.
    """

    low: float
    high: float
    estimate: float
    limit: float
    zone_low: float
    zone_high: float
    zero: float
    off_low: bool
    off_high: bool
    on_axis: bool


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


def common_scale(rows: Sequence[ArtifactRow], name: CriterionName) -> Scale:
    """Return one axis for a criterion of all artifacts, so that their drawings compare."""
    judgements = [row.judgement for row in rows if row.judgement is not None]
    criteria = [one for found in judgements for one in found.criteria if one.name == name]
    limit = criteria[0].limit
    if name == "accuracy":
        low = min(one.low for one in criteria)
        # As much room on both sides of the limit as the furthest interval needs, and some.
        room = min(max([*(abs(one.high - limit) for one in criteria), limit - low, 0.02]), 1.0)
        return Scale(low=limit - 1.1 * room, high=limit + 1.1 * room)
    low = max(min([0.0, *(one.low for one in criteria)]), -_ROOM * limit)
    high = min(max([_ROOM * limit, *(one.high for one in criteria)]), _FURTHEST * limit)
    # A little room, so that marks at the ends are whole.
    margin = (high - low) * 0.03
    return Scale(low=low - margin, high=high + margin)


def interval_chart(criterion: Criterion, scale: Scale) -> IntervalChart:
    """Place a criterion on an axis."""
    return IntervalChart(
        low=scale.place(criterion.low),
        high=scale.place(criterion.high),
        estimate=scale.place(criterion.estimate),
        limit=scale.place(criterion.limit),
        zone_low=scale.place(criterion.limit) if criterion.name == "accuracy" else 0.0,
        zone_high=100.0 if criterion.name == "accuracy" else scale.place(criterion.limit),
        zero=scale.place(0.0),
        off_low=criterion.low < scale.low,
        off_high=criterion.high > scale.high,
        on_axis=scale.low <= criterion.estimate <= scale.high,
    )


def confusion_grid(confusion: Confusion, classes: int) -> list[list[Cell]]:
    """Return a confusion matrix as rows of cells, shaded by the share of their row.

    Args:
        confusion: Non-zero cells.
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


def _cell(count: int, total: int, *, right: bool) -> Cell:
    share = count / total if total else 0.0
    return Cell(count=count, shade=round(share if right else share**0.5, 3), right=right)

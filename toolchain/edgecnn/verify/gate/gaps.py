"""Judges whether a conversion widens the gap between two groups.

The gap between two groups is the difference of their accuracies. What a conversion changes of it
is the difference of the two groups' drops: paired within each group, independent between them. Its
interval comes from theirs by the method of variance estimates recovery: G. Y. Zou, A. Donner
(2008), Construction of confidence limits about effect measures: a general approach, Statistics in
Medicine 27, 1693-1702, with Tango's intervals for each drop.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Final

from edgecnn.build.shares import Interval
from edgecnn.verify.gate.judgement import Criterion, GapChange, Outcome, Paired
from edgecnn.verify.groups import Group, GroupColumn
from edgecnn.verify.statistics.intervals import holm, tango_interval

_HALVINGS: Final = 40


def drop_difference(behind: Paired, ahead: Paired, level: float) -> Interval:
    """Return an interval for how much more ``behind`` loses than ``ahead``.

    Args:
        behind: Pairs of one group.
        ahead: Pairs of another one, with no image of the first.
        level: Confidence, in (0, 1).

    Returns:
        Bounds in -2..2.
    """
    more, less = behind.drop, ahead.drop
    first = tango_interval(behind.lost, behind.gained, behind.images, level)
    second = tango_interval(ahead.lost, ahead.gained, ahead.images, level)
    estimate = more - less
    return Interval(
        low=estimate - math.hypot(more - first.low, second.high - less),
        high=estimate + math.hypot(first.high - more, less - second.low),
        level=level,
    )


def _increase(before: float, change: float) -> float:
    """Return how much wider a gap of ``before`` is once it has changed by ``change``."""
    return abs(before + change) - before


def _interval(behind: Group, ahead: Group, before: float, level: float) -> Interval:
    """Return an interval for the increase, given how far ``ahead`` was before.

    The increase falls and then rises with the change, at its lowest where the gap closes.
    """
    change = drop_difference(behind.paired, ahead.paired, level)
    ends = _increase(before, change.low), _increase(before, change.high)
    closes = change.low <= -before <= change.high
    return Interval(low=-before if closes else min(ends), high=max(ends), level=level)


def _p(behind: Group, ahead: Group, before: float, limit: float) -> float:
    """Return the one-sided p at which the interval's lower bound reaches the limit."""
    low, high = 0.0, 0.5  # half of what the level leaves
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        beyond = _interval(behind, ahead, before, 1 - 2 * middle).low > limit
        low, high = (low, middle) if beyond else (middle, high)
    return high


def gap_changes(
    columns: Sequence[GroupColumn], limit: float, *, alpha: float
) -> tuple[GapChange, ...]:
    """Judge every pair of groups in every column.

    A pair is met if its interval at 1 - 2 ``alpha`` is within the limit, and missed if Holm's
    procedure over all pairs says so at ``alpha``; else it is undecided.

    Args:
        columns: With at least two groups each.
        limit: The largest increase allowed, a share.
        alpha: One-sided error.
    """
    pairs = [
        (column.name, *_ordered(one, other))
        for column in columns
        for one, other in itertools.combinations(column.groups, 2)
    ]
    p_values = [_p(behind, ahead, before, limit) for _, ahead, behind, before in pairs]
    steps = holm(p_values, alpha)
    changes = []
    for (column, ahead, behind, before), p, rejected, own in zip(
        pairs, p_values, steps.rejected, steps.alphas, strict=True
    ):
        wide = _interval(behind, ahead, before, 1 - 2 * own)
        # All pairs have to be met, each at its own level: none needs a correction for that (see
        # gate, Berger 1982).
        alone = _interval(behind, ahead, before, 1 - 2 * alpha)
        met = alone.high <= limit
        shown = wide if rejected else alone
        after = _accuracy(ahead) - _accuracy(behind)
        changes.append(
            GapChange(
                column=column,
                ahead=ahead.name,
                behind=behind.name,
                before=before,
                after=after,
                increase=abs(after) - before,
                low=shown.low,
                high=shown.high,
                level=shown.level,
                p=p,
                outcome="missed" if rejected else "met" if met else "undecided",
            )
        )
    return tuple(changes)


def _ordered(one: Group, other: Group) -> tuple[Group, Group, float]:
    """Return the group ahead before the conversion, the other one, and by how much."""
    lead = one.reference_right / one.paired.images - other.reference_right / other.paired.images
    return (one, other, lead) if lead >= 0 else (other, one, -lead)


def _accuracy(group: Group) -> float:
    return group.right / group.paired.images


def judge_gaps(changes: Sequence[GapChange], limit: float) -> Criterion:
    """Return the criterion that a set of pairs amounts to: that of its gravest pair.

    Args:
        changes: At least one.
        limit: As in ``gap_changes``.
    """
    order: tuple[Outcome, ...] = ("missed", "undecided", "met")
    worst = min(changes, key=lambda one: (order.index(one.outcome), -one.increase))
    return Criterion(
        name="gap_increase",
        outcome=worst.outcome,
        estimate=worst.increase,
        low=worst.low,
        high=worst.high,
        level=worst.level,
        limit=limit,
        method="Variance estimates recovered from Tango's intervals (Zou and Donner 2008); a miss "
        "by Holm's procedure over all pairs of groups",
        exact_p=None,
        about=f"{worst.column}: {worst.behind} against {worst.ahead}",
    )

"""Judges whether an artifact is within its limit under every corruption.

Each condition compares the artifact with the float model on the same corrupted images, as the
accuracy drop on clean ones: Tango's interval, confirmed by the exact unconditional test.

Error rates. PASS needs every condition to be met, each at 2.5 %: if the artifact is at or beyond
the limit under any one of them, that one is met in at most 2.5 % of samples, and so are all
together, without a correction (intersection-union: R. L. Berger (1982), Multiparameter hypothesis
testing and acceptance sampling, Technometrics 24, 295-300). A miss is one out of many looks, so it
is by Holm's procedure over all conditions: an artifact within the limit under all of them is
missed in at most 2.5 % of samples, although all conditions share their images.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from fractions import Fraction

from edgecnn.verify.corruptions.conditions import Condition, CorruptionResults
from edgecnn.verify.gate.criteria import ALPHA, LEVEL
from edgecnn.verify.gate.judgement import Criterion, Paired
from edgecnn.verify.statistics.exact import beyond_p, exact_drop_p
from edgecnn.verify.statistics.intervals import holm, tango_interval
from edgecnn.verify.statistics.needed import (
    MOST_IMAGES,
    Needed,
    Numbers,
    cannot_be_said,
    first_deciding,
    numbers_of_drop,
    scaled_pair,
)


def judge_conditions(conditions: Sequence[Condition], limit: float) -> tuple[Condition, ...]:
    """Judge every condition against a limit.

    Args:
        conditions: What was counted.
        limit: The largest drop allowed, a share.

    Returns:
        The same, each with its outcome and p; a missed one with its interval at its level in
        Holm's procedure.
    """
    pairs = [one.paired for one in conditions]
    p_values = [_beyond(one, limit) for one in pairs]
    steps = holm(p_values, ALPHA)
    judged = []
    for one, p, rejected, alpha in zip(
        conditions, p_values, steps.rejected, steps.alphas, strict=True
    ):
        level = 1 - 2 * alpha if rejected else LEVEL
        interval = tango_interval(one.paired.lost, one.paired.gained, one.paired.images, level)
        judged.append(
            dataclasses.replace(
                one,
                low=interval.low,
                high=interval.high,
                level=level,
                p=p,
                outcome="missed"
                if rejected
                else "met"
                if _is_met(one.paired, limit)
                else "undecided",
            )
        )
    return tuple(judged)


def corruption_criterion(corruptions: CorruptionResults, limit: float) -> Criterion:
    """Return the criterion that judged conditions amount to: that of the worst of them.

    Args:
        corruptions: Conditions as ``judge_conditions`` returns them.
        limit: As there.

    Raises:
        ValueError: If they were not judged.
    """
    worst = corruptions.worst
    if worst.outcome is None or worst.p is None:
        raise ValueError("the conditions were not judged")
    return Criterion(
        name="corruption_drop",
        outcome=worst.outcome,
        estimate=worst.paired.drop,
        low=worst.low,
        high=worst.high,
        level=worst.level,
        limit=limit,
        method="Tango score interval, confirmed by the exact unconditional test; a miss by Holm's "
        "procedure over all corruptions",
        exact_p=worst.p if worst.outcome == "missed" else None,
        about=worst.name,
    )


def needed_under_corruptions(
    clean: Needed | None, conditions: Sequence[Condition], limit: float
) -> Needed | None:
    """Say what would decide a verdict that is INCONCLUSIVE with its corruptions.

    Args:
        clean: What the criteria on clean images need; None if they are all met.
        conditions: As ``judge_conditions`` returns them, none missed.
        limit: As there.

    Returns:
        ``clean`` itself where its number decides alone: towards FAIL, or with all conditions met.
    """
    open_ones = [one.paired for one in conditions if one.outcome == "undecided"]
    if not open_ones or (clean is not None and clean.towards != "PASS"):
        return clean
    beyond = [one for one in open_ones if one.drop > limit]
    # The first condition beyond its limit to be decided is enough for FAIL; for PASS all must be.
    alpha = ALPHA / len(conditions) if beyond else ALPHA
    numbers = [(numbers_of_drop(one, limit, alpha, one.images), one) for one in beyond or open_ones]
    choose = min if beyond else max
    best, paired = choose(numbers, key=lambda found: found[0].best)
    number = best.best
    more = paired.images + 1
    if number < math.inf:

        def decided(images: int) -> bool:
            scaled = scaled_pair(paired, Fraction(images, paired.images), limit)
            return _beyond(scaled, limit) <= alpha if beyond else _is_met(scaled, limit)

        number = first_deciding(max(math.ceil(number), more), decided)
    if number > MOST_IMAGES:
        return Needed(
            images=None,
            towards=None,
            reason="more than a million images under each corruption would be needed: an observed "
            "drop is too close to its limit",
        )
    interval = Numbers(
        low=choose(one.low for one, _ in numbers),
        best=best.best,
        high=choose(one.high for one, _ in numbers),
    ).within(more, int(number))
    if (why := cannot_be_said(*interval, "images under each corruption")) is not None:
        return Needed(images=None, towards=None, reason=why, uncertain=True)
    alone = clean is None or bool(beyond)
    return Needed(
        images=None if clean is None or alone else clean.images,
        low=None if clean is None or alone else clean.low,
        high=None if clean is None or alone else clean.high,
        towards="FAIL" if beyond else "PASS",
        corruption_images=int(number),
    )


def _beyond(one: Paired, limit: float) -> float:
    return beyond_p(one.lost, one.gained, one.images, limit, alpha=ALPHA)


def _is_met(one: Paired, limit: float) -> bool:
    interval = tango_interval(one.lost, one.gained, one.images, LEVEL)
    return (
        interval.high <= limit
        and exact_drop_p(one.lost, one.gained, one.images, limit, "below") <= ALPHA
    )

"""The limit under corruptions: met, missed, undecided, and how often that is wrong."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy.stats import binom

from edgecnn.recipe.sections import Limits
from edgecnn.verify.corruptions.conditions import (
    Condition,
    CorruptionResults,
    StandIn,
    count_condition,
)
from edgecnn.verify.corruptions.gate import (
    corruption_criterion,
    judge_conditions,
    needed_under_corruptions,
)
from edgecnn.verify.corruptions.images import CONDITIONS
from edgecnn.verify.gate.criteria import ALPHA, judge, limit_of, with_criterion
from edgecnn.verify.gate.judgement import Criterion, Paired
from edgecnn.verify.statistics.intervals import tango_interval
from edgecnn.verify.statistics.needed import MOST_IMAGES, Needed
from verify.synthetic import counts

LIMIT = 0.03
N = 1000
STAND_IN = StandIn(
    variant="tflite-fp32",
    file="x-fp32.tflite",
    sha256="ab" * 32,
    runtime="r 1",
    images=N,
    disagreements=0,
    max_score_change=1e-6,
)


def condition(place: int, lost: int, gained: int, images: int = N) -> Condition:
    """Return a condition as it is counted."""
    kind, severity = CONDITIONS[place]
    interval = tango_interval(lost, gained, images, 0.95)
    return Condition(
        kind=kind,
        severity=severity,
        paired=Paired(images=images, lost=lost, gained=gained),
        reference_right=images * 7 // 10,
        disagreements=lost + gained,
        low=interval.low,
        high=interval.high,
        level=0.95,
    )


def all_but(place: int, lost: int, gained: int = 0, images: int = N) -> tuple[Condition, ...]:
    """Return all conditions, unharmed but for one."""
    return tuple(
        condition(index, *((lost, gained) if index == place else (2, 2)), images=images)
        for index in range(len(CONDITIONS))
    )


def criterion_of(conditions: tuple[Condition, ...], limit: float = LIMIT) -> Criterion:
    judged = judge_conditions(conditions, limit)
    return corruption_criterion(CorruptionResults(stand_in=STAND_IN, conditions=judged), limit)


def test_counts_of_a_condition() -> None:
    labels = np.array([0, 1, 2, 0, 1])
    found = count_condition("blur", 2, labels, np.array([0, 1, 2, 1, 0]), np.array([0, 2, 2, 0, 2]))
    assert found.paired == Paired(images=5, lost=1, gained=1)
    assert (found.reference_right, found.right, found.disagreements) == (3, 3, 3)
    assert found.name == "blur, severity 2"
    shares = found.shares()
    assert shares["accuracy"]["share"] == shares["reference_accuracy"]["share"] == 0.6
    assert shares["agreement"]["share"] == pytest.approx(0.4)
    assert shares["agreement"]["low"] < 0.4 < shares["agreement"]["high"]
    assert found.outcome is None


def test_all_within_the_limit_is_met() -> None:
    one = criterion_of(all_but(5, 15, 5))
    assert (one.outcome, one.about) == ("met", "blur, severity 3")
    assert one.estimate == pytest.approx(0.01)
    assert one.high < LIMIT


def test_one_wholly_beyond_is_missed_however_well_the_others_do() -> None:
    one = criterion_of(all_but(17, 80, 5))
    assert (one.outcome, one.about) == ("missed", "low light, severity 3")
    assert one.level == pytest.approx(1 - 2 * ALPHA / 18)
    assert one.low > LIMIT
    assert one.exact_p is not None
    assert one.exact_p <= ALPHA / 18


def test_beyond_on_its_own_but_not_among_eighteen_is_undecided() -> None:
    alone = tango_interval(46, 2, N, 0.95)
    assert alone.low > LIMIT  # a single look would have missed it
    one = criterion_of(all_but(0, 46, 2))
    assert one.outcome == "undecided"


def test_one_that_spans_the_limit_leaves_all_undecided() -> None:
    one = criterion_of(all_but(9, 28, 4))
    assert (one.outcome, one.about) == ("undecided", "contrast, severity 1")


def test_a_missed_one_is_named_before_one_that_is_estimated_worse() -> None:
    few = dataclasses.replace(condition(0, 3, 0, images=40))
    conditions = (few, *all_but(17, 60, 0)[1:])
    assert few.paired.drop > conditions[17].paired.drop
    assert criterion_of(conditions).about == "low light, severity 3"


def test_it_joins_the_verdict() -> None:
    limits = Limits(max_corruption_drop=3)
    clean = judge(counts(2000, 2, 2), limits)
    assert clean.verdict == "PASS"
    verdicts = [
        with_criterion(clean, criterion_of(conditions)).verdict
        for conditions in (all_but(5, 15, 5), all_but(9, 28, 4), all_but(17, 80, 5))
    ]
    assert verdicts == ["PASS", "INCONCLUSIVE", "FAIL"]
    failed = judge(counts(2000, 200, 0), limits)
    assert with_criterion(failed, criterion_of(all_but(5, 15, 5))).verdict == "FAIL"


def test_without_a_limit_nothing_is_judged() -> None:
    with pytest.raises(ValueError, match="no limit"):
        limit_of(Limits(), "corruption_drop")
    with pytest.raises(ValueError, match="not judged"):
        corruption_criterion(CorruptionResults(stand_in=STAND_IN, conditions=all_but(0, 1)), LIMIT)


def test_a_condition_is_met_exactly_when_a_drop_on_clean_images_is() -> None:
    """Its error rate is that of the accuracy drop, which test_error_rates enumerates."""
    images, confirmed = 150, []
    for lost in range(8):
        for gained in range(8):
            one = condition(0, lost, gained, images=images)
            (judged,) = judge_conditions([one], LIMIT)
            clean = judge(counts(images, lost, gained), Limits(max_drop=3)).criteria[0]
            assert (judged.outcome == "met") == (clean.outcome == "met")
            assert (judged.outcome == "missed") == (clean.outcome == "missed")
            if one.high <= LIMIT:
                confirmed.append(clean.outcome == "met")
    # Not all that the interval alone would pass are passed.
    assert set(confirmed) == {True, False}


def decided_with(conditions: tuple[Condition, ...], needed: Needed) -> str:
    """Return the outcome of as many images as are said to be needed, at the same rates."""
    images = needed.corruption_images
    assert images is not None
    scaled = tuple(
        condition(
            index,
            round(one.paired.lost * images / one.paired.images),
            round(one.paired.gained * images / one.paired.images),
            images=images,
        )
        for index, one in enumerate(conditions)
    )
    return criterion_of(scaled).outcome


@pytest.mark.parametrize(
    ("lost", "gained", "towards", "outcome"), [(28, 8, "PASS", "met"), (50, 8, "FAIL", "missed")]
)
def test_the_number_that_is_needed_decides(
    lost: int, gained: int, towards: str, outcome: str
) -> None:
    conditions = all_but(9, lost, gained)
    needed = needed_under_corruptions(None, judge_conditions(conditions, LIMIT), LIMIT)
    assert needed is not None
    assert (needed.images, needed.towards, needed.reason) == (None, towards, "")
    assert needed.corruption_images is not None
    assert N < needed.corruption_images < MOST_IMAGES
    assert decided_with(conditions, needed) == outcome
    # Not far too many: two thirds of them would not do.
    fewer = dataclasses.replace(needed, corruption_images=needed.corruption_images * 2 // 3)
    assert decided_with(conditions, fewer) == "undecided"


def test_at_the_limit_no_number_decides() -> None:
    needed = needed_under_corruptions(None, judge_conditions(all_but(9, 35, 5), LIMIT), LIMIT)
    assert needed is not None
    assert (needed.images, needed.corruption_images, needed.towards) == (None, None, None)
    assert "too close to its limit" in needed.reason


def test_what_clean_images_need_is_kept_beside_it() -> None:
    met, open_ = (judge_conditions(all_but(9, *lost), LIMIT) for lost in ((4, 4), (28, 8)))
    beyond = judge_conditions(all_but(9, 50, 8), LIMIT)
    towards_pass = Needed(images=5000, towards="PASS")
    towards_fail = Needed(images=4000, towards="FAIL")
    assert needed_under_corruptions(towards_pass, met, LIMIT) is towards_pass
    assert needed_under_corruptions(towards_fail, open_, LIMIT) is towards_fail
    both = needed_under_corruptions(towards_pass, open_, LIMIT)
    assert both is not None
    assert both.images == 5000
    assert both.corruption_images is not None
    # One corruption beyond the limit is enough to fail, whatever clean images say.
    failing = needed_under_corruptions(towards_pass, beyond, LIMIT)
    assert failing is not None
    assert (failing.images, failing.towards) == (None, "FAIL")


def drawn(
    rng: np.random.Generator, rates: list[tuple[float, float]], images: int
) -> tuple[Condition, ...]:
    """Draw answers under every condition, given the shares that are lost and gained."""
    made = []
    for index, (lost, gained) in enumerate(rates):
        cells = rng.multinomial(images, [lost, gained, 1 - lost - gained])
        made.append(condition(index, int(cells[0]), int(cells[1]), images=images))
    return tuple(made)


@pytest.mark.slow
@pytest.mark.parametrize("images", [400, 1000])
@pytest.mark.parametrize("churn", [0.0, 0.01, 0.05])
def test_an_artifact_at_the_limit_under_one_corruption_passes_in_at_most_2_5_percent(
    images: int, churn: float
) -> None:
    rng = np.random.default_rng(round(images * (1 + churn)))
    rates = [(0.001, 0.001)] * 17 + [(LIMIT + churn, churn)]
    samples = 800
    met = sum(criterion_of(drawn(rng, rates, images)).outcome == "met" for _ in range(samples))
    # More than this happens by chance once in a thousand if the true rate is 2.5 %.
    assert met <= binom.ppf(0.999, samples, ALPHA)


@pytest.mark.slow
@pytest.mark.parametrize("churn", [0.0, 0.03])
def test_an_artifact_at_the_limit_under_all_of_them_fails_in_at_most_2_5_percent(
    churn: float,
) -> None:
    rng = np.random.default_rng(5)
    rates = [(LIMIT + churn, churn)] * 18
    samples = 400
    missed = sum(criterion_of(drawn(rng, rates, 400)).outcome == "missed" for _ in range(samples))
    assert missed <= binom.ppf(0.999, samples, ALPHA)


@pytest.mark.slow
def test_a_robust_artifact_passes_and_a_fragile_one_fails() -> None:
    """The error rates above mean nothing if the gate never decides."""
    rng = np.random.default_rng(6)
    robust = [(0.008, 0.006)] * 18
    fragile = [(0.008, 0.006)] * 17 + [(0.11, 0.02)]
    outcomes = [
        [criterion_of(drawn(rng, rates, N)).outcome for _ in range(30)]
        for rates in (robust, fragile)
    ]
    assert outcomes[0].count("met") >= 28
    assert outcomes[1].count("missed") >= 28

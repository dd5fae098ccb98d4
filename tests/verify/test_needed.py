from __future__ import annotations

from statistics import NormalDist

import numpy as np
import pytest
from scipy.stats import binom

from edgecnn.recipe.sections import Limits
from edgecnn.verify.gate.criteria import judge
from edgecnn.verify.gate.judgement import Counts, Paired
from edgecnn.verify.statistics.intervals import tango_score
from edgecnn.verify.statistics.needed import (
    MOST_IMAGES,
    Needed,
    images_needed,
    numbers_of_drop,
    numbers_of_share,
)
from verify.synthetic import counts

LIMITS = Limits(max_drop=1, min_agreement=95, max_class_drop=5)


def _needed(found: Counts, limits: Limits = LIMITS) -> Needed:
    judgement = judge(found, limits)
    assert judgement.verdict == "INCONCLUSIVE"
    return images_needed(found, limits, judgement)


def _times(found: Counts, factor: int) -> Counts:
    def scale(one: Paired) -> Paired:
        return Paired(
            images=one.images * factor, lost=one.lost * factor, gained=one.gained * factor
        )

    return Counts(
        overall=scale(found.overall),
        disagreements=found.disagreements * factor,
        right=found.right * factor,
        classes=tuple(scale(one) for one in found.classes),
    )


def test_identical_models_need_what_the_exact_test_needs() -> None:
    needed = _needed(counts(200, 0, 0))
    assert needed.towards == "PASS"
    assert needed.images is not None
    assert judge(counts(needed.images, 0, 0), LIMITS).verdict == "PASS"
    assert judge(counts(needed.images - 5, 0, 0), LIMITS).verdict == "INCONCLUSIVE"


@pytest.mark.parametrize(
    ("found", "towards"),
    [
        (counts(500, 3, 2), "PASS"),
        (counts(500, 10, 1), "FAIL"),
        (counts(500, 2, 2, 16), "PASS"),
        (counts(300, 0, 0, 21), "FAIL"),
        (counts(400, 5, 0, classes=10), "FAIL"),
    ],
)
def test_the_number_decides_and_one_well_below_does_not(found: Counts, towards: str) -> None:
    needed = _needed(found)
    assert needed.images is not None
    assert needed.towards == towards
    n = found.overall.images
    enough = -(-needed.images // n)
    assert judge(_times(found, enough), LIMITS).verdict == towards
    if enough > 2:
        assert judge(_times(found, enough // 2), LIMITS).verdict == "INCONCLUSIVE"


def test_for_pass_the_last_criterion_counts() -> None:
    slow_drop = counts(600, 2, 0, disagreements=2)
    both = counts(600, 2, 0, disagreements=22)
    assert (_needed(both).images or 0) > (_needed(slow_drop).images or 0)


def test_for_fail_the_first_criterion_counts() -> None:
    drop_only = counts(600, 10, 0, disagreements=10)
    both = counts(600, 10, 0, disagreements=40)
    assert _needed(both).towards == "FAIL"
    assert (_needed(both).images or 0) < (_needed(drop_only).images or 0)


LEAST = Limits(max_drop=100, min_agreement=0, max_class_drop=100, min_accuracy=80)


@pytest.mark.parametrize(("right", "towards"), [(86, "PASS"), (72, "FAIL")])
def test_a_least_accuracy_counts(right: int, towards: str) -> None:
    found = counts(100, 0, 0, right=right)
    needed = _needed(found, LEAST)
    assert needed.towards == towards
    assert needed.images is not None
    enough = needed.images
    scaled = counts(enough, 0, 0, right=round(right * enough / 100))
    assert judge(scaled, LEAST).verdict == towards
    half = counts(enough // 2, 0, 0, right=round(right * (enough // 2) / 100))
    assert judge(half, LEAST).verdict == "INCONCLUSIVE"


@pytest.mark.parametrize(
    ("found", "limits"),
    [
        (counts(10, 0, 0), LIMITS),  # nothing is known of 10 images
        (counts(500, 4, 2), LIMITS),  # 0.4 points, give or take 0.5, and a limit of 1
        (counts(500, 2, 2, 20), LIMITS),
        (counts(300, 0, 0, 18), LIMITS),
        (counts(400, 3, 0, classes=10), LIMITS),
        (counts(100, 0, 0, right=78), LEAST),
    ],
)
def test_no_number_is_given_that_may_be_wrong_by_a_factor_of_ten(
    found: Counts, limits: Limits
) -> None:
    needed = _needed(found, limits)
    assert needed.uncertain
    assert (needed.images, needed.towards, needed.low, needed.high) == (None, None, None, None)
    assert "too uncertain to say" in needed.reason


@pytest.mark.parametrize("images", [100, 200, 300])
def test_a_number_comes_with_its_interval(images: int) -> None:
    needed = _needed(counts(images, 0, 0))
    assert needed.images is not None
    assert needed.low is not None
    assert needed.high is not None
    assert images < needed.low <= needed.images <= needed.high <= 10 * needed.low


def test_more_images_make_the_interval_narrower() -> None:
    spans = []
    for images in (100, 200, 300):
        needed = _needed(counts(images, 0, 0))
        spans.append((needed.high or 0) / (needed.low or 1))
    assert spans == sorted(spans, reverse=True)


@pytest.mark.parametrize("truth", [0.01, 0.03, 0.04])
def test_the_interval_holds_the_right_number_in_about_half_of_samples(truth: float) -> None:
    # Exact: every count that 2,000 images can give, weighted by its probability.
    n, limit = 2000, 0.05
    z = NormalDist().inv_cdf(0.975)
    right = limit * (1 - limit) * (z / (truth - limit)) ** 2
    counted = np.arange(int(binom.ppf(1e-6, n, truth)), int(binom.ppf(1 - 1e-6, n, truth)))
    held = 0.0
    for count in counted:
        found = numbers_of_share(int(count), n, limit)
        held += binom.pmf(count, n, truth) * (found.low <= right <= found.high)
    assert 0.42 < held < 0.58


@pytest.mark.parametrize("gained", [0.0, 0.01])
def test_so_does_the_interval_of_a_drop(gained: float) -> None:
    rng = np.random.default_rng(3)
    n, limit, drop = 3000, 0.03, 0.01
    z = float(tango_score((gained + drop) * n, gained * n, n, limit))
    right = n * (NormalDist().inv_cdf(0.975) / z) ** 2
    drawn = rng.multinomial(n, [gained + drop, gained, 1 - 2 * gained - drop], size=400)
    held = 0
    for lost, won, _ in drawn.tolist():
        found = numbers_of_drop(Paired(images=n, lost=lost, gained=won), limit, 0.025, n)
        held += found.low <= right <= found.high
    # What chance alone leaves in one of a thousand such tests, around one half; the number also
    # depends on how many answers differ at all, which the interval takes as it is.
    assert 0.38 < held / 400 < 0.6


@pytest.mark.parametrize("found", [counts(500, 5, 0), counts(100, 0, 0, 5)])
def test_no_number_decides_at_the_limit(found: Counts) -> None:
    needed = _needed(found)
    assert needed.images is None
    assert "exactly at its limit" in needed.reason


def test_no_number_above_a_million_is_given() -> None:
    needed = _needed(counts(10_000, 199, 100))
    assert needed.images is None
    assert needed.towards is None
    assert "more than a million" in needed.reason


def test_the_number_is_larger_than_what_there_is() -> None:
    for images in (80, 100, 300):
        needed = _needed(counts(images, 0, 0))
        assert needed.images is not None
        assert images < needed.images < MOST_IMAGES

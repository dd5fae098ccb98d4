from __future__ import annotations

import pytest

from edgecnn.recipe import Limits
from edgecnn.verify.gate import judge
from edgecnn.verify.judgement import Counts, Paired
from edgecnn.verify.needed import MOST_IMAGES, Needed, images_needed
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
        (counts(500, 4, 2), "PASS"),
        (counts(500, 8, 1), "FAIL"),
        (counts(500, 2, 2, 20), "PASS"),
        (counts(300, 0, 0, 18), "FAIL"),
        (counts(400, 3, 0, classes=10), "FAIL"),
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
    slow_drop = counts(600, 4, 0, disagreements=6)
    both = counts(600, 4, 0, disagreements=26)
    assert (_needed(both).images or 0) > (_needed(slow_drop).images or 0)


def test_for_fail_the_first_criterion_counts() -> None:
    drop_only = counts(600, 9, 0, disagreements=9)
    both = counts(600, 9, 0, disagreements=38)
    assert _needed(both).towards == "FAIL"
    assert (_needed(both).images or 0) < (_needed(drop_only).images or 0)


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
    for images in (10, 100, 300):
        needed = _needed(counts(images, 0, 0))
        assert needed.images is not None
        assert images < needed.images < MOST_IMAGES

"""The tightest limits: what images can decide at best, and what a file is shown to keep."""

from __future__ import annotations

import pytest

from edgecnn.recipe.sections import Limits
from edgecnn.verify.gate.criteria import judge
from edgecnn.verify.gate.judgement import Changed, Paired
from edgecnn.verify.gate.tightest import (
    images_to_decide,
    keeps_agreement,
    keeps_drop,
    least_drop,
    tightest_at_best,
    tightest_kept,
)
from verify.synthetic import counts


@pytest.mark.parametrize("images", [24, 60, 100, 400])
def test_the_tightest_limits_are_decided_and_tighter_ones_are_not(images: int) -> None:
    found = tightest_at_best(images)
    assert found.max_drop is not None
    assert found.min_agreement is not None
    same = counts(images, 0, 0)
    limits = Limits(max_drop=found.max_drop, min_agreement=found.min_agreement)
    assert judge(same, limits).verdict == "PASS"
    for tighter in (
        {"max_drop": found.max_drop - 0.5, "min_agreement": found.min_agreement},
        {"max_drop": found.max_drop, "min_agreement": found.min_agreement + 0.5},
    ):
        if tighter["max_drop"] > 0 and tighter["min_agreement"] < 100:
            asked = Limits(max_drop=tighter["max_drop"], min_agreement=tighter["min_agreement"])
            assert judge(same, asked).verdict == "INCONCLUSIVE", tighter


def test_many_images_have_finer_steps() -> None:
    found = tightest_at_best(10_000)
    assert found.max_drop == 0.1
    assert found.min_agreement == 99.9


def test_one_image_shows_next_to_nothing() -> None:
    assert least_drop(1) == 98
    assert tightest_at_best(1).min_agreement == 2


def test_fewer_clear_answers_decide_less_of_agreement_only() -> None:
    every, some = tightest_at_best(100), tightest_at_best(100, clear=80)
    assert some.max_drop == every.max_drop
    assert some.min_agreement is not None
    assert every.min_agreement is not None
    assert some.min_agreement < every.min_agreement


def test_pictures_without_labels_decide_tighter_limits() -> None:
    alone = tightest_at_best(60)
    more = tightest_at_best(60, unlabelled=600, clear_unlabelled=600)
    assert alone.max_drop is not None
    assert alone.min_agreement is not None
    assert more.max_drop is not None
    assert more.min_agreement is not None
    assert more.max_drop <= 1 < alone.max_drop
    assert more.min_agreement >= 99 > alone.min_agreement


@pytest.mark.parametrize(("lost", "gained"), [(0, 0), (2, 1), (5, 5)])
def test_a_file_passes_by_the_limits_it_is_shown_to_keep(lost: int, gained: int) -> None:
    observed = counts(120, lost, gained, classes=3)
    found = tightest_kept(observed)
    assert None not in (found.max_drop, found.min_agreement, found.max_class_drop)
    kept = Limits(
        max_drop=found.max_drop,  # type: ignore[arg-type]  # none of them is None
        min_agreement=found.min_agreement,  # type: ignore[arg-type]
        max_class_drop=found.max_class_drop,  # type: ignore[arg-type]
        min_accuracy=found.min_accuracy,
    )
    assert kept.min_accuracy is not None
    assert judge(observed, kept).verdict == "PASS"
    tighter = kept.model_copy(update={"max_drop": kept.max_drop - 0.5})
    assert judge(observed, tighter).verdict == "INCONCLUSIVE"
    better = kept.model_copy(update={"min_accuracy": kept.min_accuracy + 0.5})
    assert judge(observed, better).verdict == "INCONCLUSIVE"


def test_the_number_of_images_that_decides_is_the_first_that_does() -> None:
    wanted = images_to_decide(Limits())
    limits = Limits()
    assert judge(counts(wanted, 0, 0), limits).verdict == "PASS"
    assert judge(counts(wanted - 1, 0, 0), limits).verdict == "INCONCLUSIVE"


def test_room_for_a_changed_answer_asks_for_wider_limits() -> None:
    assert keeps_drop(Paired(images=100, lost=0, gained=0), 4)
    assert not keeps_drop(Paired(images=100, lost=1, gained=1), 4)
    assert keeps_agreement(Changed.alone(100, 0), 96)
    assert not keeps_agreement(Changed.alone(100, 1), 96)

from __future__ import annotations

import pytest

from edgecnn.build.shares import wilson_interval
from edgecnn.errors import DataError
from edgecnn.recipe.sections import Limits
from edgecnn.verify.gate.criteria import ALPHA, judge, limit_of
from edgecnn.verify.gate.judgement import Counts, Paired
from edgecnn.verify.statistics.intervals import tango_interval
from verify.synthetic import counts

LIMITS = Limits(max_drop=1, min_agreement=95, max_class_drop=5)


def test_identical_models_pass_with_enough_images() -> None:
    found = judge(counts(2000, 0, 0), LIMITS)
    assert found.verdict == "PASS"
    assert [one.outcome for one in found.criteria] == ["met", "met", "met"]


def test_identical_models_are_inconclusive_with_few_images() -> None:
    # A model that loses 1 % shows no loss at all in 2.7 % of samples of 360.
    found = judge(counts(360, 0, 0), LIMITS)
    assert found.verdict == "INCONCLUSIVE"
    assert [one.outcome for one in found.criteria] == ["undecided", "met", "met"]


def test_a_large_drop_fails() -> None:
    found = judge(counts(2000, 100, 20), LIMITS)
    assert found.verdict == "FAIL"
    assert found.criteria[0].outcome == "missed"


def test_disagreement_without_a_drop_fails() -> None:
    found = judge(counts(2000, 90, 90), Limits(max_drop=2, min_agreement=95))
    assert [one.outcome for one in found.criteria] == ["met", "missed", "met"]
    assert found.verdict == "FAIL"


def test_one_class_that_is_lost_fails_though_the_average_is_fine() -> None:
    classes = (Paired(images=100, lost=30, gained=0), Paired(images=9900, lost=0, gained=20))
    overall = Paired(images=10_000, lost=30, gained=20)
    found = judge(Counts(overall=overall, disagreements=50, right=9000, classes=classes), LIMITS)
    assert [one.outcome for one in found.criteria] == ["met", "met", "missed"]
    assert found.criteria[2].class_index == 0
    assert found.verdict == "FAIL"


def test_failing_outweighs_undecided() -> None:
    found = judge(counts(100, 1, 1, disagreements=40), LIMITS)
    assert {one.outcome for one in found.criteria} >= {"missed", "undecided"}
    assert found.verdict == "FAIL"


def test_shows_the_plain_score_intervals() -> None:
    drop, disagreement, _ = judge(counts(2000, 25, 15, 60), LIMITS).criteria
    tango, wilson = tango_interval(25, 15, 2000), wilson_interval(60, 2000)
    assert (drop.low, drop.estimate, drop.high) == (tango.low, 10 / 2000, tango.high)
    assert (disagreement.low, disagreement.high) == (wilson.low, wilson.high)
    assert (drop.limit, disagreement.limit) == (0.01, 0.05)


@pytest.mark.parametrize(
    ("images", "lost", "within"), [(383, 0, True), (600, 11, False)], ids=["within", "beyond"]
)
def test_an_interval_on_one_side_is_undecided_if_the_exact_test_disagrees(
    images: int, lost: int, within: bool
) -> None:
    criterion = judge(counts(images, lost, 0), LIMITS).criteria[0]
    assert (criterion.high <= 0.01) == within
    assert (criterion.low > 0.01) != within
    assert criterion.exact_p is not None
    assert criterion.exact_p > ALPHA
    assert criterion.outcome == "undecided"


def test_no_exact_test_where_the_interval_spans_the_limit() -> None:
    assert judge(counts(360, 2, 0), LIMITS).criteria[0].exact_p is None


def _of_classes(*classes: Paired) -> Counts:
    total = Paired(
        images=sum(one.images for one in classes),
        lost=sum(one.lost for one in classes),
        gained=sum(one.gained for one in classes),
    )
    return Counts(overall=total, disagreements=0, right=total.images - total.lost, classes=classes)


WIDE = Limits(max_drop=100, min_agreement=0, max_class_drop=5)


def test_a_class_beyond_its_limit_by_chance_is_undecided() -> None:
    found = judge(_of_classes(Paired(images=40, lost=3, gained=0), *[_FINE] * 3), WIDE)
    assert found.classes[0].outcome == "undecided"
    assert found.verdict == "INCONCLUSIVE"


def test_a_class_at_its_limit_is_met() -> None:
    found = judge(_of_classes(Paired(images=40, lost=2, gained=0), _FINE), WIDE)
    assert found.classes[0].outcome == "met"
    assert found.verdict == "PASS"


def test_a_class_within_its_limit_is_met_however_few_images_it_has() -> None:
    found = judge(_of_classes(Paired(images=1, lost=0, gained=0), _FINE), WIDE)
    assert found.classes[0].outcome == "met"
    assert (found.classes[0].high or 0) > 0.05


def test_more_classes_need_stronger_evidence() -> None:
    weak = Paired(images=100, lost=12, gained=0)
    alone = judge(_of_classes(weak), WIDE)
    among_many = judge(_of_classes(weak, *[_FINE] * 29), WIDE)
    assert alone.classes[0].outcome == "missed"
    assert among_many.classes[0].outcome == "undecided"
    assert among_many.classes[0].level == pytest.approx(1 - 2 * 0.025 / 30)


def test_class_intervals_decide_as_holm_does() -> None:
    found = judge(
        _of_classes(
            Paired(images=200, lost=60, gained=0),
            Paired(images=200, lost=35, gained=0),
            Paired(images=200, lost=14, gained=0),
            Paired(images=200, lost=0, gained=4),
        ),
        WIDE,
    )
    assert [one.outcome for one in found.classes] == ["missed", "missed", "undecided", "met"]
    levels = [one.level or 0 for one in found.classes]
    assert levels[:3] == pytest.approx([1 - 0.05 / 4, 1 - 0.05 / 3, 1 - 0.05 / 2])
    for one in found.classes:
        assert ((one.low or 0) > 0.05) == (one.outcome == "missed")


def test_a_class_without_images_is_absent_and_does_not_count() -> None:
    found = judge(_of_classes(Paired(images=0, lost=0, gained=0), _FINE), WIDE)
    assert found.classes[0].outcome == "absent"
    assert found.classes[0].drop is None
    assert found.classes[1].level == pytest.approx(0.95)
    assert found.verdict == "PASS"


def test_names_the_missed_class_rather_than_a_larger_undecided_drop() -> None:
    found = judge(
        _of_classes(Paired(images=3, lost=1, gained=0), Paired(images=900, lost=200, gained=0)),
        WIDE,
    )
    assert [one.outcome for one in found.classes] == ["undecided", "missed"]
    assert found.criteria[2].class_index == 1


def test_refuses_no_images() -> None:
    with pytest.raises(DataError, match="no evaluation images"):
        judge(counts(0, 0, 0), LIMITS)


@pytest.mark.parametrize("images", [1, 2, 5])
def test_a_handful_of_images_decides_nothing_that_is_not_plain(images: int) -> None:
    assert judge(counts(images, 0, 0), LIMITS).verdict == "INCONCLUSIVE"


def test_everything_lost_fails_even_with_few_images() -> None:
    assert judge(counts(5, 5, 0), LIMITS).verdict == "FAIL"


LEAST = Limits(max_drop=1, min_agreement=95, max_class_drop=5, min_accuracy=80)


@pytest.mark.parametrize(
    ("right", "outcome", "verdict"),
    [(1700, "met", "PASS"), (1610, "undecided", "INCONCLUSIVE"), (1500, "missed", "FAIL")],
)
def test_a_least_accuracy_is_one_more_criterion(right: int, outcome: str, verdict: str) -> None:
    found = judge(counts(2000, 0, 0, right=right), LEAST)
    accuracy = found.criteria[3]
    wilson = wilson_interval(right, 2000)
    assert (accuracy.name, accuracy.outcome, found.verdict) == ("accuracy", outcome, verdict)
    assert (accuracy.estimate, accuracy.limit) == (right / 2000, 0.8)
    assert (accuracy.low, accuracy.high) == (wilson.low, wilson.high)
    assert accuracy.beyond == (right < 1600)
    # Of the artifact alone: the other criteria do not see it.
    assert {one.outcome for one in found.criteria[:3]} == {"met"}


@pytest.mark.parametrize("least", [None, 0])
def test_without_a_least_accuracy_nothing_is_asked_of_it(least: float | None) -> None:
    found = judge(counts(2000, 0, 0, right=3), Limits(min_accuracy=least))
    assert [one.name for one in found.criteria] == ["accuracy_drop", "disagreement", "class_drop"]
    assert found.verdict == "PASS"


def test_the_least_accuracy_also_asks_the_exact_test() -> None:
    # 22 of 22 right: Wilson's interval begins at 85.1 %, and 0.85^22 is 2.8 %.
    found = judge(counts(22, 0, 0, right=22), Limits(min_accuracy=85)).criteria[3]
    assert found.low > 0.85
    assert found.exact_p == pytest.approx(0.85**22)
    assert found.outcome == "undecided"


def test_limits_are_shares_without_binary_dust() -> None:
    limits = Limits(max_drop=0.1, min_agreement=99.9, max_class_drop=3)
    assert limit_of(limits, "accuracy_drop") == 0.001
    assert limit_of(limits, "disagreement") == 0.001
    assert limit_of(limits, "class_drop") == 0.03


_FINE = Paired(images=400, lost=1, gained=1)

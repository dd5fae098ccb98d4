"""Agreement on pictures without labels: counted apart, together, and by groups of copies."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from edgecnn.build.shares import wilson_interval
from edgecnn.recipe.sections import Limits
from edgecnn.verify.gate.criteria import judge
from edgecnn.verify.gate.judgement import Agreement, Changed, Counts, Criterion, Paired
from edgecnn.verify.unlabelled import Answers, UnlabelledAgreement, agreement_of

ALPHA = 0.025


def answers(changed: list[int], groups: list[int], judged: list[int] | None = None) -> Answers:
    return Answers(
        changed=np.array(changed, bool),
        judged=np.ones(len(changed), bool) if judged is None else np.array(judged, bool),
        groups=np.array(groups, np.int64),
    )


def test_copies_count_as_one_picture() -> None:
    labelled = answers([0, 1], [0, 1])
    # Two copies of the first evaluation image, a picture of its own with a copy, and another one.
    others = answers([1, 0, 1, 0, 0], [0, 0, 2, 2, 3])
    found = agreement_of(labelled, others)
    assert found.labelled == Changed.alone(2, 1)
    assert found.unlabelled == Changed(pictures=5, changed=2, groups=3, weight=1.0)
    # Groups: 0 (0, 1, 0 of three), 1 (changed), 2 (1 of 2), 3 (none).
    assert found.together.groups == 4
    assert found.together.weight == pytest.approx(1 / 3 + 1 + 1 / 2)


def test_near_ties_count_for_the_drop_and_not_for_agreement() -> None:
    found = agreement_of(answers([1, 0], [0, 1], [0, 1]), answers([1, 0], [2, 3], [0, 1]))
    assert found.together == Changed.alone(2, 0)
    assert found.whole == Changed.alone(4, 2)


def test_copies_never_make_an_interval_narrower() -> None:
    once = Changed.alone(50, 2)
    ten_times = agreement_of(
        answers([0], [0]), answers(([1] * 20 + [0] * 480), [i // 10 + 1 for i in range(500)])
    ).unlabelled
    assert ten_times is not None
    assert ten_times.groups == once.groups
    assert ten_times.weight == pytest.approx(once.weight)


def _counts(agreement: Agreement, images: int, lost: int = 0, gained: int = 0) -> Counts:
    pair = Paired(images=images, lost=lost, gained=gained)
    return Counts(
        overall=pair,
        disagreements=agreement.labelled.changed,
        right=images,
        classes=(pair,),
        agreement=agreement,
    )


def _with_unlabelled(
    images: int, changed: int, others: int, others_changed: int, *, lost: int = 0, gained: int = 0
) -> Counts:
    known, unknown = Changed.alone(images, changed), Changed.alone(others, others_changed)
    both = Changed.alone(images + others, changed + others_changed)
    agreement = Agreement(labelled=known, unlabelled=unknown, together=both, whole=both)
    return _counts(agreement, images, lost, gained)


def _criterion(counts: Counts, name: str, limits: Limits | None = None) -> Criterion:
    found = judge(counts, Limits() if limits is None else limits)
    return next(one for one in found.criteria if one.name == name)


def test_pictures_without_labels_decide_what_a_few_labelled_ones_cannot() -> None:
    alone = _counts(
        Agreement(
            labelled=Changed.alone(60, 0),
            unlabelled=None,
            together=Changed.alone(60, 0),
            whole=Changed.alone(60, 0),
        ),
        60,
    )
    assert judge(alone, Limits()).verdict == "INCONCLUSIVE"
    more = _with_unlabelled(60, 0, 600, 0)
    assert judge(more, Limits()).verdict == "PASS"
    drop = _criterion(more, "accuracy_drop")
    assert drop.about == "at most what changed of 660 pictures"
    assert _criterion(more, "disagreement").about == "with unlabelled pictures"


def test_the_drop_is_bounded_by_what_changed() -> None:
    counts = _with_unlabelled(60, 1, 600, 12, lost=1)
    drop = _criterion(counts, "accuracy_drop")
    most = wilson_interval(13, 660, 0.975).high
    assert drop.high == pytest.approx(most)
    assert drop.outcome == "undecided"
    assert UnlabelledAgreement.of(counts.judged).most_drop == wilson_interval(13, 660).high


def test_many_pictures_without_labels_do_not_outvote_the_labelled_ones() -> None:
    counts = _with_unlabelled(200, 40, 20_000, 20, lost=20, gained=20)
    assert counts.judged.together.share < 0.01
    assert _criterion(counts, "disagreement").outcome == "missed"
    assert judge(counts, Limits()).verdict == "FAIL"


def test_many_changes_without_labels_are_a_fail_too() -> None:
    assert judge(_with_unlabelled(400, 0, 300, 60), Limits()).verdict == "FAIL"


def test_a_loss_on_labelled_images_is_missed_whatever_the_others_say() -> None:
    counts = _with_unlabelled(2000, 80, 20_000, 0, lost=80)
    assert _criterion(counts, "accuracy_drop").outcome == "missed"


def _simulated(
    random: np.random.Generator, groups: int, size: int, share: float, spread: float
) -> npt.NDArray[np.float64]:
    """Return the changed share of each group: beta-binomial, ``spread`` near 0 for one answer."""
    if spread <= 0:
        return (random.random(groups) < share).astype(np.float64)
    chance = random.beta(share * spread, (1 - share) * spread, groups)
    return random.binomial(size, chance) / size


@pytest.mark.parametrize("spread", [0.0, 0.3, 3.0, 300.0])
@pytest.mark.parametrize("groups", [80, 300])
def test_a_file_at_the_limit_is_met_in_at_most_one_of_forty_cases(
    groups: int, spread: float
) -> None:
    random = np.random.default_rng([groups, int(10 * spread)])
    runs, limit, met, missed = 1200, 0.05, 0, 0
    for _ in range(runs):
        weight = float(_simulated(random, groups, 8, limit, spread).sum())
        changed = Changed(pictures=8 * groups, changed=0, groups=groups, weight=weight)
        agreement = Agreement(labelled=changed, unlabelled=None, together=changed, whole=changed)
        outcome = _criterion(_counts(agreement, groups), "disagreement").outcome
        met += outcome == "met"
        missed += outcome == "missed"
    # Three standard errors.
    most = runs * ALPHA + 3 * (runs * ALPHA * (1 - ALPHA)) ** 0.5
    assert met <= most
    assert missed <= most

"""Gaps between groups: intervals, and how often they are wrong."""

from __future__ import annotations

import numpy as np
import pytest

from edgecnn.recipe.sections import Limits
from edgecnn.verify.gate.criteria import ALPHA, judge
from edgecnn.verify.gate.gaps import drop_difference, gap_changes
from edgecnn.verify.gate.judgement import Counts, GapChange, Paired
from edgecnn.verify.groups import Group, GroupColumn
from edgecnn.verify.report.wording import gap_sentence
from edgecnn.verify.statistics.intervals import tango_interval

EASY = Limits(max_drop=100, min_agreement=0, max_class_drop=100, max_gap_increase=3)


def group(name: str, images: int, right: int, *, lost: int = 0, gained: int = 0) -> Group:
    paired = Paired(images=images, lost=lost, gained=gained)
    return Group(
        name=name, paired=paired, reference_right=right, classes=(paired,),
        classes_reference_right=(right,),
    )  # fmt: skip


def column(*groups: Group, name: str = "lighting") -> GroupColumn:
    return GroupColumn(name=name, groups=groups, without=0)


def only(*groups: Group) -> GapChange:
    (change,) = gap_changes([column(*groups)], 0.03, alpha=ALPHA)
    return change


def test_the_group_that_was_behind_and_loses_widens_the_gap() -> None:
    change = only(group("dark", 2000, 1700, lost=160), group("bright", 2000, 1900, lost=10))
    assert (change.ahead, change.behind) == ("bright", "dark")
    assert change.before == pytest.approx(0.1)
    assert change.after == pytest.approx(0.175)
    assert change.increase == pytest.approx(0.075)
    assert 0.03 < change.low < change.increase < change.high
    assert change.outcome == "missed"
    assert change.p < 0.001


def test_the_group_that_was_ahead_and_loses_narrows_it() -> None:
    change = only(group("dark", 2000, 1700, lost=10), group("bright", 2000, 1900, lost=160))
    assert change.increase == pytest.approx(-0.075)
    assert change.outcome == "met"


def test_a_gap_whose_order_turns_counts_from_nothing() -> None:
    """From 1 point ahead to 6 points behind: the gap is 5 points wider."""
    change = only(group("dark", 2000, 1800), group("bright", 2000, 1820, lost=140))
    assert change.after == pytest.approx(-0.06)
    assert change.increase == pytest.approx(0.05)
    assert change.outcome == "missed"
    assert "6.0 points worse there" in gap_sentence(change)


def test_few_images_leave_it_open() -> None:
    change = only(group("dark", 60, 50, lost=3), group("bright", 60, 55))
    assert change.low < 0.03 < change.high
    assert change.outcome == "undecided"


def test_the_interval_of_one_group_that_never_changes_is_that_of_the_other() -> None:
    """With so many images of it that its own interval is a point."""
    still = Paired(images=10**9, lost=0, gained=0)
    moving = Paired(images=500, lost=20, gained=5)
    found, own = drop_difference(moving, still, 0.95), tango_interval(20, 5, 500, 0.95)
    assert (found.low, found.high) == pytest.approx((own.low, own.high), abs=1e-6)


def test_the_criterion_is_of_the_gravest_pair_and_gates() -> None:
    counts = Counts(
        overall=Paired(images=6000, lost=170, gained=0),
        disagreements=200,
        right=5830,
        classes=(Paired(images=6000, lost=170, gained=0),),
    )
    bright = group("bright", 2000, 1900, lost=10)
    fine = column(bright, group("dark", 2000, 1880, lost=12), name="camera")
    assert judge(counts, EASY, [fine]).verdict == "PASS"
    bad = column(bright, group("dark", 2000, 1700, lost=160), group("dusk", 2000, 1800))
    judgement = judge(counts, EASY, [fine, bad])
    assert judgement.verdict == "FAIL"
    assert judgement.criteria[-1].name == "gap_increase"
    assert judgement.criteria[-1].about == "lighting: dark against dusk"
    assert len(judgement.gaps) == 4
    open_ = column(group("bright", 60, 55), group("dark", 60, 50, lost=3))
    assert judge(counts, EASY, [open_]).verdict == "INCONCLUSIVE"
    assert len(judge(counts, EASY).criteria) == 3  # without groups, nothing of them


def simulated(
    rng: np.random.Generator, images: int, right: float, lost: float, gained: float
) -> Group:
    """Draw a group's answers: right before, and what becomes of them."""
    cells = rng.multinomial(images, [lost, gained, right - lost, 1 - right - gained])
    return group("x", images, int(cells[0] + cells[2]), lost=int(cells[0]), gained=int(cells[1]))


@pytest.mark.parametrize("images", [200, 1000])
@pytest.mark.parametrize(
    ("first", "second"), [((0.05, 0.01), (0.02, 0.01)), ((0.04, 0), (0.01, 0))]
)
def test_at_the_limit_it_passes_and_fails_in_about_one_of_forty(
    images: int, first: tuple[float, float], second: tuple[float, float]
) -> None:
    """The groups' drops differ by 3 points exactly, and the gap before is wide enough to stay."""
    rng = np.random.default_rng(images)
    trials = 2000
    outcomes = []
    for _ in range(trials):
        behind = simulated(rng, images, 0.7, *first)
        ahead = simulated(rng, images, 0.9, *second)
        found = drop_difference(behind.paired, ahead.paired, 1 - 2 * ALPHA)
        outcomes.append((found.high <= 0.03, found.low > 0.03))
    passed, failed = np.mean(outcomes, axis=0)
    # Three standard errors of a share of 2.5 % in 2,000 trials are 1.05 points.
    assert passed <= ALPHA + 0.0105
    assert failed <= ALPHA + 0.0105

"""Stopping when the verdict is sure: right at every look, and with fewer images."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pytest
from scipy.stats import binom

from edgecnn.build.shares import wilson_interval
from edgecnn.data import Images
from edgecnn.errors import DataError
from edgecnn.recipe.sections import Limits
from edgecnn.verify.evaluation import Evaluation
from edgecnn.verify.gate.judgement import Counts, Paired
from edgecnn.verify.gate.judging import JudgedBy, judge_until_decided
from edgecnn.verify.gate.sequential import (
    CLASS_MARGIN,
    FIRST_LOOK,
    Available,
    BettingTally,
    bounds,
    judge_sequence,
    log_wealth,
    verdict_so_far,
    when_to_look,
)
from edgecnn.verify.near_ties import find_near_ties
from edgecnn.verify.statistics.intervals import Side, tango_interval
from verify.synthetic import counts

ALPHA = 0.025
LIMITS = Limits(max_drop=1.0, min_agreement=95.0, max_class_drop=5.0)
SIDES: tuple[Side, Side] = ("below", "above")


def paid(tally: BettingTally, mean: float, side: Side) -> npt.NDArray[np.bool_]:
    return log_wealth(tally, mean, side) >= -math.log(ALPHA)


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("limit", [0.001, 0.05, 0.2])
def test_a_model_at_the_agreement_limit_is_decided_in_at_most_2_5_percent_of_runs(
    side: Side, limit: float
) -> None:
    # Exact, and with a look after every single image, which no run has.
    images = 1500
    states = np.arange(images + 1)
    alive = np.zeros(images + 1)
    alive[0], stopped = 1.0, 0.0
    for n in range(1, images + 1):
        alive[1:] = alive[1:] * (1 - limit) + alive[:-1] * limit
        alive[0] *= 1 - limit
        here = paid(BettingTally.of(states[: n + 1], 0 * states[: n + 1], [n] * (n + 1), least=0),
                    limit, side)  # fmt: skip
        stopped += float(alive[: n + 1][here].sum())
        alive[: n + 1][here] = 0.0
    assert alive.sum() + stopped == pytest.approx(1)
    assert stopped <= ALPHA


def runs_of(
    shares: Sequence[float], runs: int, images: int, seed: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return counts of lost, gained and otherwise different images, (runs, looks, 3)."""
    rng = np.random.default_rng(seed)
    ends = np.array(list(when_to_look(images)))
    sizes = np.diff(ends, prepend=0)
    drawn = [rng.multinomial(size, [*shares, 1 - sum(shares)], runs)[:, :3] for size in sizes]
    return np.cumsum(np.stack(drawn, axis=1), axis=1), ends


@pytest.mark.parametrize(("lost", "gained"), [(0.01, 0.0), (0.02, 0.01), (0.06, 0.05), (0.3, 0.29)])
@pytest.mark.parametrize("side", SIDES)
def test_a_model_at_the_drop_limit_is_decided_in_at_most_2_5_percent_of_runs(
    lost: float, gained: float, side: Side
) -> None:
    runs = 3000
    seen, ends = runs_of((lost, gained, 0.0), runs, 4000, seed=7)
    tally = BettingTally.of(
        seen[:, :, 0].ravel(), seen[:, :, 1].ravel(), np.tile(ends, runs), least=-1
    )  # fmt: skip
    decided = paid(tally, 0.01, side).reshape(runs, -1).any(axis=1).mean()
    assert decided <= ALPHA


def test_intervals_for_one_look_would_be_wrong_far_more_often() -> None:
    # Why the ordinary interval is not simply looked at again and again.
    seen, ends = runs_of((0.02, 0.01, 0.0), 300, 4000, seed=7)
    wrong = 0
    for run in seen:
        drops = (
            tango_interval(int(one[0]), int(one[1]), int(n), 0.95)
            for one, n in zip(run, ends, strict=True)
        )
        wrong += any(interval.high <= 0.01 for interval in drops)
    assert wrong / len(seen) > 2 * ALPHA


def test_the_wealth_is_fair_and_grows_with_the_evidence() -> None:
    # One image: the mean of the wealth over its outcomes is 1 where the claim is just true.
    for mean, chances in ((0.01, (0.02, 0.01)), (0.3, (0.5, 0.2))):
        up, down = chances
        each = BettingTally.of([1, 0, 0], [0, 1, 0], [1, 1, 1], least=-1)
        for side in SIDES:
            wealth = np.exp(log_wealth(each, mean, side))
            assert wealth @ [up, down, 1 - up - down] == pytest.approx(1)
    many = BettingTally.of([0, 0, 0], [0, 0, 0], [10, 100, 1000], least=0)
    assert (np.diff(log_wealth(many, 0.05, "below")) > 0).all()
    assert (log_wealth(many, 0.05, "above") < 0).all()


def test_bounds_hold_what_bets_do_not_give_up() -> None:
    tally = BettingTally.of([4, 30], [2, 10], [500, 3000], least=-1)
    low, high = bounds(tally, ALPHA)
    assert low < 20 / 3000 < high
    for mean, side in ((low, "above"), (high, "below")):
        assert not paid(tally, mean, side).any()  # type: ignore[arg-type]
    assert paid(tally, low - 1e-6, "above").any()
    assert paid(tally, high + 1e-6, "below").any()
    # A look costs: the interval is wider than one for these images alone.
    once = tango_interval(30, 10, 3000, 0.95)
    assert low < once.low < once.high < high


def test_bounds_at_the_ends() -> None:
    assert bounds(BettingTally.of(0, 0, 200, least=0), ALPHA)[0] == 0
    assert bounds(BettingTally.of(200, 0, 200, least=0), ALPHA)[1] == 1
    high = bounds(BettingTally.of(0, 0, 200, least=0), ALPHA)[1]
    assert wilson_interval(0, 200).high < high < 0.05
    assert bounds(BettingTally.of(0, 200, 200, least=-1), ALPHA)[0] == -1


def test_what_was_given_up_stays_so() -> None:
    # Ten times as many images in favour of the limit later on do not take a decision back.
    tally = BettingTally.of([0, 60], [0, 0], [400, 1000], least=0)
    assert paid(tally, 0.05, "below").tolist() == [True, False]
    assert bounds(tally, ALPHA)[1] < 0.05


def test_looks_grow_and_end_with_the_last_image() -> None:
    ends = list(when_to_look(10_000))
    assert ends[:3] == [FIRST_LOOK, 2 * FIRST_LOOK, 3 * FIRST_LOOK]
    assert ends[-1] == 10_000
    assert len(ends) < 60
    assert list(when_to_look(7)) == [7]
    assert list(when_to_look(0)) == []


def history(*steps: tuple[int, int, int], classes: int = 1) -> list[Counts]:
    return [counts(n, lost, gained, classes=classes) for n, lost, gained in steps]


def available(images: int, classes: int = 1) -> Available:
    return Available(images=images, classes=(images // classes,) * classes)


def test_equal_answers_pass_early_and_bad_ones_fail_early() -> None:
    same = history((400, 0, 0), (800, 0, 0))
    there = available(10_000)
    assert verdict_so_far(same[:1], LIMITS, there) == "INCONCLUSIVE"
    assert verdict_so_far(same, LIMITS, there) == "PASS"
    bad = history((50, 15, 0))
    assert verdict_so_far(bad, LIMITS, there) == "FAIL"
    judgement = judge_sequence(bad, LIMITS, there)
    assert judgement.verdict == "FAIL"
    drop = judgement.criteria[0]
    assert drop.outcome == "missed"
    assert drop.low > drop.limit
    assert drop.estimate == pytest.approx(0.3)


def test_a_class_has_to_be_seen_before_a_run_ends() -> None:
    # All images of ten classes but two of the last one.
    one = Paired(images=200, lost=0, gained=0)
    few = Counts(
        overall=Paired(images=1802, lost=0, gained=0),
        disagreements=0,
        right=1802,
        classes=(*[one] * 9, Paired(images=2, lost=0, gained=0)),
    )
    there = Available(images=10_000, classes=(1000,) * 10)
    assert verdict_so_far([few], LIMITS, there) == "INCONCLUSIVE"
    # At the last image there is no more to be had, and the rule is the usual one.
    assert verdict_so_far([few], LIMITS, Available(images=1802, classes=there.classes)) == "PASS"
    # A class that the data set does not have is not waited for.
    none = Counts(
        overall=few.overall,
        disagreements=0,
        right=1802,
        classes=(*[one] * 9, Paired(images=0, lost=0, gained=0)),
    )
    without = Available(images=10_000, classes=(*(1000,) * 9, 0))
    assert verdict_so_far([none], LIMITS, without) == "PASS"
    assert verdict_so_far([none], LIMITS, there) == "INCONCLUSIVE"
    assert judge_sequence([none], LIMITS, without).classes[-1].outcome == "absent"


LEAST = Limits(max_drop=5.0, min_agreement=80.0, max_class_drop=50.0, min_accuracy=80.0)


@pytest.mark.parametrize(("right", "outcome"), [(0.9, "met"), (0.8, "undecided"), (0.6, "missed")])
def test_the_least_accuracy_has_a_sequence_of_its_own(right: float, outcome: str) -> None:
    seen = [counts(n, 0, 0, right=round(right * n)) for n in (200, 400, 600)]
    there = Available(images=600, classes=(600,))
    judgement = judge_sequence(seen, LEAST, there)
    accuracy = judgement.criteria[-1]
    assert (accuracy.name, accuracy.outcome) == ("accuracy", outcome)
    assert accuracy.low < accuracy.estimate == right < accuracy.high
    # Wider than one look would have it, and on the side that decided.
    plain = wilson_interval(round(right * 600), 600)
    assert accuracy.low < plain.low
    assert accuracy.high > plain.high
    assert (accuracy.low > 0.8) == (outcome == "met")
    assert (accuracy.high < 0.8) == (outcome == "missed")
    assert verdict_so_far(seen, LEAST, there) == judgement.verdict


@pytest.mark.slow
def test_a_model_at_the_least_accuracy_is_decided_in_at_most_2_5_percent_of_runs() -> None:
    rng = np.random.default_rng(6)
    runs, images = 160, 800
    there = Available(images=images, classes=(images,))
    verdicts = []
    for _ in range(runs):
        hits = rng.random(images) < 0.8
        seen: list[Counts] = []
        for end in when_to_look(images):
            seen.append(counts(end, 0, 0, right=int(hits[:end].sum())))
            verdict = verdict_so_far(seen, LEAST, there)
            if verdict != "INCONCLUSIVE":
                break
        verdicts.append(verdict)
    for verdict in ("PASS", "FAIL"):
        # What chance alone exceeds in one of a thousand such tests.
        assert verdicts.count(verdict) <= binom.ppf(0.999, runs, ALPHA)


def _runs(shares: npt.NDArray[np.float64], runs: int, images: int) -> list[tuple[str, int]]:
    """Run the gate itself on models of ten classes; return verdicts and the images they took."""
    rng = np.random.default_rng(5)
    there = available(images, classes=10)
    found: list[tuple[str, int]] = []
    for _ in range(runs):
        seen: list[Counts] = []
        total, begin = np.zeros((10, 4), np.int64), 0
        for end in when_to_look(images):
            each = rng.multinomial(end - begin, [0.1] * 10)
            total = total + np.array(
                [rng.multinomial(n, row) for n, row in zip(each, shares, strict=True)]
            )
            lost, gained, other, _ = (int(value) for value in total.sum(axis=0))
            seen.append(
                Counts(
                    overall=Paired(images=end, lost=lost, gained=gained),
                    disagreements=lost + gained + other,
                    right=end - lost,
                    classes=tuple(
                        Paired(images=int(row.sum()), lost=int(row[0]), gained=int(row[1]))
                        for row in total
                    ),
                )
            )
            begin = end
            verdict = verdict_so_far(seen, LIMITS, there)
            if verdict != "INCONCLUSIVE":
                break
        assert judge_sequence(seen, LIMITS, there).verdict == verdict
        found.append((verdict, begin))
    return found


def _shares(lost: float, gained: float, other: float) -> npt.NDArray[np.float64]:
    return np.tile([lost, gained, other, 1 - lost - gained - other], (10, 1))


def _one_class(lost: float) -> npt.NDArray[np.float64]:
    shares = _shares(0.0, 0.0, 0.0)
    shares[0] = [lost, 0, 0, 1 - lost]
    return shares


@pytest.mark.slow
@pytest.mark.parametrize(
    "shares",
    [
        pytest.param(_shares(0.012, 0.002, 0.0), id="drop at its limit", marks=pytest.mark.long),
        pytest.param(
            _shares(0.004, 0.004, 0.042), id="disagreement at its limit", marks=pytest.mark.long
        ),
        pytest.param(_one_class(CLASS_MARGIN * 0.05), id="a class at twice its limit"),
    ],
)
def test_the_whole_gate_passes_a_model_at_a_limit_in_at_most_2_5_percent_of_runs(
    shares: npt.NDArray[np.float64],
) -> None:
    runs = 80
    passed = sum(verdict == "PASS" for verdict, _ in _runs(shares, runs, 1500))
    # What chance alone exceeds in one of a thousand such tests.
    assert passed <= binom.ppf(0.999, runs, ALPHA)


@pytest.mark.slow
def test_a_good_model_passes_with_a_part_of_the_images() -> None:
    found = _runs(_shares(0.004, 0.003, 0.003), 20, 10_000)
    assert {verdict for verdict, _ in found} == {"PASS"}
    assert np.median([images for _, images in found]) < 3000


@pytest.mark.slow
def test_a_bad_model_fails_with_few_images() -> None:
    found = _runs(_shares(0.12, 0.02, 0.02), 20, 10_000)
    assert {verdict for verdict, _ in found} == {"FAIL"}
    assert np.median([images for _, images in found]) < 300


def _evaluation(images: int, wrong: int) -> tuple[Evaluation, npt.NDArray[np.float32]]:
    """Return an evaluation, and the scores of an artifact that gets the last images wrong."""
    labels = (np.arange(images) % 2).astype(np.int64)
    pixels = np.zeros((images, 4, 4, 1), np.uint8)
    pixels[:, 0, 0, 0], pixels[:, 0, 1, 0] = np.arange(images) // 256, np.arange(images) % 256
    right = np.where(labels[:, np.newaxis] == [0, 1], np.float32(0.9), np.float32(0.1))
    scores = right.copy()
    scores[images - wrong :] = right[images - wrong :, ::-1]
    split = Images(pixels=pixels, labels=labels, ids=tuple(f"{i}" for i in range(images)))
    return Evaluation(images=split, scores=right, test=split, seed=None), scores


def judged_by(evaluation: Evaluation) -> JudgedBy:
    near_ties = find_near_ties(evaluation.scores, None, "clear")
    return JudgedBy(evaluation=evaluation, limits=LIMITS, near_ties=near_ties)


def test_scores_no_more_images_than_it_needs() -> None:
    evaluation, scores = _evaluation(2000, 0)
    scored: list[int] = []

    def score(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        where = pixels[:, 0, 0, 0].astype(int) * 256 + pixels[:, 0, 1, 0]
        scored.extend(where.tolist())
        return np.asarray(scores[where])

    judged = judge_until_decided(score, judged_by(evaluation), "fp32")
    assert judged.looked is not None
    assert judged.judgement.verdict == "PASS"
    assert scored == list(range(judged.looked.images))
    assert judged.looked.saved == 2000 - len(scored) > 1000
    assert judged.metrics.images == len(scored)
    assert judged.needed is None


def test_images_that_do_not_decide_are_all_used() -> None:
    evaluation, scores = _evaluation(60, 0)
    judged = judge_until_decided(
        lambda pixels: scores[: len(pixels)], judged_by(evaluation), "fp32"
    )
    assert judged.looked is not None
    assert judged.looked.saved == 0
    assert judged.judgement.verdict == "INCONCLUSIVE"
    assert judged.needed is not None
    assert "batches" in judged.needed.reason


def test_no_images_are_refused() -> None:
    with pytest.raises(DataError, match="no evaluation images"):
        judge_sequence(history((0, 0, 0)), LIMITS, available(10))

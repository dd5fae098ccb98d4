"""Known cases: answers that are read rightly, read in another order, and guessed."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from edgecnn.verify.foreign.hints import (
    can_be_sure,
    changed,
    fits_far_better,
    is_guessing,
    main_answer,
    reordered,
    surely_better,
)

Decisions = npt.NDArray[np.int64]
RNG = np.random.default_rng(7)


def hits(*runs: tuple[int, bool]) -> npt.NDArray[np.bool_]:
    return np.concatenate([np.full(count, value) for count, value in runs])


def noisy(expected: Decisions, classes: int, share: float) -> Decisions:
    """Return answers of which a share is drawn at random."""
    drawn = RNG.random(len(expected)) < share
    return np.where(drawn, RNG.integers(0, classes, len(expected)), expected)


def test_half_the_misses_and_no_chance_is_far_better() -> None:
    before = hits((100, True), (100, False))
    assert fits_far_better(before, hits((150, True), (50, False)))
    assert not fits_far_better(before, hits((149, True), (51, False)))


def test_few_images_do_not_prove_a_better_fit() -> None:
    # Nine of nine flips in one direction: p = 2 / 2^9 = 0.004; eleven: 0.00098.
    assert not fits_far_better(hits((9, False)), hits((9, True)))
    assert fits_far_better(hits((11, False)), hits((11, True)))


def test_as_many_lost_as_gained_is_no_better_fit() -> None:
    before = hits((50, True), (50, False))
    assert not fits_far_better(before, ~before)
    assert not fits_far_better(before, before)


def test_a_perfect_fit_is_never_bettered() -> None:
    assert not fits_far_better(hits((100, True)), hits((100, True)))


def test_another_order_of_the_outputs_is_found() -> None:
    order = np.array([3, 0, 1, 2, 4])
    expected = RNG.integers(0, 5, 400)
    decisions = np.argsort(order)[noisy(expected, 5, 0.1)]
    found = reordered(decisions, expected, 5)
    np.testing.assert_array_equal(found.class_of, order)
    assert found.hits.mean() > 0.85
    assert found.moved() == [(0, 3), (1, 0), (2, 1), (3, 2)]
    assert fits_far_better(decisions == expected, found.hits)


def test_two_classes_that_are_exchanged_are_found_among_ten() -> None:
    expected = np.repeat(np.arange(10), 30)
    decisions = expected.copy()
    decisions[expected == 2], decisions[expected == 7] = 7, 2
    found = reordered(decisions, expected, 10)
    assert found.moved() == [(2, 7), (7, 2)]
    assert found.hits.all()


def test_right_answers_are_not_reordered() -> None:
    expected = RNG.integers(0, 10, 500)
    decisions = noisy(expected, 10, 0.3)
    found = reordered(decisions, expected, 10)
    assert found.moved() == []
    assert not fits_far_better(decisions == expected, found.hits)


def test_outputs_that_nothing_is_known_of_keep_their_class() -> None:
    expected = np.array([0, 1] * 20)
    found = reordered(1 - expected, expected, 1000)
    assert found.moved() == [(0, 1), (1, 0)]


@pytest.mark.parametrize(("images", "classes"), [(40, 10), (200, 10), (200, 100), (1000, 1000)])
def test_guessed_answers_are_never_explained_by_an_order(images: int, classes: int) -> None:
    """Fitted and judged on the same images, the best order would explain much of pure chance."""
    random, hits, repeats = np.random.default_rng(images + classes), 0, 50
    for _ in range(repeats):
        expected = random.integers(0, classes, images)
        decisions = random.integers(0, classes, images)
        found = reordered(decisions, expected, classes)
        assert not fits_far_better(decisions == expected, found.hits)
        hits += int(found.hits.sum())
    by_chance = repeats * images / classes
    assert hits < by_chance + 5 * by_chance**0.5


def test_guessing_is_told_from_knowing() -> None:
    labels = np.arange(200) % 10
    for right, guessing in ((20, True), (28, True), (29, True), (30, False)):
        # At least 29 of 200 right by chance: 2.95 %; at least 30: 1.80 %.
        decisions = np.where(np.arange(200) < right, labels, (labels + 1) % 10)
        assert is_guessing(decisions, labels) == guessing


def test_the_largest_class_is_what_guessing_is_right_on() -> None:
    # 70 % of the images are of one class, so 75 % right is no more than to answer it always.
    labels = np.where(np.arange(200) < 140, 0, 1)
    decisions = np.where(np.arange(200) < 150, labels, 1 - labels)
    assert is_guessing(decisions, labels)
    assert not is_guessing(np.where(np.arange(200) < 170, labels, 1 - labels), labels)


def test_images_too_few_to_tell_are_no_sign_of_guessing() -> None:
    labels = np.array([0, 1, 0])
    assert not is_guessing(1 - labels, labels)


def test_the_most_frequent_answer_is_told_with_its_share() -> None:
    assert main_answer(np.array([4, 4, 4, 1])) == (4, 0.75)


def test_what_only_one_of_two_has_is_counted() -> None:
    before, after = hits((3, True), (7, False)), hits((1, True), (4, False), (5, True))
    assert changed(before, after) == (2, 5)


def test_a_try_is_sure_by_mcnemar_and_holm_over_all_tries() -> None:
    # Two-sided: 2 / 2^8 = 0.0078 is sure alone; of 20 tries, 2 / 2^12 = 0.00049 is needed.
    assert surely_better([(0, 8)]) == [True]
    assert surely_better([(0, 7)]) == [False]
    none = [(0, 0)] * 19
    assert surely_better([(0, 11), *none])[0] is False
    assert surely_better([(0, 12), *none])[0] is True
    # Holm's second try is compared with the level for one less, 0.01 / 19 and so on.
    assert surely_better([(0, 40), (0, 12), *none]) == [True, True, *([False] * 19)]
    assert surely_better([]) == []


def test_tries_that_are_surely_worse_make_none_better() -> None:
    assert surely_better([(0, 10), *[(50, 0)] * 19]) == [False] * 20


def test_no_try_can_be_sure_where_there_are_few_misses() -> None:
    assert not can_be_sure(0, 1)
    assert [can_be_sure(misses, 25) for misses in (12, 13)] == [False, True]


@pytest.mark.parametrize("images", [60, 200])
def test_a_better_try_is_seen_by_chance_in_one_case_of_a_hundred_at_most(images: int) -> None:
    """25 ways to feed a model that are neither better nor worse, 400 times."""
    rng = np.random.default_rng(3)
    false = 0
    for _ in range(400):
        before = rng.random(images) < 0.7
        tries = [changed(before, rng.random(images) < 0.7) for _ in range(25)]
        false += any(surely_better(tries))
    assert false <= 8  # more than 8 of 400 at 1 % has a probability of 2 %

"""Near-ties: measured on the float model alone, and left out of agreement by default only."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from edgecnn.build.reference import with_noise
from edgecnn.verify.near_ties import (
    LEAST_CLEAR,
    NOT_ASKED,
    STATED,
    AgreementRule,
    clear_answers,
    find_near_ties,
    margin_moves,
    margins,
)


def two_classes(log_odds: list[float]) -> npt.NDArray[np.float64]:
    """Return probabilities of two classes whose log odds these are, shape (n, 2)."""
    first = 1 / (1 + np.exp(-np.asarray(log_odds, np.float64)))
    return np.stack([first, 1 - first], axis=1)


def test_a_margin_is_the_logarithm_of_the_odds_of_the_two_best_classes() -> None:
    np.testing.assert_allclose(margins(two_classes([0.5, -2.0, 0.0])), [0.5, 2.0, 0.0], atol=1e-12)
    three = np.array([[0.6, 0.3, 0.1]])
    np.testing.assert_allclose(margins(three), [np.log(2)])


def test_scores_of_zero_have_a_margin_that_is_a_number() -> None:
    assert np.isfinite(margins(np.array([[1.0, 0.0, 0.0]], np.float32))).all()


def test_a_move_is_between_the_classes_that_led_before() -> None:
    before, after = two_classes([1.0, 1.0]), two_classes([0.75, -0.5])
    np.testing.assert_allclose(margin_moves(before, after), [0.25, 1.5])


def test_clear_answers_lead_by_more_than_twice_the_median_move() -> None:
    before = [3.0, 3.0, 3.0, 3.0, 0.5, 0.3, -0.39, 3.0, 3.0, 3.0]
    moved = [x + 0.2 for x in before]
    found = find_near_ties(two_classes(before), two_classes(moved), "clear")
    assert found.margin == pytest.approx(0.4)
    assert (found.rule, found.clear, found.images) == ("clear", 8, 10)
    clear = clear_answers(two_classes(before), found)
    assert clear.tolist() == [True] * 5 + [False] * 2 + [True] * 3


def test_noise_that_changes_answers_is_counted() -> None:
    before = two_classes([2.0] * 8 + [0.1, 0.1])
    after = two_classes([2.0] * 8 + [-0.1, 0.2])
    assert find_near_ties(before, after, "clear").noise_changed == 1


@pytest.mark.parametrize("near", [2, 3])
def test_the_plain_rule_holds_where_too_few_answers_are_clear(near: int) -> None:
    before = [3.0] * (10 - near) + [0.1] * near
    found = find_near_ties(two_classes(before), two_classes([x + 0.2 for x in before]), "clear")
    enough = 1 - near / 10 >= LEAST_CLEAR
    assert found.rule == ("clear" if enough else "all")
    assert found.clear == 10 - near
    if not enough:
        assert "70.0 %" in found.reason
        assert clear_answers(two_classes(before), found).all()


def test_unlabelled_pictures_that_the_model_is_unsure_of_bring_the_plain_rule() -> None:
    before, after = two_classes([3.0] * 10), two_classes([3.2] * 10)
    unsure = two_classes([0.1] * 5)
    assert find_near_ties(before, after, "clear").rule == "clear"
    found = find_near_ties(before, after, "clear", others=unsure)
    assert found.rule == "all"
    assert "unlabelled" in found.reason


@pytest.mark.parametrize("rule", ["clear", "all"])
def test_a_reference_without_noise_keeps_the_plain_rule(rule: AgreementRule) -> None:
    found = find_near_ties(two_classes([3.0] * 10), None, rule)
    assert (found.rule, found.margin, found.noise_changed) == ("all", None, None)
    assert found.reason == (NOT_ASKED if rule == "clear" else STATED)
    assert clear_answers(two_classes([0.0] * 3), found).all()


def test_limits_that_ask_for_all_answers_get_them_and_the_noise_is_told_all_the_same() -> None:
    before = [3.0] * 9 + [0.1]
    found = find_near_ties(two_classes(before), two_classes([x + 0.2 for x in before]), "all")
    assert (found.rule, found.reason, found.clear) == ("all", STATED, 9)


def test_noise_moves_every_value_by_one_and_stays_in_range() -> None:
    pixels = np.arange(2 * 16 * 16 * 3).astype(np.uint8).reshape(2, 16, 16, 3)
    pixels[1, :2] = 0
    pixels[1, -2:] = 255
    noisy = with_noise(pixels)
    moved = noisy.astype(int) - pixels
    inside = (pixels > 0) & (pixels < 255)
    assert set(np.unique(moved[inside])) == {-1, 1}
    assert set(np.unique(moved[pixels == 0])) == {0, 1}
    assert set(np.unique(moved[pixels == 255])) == {-1, 0}
    assert abs(moved[inside].mean()) < 0.1
    np.testing.assert_array_equal(noisy, with_noise(pixels))
    assert (moved[0] != moved[1]).any()

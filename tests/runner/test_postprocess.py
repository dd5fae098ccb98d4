from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgecnn_runner.contract import OutputSpec
from edgecnn_runner.errors import ScoreError
from edgecnn_runner.postprocess import (
    check_finite,
    decide,
    probabilities,
    rank,
    shown_classes,
    softmax,
)

FLOATS = st.floats(-1e4, 1e4, width=32)


@given(st.lists(FLOATS, min_size=2, max_size=12))
@settings(deadline=None)
def test_softmax_sums_to_one_and_keeps_the_order(logits: list[float]) -> None:
    row = np.array(logits, np.float32)
    shares = softmax(row)
    assert shares.dtype == np.float32
    assert abs(float(shares.sum()) - 1) < 1e-5
    assert np.all(np.diff(shares[np.argsort(row, kind="stable")]) >= 0)


def test_softmax_of_huge_logits_does_not_overflow() -> None:
    assert softmax(np.array([[3e38, -3e38]], np.float32)).tolist() == [[1.0, 0.0]]


@given(st.lists(st.sampled_from([0.0, 0.25, 0.5]), min_size=1, max_size=8), st.integers(1, 9))
@settings(deadline=None)
def test_rank_is_by_score_then_by_index(scores: list[float], top: int) -> None:
    expected = sorted(range(len(scores)), key=lambda index: (-scores[index], index))[:top]
    assert rank(np.array(scores), top).tolist() == expected


def test_decide_gives_the_lowest_index_of_a_tie() -> None:
    assert decide(np.array([0.1, 0.45, 0.45])) == 1


@pytest.mark.parametrize(("limit", "expected"), [(0.0, 1), (0.6, 1), (0.61, None), (1.0, None)])
def test_decide_rejects_below_the_limit_only(limit: float, expected: int | None) -> None:
    assert decide(np.array([0.4, 0.6]), limit) == expected


def test_probabilities_dequantize_integers() -> None:
    spec = OutputSpec(dtype="int8", scale=1 / 256, zero_point=-128)
    raw = np.array([[-128, 0, 127]], np.int8)
    assert probabilities(raw, spec).tolist() == [[0.0, 0.5, 255 / 256]]


def test_logits_of_integers_go_through_a_softmax_after_dequantizing() -> None:
    spec = OutputSpec(dtype="uint8", kind="logits", scale=0.1, zero_point=128)
    raw = np.array([128, 138], np.uint8)
    np.testing.assert_allclose(
        probabilities(raw, spec), [1 / (1 + np.e), np.e / (1 + np.e)], rtol=1e-5
    )


def test_probabilities_of_floats_are_a_fresh_array() -> None:
    raw = np.array([0.25, 0.75], np.float32)
    assert not np.shares_memory(probabilities(raw, OutputSpec()), raw)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("kind", ["probabilities", "logits"])
def test_rejects_scores_that_are_not_numbers(bad: float, kind: str) -> None:
    with pytest.raises(ScoreError, match="1 of 3 scores"):
        probabilities(np.array([0.1, bad, 0.2], np.float32), OutputSpec(kind=kind))


def test_finite_scores_pass() -> None:
    check_finite(np.array([[0.0, 1.0], [-5.0, 1e30]]))


def test_of_many_classes_five_are_shown() -> None:
    assert [shown_classes(classes) for classes in (2, 20, 21, 1000)] == [3, 3, 5, 5]

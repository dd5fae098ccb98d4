"""What a candidate's verdict on validation images means."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from edgecnn.build.verdict import CandidateVerdict
from edgecnn.errors import DataError
from edgecnn.recipe.sections import Limits
from edgecnn.verify import judge_candidate

LIMITS = Limits(max_drop=2.0, min_agreement=95.0, max_class_drop=10.0)


def judged(images: int, wrong: int) -> CandidateVerdict:
    """A candidate that is wrong on some images on which the float model is always right."""
    labels = np.arange(images) % 2
    reference = np.eye(2, dtype=np.float32)[labels]
    scores: npt.NDArray[np.float32] = reference.copy()
    scores[:wrong] = scores[:wrong, ::-1]
    return judge_candidate(reference, None, scores, labels, limits=LIMITS)


@pytest.mark.parametrize(
    ("images", "wrong", "verdict", "misses", "holds"),
    [
        (1000, 0, "PASS", False, True),
        (1000, 200, "FAIL", True, False),
        # Enough images for a good file to PASS: this one may not be shipped for its looks, but
        # that it misses is not known either.
        (1000, 15, "INCONCLUSIVE", False, False),
        (1000, 25, "INCONCLUSIVE", True, False),
        # Too few for any file to PASS, as 50 images cannot show a drop below 2 points.
        (50, 0, "INCONCLUSIVE", False, True),
        (50, 1, "INCONCLUSIVE", False, True),
        (50, 2, "INCONCLUSIVE", True, False),
    ],
)
def test_what_follows_from_a_verdict(
    images: int, wrong: int, verdict: str, misses: bool, holds: bool
) -> None:
    found = judged(images, wrong)
    assert (found.verdict, found.misses, found.holds) == (verdict, misses, holds)


def test_says_what_was_observed() -> None:
    assert judged(1000, 200).text == (
        "accuracy drop 20.00 points, agreement 80.00 %, worst class 20.0 points: FAIL"
    )


@pytest.mark.parametrize(
    ("images", "wrong", "verdict", "misses", "holds"),
    [
        (1000, 0, "PASS", False, True),
        (1000, 25, "PASS", False, True),  # its accuracy drop would not do; nobody can know it
        (1000, 200, "FAIL", True, False),
        (1000, 45, "INCONCLUSIVE", False, False),
        (50, 2, "INCONCLUSIVE", False, True),
        (50, 5, "INCONCLUSIVE", True, False),
    ],
)
def test_without_labels_agreement_alone_is_judged(
    images: int, wrong: int, verdict: str, misses: bool, holds: bool
) -> None:
    reference = np.eye(2, dtype=np.float32)[np.arange(images) % 2]
    scores: npt.NDArray[np.float32] = reference.copy()
    scores[:wrong] = scores[:wrong, ::-1]
    found = judge_candidate(reference, None, scores, None, limits=LIMITS)
    assert (found.verdict, found.misses, found.holds) == (verdict, misses, holds)
    assert found.text.startswith("agreement ")
    assert "accuracy" not in found.text


def test_no_images_are_an_error() -> None:
    nothing = np.empty((0, 2), np.float32)
    with pytest.raises(DataError):
        judge_candidate(nothing, None, nothing, np.empty(0, np.int64), limits=LIMITS)

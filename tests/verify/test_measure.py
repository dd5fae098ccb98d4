from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, confusion_matrix, recall_score

from edgecnn.build.answers import expected_calibration_error
from edgecnn.errors import DataError, ScoreError
from edgecnn.verify.metrics import Metrics, measure
from verify.synthetic import one_hot


def _measure(reference: list[int], artifact: list[int], labels: list[int]) -> Metrics:
    ids = [f"image {i}" for i in range(len(labels))]
    return measure(one_hot(reference), one_hot(artifact), np.array(labels), ids)


def test_counts_every_kind_of_change_by_hand() -> None:
    #            kept  lost  gained  other  both wrong alike
    found = _measure([0, 1, 2, 2, 1], [0, 2, 0, 1, 1], [0, 1, 0, 0, 0])
    assert (found.both_right, found.lost, found.gained, found.both_wrong) == (1, 1, 1, 2)
    assert found.disagreements == 3
    assert found.agreement == pytest.approx(0.4)
    assert found.accuracy_drop == 0
    assert [(flip.id, flip.kind) for flip in found.flips] == [
        ("image 1", "right_to_wrong"),
        ("image 2", "wrong_to_right"),
        ("image 3", "wrong_to_other"),
    ]
    assert found.count("wrong_to_right") == 1


def test_a_flip_tells_both_answers_and_scores() -> None:
    reference, artifact = one_hot([1], top=0.9), one_hot([2], top=0.6)
    (flip,) = measure(reference, artifact, np.array([1]), ["a/b.png"]).flips
    assert (flip.label, flip.reference_class, flip.artifact_class) == (1, 1, 2)
    assert flip.reference_score == pytest.approx(0.9)
    assert flip.artifact_score == pytest.approx(0.6)
    assert flip.index == 0


decisions = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=60
)


@settings(deadline=None)
@given(decisions)
def test_agrees_with_scikit_learn(triples: list[tuple[int, int, int]]) -> None:
    before, after, labels = (list(column) for column in zip(*triples, strict=True))
    found = _measure(before, after, labels)
    for model, decided in ((found.reference, before), (found.artifact, after)):
        assert model.accuracy == pytest.approx(accuracy_score(labels, decided))
        dense = np.zeros((3, 3), int)
        for true, answer, count in model.confusion:
            dense[true, answer] = count
        assert (dense == confusion_matrix(labels, decided, labels=[0, 1, 2])).all()
    recalls = recall_score(labels, after, labels=[0, 1, 2], average=None, zero_division=np.nan)
    for one, recall in zip(found.classes, recalls, strict=True):
        assert one.recall == (None if np.isnan(recall) else pytest.approx(recall))


@settings(deadline=None)
@given(decisions)
def test_the_parts_add_up(triples: list[tuple[int, int, int]]) -> None:
    before, after, labels = (list(column) for column in zip(*triples, strict=True))
    found = _measure(before, after, labels)
    assert found.both_right + found.lost + found.gained + found.both_wrong == found.images
    assert len(found.flips) == found.disagreements
    assert found.count("right_to_wrong") == found.lost
    assert found.count("wrong_to_right") == found.gained
    drop = found.reference.accuracy - found.artifact.accuracy
    assert found.accuracy_drop == pytest.approx(drop)
    for one in found.classes:
        assert one.reference_right - one.lost + one.gained == one.right <= one.images
    assert sum(one.images for one in found.classes) == found.images


def test_identical_models_do_not_differ_in_anything() -> None:
    found = _measure([0, 1, 2, 0], [0, 1, 2, 0], [0, 1, 1, 1])
    assert found.flips == ()
    assert found.mean_score_change == found.max_score_change == 0
    assert found.calibration_error_change == 0


def test_a_class_without_images_has_no_recall() -> None:
    found = _measure([0, 1], [0, 1], [0, 1])
    assert found.classes[2].images == 0
    assert found.classes[2].recall is None
    assert found.classes[2].reference_recall is None


def test_ties_go_to_the_lowest_index_and_are_counted() -> None:
    tied = np.array([[0.4, 0.4, 0.2], [0.2, 0.4, 0.4], [0.5, 0.3, 0.2]], np.float32)
    found = measure(tied, tied, np.array([0, 1, 0]), ["a", "b", "c"])
    assert found.artifact.accuracy == 1
    assert found.artifact.ties == found.reference.ties == 2


def test_score_changes_are_over_all_classes() -> None:
    reference = np.array([[0.5, 0.3, 0.2], [0.6, 0.2, 0.2]], np.float32)
    artifact = np.array([[0.5, 0.2, 0.3], [0.6, 0.2, 0.2]], np.float32)
    found = measure(reference, artifact, np.array([0, 0]), ["a", "b"])
    assert found.mean_score_change == pytest.approx(0.2 / 6)
    assert found.max_score_change == pytest.approx(0.1)


def test_calibration_error_by_hand() -> None:
    # Two images in (9/15, 10/15]: confidence 0.65, one right: gap 0.15. One at 0.9, right: 0.1.
    scores = np.array([[0.65, 0.35], [0.35, 0.65], [0.9, 0.1]])
    found = expected_calibration_error(scores, np.array([0, 0, 0]))
    assert found == pytest.approx((2 * abs(0.5 - 0.65) + abs(1 - 0.9)) / 3)


def test_calibration_bins_are_closed_above() -> None:
    # 0.6 is 9/15 and belongs to the bin below; so the two do not offset each other.
    scores = np.array([[0.6, 0.4], [0.61, 0.39]])
    found = expected_calibration_error(scores, np.array([0, 1]))
    assert found == pytest.approx((0.4 + 0.61) / 2)


def test_a_sure_and_right_model_is_calibrated() -> None:
    assert expected_calibration_error(one_hot([0, 1], top=1.0), np.array([0, 1])) == 0


def test_refuses_no_images() -> None:
    empty = np.zeros((0, 3), np.float32)
    with pytest.raises(DataError, match="no evaluation images"):
        measure(empty, empty, np.zeros(0, np.int64), [])


def test_refuses_scores_of_other_shapes() -> None:
    with pytest.raises(ScoreError, match="convert the model again"):
        measure(one_hot([0]), one_hot([0], classes=4), np.array([0]), ["a"])


@pytest.mark.parametrize(
    ("labels", "ids"), [([3], ["a"]), ([-1], ["a"]), ([0], []), ([0, 0], ["a"])]
)
def test_refuses_labels_or_names_that_do_not_fit(labels: list[int], ids: list[str]) -> None:
    with pytest.raises(DataError, match="do not fit"):
        measure(one_hot([0]), one_hot([0]), np.array(labels), ids)

"""Reference scores: what is written reads back, and damage is an error with a remedy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from edgecnn.build.reference import (
    PictureScores,
    Reference,
    check_scores,
    images_digest,
    read_picture_scores,
    read_reference,
)
from edgecnn.data import Images
from edgecnn.errors import ScoreError, WorkspaceError


def a_reference(**changes: object) -> Reference:
    rng = np.random.default_rng(0)
    values: dict[str, object] = {
        "scores": rng.dirichlet(np.ones(3), 20).astype(np.float32),
        "labels": (np.arange(20) % 3).astype(np.int64),
        "ids": [f"test/{index}" for index in range(20)],
        "images_sha256": "a" * 64,
        "model_sha256": "b" * 64,
        "class_names": ["ash", "oak", "Ölbaum"],
    }
    return Reference(**(values | changes))  # type: ignore[arg-type]  # a table of the fields


def test_what_is_written_reads_back(tmp_path: Path) -> None:
    reference = a_reference()
    reference.write(tmp_path / "reference.npz")
    same = read_reference(tmp_path / "reference.npz")
    np.testing.assert_array_equal(same.scores, reference.scores)
    np.testing.assert_array_equal(same.labels, reference.labels)
    assert list(same.ids) == list(reference.ids)
    assert list(same.class_names) == list(reference.class_names)
    assert (same.images_sha256, same.model_sha256) == ("a" * 64, "b" * 64)


def test_every_kind_of_damage_is_a_workspace_error_or_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "reference.npz"
    a_reference().write(path)
    whole = path.read_bytes()
    refused, remedies = 0, set()
    for bit in range(0, 8 * len(whole), 3):
        data = bytearray(whole)
        data[bit // 8] ^= 1 << bit % 8
        path.write_bytes(data)
        try:
            read_reference(path)
        except WorkspaceError as error:
            refused += 1
            remedies.add(error.remedy)
    assert refused > 0.5 * 8 * len(whole) / 3
    assert all(remedy.startswith("make them again") for remedy in remedies)


@pytest.mark.parametrize(
    "changes",
    [
        {"scores": np.zeros((19, 3), np.float32)},
        {"scores": np.zeros((20, 4), np.float32)},
        {"labels": np.zeros((20, 1), np.int64)},
        {"ids": ["one"]},
    ],
)
def test_parts_that_do_not_fit_together_are_refused(
    tmp_path: Path, changes: dict[str, object]
) -> None:
    a_reference(**changes).write(tmp_path / "reference.npz")
    with pytest.raises(WorkspaceError, match="do not fit together"):
        read_reference(tmp_path / "reference.npz")


def test_a_missing_reference_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(WorkspaceError, match="edgecnn convert"):
        read_reference(tmp_path / "nowhere.npz")


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_scores_that_are_not_numbers_are_counted(bad: float) -> None:
    scores = np.full((4, 2), 0.5, np.float32)
    check_scores(scores, model="m")
    scores[1:3, 0] = bad
    with pytest.raises(ScoreError, match="2 of 4 images"):
        check_scores(scores, model="m")


def test_the_digest_of_images_sees_order_and_shape() -> None:
    images = np.arange(24, dtype=np.uint8).reshape(2, 2, 2, 3)
    assert images_digest(images) == images_digest(images.copy())
    assert images_digest(images) != images_digest(images[::-1])
    assert images_digest(images) != images_digest(images.reshape(2, 4, 1, 3))


def test_what_was_asked_besides_reads_back_and_may_be_missing(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    more = {
        "noise_scores": rng.dirichlet(np.ones(3), 20).astype(np.float32),
        "probe_scores": rng.dirichlet(np.ones(3), 7).astype(np.float32),
        "probes_sha256": "c" * 64,
    }
    a_reference(**more).write(tmp_path / "new.npz")
    new = read_reference(tmp_path / "new.npz")
    assert new.noise_scores is not None
    assert new.probe_scores is not None
    np.testing.assert_array_equal(new.noise_scores, more["noise_scores"])
    np.testing.assert_array_equal(new.probe_scores, more["probe_scores"])
    assert new.probes_sha256 == "c" * 64
    a_reference().write(tmp_path / "old.npz")
    old = read_reference(tmp_path / "old.npz")
    assert (old.noise_scores, old.probe_scores, old.probes_sha256) == (None, None, "")


def test_edgecnn_0_2_can_read_what_is_written(tmp_path: Path) -> None:
    """It unpacks two digests and takes the arrays that it knows."""
    a_reference(noise_scores=np.full((20, 3), 1 / 3, np.float32)).write(tmp_path / "new.npz")
    with np.load(tmp_path / "new.npz", allow_pickle=False) as stored:
        images_sha256, model_sha256 = (str(text) for text in stored["digests"])
        assert (images_sha256, model_sha256) == ("a" * 64, "b" * 64)
        assert {"scores", "labels", "ids", "class_names"} <= set(stored.files)


@pytest.mark.parametrize(
    "changes",
    [
        {"noise_scores": np.zeros((19, 3), np.float32)},
        {"noise_scores": np.full((20, 3), np.nan, np.float32)},
        {"probe_scores": np.zeros((7, 4), np.float32)},
        {"probe_scores": np.zeros((0, 3), np.float32)},
    ],
)
def test_what_was_asked_besides_has_to_fit(changes: dict[str, object], tmp_path: Path) -> None:
    a_reference(**changes).write(tmp_path / "reference.npz")
    with pytest.raises(WorkspaceError, match="do not fit together"):
        read_reference(tmp_path / "reference.npz")


def test_a_float_model_is_asked_for_all_of_it() -> None:
    asked: list[npt.NDArray[np.uint8]] = []

    def score(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        asked.append(pixels)
        return np.full((len(pixels), 2), 0.5, np.float32)

    pixels = np.full((5, 4, 4, 1), 100, np.uint8)
    images = Images(pixels=pixels, labels=np.zeros(5, np.int64), ids=tuple("abcde"))
    probes = np.zeros((3, 4, 4, 1), np.uint8)
    found = Reference.asked(score, images, probes=probes, model_sha256="m", class_names=("x", "y"))
    assert [len(one) for one in asked] == [5, 5, 3]
    assert set(np.unique(asked[1])) == {99, 101}
    assert found.probes_sha256 == images_digest(probes)


def test_scores_of_pictures_read_back_and_damage_means_to_ask_again(tmp_path: Path) -> None:
    scores = np.full((4, 3), 1 / 3, np.float32)
    path = tmp_path / "unlabelled.npz"
    assert read_picture_scores(path) is None
    PictureScores(scores=scores, images_sha256="i", model_sha256="m").write(path)
    found = read_picture_scores(path)
    assert found is not None
    np.testing.assert_array_equal(found.scores, scores)
    assert (found.images_sha256, found.model_sha256) == ("i", "m")
    path.write_bytes(path.read_bytes()[:-40])
    assert read_picture_scores(path) is None

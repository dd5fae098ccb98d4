"""Reference scores: what is written reads back, and damage is an error with a remedy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgecnn.build.reference import Reference, check_scores, images_digest, read_reference
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
